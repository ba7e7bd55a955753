"""Fault 14: malicious files: nothing is run, nothing outside its folder is read, written or swept, text stays text."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fake_world import fake_plan, open_fake

import chiasm
from chiasm.corpus import BuildOptions, Plan, build, check, export
from chiasm.corpus._export import safe_name
from chiasm.errors import ChiasmError, Conflict, InvalidInput
from chiasm.sources import load_image

SOURCE = Path(chiasm.__file__).parent
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"extractall", "unsafe_load", "full_load"}


class Bomb:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_no_module_can_run_what_it_reads():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {a.name.partition(".")[0] for a in node.names} & FORBIDDEN_IMPORTS, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in FORBIDDEN_IMPORTS, path
            if isinstance(node, ast.Call):
                method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                keywords = {k.arg: k.value for k in node.keywords}
                place = f"{path}:{node.lineno}"
                assert getattr(node.func, "id", "") not in FORBIDDEN_NAMES, place
                assert method not in FORBIDDEN_METHODS, place
                if method == "load" and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                    if node.func.value.id == "torch":
                        assert getattr(keywords.get("weights_only"), "value", None) is True, place
                    if node.func.value.id == "yaml":
                        assert "Safe" in ast.unparse(keywords.get("Loader", ast.Constant(""))), place
                allow = keywords.get("allow_pickle")
                assert allow is None or getattr(allow, "value", None) is False, place


def test_a_pickle_is_no_image_no_manifest_and_no_shard(tmp_path):
    bomb = pickle.dumps(Bomb(tmp_path / "boom"))
    npz = io.BytesIO()
    np.savez(npz, a=np.array([Bomb(tmp_path / "boom")], dtype=object))
    for data in (bomb, npz.getvalue()):
        with pytest.raises(InvalidInput):
            load_image(data)
        (tmp_path / "set/data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set/data/train-00000.parquet").write_bytes(data)
        assert not check(tmp_path / "set", workers=1).ok
        (tmp_path / "set/manifest.json").write_bytes(data)
        with pytest.raises(InvalidInput, match="is not a manifest"):
            check(tmp_path / "set", workers=1)
        (tmp_path / "set/manifest.json").unlink()
    assert not (tmp_path / "boom").exists()


def test_yaml_tags_in_settings_are_only_text(tmp_path):
    for setting in ("world=!!python/object/apply:os.mkdir ['boom']", "stages=!!python/name:os.system ''"):
        with pytest.raises(ChiasmError):
            build(Plan().override([setting]), tmp_path / "out", BuildOptions(workers=1))
    assert not Path("boom").exists()


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "data/../../x.parquet", "data/a.parquet\n", "other/a-00000.parquet"]
)
def test_a_manifest_can_name_nothing_outside_its_folder(tmp_path, name):
    build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["shards"][0]["items"]["name"] = name
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match="breaks the manifest's rules"):
        check(tmp_path, workers=1)


@pytest.mark.parametrize("link", [".chiasm", ".chiasm/tmp", ".chiasm/parts", "data", "graphs"])
def test_links_do_not_lead_writing_or_sweeping_elsewhere(tmp_path, link):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious.txt").write_text("precious")
    out = tmp_path / "out"
    (out / link).parent.mkdir(parents=True, exist_ok=True)
    (out / link).symlink_to(victim)
    with pytest.raises(Conflict, match="symbolic link"):
        build(fake_plan(), out, BuildOptions(workers=1, overwrite=True), workshop=open_fake)
    assert [p.name for p in victim.iterdir()] == ["precious.txt"]


def test_a_linked_shard_is_replaced_and_its_target_left_alone(tmp_path):
    victim = tmp_path / "precious.parquet"
    victim.write_text("precious")
    build(fake_plan(), tmp_path / "out", BuildOptions(workers=1), workshop=open_fake)
    shard = tmp_path / "out/data/train-00000.parquet"
    shard.unlink()
    shard.symlink_to(victim)
    build(fake_plan(), tmp_path / "out", BuildOptions(workers=1, overwrite=True), workshop=open_fake)
    assert victim.read_text() == "precious"
    assert not shard.is_symlink()


def test_ids_from_the_data_do_not_become_paths(tmp_path, monkeypatch):
    import fake_world

    monkeypatch.setattr(fake_world, "SIZE", 40)
    build(fake_plan(patients=2, splits="train"), tmp_path / "set", BuildOptions(workers=1), workshop=open_fake)
    from chiasm.corpus import _export

    real = _export.read_rows

    def hostile(path, *args, **kwargs):
        for row in real(path, *args, **kwargs):
            row["images"][0]["path"] = "../../../escaped.png"
            yield row

    monkeypatch.setattr(_export, "read_rows", hostile)
    export(tmp_path / "set", tmp_path / "deep/er/out", "sharegpt")
    assert not list(tmp_path.glob("*escaped*"))
    assert not list((tmp_path / "deep").glob("*escaped*"))
    assert len(list((tmp_path / "deep/er/out/images").rglob("*.png"))) == 2
    assert safe_name("../../../escaped") == "escaped"


def test_a_zip_of_tables_is_read_without_touching_the_disk(tmp_path):
    from chiasm.sources import read_table

    path = tmp_path / "evil.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", "out")
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    with pytest.raises(InvalidInput):
        read_table(path, required=("id",))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["evil.xlsx"]
