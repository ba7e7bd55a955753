"""What is said on the way: claims, stage against findings, and the first error of a chain."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.exams import stage

import chiasm
from chiasm.evaluation import ExamItem, Reply
from chiasm.evaluation._claims import HELD_OUT, chain, chain_table, claim_figures, implied_stage
from chiasm.evaluation._marking import Marked, mark
from chiasm.questions import Statement, Step, Trace
from chiasm.questions.reading import claims

GOOD = (
    "The FAZ is enlarged (0.51 mm2). 2 areas of capillary dropout covering 9.8 % of the field. The largest, 0.70 mm2, lies "
    "1.24 mm to the upper right of the fovea. 6 microaneurysms. No IRMA. No neovascularization. Dropout above 8 % means late NPDR."
)


def statement(key: str, **slots: object) -> Statement:
    return Statement.model_validate({"key": key, "slots": slots})


def step(op: str, *statements: Statement) -> Step:
    return Step(op=op, statements=statements)


TRACE = Trace(
    steps=(
        step("find"),
        step("classify", statement("faz.size", area=0.51, size="enlarged")),
        step(
            "classify",
            statement("dropout.some", n=2, term="capillary dropout", share=9.8, extent="moderate"),
        ),
        step("sector", statement("dropout.largest", area=0.70, distance=1.24, sector="upper right")),
        step("find", statement("absent", term="intraretinal microvascular abnormality")),
        step("find", statement("absent", term="neovascularization")),
        step("apply_stage_rule", statement("stage.late-npdr-share")),
    )
)


@pytest.fixture
def item() -> ExamItem:
    return replace(stage(0, 2), reasoning=GOOD, laterality="OD", trace_json=TRACE.model_dump_json())


def said(item: ExamItem, reasoning: str, answer: str = "late-npdr") -> Marked:
    return mark(item, Reply(f"<think>{reasoning}</think><answer>{answer}</answer>"))


def test_the_perfect_reasoning_is_perfect(item: ExamItem) -> None:
    figures = dict(claim_figures([said(item, GOOD)] * 3))
    assert figures["claim_precision"].value == 1
    assert figures["claim_recall"].value == 1
    assert figures["hallucinating_share"].value == 0
    assert figures["stage_finding_consistency"].value == 1
    link = chain(said(item, GOOD))
    assert link is not None
    assert (link.outcome, link.first) == ("right", "nothing wrong said")


def test_an_invented_finding_is_a_hallucination_and_costs_precision(item: ExamItem) -> None:
    worse = GOOD.replace("No neovascularization.", "2 neovascularizations.")
    figures = dict(claim_figures([said(item, worse)]))
    assert figures["hallucinating_share"].value == 1
    assert figures["claim_precision"].value < 1
    assert figures["stage_finding_consistency"].value == 0


def test_silence_costs_recall_only(item: ExamItem) -> None:
    short = GOOD.replace("6 microaneurysms. ", "").replace("The FAZ is enlarged (0.51 mm2). ", "")
    figures = dict(claim_figures([said(item, short)]))
    assert figures["claim_precision"].value == 1
    assert figures["claim_recall"].value < 0.9
    link = chain(said(item, short))
    assert link is not None
    assert link.first == "left out"
    nothing = chain(mark(item, Reply("<answer>late-npdr</answer>")))
    assert nothing is not None
    assert nothing.first == "silent"


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("enlarged (0.51 mm2)", "small (0.15 mm2)", "measuring"),
        ("upper right", "lower left", "comparing"),
        ("No neovascularization", "1 neovascularization", "seeing"),
        ("means late NPDR", "means PDR", "knowing"),
    ],
)
def test_the_first_error_is_found_by_its_kind(item: ExamItem, old: str, new: str, first: str) -> None:
    link = chain(said(item, GOOD.replace(old, new), "pdr"))
    assert link is not None
    assert (link.outcome, link.first) == ("wrong", first)
    row = next(r for r in chain_table([said(item, GOOD.replace(old, new), "pdr")]) if r.first == first)
    assert (row.n_wrong, row.n_right, row.n_any) == (1, 0, 1)


def test_a_right_answer_for_wrong_reasons_is_counted(item: ExamItem) -> None:
    row = chain_table([said(item, GOOD.replace("upper right", "lower left"))])[2]
    assert (row.first, row.n_wrong, row.n_right) == ("comparing", 0, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No dropout. No microaneurysms. No IRMA. No neovascularization.", "healthy"),
        ("1 neovascularization.", "pdr"),
        ("2 IRMAs. No neovascularization.", "late-npdr"),
        ("Capillary dropout covering 9 % of the field. No IRMA. No neovascularization.", "late-npdr"),
        ("Capillary dropout covering 3 % of the field. No IRMA. No neovascularization.", "early-npdr"),
        ("Capillary dropout. No IRMA. No neovascularization.", None),
        ("No neovascularization.", None),
        ("", None),
    ],
)
def test_the_rule_over_named_findings(text: str, expected: str | None) -> None:
    assert implied_stage(claims(text).claims) == expected


def test_items_without_facts_or_words_are_left_out(item: ExamItem) -> None:
    assert list(claim_figures([said(replace(item, reasoning="No IRMA."), GOOD)])) == []
    assert list(claim_figures([mark(item, Reply("<answer>pdr</answer>"))])) == []
    assert chain(said(replace(item, trace_json=""), GOOD)) is None
    assert chain_table([]) == []
    assert json.loads(item.trace_json)["steps"]


def test_the_held_out_metric_is_out_of_reach_of_training_and_says_so(item: ExamItem) -> None:
    rooms = ("case", "measure", "worlds", "sources", "models", "questions", "corpus", "training")
    root = Path(chiasm.__file__).parent
    files = [f for room in rooms for f in (root / room).rglob("*.py")]
    assert len(files) > 100
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "chiasm.evaluation" not in text, file
        for name in (HELD_OUT, "stage_agrees", "implied_stage"):
            assert name not in text, f"{file} knows {name}"
    found = dict(claim_figures([said(item, GOOD)]))
    assert "never a training reward" in found[HELD_OUT].note
    assert found[HELD_OUT].value == 1
