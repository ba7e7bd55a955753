"""What can be drawn: ranges by stage, legal pairs of findings and stage, plain JSON, refusals."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chiasm.errors import InvalidInput, UnknownName
from chiasm.measure import Stage, StageEvidence, stage
from chiasm.worlds.octa.anatomy import AnatomyParams, sample_anatomy
from chiasm.worlds.octa.pathology import (
    FAMILIES,
    PathologyParams,
    progress_pathology,
    sample_pathology,
    sample_rarefaction,
)
from chiasm.worlds.octa.pathology._microaneurysm import sample_one
from chiasm.worlds.octa.pathology._progress import LARGEST_FAZ_GROWTH_MM2, LARGEST_SHARE

STAGES = tuple(Stage)


def draws(wanted: Stage, n: int, fov_mm: float = 3.0) -> list[PathologyParams]:
    out = []
    for seed in range(n):
        rng = np.random.default_rng([seed, STAGES.index(wanted)])
        out.append(sample_pathology(rng, wanted, sample_anatomy(rng, fov_mm=fov_mm)))
    return out


@pytest.mark.parametrize(
    ("wanted", "share", "microaneurysms", "irmas", "tufts"),
    [
        (Stage.HEALTHY, (0.0, 0.02), (0, 0), (0, 0), (0, 0)),
        (Stage.EARLY_NPDR, (0.0, 0.08), (0, 15), (0, 0), (0, 0)),
        (Stage.LATE_NPDR, (0.005, 0.22), (0, 30), (0, 4), (0, 0)),
        (Stage.PDR, (0.005, 0.30), (0, 40), (0, 4), (1, 2)),
    ],
)
def test_every_draw_lies_in_the_ranges_of_its_stage(wanted, share, microaneurysms, irmas, tufts):
    for params in draws(wanted, 60):
        assert share[0] <= params.dropout.share <= share[1]
        assert microaneurysms[0] <= len(params.microaneurysm.each) <= microaneurysms[1]
        assert irmas[0] <= len(params.irma.each) <= irmas[1]
        assert tufts[0] <= len(params.neovascularization.each) <= tufts[1]


@pytest.mark.parametrize("wanted", STAGES)
@pytest.mark.parametrize("fov_mm", [3.0, 6.0])
def test_no_draw_breaks_the_rule_of_its_stage(wanted, fov_mm):
    for params in draws(wanted, 60, fov_mm):
        evidence = StageEvidence(
            n_ma=len(params.microaneurysm.each),
            n_irma=len(params.irma.each),
            n_nv=len(params.neovascularization.each),
            nonperfusion_fraction=params.dropout.share,
        )
        assert stage(evidence).stage is wanted


def test_neighbouring_stages_overlap_in_every_number_but_new_vessels():
    early, late, pdr = (draws(s, 80) for s in STAGES[1:])
    for lower, higher in ((early, late), (late, pdr)):
        assert np.mean([p.dropout.share for p in lower]) < np.mean([p.dropout.share for p in higher])
        assert np.quantile([p.dropout.share for p in lower], 0.75) > np.quantile(
            [p.dropout.share for p in higher], 0.25
        )
        assert max(len(p.microaneurysm.each) for p in lower) > min(len(p.microaneurysm.each) for p in higher)
        assert max(p.faz.growth_mm2 for p in lower) > min(p.faz.growth_mm2 for p in higher)


def test_a_finding_is_there_in_the_field_wherever_the_stage_hangs_on_it_alone():
    for params in draws(Stage.EARLY_NPDR, 200):
        assert params.dropout.share >= 0.032 or params.microaneurysm.each
    for params in draws(Stage.LATE_NPDR, 200):
        assert params.dropout.share >= 0.092 or params.irma.each


def test_beds_thin_with_the_stage_and_overlap_and_healthy_ones_do_not():
    rng = np.random.default_rng(3)
    healthy, *ill = (np.array([sample_rarefaction(rng, s) for _ in range(400)]) for s in STAGES)
    assert not healthy.any()
    assert all(lower.mean() < higher.mean() and lower.max() > higher.min() for lower, higher in pairwise(ill))
    assert all(((values >= 0) & (values <= 0.35)).all() for values in ill)


def test_tortuosity_rises_through_npdr_and_falls_in_pdr_and_healthy_eyes_have_some():
    healthy, early, late, pdr = (np.mean([p.tortuosity.gain for p in draws(s, 80)]) for s in STAGES)
    assert 0 < healthy < early < late
    assert pdr < late


def test_counts_grow_with_the_area_of_the_field():
    small, large = (np.mean([len(p.microaneurysm.each) for p in draws(Stage.PDR, 60, fov)]) for fov in (3.0, 6.0))
    assert large == pytest.approx(4 * small, rel=0.25)


@pytest.mark.parametrize("wanted", STAGES)
def test_params_are_plain_json_and_come_back_equal(wanted):
    for params in draws(wanted, 5):
        text = params.model_dump_json()
        assert PathologyParams.model_validate_json(text) == params
        assert PathologyParams.model_validate(json.loads(text)) == params


def test_equal_seeds_draw_equal_params_and_a_word_is_as_good_as_the_stage():
    anatomy = AnatomyParams(growth_seed=1)
    first = sample_pathology(np.random.default_rng(5), Stage.PDR, anatomy)
    assert sample_pathology(np.random.default_rng(5), "pdr", anatomy) == first
    assert sample_pathology(np.random.default_rng(6), "pdr", anatomy) != first


def test_an_unknown_stage_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="early-npdr"):
        sample_pathology(np.random.default_rng(0), "early-npd", AnatomyParams(growth_seed=1))


def test_an_unknown_family_is_refused_with_the_nearest():
    params = draws(Stage.PDR, 1)[0]
    with pytest.raises(UnknownName, match="microaneurysm"):
        params.without("microaneurism")
    with pytest.raises(UnknownName, match="dropout"):
        params.has("drop-out")


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_family_it_is_gone_and_nothing_else(family):
    params = next(p for p in draws(Stage.PDR, 60) if all(p.has(f) for f in FAMILIES))
    twin = params.without(family)
    assert not twin.has(family)
    assert all(twin.has(other) for other in FAMILIES if other != family)
    assert twin.without(family) == twin


def test_without_a_family_that_is_not_there_the_params_are_equal():
    params = draws(Stage.EARLY_NPDR, 1)[0]
    assert params.without("neovascularization") == params
    assert params.without("irma") == params


def test_without_all_nothing_is_left():
    for params in draws(Stage.PDR, 3):
        bare = params.without_all()
        assert not any(bare.has(family) for family in FAMILIES)
        assert bare == PathologyParams()


@pytest.mark.parametrize(
    "broken",
    [
        {"dropout": {"share": -0.1}},
        {"dropout": {"share": float("nan")}},
        {"dropout": {"share": 0.8}},
        {"faz": {"growth_mm2": float("inf")}},
        {"faz": {"notches": [{"angle_deg": 400.0, "depth_um": 50.0, "width_deg": 20.0}]}},
        {"microaneurysm": {"each": [{"seed": 1, "diameter_um": 500.0, "shape": "saccular", "layer": "SVC"}]}},
        {"irma": {"each": [{"seed": 1, "calibre_um": 0.0}]}},
        {"neovascularization": {"each": [{"seed": 1, "area_mm2": 0.001, "branches": 5}]}},
        {"tortuosity": {"gain": 1.5}},
        {"hidden": ["haemorrhage"]},
        {"unknown": 1},
    ],
)
def test_impossible_params_are_refused(broken):
    with pytest.raises(ValidationError):
        PathologyParams.model_validate(broken)


@pytest.mark.parametrize("years", [-1.0, float("nan"), float("inf"), 51.0])
def test_impossible_years_are_refused_with_the_range(years):
    with pytest.raises(InvalidInput, match="0-50"):
        progress_pathology(draws(Stage.PDR, 1)[0], years)


def test_after_no_time_nothing_has_changed():
    params = draws(Stage.LATE_NPDR, 1)[0]
    assert progress_pathology(params, 0.0) == params


@pytest.mark.parametrize("wanted", STAGES[1:])
def test_later_the_disease_is_no_milder_and_the_same_call_gives_the_same_visit(wanted):
    for params in draws(wanted, 20):
        later = progress_pathology(params, 2.0)
        assert later == progress_pathology(params, 2.0)
        assert later.dropout.share > params.dropout.share or params.dropout.share == 0.0
        assert later.dropout.territories == params.dropout.territories
        assert later.faz.growth_mm2 >= params.faz.growth_mm2
        assert later.neovascularization == params.neovascularization
        assert later.irma == params.irma


@given(
    share=st.floats(0.0, 0.5),
    growth_mm2=st.floats(0.0, 1.5),
    years=st.floats(0.0, 25.0),
    more=st.floats(0.1, 25.0),
)
def test_areas_grow_towards_their_limits_and_never_jump_to_them(share, growth_mm2, years, more):
    first = PathologyParams.model_validate({"dropout": {"share": share}, "faz": {"growth_mm2": growth_mm2}})
    soon, late = progress_pathology(first, years), progress_pathology(first, years + more)
    for before, middle, after, limit in (
        (share, soon.dropout.share, late.dropout.share, LARGEST_SHARE),
        (growth_mm2, soon.faz.growth_mm2, late.faz.growth_mm2, LARGEST_FAZ_GROWTH_MM2),
    ):
        if before == 0.0 or before >= limit:
            assert before == middle == after
        else:
            assert before * (1 - 1e-12) <= middle <= after * (1 + 1e-12)
            assert after <= limit * (1 + 1e-12)


def test_growth_is_twelve_percent_a_year_while_the_area_is_small():
    first = PathologyParams.model_validate({"dropout": {"share": 1e-6}})
    assert progress_pathology(first, 1.0).dropout.share == pytest.approx(1.12e-6, rel=1e-4)


def test_diameters_of_microaneurysms_are_log_normal_within_their_range():
    rng = np.random.default_rng(4)
    diameter = np.array([sample_one(rng).diameter_um for _ in range(4000)])
    assert ((diameter >= 20.0) & (diameter <= 125.0)).all()
    assert np.median(diameter) == pytest.approx(43.6, rel=0.03)  # 43, and what cutting off the lower end adds


def test_microaneurysms_turn_over_between_visits():
    params = next(p for p in draws(Stage.PDR, 60) if len(p.microaneurysm.each) >= 15)
    before, after = set(params.microaneurysm.each), set(progress_pathology(params, 1.0).microaneurysm.each)
    assert before & after
    assert before - after
    assert after - before


def test_a_healthy_eye_stays_healthy():
    for params in draws(Stage.HEALTHY, 40):
        later = progress_pathology(params, 2.0)
        assert later.dropout.share < 0.02
        assert later.microaneurysm.each == ()
