from collections import Counter
from pathlib import Path

import pytest
from fake_world import fake_plan

from chiasm.corpus import PRESETS, Plan, make_plan, preset
from chiasm.corpus._draw import draw_patient, split_of
from chiasm.errors import InvalidInput, UnknownName


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("patients=0", "patients: .*greater than or equal to 1, got 0"),
        ("patients=1e9", "less than or equal to 10000000"),
        ("artefacts=1.5", "less than or equal to 1"),
        ("age_years=[80, 20]", r"within 0 to 120 years, got \(80.0, 20.0\)"),
        ("fov_mm=-3", "greater than 0"),
        ("fov_mm=NaN", "finite"),
        ("stages={}", "at least one weight > 0"),
        ("stages.pdr=-1", "greater than or equal to 0"),
        ("splits.../etc=1", "plain words"),
        ("programs=explain-stage", "are asked anyway"),
        ("questions=0", "needs questions"),
        ("patients.x=1", "single value"),
        ("patients", "key=value"),
    ],
)
def test_impossible_settings_are_refused_by_name(setting, message):
    with pytest.raises(InvalidInput, match=message):
        Plan(every_image=("explain-stage",) if setting != "questions=0" else ()).override([setting])


def test_unknown_setting_gets_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean 'patients'"):
        Plan().override(["patient=3"])
    with pytest.raises(UnknownName, match="did you mean 'octa-100k'"):
        preset("octa-100")
    with pytest.raises(UnknownName, match="unknown plan setting 'seeds'"):
        make_plan({"seeds": 1})


def test_overrides_reach_into_mappings_and_take_words():
    plan = Plan().override(["stages.pdr=2", "fov_mm=6", "twins=microaneurysm", "patients=10"])
    assert plan.stages["pdr"] == 2
    assert plan.fov_mm == {6.0: 1.0}
    assert plan.twins == ("microaneurysm",)
    assert plan.patients == 10


def test_plan_survives_json():
    for plan in PRESETS.values():
        assert make_plan(plan.model_dump(mode="json")) == plan


def test_100k_preset_is_the_counterpart():
    plan = preset("octa-100k")
    assert plan.n_images == 100_000
    assert plan.patients * plan.eyes >= 25_000
    assert plan.every_image


def test_stage_and_split_are_even_together_at_any_size():
    plan = fake_plan(splits={"train": 0.8, "validation": 0.1, "test": 0.1})
    for n in (40, 400):
        drawn = [draw_patient(plan, k) for k in range(n)]
        stages = Counter(p.stage for p in drawn)
        splits = Counter(p.split for p in drawn)
        assert max(stages.values()) - min(stages.values()) <= 3
        assert abs(splits["test"] - n / 10) <= 2
        assert all(Counter(p.stage for p in drawn if p.split == "test").values())
    assert split_of(plan, 7) == split_of(plan.change(patients=9999), 7)


def test_patients_are_drawn_alike_whatever_their_company():
    plan = fake_plan(eyes=2, visits=2, images=3, profiles={"a": 1, "b": 3})
    assert draw_patient(plan, 5) == draw_patient(plan.change(patients=6), 5)
    patient = draw_patient(plan, 5)
    assert len(patient.images) == 12
    assert {(i.laterality, i.visit) for i in patient.images} == {("OD", 0), ("OD", 1), ("OS", 0), ("OS", 1)}
    profiles = Counter(i.profile for k in range(200) for i in draw_patient(plan, k).images)
    assert profiles["b"] / profiles.total() == pytest.approx(0.75, abs=0.03)


def test_every_setting_is_documented():
    text = (Path(__file__).parents[2] / "docs/corpus.md").read_text()
    assert [name for name in Plan.model_fields if f"`{name}`" not in text] == []
