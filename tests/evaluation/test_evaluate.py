"""The whole evaluation: oracles, guessers, failures, resuming, and what is written."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from tests.evaluation.exams import Constant, Looker, Oracle, item, mixed_exam, stage, yes_no

from chiasm.errors import Conflict, InvalidInput
from chiasm.evaluation import EvaluationOptions, Exam, Question, Reply, evaluate, make_exam

QUIET = EvaluationOptions(quiet=True)
BARE = EvaluationOptions(quiet=True, controls=False)


@pytest.fixture(scope="module")
def exam() -> Exam:
    return mixed_exam(20)


def bright_exam(n: int = 60, **fields: object) -> Exam:
    return make_exam("bright", [yes_no(k, k % 2 == 0, **fields) for k in range(n)], [])


def test_a_perfect_oracle_gets_one_on_everything(exam: Exam, tmp_path: Path) -> None:
    result = evaluate([Oracle(exam)], [exam], tmp_path, BARE)
    errors = {"absolute_error", "bias", "box_hausdorff_95", "calibration_error", "area_under_risk_coverage", "brier"}
    for row in result.rows:
        if row.value is None:
            assert "box" in row.task or row.note, row
            continue
        if row.metric in errors:
            assert row.value == pytest.approx(0, abs=0.05), row
        elif row.metric != "abstained":
            assert row.value == 1, row
        assert row.lo is not None
        assert row.hi is not None
        assert row.lo <= row.value <= row.hi, row
        assert row.n > 0
        assert row.n_unscored == 0
    found = {r.metric for r in result.rows if r.task == "bright"}
    assert {"accuracy", "balanced_accuracy", "auc", "macro_f1", "recall[yes]", "calibration_error"} <= found
    assert result.find(task="stage", metric="quadratic_kappa").value == 1
    assert result.find(task="area", metric="mean_relative_accuracy").value == 1
    assert result.find(task="box", metric="ap50").value == 1
    assert result.find(task="box", metric="box_dice").value == 1


def test_a_known_error_of_ten_percent_lies_in_the_interval(tmp_path: Path) -> None:
    exam = make_exam("stages", [stage(k, k % 4) for k in range(200)], [])
    wrong = [i.item_id for i in exam.items if int(i.item_id.split("-")[1]) // 4 % 10 == 0]
    assert len(wrong) == 20
    row = evaluate([Oracle(exam, wrong=wrong)], [exam], tmp_path, BARE).find(task="stage", metric="balanced_accuracy")
    assert row.value == pytest.approx(0.9)
    assert row.lo < 0.9 < row.hi
    assert row.hi - row.lo < 0.1


def test_one_who_looks_beats_every_control_and_one_who_copies_the_majority_is_flagged(tmp_path: Path) -> None:
    exam = bright_exam()
    seeing = evaluate([Looker()], [exam], tmp_path / "a", QUIET)
    assert seeing.find(model="looker", metric="balanced_accuracy").value == 1
    flagged = [w for w in seeing.warnings if "looker" in w]
    assert all("low-flow" in w for w in flagged)  # this exam's answer is its brightness, so pixels know it as well
    assert seeing.find(model="looker (image-blind)", metric="balanced_accuracy").value == 0.5
    assert seeing.find(model="looker (image-shuffled)", metric="balanced_accuracy").value < 0.8
    copying = evaluate([Constant("no", "copier")], [exam], tmp_path / "b", QUIET)
    text = "\n".join(copying.warnings)
    assert "copier does not beat majority answer" in text
    assert "copier does not beat (image-blind)" in text
    assert "copier does not beat (image-shuffled)" in text


def test_one_who_guesses_from_the_text_is_flagged(tmp_path: Path) -> None:
    from dataclasses import replace

    items = [yes_no(k, k % 2 == 0) for k in range(60)]
    leaking = [
        replace(
            i, question=replace(i.question, prompt="Is it bright today?" if i.truth == "yes" else "Is it ever dark?")
        )
        for i in items
    ]
    exam = make_exam("leaking", leaking, [])

    class Guesser:
        name = "guesser"

        def answer(self, questions: Sequence[Question]) -> list[Reply]:
            return [Reply(f"<answer>{'yes' if 'bright' in q.prompt else 'no'}</answer>") for q in questions]

    result = evaluate([Guesser()], [exam], tmp_path, QUIET)
    assert result.find(model="guesser", metric="balanced_accuracy").value == 1
    assert result.find(model="nearest text", metric="balanced_accuracy").value == 1
    text = "\n".join(result.warnings)
    assert "guesser does not beat nearest text" in text
    assert "guesser does not beat (image-blind)" in text
    assert "guesser does not beat (image-shuffled)" in text


class Flaky:
    """Fails on every fourth question until it is mended; counts what it is asked."""

    name = "flaky"
    fingerprint = "flaky-1"
    asked: ClassVar[list[str]] = []

    def __init__(self, *, mended: bool) -> None:
        self._mended = mended

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        Flaky.asked += [q.question_id for q in questions]
        return [
            Reply(None, problem="server: 429 too many requests")
            if int(q.question_id.split("-")[1]) % 4 == 0 and not self._mended
            else Reply("<answer>yes</answer>")
            for q in questions
        ]


def test_failed_requests_are_unscored_withheld_and_asked_again(tmp_path: Path) -> None:
    exam = bright_exam(40)
    broken = evaluate([Flaky(mended=False)], [exam], tmp_path, BARE)
    row = broken.find(metric="accuracy")
    assert row.value is None
    assert "refused: 30 of 40 scored (75.0 %), 95 % needed" in row.note
    assert (row.n, row.n_unscored) == (30, 10)
    assert any("10 x server: 429" in w for w in broken.warnings)
    Flaky.asked.clear()
    mended = evaluate([Flaky(mended=True)], [exam], tmp_path, BARE)
    assert len(Flaky.asked) == 10
    row = mended.find(metric="accuracy")
    assert (row.value, row.n, row.n_unscored) == (0.5, 40, 0)
    Flaky.asked.clear()
    again = evaluate([Flaky(mended=True)], [exam], tmp_path, BARE)
    assert Flaky.asked == []
    assert again.rows == mended.rows


def test_a_lower_completeness_shows_the_figure_with_its_unscored_count(tmp_path: Path) -> None:
    options = EvaluationOptions(quiet=True, controls=False, completeness=0.5)
    row = evaluate([Flaky(mended=False)], [bright_exam(40)], tmp_path, options).find(metric="accuracy")
    assert row.value == pytest.approx(10 / 30)  # never 10 / 40
    assert row.n_unscored == 10


def test_empty_and_missing_answers_are_unscored_and_rubbish_is_wrong(tmp_path: Path) -> None:
    replies = {0: Reply("  "), 1: Reply(None), 2: Reply("the moon"), 3: Reply("<answer>yes or no</answer>")}

    class Odd:
        name = "odd"

        def answer(self, questions: Sequence[Question]) -> list[Reply]:
            return [replies[int(q.question_id.split("-")[1]) % 4] for q in questions]

    options = EvaluationOptions(quiet=True, controls=False, completeness=0.1)
    result = evaluate([Odd()], [bright_exam(40)], tmp_path, options)
    row = result.find(metric="accuracy")
    assert (row.value, row.n, row.n_unscored) == (0, 20, 20)
    assert result.find(metric="readable").value == 0
    assert any("empty answer" in w and "no answer" in w for w in result.warnings)


def test_another_evaluation_in_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    exam = bright_exam(20)
    evaluate([Looker()], [exam], tmp_path, BARE)
    with pytest.raises(Conflict, match="options seed: there 0, now 1"):
        evaluate([Looker()], [exam], tmp_path, EvaluationOptions(quiet=True, controls=False, seed=1))
    with pytest.raises(Conflict, match="models"):
        evaluate([Constant("no")], [exam], tmp_path, BARE)
    evaluate([Looker()], [exam], tmp_path, EvaluationOptions(quiet=True, controls=False, batch_size=3))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([], "0 replies to 16 questions"),
        ([Reply("yes", {"perhaps": 0.5})] * 16, "no option"),
        ([Reply("yes", {"yes": math.nan})] * 16, "finite"),
        ([Reply(3)] * 16, "must hold text"),  # type: ignore[arg-type]
    ],
)
def test_a_model_that_breaks_the_protocol_is_told_so(reply: list[Reply], message: str, tmp_path: Path) -> None:
    class Broken:
        name = "broken"

        def answer(self, questions: Sequence[Question]) -> list[Reply]:
            return reply

    with pytest.raises(InvalidInput, match=message):
        evaluate([Broken()], [bright_exam(16)], tmp_path, BARE)


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="name of its own"):
        evaluate([Looker(), Looker()], [bright_exam(16)], tmp_path, BARE)


def test_duplicate_items_are_named_and_the_first_kept() -> None:
    exam = make_exam("twice", [yes_no(0, True), yes_no(0, False), yes_no(1, False)], [])
    assert len(exam.items) == 2
    assert exam.items[0].truth == "yes"
    assert "bright-0" in exam.problems[0]
    with pytest.raises(InvalidInput, match="nothing to ask"):
        make_exam("empty", [], ["x: unreadable"])


def test_one_class_only_is_said_and_nothing_invented(tmp_path: Path) -> None:
    exam = make_exam("dark", [yes_no(k, False) for k in range(20)], [])
    result = evaluate([Looker()], [exam], tmp_path, BARE)
    for metric in ("auc", "balanced_accuracy"):
        row = result.find(metric=metric)
        assert row.value is None
        assert "no" in row.note
    assert any("one class only (no)" in w for w in result.warnings)


def test_a_class_that_was_never_answered_has_no_precision_and_is_not_called_unscored(tmp_path: Path) -> None:
    row = evaluate([Constant("no")], [bright_exam(20)], tmp_path, BARE).find(metric="precision[yes]")
    assert (row.value, row.n, row.n_unscored) == (None, 0, 0)
    assert row.note == "yes was never answered"


def test_few_items_are_flagged(tmp_path: Path) -> None:
    result = evaluate([Looker()], [bright_exam(6)], tmp_path, BARE)
    assert any("6 items only" in w for w in result.warnings)
    assert "fewer than 10" in result.find(metric="accuracy").note


def test_saved_answers_are_matched_by_id(tmp_path: Path) -> None:
    exam = bright_exam(20)
    lines = [
        {"item_id": i.item_id, "text": f"<answer>{i.truth}</answer>", "scores": {"no": 0.2, "yes": 0.8}}
        for i in exam.items
    ]
    lines[3]["text"] = None
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(x) for x in [*lines[:-1], {"item_id": "stranger", "text": "yes"}]))
    result = evaluate([f"answers:{path}"], [exam], tmp_path / "out", EvaluationOptions(quiet=True, completeness=0.5))
    row = result.find(model="answers a.jsonl", metric="accuracy")
    assert (row.value, row.n, row.n_unscored) == (1, 18, 2)
    text = "\n".join(result.warnings)
    assert "1 answers to items that are not in the data (stranger)" in text
    assert "no saved answer" in text
    assert "null in the file" in text
    path.write_text('{"item_id": "a", "text": "x"}\n{"item_id": "a", "text": "y"}\n')
    with pytest.raises(InvalidInput, match="repeats 'a'"):
        evaluate([f"answers:{path}"], [exam], tmp_path / "o2", QUIET)
    path.write_text("not json\n")
    with pytest.raises(InvalidInput, match="line 1"):
        evaluate([f"answers:{path}"], [exam], tmp_path / "o3", QUIET)


def test_own_class_by_name(tmp_path: Path) -> None:
    result = evaluate(["python:tests.evaluation.exams:Looker"], [bright_exam(20)], tmp_path, BARE)
    assert result.find(metric="accuracy").value == 1
    for bad in ("python:nowhere:X", "python:json:dumps", "python:math", "answers:none.jsonl"):
        with pytest.raises(InvalidInput):
            evaluate([bad], [bright_exam(20)], tmp_path / "x", BARE)


def test_two_models_are_compared_as_pairs(tmp_path: Path) -> None:
    exam = make_exam("stages", [stage(k, k % 4) for k in range(120)], [])
    wrong = [i.item_id for i in exam.items][:40]
    result = evaluate([Oracle(exam, name="good"), Oracle(exam, name="poor", wrong=wrong)], [exam], tmp_path, BARE)
    (pair,) = result.outcomes[0].pairs
    assert (pair.a, pair.b, pair.only_a, pair.only_b) == ("good", "poor", 40, 0)
    assert pair.difference == pytest.approx(1 / 3)
    assert pair.lo > 0
    assert pair.p_adjusted < 0.001
    assert pair.p_mcnemar < 1e-6
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["win_tie_loss"] == [{"data": "stages", "a": "good", "b": "poor", "win": 1, "tie": 0, "loss": 0}]


def test_fields_of_view_and_subgroups_have_rows_of_their_own(tmp_path: Path) -> None:
    items = [
        yes_no(k, k % 2 == 0, fov_mm=3.0 if k % 3 else 6.0, groups={"age": ">= 40" if k % 5 else "< 40"})
        for k in range(90)
    ]
    result = evaluate([Looker()], [make_exam("two", items, [])], tmp_path, BARE)
    assert result.find(metric="accuracy", fov_mm=None, task="bright").n == 90
    assert result.find(metric="accuracy", fov_mm=3.0, task="bright").n == 60
    assert result.find(metric="auc", fov_mm=6.0, group="age >= 40").n == 24
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"model", "data", "fov_mm", "task", "metric", "value", "lo", "hi", "n", "n_unscored"} <= report["rows"][
        0
    ].keys()
    assert all(r["group"] == "all" for r in report["rows"])
    assert any(r["group"] == "age >= 40" for r in report["subgroup_rows"])


def test_figures_do_not_depend_on_batches_or_order_of_models(exam: Exam, tmp_path: Path) -> None:
    a = evaluate([Oracle(exam, wrong=["bright-3"])], [exam], tmp_path / "a", BARE)
    b = evaluate(
        [Oracle(exam, wrong=["bright-3"])],
        [exam],
        tmp_path / "b",
        EvaluationOptions(quiet=True, controls=False, batch_size=7),
    )
    assert a.rows == b.rows


def test_leaderboard_has_hash_command_commit_interval_and_no_formulas(tmp_path: Path) -> None:
    exam = bright_exam(20)
    evaluate([Constant("yes", "=cmd()")], [exam], tmp_path, BARE)
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert row["data_sha256"] == exam.sha256
        assert row["command"]
        assert row["commit"]
        assert row["model"] == "'=cmd()"


def test_the_page_escapes_what_models_and_data_say(tmp_path: Path) -> None:
    exam = make_exam("<i>data</i>", [yes_no(k, k % 2 == 0) for k in range(20)], ["<u>problem</u>"])
    evaluate([Constant("<script>alert(1)</script>", "<b>model</b>")], [exam], tmp_path, QUIET)
    page = (tmp_path / "report.html").read_text()
    for hostile in ("<i>data", "<u>problem", "<script", "<b>model"):
        assert hostile not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_items_file_holds_every_answer(tmp_path: Path) -> None:
    evaluate([Looker()], [bright_exam(20)], tmp_path, BARE)
    rows = [json.loads(x) for x in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert len(rows) == 20
    assert rows[0]["text"] == "<answer>yes</answer>"
    assert rows[0]["exact"] == 1


def test_scoring_a_thousand_items_is_quick(tmp_path: Path) -> None:
    import time

    from chiasm.evaluation._asking import ask_all_items
    from chiasm.evaluation._marking import mark_all

    exam = make_exam("thousand", [i for k in range(500) for i in (yes_no(k, k % 2 == 0), stage(k, k % 4))], [])
    oracle = Oracle(exam)
    began = time.process_time()
    replies = ask_all_items(oracle, exam.items, quiet=True).replies
    mark_all(exam.items, replies)
    assert time.process_time() - began < 2


def test_options_are_checked() -> None:
    for bad in ({"completeness": 0}, {"batch_size": 0}, {"max_tokens": 0}, {"seed": -1}):
        with pytest.raises(InvalidInput):
            EvaluationOptions(**bad)


def test_counts_of_items_wrong_by_the_parser_show_strict_beside_tolerant(tmp_path: Path) -> None:
    result = evaluate([Constant("Yes, it is bright.", "wordy")], [bright_exam(20)], tmp_path, BARE)
    assert result.find(metric="accuracy").value == 0.5
    assert result.find(metric="accuracy_strict").value == 0
    assert result.find(metric="readable").value == 1
    assert result.find(metric="readable_strict").value == 0


def test_unjudgeable_items_and_abstention() -> None:
    from chiasm.evaluation._marking import mark
    from chiasm.questions import Key, Unjudged

    hidden = item(0, "bright", Key(expects="yesno", answer=Unjudged()))
    assert "cannot be judged" in hidden.classes
    assert mark(hidden, Reply("<answer>cannot be judged</answer>")).tolerant.exact == 1
    wrong = mark(yes_no(1, True), Reply("<answer>cannot be judged</answer>"))
    assert wrong.tolerant.exact == 0
    assert wrong.abstained
    assert np.isnan(mark(yes_no(1, True), Reply(None, problem="x")).tolerant.exact)
