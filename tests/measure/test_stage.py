"""The stage rule: its table, its margins, its merges."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chiasm.measure import ICDR_LEVELS, ICDR_LIMITS, Stage, StageEvidence, StageRule, stage

counts = st.integers(0, 50)
shares = st.floats(0, 1)
evidence = st.builds(StageEvidence, n_ma=counts, n_irma=counts, n_nv=counts, nonperfusion_fraction=shares)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, Stage.HEALTHY),
        ({"nonperfusion_fraction": 0.0199}, Stage.HEALTHY),
        ({"nonperfusion_fraction": 0.02}, Stage.EARLY_NPDR),
        ({"nonperfusion_fraction": 0.08}, Stage.EARLY_NPDR),
        ({"nonperfusion_fraction": 0.0801}, Stage.LATE_NPDR),
        ({"n_ma": 1}, Stage.EARLY_NPDR),
        ({"n_ma": 40}, Stage.EARLY_NPDR),
        ({"n_irma": 1}, Stage.LATE_NPDR),
        ({"n_irma": 4, "n_nv": 1, "nonperfusion_fraction": 0.3}, Stage.PDR),
        ({"n_nv": 1}, Stage.PDR),
    ],
)
def test_default_rule_is_the_written_table(found: dict[str, float], expected: Stage) -> None:
    assert stage(StageEvidence(**found)).stage is expected


@given(evidence, st.sampled_from(["n_ma", "n_irma", "n_nv", "nonperfusion_fraction"]))
def test_more_findings_never_lower_the_stage(found: StageEvidence, more: str) -> None:
    value = getattr(found, more)
    worse = found.model_copy(update={more: min(1.0, value + 0.1) if more == "nonperfusion_fraction" else value + 1})
    assert stage(worse).stage.level >= stage(found).stage.level


@given(evidence)
def test_fired_clauses_prove_the_stage(found: StageEvidence) -> None:
    judged = stage(found)
    assert all(c.holds and c.stage is judged.stage for c in judged.fired)
    assert bool(judged.fired) == (judged.stage is not Stage.HEALTHY)
    assert not any(c.holds for c in judged.clauses if c.stage.level > judged.stage.level)


@given(evidence)
def test_each_change_gives_the_stage_it_promises(found: StageEvidence) -> None:
    for change in stage(found).changes:
        moved = getattr(found, change.finding) + change.by
        nudge = 1e-6 * (1 if change.by > 0 else -1) if change.finding == "nonperfusion_fraction" else 0
        changed = found.model_copy(update={change.finding: moved + nudge})
        assert stage(changed).stage is change.to


@given(shares)
def test_nonperfusion_margin_is_the_distance_to_the_nearest_threshold(share: float) -> None:
    judged = stage(StageEvidence(nonperfusion_fraction=share))
    assert judged.nonperfusion_margin == pytest.approx(min(abs(share - 0.02), abs(share - 0.08)), abs=1e-7)


def test_margin_is_none_where_nonperfusion_cannot_change_the_stage() -> None:
    assert stage(StageEvidence(n_nv=1, nonperfusion_fraction=0.05)).nonperfusion_margin is None


def test_thresholds_are_tunable() -> None:
    found = StageEvidence(n_ma=2, nonperfusion_fraction=0.05)
    assert stage(found, StageRule(late_nonperfusion=0.04)).stage is Stage.LATE_NPDR
    assert stage(found, StageRule(ma_min=3, nonperfusion_min=0.06)).stage is Stage.HEALTHY


def test_merges_and_icdr_levels_keep_the_order() -> None:
    assert [s.three for s in Stage] == ["healthy", "npdr", "npdr", "pdr"]
    assert [s.two for s in Stage] == ["healthy", "dr", "dr", "dr"]
    assert [s.level for s in Stage] == [0, 1, 2, 3]
    assert set(itertools.chain(*ICDR_LEVELS.values())) == {0, 1, 2, 3, 4}
    assert all(max(ICDR_LEVELS[a]) <= max(ICDR_LEVELS[b]) for a, b in itertools.pairwise(Stage))
    assert any("haemorrhage" in limit for limit in ICDR_LIMITS)


@pytest.mark.parametrize(
    "bad", [{"n_ma": -1}, {"nonperfusion_fraction": 1.2}, {"nonperfusion_fraction": float("nan")}, {"n_mas": 1}]
)
def test_impossible_evidence_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        StageEvidence(**bad)


@pytest.mark.parametrize("bad", [{"nonperfusion_min": 0.2}, {"nonperfusion_min": 0.0}, {"irma_min": 0}])
def test_impossible_rules_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        StageRule(**bad)


@given(evidence)
def test_staging_survives_json(found: StageEvidence) -> None:
    judged = stage(found)
    assert type(judged).model_validate_json(judged.model_dump_json()) == judged
