"""Fault 4: the folder holds another configuration's data, or an older schema."""

from __future__ import annotations

import json

import pytest
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, build
from chiasm.errors import ChiasmError, Conflict, InvalidInput


@pytest.mark.parametrize("finished", [True, False])
def test_other_plans_are_refused_naming_every_difference(tmp_path, monkeypatch, finished):
    if not finished:
        monkeypatch.setenv("FAKE_RAISE", "20")
        with pytest.raises(ChiasmError, match="patient 20"):
            build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
        monkeypatch.undo()
    else:
        build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
    before = digests(tmp_path)
    other = fake_plan(artefacts=0.5, questions=1)
    with pytest.raises(Conflict, match=r"plan.artefacts: 1.0 there, 0.5 asked; plan.questions: 2 there, 1 asked"):
        build(other, tmp_path, BuildOptions(workers=1), workshop=open_fake)
    assert digests(tmp_path) == before


@pytest.mark.parametrize(("part", "name"), [("world", "version"), ("versions", "numpy"), ("versions", "chiasm")])
def test_other_code_is_refused(tmp_path, part, name):
    build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest[part][name] = "0.0.1"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Conflict, match=rf"{part}.{name}: 0.0.1 there"):
        build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema_version": 0}', "schema version 0"),
        ('{"schema_version": 1}', "breaks the manifest's rules"),
        ("[]", "is not a manifest"),
        ("", "is not a manifest"),
        ("<html>", "is not a manifest"),
    ],
)
def test_a_strange_manifest_is_refused(tmp_path, content, message):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InvalidInput, match=message):
        build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
