"""Corruptions, wordings, paraphrases, orders, pairs and negative controls."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.exams import Constant, Looker, item, yes_no

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation import EvaluationOptions, Exam, Model, Question, Reply, evaluate, make_exam
from chiasm.evaluation._marking import mark, mark_all
from chiasm.evaluation._question import Pairing
from chiasm.evaluation.robustness import (
    CORRUPTIONS,
    WORDINGS,
    StressOptions,
    StressRow,
    corrupt,
    pair_rows,
    paraphrased,
    reordered,
    reworded,
    stress,
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


def pairs_exam(n: int, *, both: bool | None = None) -> Exam:
    """`n` pairs, the first bright and the second dark; with `both` all of them bright, or dark."""
    items = []
    for k in range(n):
        for changed in (False, True):
            yes = not changed if both is None else both
            one = yes_no(2 * k + changed, yes, patient=k, pairings=(Pairing("twins", "lamp", str(k), changed),))
            items.append(one)
    return make_exam("pairs", items[::-1], [])  # in any order


def pair_figures(model: Model, exam: Exam) -> dict[str, StressRow]:
    marked = mark_all(exam.items, model.answer([i.question for i in exam.items]))
    return {r.metric: r for r in pair_rows(model.name, exam.name, marked)}


def test_pairs_tell_one_who_sees_from_one_who_does_not() -> None:
    exam = pairs_exam(20)
    seeing = pair_figures(Looker(), exam)
    assert seeing["both right"].after == seeing["answer changed"].after == 1
    assert (seeing["both right"].n, seeing["both right"].test, seeing["both right"].level) == (20, "twins", "lamp")
    assert 0.8 < seeing["both right"].lo < 1
    blind = pair_figures(Constant("yes"), exam)
    assert blind["both right"].after == blind["answer changed"].after == 0
    assert "same answer" not in seeing
    same = pair_figures(Looker(), pairs_exam(20, both=False))
    assert same.keys() == {"same answer", "score"}
    assert same["same answer"].after == 1
    assert same["score"].difference == 0


def test_a_pair_with_a_failed_half_is_unscored_and_an_item_without_partner_is_in_no_row() -> None:
    class Fails(Looker):
        def answer(self, questions: Sequence[Question]) -> list[Reply]:
            replies = super().answer(questions)
            return [
                Reply(None, problem="x") if q.question_id == "bright-3" else r
                for q, r in zip(questions, replies, strict=True)
            ]

    rows = pair_figures(Fails(), pairs_exam(20))
    assert (rows["both right"].n, rows["both right"].n_unscored) == (19, 1)
    alone = make_exam("alone", [i for i in pairs_exam(20).items if not i.pairings[0].changed], [])
    assert pair_figures(Looker(), alone) == {}


def test_paraphrases_are_other_words_for_the_same_question() -> None:
    one = yes_no(0, True)
    header = "OCTA en face, inner retina, 3 mm"
    asked = f"{header}\nIs there capillary dropout in this image?\nAnswer yes or no."
    known = replace(one, question=replace(one.question, prompt=asked))
    seen = {paraphrased(known, RNG(seed)).question.prompt for seed in range(20)}
    assert len(seen) > 3
    for text in seen:
        first, middle, last = text.splitlines()
        assert (first, last) == (header, "Answer yes or no.")
        assert "dropout" in middle.lower()
        assert middle != asked.splitlines()[1]
    assert paraphrased(one, RNG(0)) is None  # "bright?" is no question of the grammar


def test_one_who_reads_the_words_is_caught_by_a_paraphrase() -> None:
    class Reader:
        name = "reader"

        def answer(self, questions: Sequence[Question]) -> list[Reply]:
            return [Reply(f"<answer>{'yes' if 'Is there' in q.prompt else 'no'}</answer>") for q in questions]

    items = [
        replace(i, question=replace(i.question, prompt="Is there neovascularization in this image?"))
        for i in (yes_no(k, True) for k in range(30))
    ]
    rows = stress(Reader(), make_exam("words", items, []), StressOptions(tests=("paraphrase",), quiet=True))
    every = next(r for r in rows if r.level == "all 3")
    assert every.metric == "same answer"
    assert every.after < 0.5
    assert all(r.difference < 0 for r in rows if r.metric == "score")
    steady = stress(Constant("yes"), make_exam("words", items, []), StressOptions(tests=("paraphrase",), quiet=True))
    assert {r.after for r in steady} == {1.0}


def test_robustness_enters_the_report(tmp_path: Path) -> None:
    exam = make_exam("bright", [yes_no(k, k % 2 == 0) for k in range(12)], [])
    options = EvaluationOptions(quiet=True, controls=False, robustness=("wording", "negative control"))
    result = evaluate([Looker()], [exam], tmp_path, options)
    assert len(result.outcomes[0].robustness) == 2 * len(WORDINGS) + 1 + 3
    assert "negative control" in (tmp_path / "report.html").read_text()
