"""Corruptions, wordings, orders, twins and negative controls."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.exams import Constant, Looker, item, yes_no

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation import EvaluationOptions, Question, Reply, evaluate, make_exam
from chiasm.evaluation._marking import mark
from chiasm.evaluation.robustness import (
    CORRUPTIONS,
    WORDINGS,
    StressOptions,
    TwinExam,
    corrupt,
    make_twins,
    pair_items,
    reordered,
    reworded,
    stress,
    twin_figures,
)
from chiasm.questions import ChoiceAnswer, Key

RNG = np.random.default_rng


@pytest.fixture
def scene() -> np.ndarray:
    """A picture with structure at every scale."""
    rows, cols = np.mgrid[:96, :120]
    return np.uint8(120 + 60 * np.sin(rows / 3) * np.cos(cols / 5) + RNG(0).integers(0, 30, rows.shape))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_pure_keep_the_shape_and_grow_with_severity(name: str, scene: np.ndarray) -> None:
    before = scene.copy()
    changed = [corrupt(scene, name, s, RNG(1)) for s in (1, 3, 5)]
    np.testing.assert_array_equal(scene, before)
    np.testing.assert_array_equal(changed[1], corrupt(scene, name, 3, RNG(1)))
    distance = [float(np.mean((c.astype(float) - scene) ** 2)) for c in changed]
    assert 0 < distance[0] < distance[2]
    assert all(c.shape == scene.shape and c.dtype == np.uint8 for c in changed)
    colour = np.dstack([scene] * 3)
    assert corrupt(colour, name, 3, RNG(1)).shape == colour.shape


def test_corruptions_refuse_what_they_do_not_know(scene: np.ndarray) -> None:
    with pytest.raises(UnknownName, match="did you mean 'blur'"):
        corrupt(scene, "blurr", 1, RNG(0))
    with pytest.raises(InvalidInput, match="severity"):
        corrupt(scene, "blur", 6, RNG(0))
    for bad in ({"tests": ("twin",)}, {"corruptions": ("fog",)}, {"severities": (0,)}, {"severities": ()}):
        with pytest.raises(InvalidInput):
            StressOptions(**bad)


def test_wordings_keep_the_question_and_add_no_answer() -> None:
    one = yes_no(0, True)
    for k in range(len(WORDINGS)):
        text = reworded(one, k).question.prompt
        assert one.question.prompt in text
        assert text != one.question.prompt
        assert "yes" not in text.lower()


def choice(letter: str = "B") -> object:
    key = Key(expects="choice", answer=ChoiceAnswer(letter=letter), options=("left", "right", "above"))
    made = item(0, "side", key)
    prompt = "Where?\nA) left\nB) right\nC) above\nAnswer with the letter."
    return replace(made, question=replace(made.question, prompt=prompt))


def test_reordered_options_keep_the_right_one_right() -> None:
    one = choice()
    for seed in range(8):
        moved = reordered(one, RNG(seed))
        assert moved is not None
        assert moved.key.options != one.key.options
        letter = moved.key.answer.letter
        assert f"{letter}) right" in moved.question.prompt
        assert mark(moved, Reply(f"<answer>{letter}</answer>")).tolerant.answer == "right"
        assert moved.truth == "right"
    assert reordered(yes_no(0, True), RNG(0)) is None
    hidden = replace(one, question=replace(one.question, prompt="Where?"))
    assert reordered(hidden, RNG(0)) is None


def test_one_who_always_says_b_is_caught_by_the_order() -> None:
    items = []
    for k in range(40):
        one = choice("B")
        items.append(replace(one, patient_id=f"p{k}", question=replace(one.question, question_id=f"side-{k}")))
    exam = make_exam("sides", items, [])
    rows = stress(Constant("B"), exam, StressOptions(tests=("option order",), quiet=True))
    score, same = rows
    assert score.before == 1
    assert score.after < 0.8
    assert score.hi < 0
    assert same.metric == "same answer"
    assert same.after == pytest.approx(score.after)


def test_one_who_looks_at_brightness_falls_with_brightness_only() -> None:
    exam = make_exam("bright", [yes_no(k, k % 2 == 0) for k in range(40)], [])
    options = StressOptions(
        tests=("corruption", "wording"), corruptions=("low signal", "jpeg"), severities=(1, 5), quiet=True
    )
    rows = {(r.level, r.metric): r for r in stress(Looker(), exam, options)}
    assert rows["low signal 5", "score"].difference == -0.5
    assert rows["low signal 5", "score"].hi < 0
    assert rows["jpeg 1", "score"].difference == 0
    assert rows["jpeg 1", "same answer"].after == 1
    assert rows["wording 1", "same answer"].after == 1


def test_negative_controls_count_who_says_that_nothing_can_be_judged() -> None:
    exam = make_exam("bright", [yes_no(k, k % 2 == 0) for k in range(12)], [])
    options = StressOptions(tests=("negative control",), quiet=True)
    assert {r.after for r in stress(Constant("cannot be judged"), exam, options)} == {1.0}
    rows = stress(Looker(), exam, options)
    assert {r.after for r in rows} == {0.0}
    assert {r.level for r in rows} == {"noise", "black", "stripes"}


def test_failures_are_left_out_of_both_sides() -> None:
    class Fails:
        name = "fails"

        def answer(self, questions: Sequence[Question]) -> list[Reply]:
            return [
                Reply(None, problem="x")
                if "closely" in q.prompt and q.question_id.endswith("0")
                else Reply("<answer>yes</answer>")
                for q in questions
            ]

    exam = make_exam("bright", [yes_no(k, True) for k in range(40)], [])
    row = stress(Fails(), exam, StressOptions(tests=("wording",), quiet=True))[0]
    assert (row.difference, row.n, row.n_unscored) == (0, 36, 4)


def test_twin_figures_of_one_who_sees_and_one_who_does_not() -> None:
    ill = make_exam("with", [yes_no(k, True) for k in range(20)], [])
    well = make_exam("without", [yes_no(k, False) for k in range(20)], [])
    pair = TwinExam(ill, well)
    seeing = twin_figures(Looker(), pair, quiet=True)
    assert seeing.both_right.value == seeing.changed.value == 1
    blind = twin_figures(Constant("yes"), pair, quiet=True)
    assert blind.both_right.value == blind.changed.value == 0
    assert not seeing.stable.defined
    same = twin_figures(Looker(), TwinExam(well, well), quiet=True)
    assert same.stable.value == 1


def test_robustness_enters_the_report(tmp_path: Path) -> None:
    exam = make_exam("bright", [yes_no(k, k % 2 == 0) for k in range(12)], [])
    options = EvaluationOptions(quiet=True, controls=False, robustness=("wording", "negative control"))
    result = evaluate([Looker()], [exam], tmp_path, options)
    assert len(result.outcomes[0].robustness) == 2 * len(WORDINGS) + 3
    assert "negative control" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_twins_of_the_synthetic_world_differ_where_asked() -> None:
    twins = make_twins("dropout", 2, seed=3)
    exam = pair_items(twins, ["dropout-present", "faz-size"], seed=0)
    truths = [
        (a.truth, b.truth)
        for a, b in zip(exam.with_lesion.items, exam.without.items, strict=True)
        if a.task == "dropout-present"
    ]
    assert set(truths) == {("yes", "no")}
    for a, b in zip(exam.with_lesion.items, exam.without.items, strict=True):
        assert a.question.prompt == b.question.prompt
        assert a.question.pictures[0].sha256 != b.question.pictures[0].sha256
    with pytest.raises(UnknownName):
        make_twins("drusen", 1, seed=0)
