"""The plan's patients in the OCTA world: eyes, visits, devices and twins, with the real questions."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from chiasm.case import Case
from chiasm.corpus import PRESETS, BuildOptions, Plan, build, check, preset
from chiasm.corpus._draw import WORLD, draw_patient, stream
from chiasm.corpus._octa import OctaMaker, open_octa
from chiasm.worlds.octa import OctaParams, OctaWorld

PLAN = Plan(
    seed=11,
    patients=2,
    eyes=2,
    visits=2,
    images=2,
    stages={"late-npdr": 1},
    twins=("microaneurysm",),
    world_config={"size_px": 152},
    splits={"train": 1},
    questions=3,
)


@pytest.fixture(scope="module")
def case() -> Case:
    patient = draw_patient(PLAN, 0)
    (made,) = OctaMaker(PLAN).cases(patient, stream(PLAN, 0, WORLD))
    return made


def test_a_patient_has_every_image_that_the_plan_asks_for(case):
    true = [v for v in case.views if v.visit < 2]
    assert sorted(v.view_id for v in true) == sorted(
        f"{eye}-v{visit}-inner{more}" for eye in ("od", "os") for visit in (0, 1) for more in ("", "-1")
    )
    assert case.patient_id == case.case_id == "octa-11-000000"
    assert all(v.shape == (152, 152) for v in case.views)
    assert set(case.graphs) == {f"{v.laterality.value}@{v.visit}" for v in case.views}


def test_twins_are_visits_of_their_own_and_lack_their_family(case):
    twins = [v for v in case.views if v.visit >= 2]
    assert {v.visit for v in twins} == {2, 3}
    for view in twins:
        assert not list(case.find("microaneurysm", view_id=view.view_id))
        fact = case.fact("twin", view_id=view.view_id)
        assert fact is not None
        assert fact.value == "without microaneurysm"
    for view in case.views:
        if view.visit < 2:
            assert case.fact("twin", view_id=view.view_id) is None
            assert list(case.find("microaneurysm", view_id=view.view_id))


def test_the_params_of_a_row_make_the_case_again(case):
    again = OctaWorld().render(OctaParams.parse(json.loads(json.dumps(case.origin.params))))
    assert again.sha256 == case.sha256


def test_an_eye_without_the_family_has_no_twin(monkeypatch):
    monkeypatch.setattr(OctaWorld, "render", lambda self, params: params)
    plan = PLAN.change(visits=1, images=1)
    (params,) = OctaMaker(plan).cases(draw_patient(plan, 22), stream(PLAN, 22, WORLD))
    true = [eye for eye in params.eyes if eye.without is None]
    assert {eye.laterality: eye.pathology.has("microaneurysm") for eye in true} == {"OD": False, "OS": True}
    assert [eye.laterality for eye in params.eyes if eye.without] == ["OS"]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_world_accepts_every_preset(name):
    plan = preset(name)
    assert open_octa(plan).settle(plan).programs


@pytest.mark.slow
def test_a_whole_set_of_every_kind_is_clean_and_asks_about_pairs(tmp_path):
    programs = open_octa(PLAN).pairs
    pairs = [name for name, kind in programs.items() if kind]
    plan = PLAN.change(
        questions=20,
        programs=[*pairs, "dropout-present"],
        twins=["dropout"],
        world_config={},
        splits={"train": 0.5, "test": 0.5},
        patients=4,
    )
    summary = build(plan, tmp_path, BuildOptions(workers=2))
    report = check(tmp_path, workers=1)
    assert report.ok, report.text()
    counts = summary.manifest.counts()
    for pair in ("visits", "eyes", "twin"):
        assert any(counts[f"program:{name}"] for name, kind in programs.items() if kind == pair), pair
    rows = [row for path in (tmp_path / "data").iterdir() for row in pq.read_table(path).to_pylist()]
    assert {len(row["images"]) for row in rows} >= {1, 2}
