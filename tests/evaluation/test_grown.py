"""Pairs grown on the spot: the same question of two pictures that differ in one thing."""

from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.exams import Constant, Oracle

from chiasm.case import Case, Finding, Laterality, Mask, Origin, Region, View, Visibility
from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation import EvaluationOptions, Exam, ExamItem, evaluate, load_exam
from chiasm.evaluation._grown import shadow_in_place

BARE = EvaluationOptions(quiet=True, controls=False)


def sides(exam: Exam) -> list[tuple[ExamItem, ExamItem]]:
    first = {i.pairings[0].number: i for i in exam.items if not i.pairings[0].changed}
    second = {i.pairings[0].number: i for i in exam.items if i.pairings[0].changed}
    assert first.keys() == second.keys()
    return [(first[k], second[k]) for k in first]


def test_twins_differ_where_asked_and_are_asked_in_the_same_words(tmp_path: Path) -> None:
    exam = load_exam("twins:dropout:2", seed=3)
    pairs = sides(exam)
    assert {(a.truth, b.truth) for a, b in pairs if a.task == "dropout-present"} == {("yes", "no")}
    for a, b in pairs:
        assert a.question.prompt == b.question.prompt
        assert a.question.pictures[0].sha256 != b.question.pictures[0].sha256
    assert any(a.truth == b.truth for a, b in pairs)
    shown = next(a for a, _ in pairs if a.task == "dropout-present")
    assert shown.overlays
    top, left, bottom, right = shown.overlays[0].box
    assert 0 <= top < bottom <= 1
    assert 0 <= left < right <= 1
    assert load_exam("twins:dropout:2", seed=3).sha256 == exam.sha256
    result = evaluate([Oracle(exam), Constant("yes", "yes")], [exam], tmp_path, BARE)
    rows = {(r.model, r.metric): r for r in result.outcomes[0].robustness}
    assert rows["oracle", "both right"].after == 1
    assert rows["oracle", "same answer"].after == 1
    assert rows["yes", "both right"].after == 0
    assert (tmp_path / "report.html").read_text().count("both right") >= 2


def test_a_device_changes_the_picture_and_not_the_eye() -> None:
    exam = load_exam("devices:mixed:2", seed=1)
    pairs = sides(exam)
    assert {i.pairings[0].level for i in exam.items} == {"rtvue-xr-3mm to mixed-3mm"}
    for a, b in pairs:
        assert a.patient_id == b.patient_id
        assert a.question.prompt == b.question.prompt
        assert not np.array_equal(a.question.pictures[0].array(), b.question.pictures[0].array())


def test_limits_keep_pairs_whole() -> None:
    exam = load_exam("twins:dropout:2", seed=3, limit=4)
    assert len(exam.items) == 4
    assert len(sides(exam)) == 2


def test_a_limit_inside_a_pair_leaves_the_pair_out() -> None:
    exam = load_exam("twins:dropout:2", seed=3, limit=5)
    assert len(exam.items) == 4
    assert len(sides(exam)) == 2
    with pytest.raises(InvalidInput, match="limit must be >= 2 for data of pairs, got 1"):
        load_exam("twins:dropout:2", seed=3, limit=1)


def test_a_split_is_refused_where_there_is_none() -> None:
    with pytest.raises(InvalidInput, match="split is for built data sets; twins:dropout:1 has none"):
        load_exam("twins:dropout:1", seed=3, split="test")


def test_names_and_numbers_are_checked() -> None:
    with pytest.raises(UnknownName, match="did you mean 'dropout'"):
        load_exam("twins:dropuot")
    with pytest.raises(UnknownName, match="confusing pair"):
        load_exam("confusing:irma-shadow:3")
    with pytest.raises(InvalidInput, match="did you mean 'mixed"):
        load_exam("devices:mixt:3")
    for number in ("0", "-2", "many", "1.5"):
        with pytest.raises(InvalidInput, match="number of pairs"):
            load_exam(f"twins:dropout:{number}")


def eye_with_discs(*discs: tuple[float, float, float, bool]) -> Case:
    """A case with a round dropout for each (row, col, radius, visible), in shares of a field of 200 px."""
    rows, cols = np.mgrid[:200, :200] / 200
    view = View(view_id="v", modality="OCTA en face", pixels=np.zeros((200, 200), np.uint8), spacing_mm=(0.015, 0.015))
    findings = tuple(
        Finding(
            finding_id=f"dropout-{k}",
            term="capillary dropout",
            laterality=Laterality.NONE,
            regions=(Region(view_id="v", mask=Mask.from_array(np.hypot(rows - row, cols - col) < radius)),),
            visibility={"v": Visibility(visible=visible)},
        )
        for k, (row, col, radius, visible) in enumerate(discs)
    )
    origin = Origin(kind="source", name="discs", version="1", file="x", sha256="0" * 64, licence="none")
    return Case(case_id="c", patient_id="p", views=(view,), findings=findings, origin=origin)


def test_the_shadow_has_the_place_and_the_size_of_the_largest_visible_dropout() -> None:
    shadow = shadow_in_place(eye_with_discs((0.3, 0.6, 0.12, True), (0.7, 0.2, 0.09, True), (0.5, 0.5, 0.17, False)))
    assert shadow is not None
    assert shadow.position == pytest.approx((0.3, 0.6), abs=0.01)
    assert shadow.extent == pytest.approx(0.12, rel=0.02)


def test_an_eye_without_a_dropout_of_a_shadows_size_gets_no_shadow() -> None:
    assert shadow_in_place(eye_with_discs()) is None
    assert shadow_in_place(eye_with_discs((0.5, 0.5, 0.12, False))) is None
    assert shadow_in_place(eye_with_discs((0.5, 0.5, 0.06, True))) is None
    assert shadow_in_place(eye_with_discs((0.5, 0.5, 0.22, True), (0.2, 0.2, 0.1, True))) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "tasks"),
    [
        ("confusing:irma-neovascularization:4", {"irma-present", "neovascularization-present"}),
        ("confusing:microaneurysm-irma:4", {"microaneurysm-present", "irma-present"}),
        ("confusing:dropout-shadow:4", {"dropout-present"}),
    ],
)
def test_confusing_pairs_turn_the_answer(spec: str, tasks: set[str]) -> None:
    pairs = sides(load_exam(spec, seed=0))  # the fifth eye of this seed has no dropout inside the field
    for task in tasks:
        own = [(a.truth, b.truth) for a, b in pairs if a.task == task]
        assert own
        assert all(x != y for x, y in own)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["microaneurysm", "irma", "neovascularization", "tortuosity"])
def test_every_family_has_twins(family: str) -> None:
    pairs = sides(load_exam(f"twins:{family}:3", seed=2))
    truths = {(a.truth, b.truth) for a, b in pairs if a.task == f"{family}-present"}
    assert ("yes", "no") in truths
    assert truths <= {("yes", "no"), ("no", "no")}  # tortuosity may be drawn and stay below what is called so
