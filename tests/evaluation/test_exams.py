"""From what the user names to an exam: built data, bad rows, and real collections."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.evaluation.exams import Constant

from chiasm.case import Case, Fact, Laterality, Origin, View
from chiasm.corpus._schema import items_schema
from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation import EvaluationOptions, evaluate, load_exam
from chiasm.evaluation._real import STAGES, dr_item, stage_answers, stage_prompt
from chiasm.questions import CategoryAnswer, Key, YesNoAnswer


def png(level: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.full((16, 20), level, np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def row(number: int, *, split: str = "test", **changes: Any) -> dict[str, Any]:
    """One row in the corpus's schema."""
    key = Key(expects="yesno", answer=YesNoAnswer(yes=number % 2 == 0)).model_dump_json()
    view = {
        "view_id": "od", "change": "none", "modality": "OCTA en face", "laterality": "OD", "visit": 0,
        "spacing_mm": [0.01, 0.01], "sha256": "", "attributes": json.dumps({"fov_mm": 3.0, "profile": "rtvue"}),
    }  # fmt: skip
    finding = {
        "finding_id": "f1", "term": "capillary dropout", "image": 0, "laterality": "OD", "visit": 0, "visible": True,
        "box": [4.0, 5.0, 8.0, 15.0], "points": [], "polyline": [], "mask_size": None, "mask_counts": None,
        "attributes": "{}", "quantities": "[]",
    }  # fmt: skip
    shadow = finding | {"finding_id": "f2", "term": "shadow"}
    facts = [{"name": "age", "value": 63.5}, {"name": "sex", "value": "F"}]
    plain = dict.fromkeys(items_schema().names, "")
    lists = {"options": [], "graphs": [], "messages": []}
    own = {
        "item_id": f"dropout-present-{number}", "case_id": f"c{number}", "patient_id": f"p{number}", "split": split,
        "program": "dropout-present", "level": "recognition", "stage": "pdr", "question": "Is there dropout?", "key": key,
        "images": [{"bytes": png(number), "path": "x.png"}], "views": [view], "findings": [finding, shadow],
        "facts": json.dumps(facts), "evidence": [{"view_id": "od", "finding_id": "f1"}], "reasoning": "No IRMA.",
    }  # fmt: skip
    return {**plain, **lists, **own, **changes}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=items_schema()), path)
    return path


def test_a_built_data_set_is_read_with_groups_overlays_and_options(tmp_path: Path) -> None:
    write(tmp_path / "data" / "test-00000.parquet", [row(k) for k in range(4)])
    exam = load_exam(str(tmp_path))
    item = exam.items[1]
    assert len(exam.items) == 4
    assert exam.name.endswith("(test)")
    assert (item.truth, item.classes, item.question.options) == ("no", ("no", "yes"), ("no", "yes"))
    assert item.groups == {
        "severity": "pdr", "age": ">= 60", "sex": "F", "profile": "rtvue", "artefact": "shadow",
    }  # fmt: skip
    assert (item.fov_mm, item.laterality, item.reasoning) == (3.0, "OD", "No IRMA.")
    (overlay,) = item.overlays
    assert overlay.box == pytest.approx((4 / 16, 5 / 20, 8 / 16, 15 / 20))
    assert overlay.label == "capillary dropout"
    np.testing.assert_array_equal(item.question.pictures[0].array(), np.full((16, 20), 1))
    assert load_exam(str(tmp_path)).sha256 == exam.sha256
    assert load_exam(str(tmp_path / "data" / "test-00000.parquet")).sha256 == exam.sha256


def test_the_test_split_is_taken_where_there_is_one(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [row(0, split="train"), row(1), row(2, split="train")])
    assert [i.item_id for i in load_exam(str(tmp_path)).items] == ["dropout-present-1"]
    assert len(load_exam(str(tmp_path), split="train").items) == 2
    with pytest.raises(InvalidInput, match="holds test, train"):
        load_exam(str(tmp_path), split="validation")
    write(tmp_path / "a.parquet", [row(0, split="train"), row(2, split="train")])
    assert len(load_exam(str(tmp_path)).items) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [None]}, "missing"),
        ({"images": [{"bytes": None, "path": "x"}]}, "missing"),
        ({"key": "{}"}, "expects: Field required"),
        ({"key": "not json"}, "Invalid JSON"),
        ({"facts": "{"}, "Expecting"),
        ({"item_id": "dropout-present-0"}, "unique"),
    ],
)
def test_bad_rows_are_named_and_left_out(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path / "a.parquet", [row(0), row(1, **changes)])
    exam = load_exam(str(tmp_path))
    assert len(exam.items) == 1
    assert len(exam.problems) == 1
    assert message in exam.problems[0]
    result = evaluate([Constant("yes")], [exam], tmp_path / "out", EvaluationOptions(quiet=True, controls=False))
    assert any("1 entries were left out" in w for w in result.warnings)


def test_what_is_no_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no data at"):
        load_exam(str(tmp_path / "none"))
    with pytest.raises(InvalidInput, match="no Parquet file of items"):
        load_exam(str(tmp_path))
    (tmp_path / "x.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(InvalidInput, match="not a readable Parquet"):
        load_exam(str(tmp_path))
    pq.write_table(pa.table({"item_id": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(InvalidInput, match="lacks the columns"):
        load_exam(str(tmp_path))
    with pytest.raises(UnknownName, match="did you mean 'octa500'"):
        load_exam("octa50:x")
    with pytest.raises(InvalidInput, match="split is for built"):
        load_exam(f"octa500:{tmp_path}", split="test")


def test_a_limit_takes_tasks_in_turn(tmp_path: Path) -> None:
    rows = [row(k) for k in range(6)] + [row(k, item_id=f"other-{k}", program="other") for k in range(6)]
    write(tmp_path / "a.parquet", rows)
    exam = load_exam(str(tmp_path), limit=4)
    assert [i.task for i in exam.items] == ["dropout-present", "other"] * 2
    with pytest.raises(InvalidInput, match="limit"):
        load_exam(str(tmp_path), limit=0)


def eye(disease: str) -> Case:
    view = View(
        view_id="octa",
        modality="OCTA en face",
        pixels=np.zeros((30, 30), np.uint8),
        spacing_mm=(0.1, 0.1),
        laterality=Laterality.OD,
        attributes={"slab": "inner retina", "fov_mm": 3.0},
    )
    origin = Origin(kind="source", name="x", version="1", file="x", sha256="0" * 64, licence="none")
    facts = (Fact(name="disease", value=disease), Fact(name="age", value=77, unit="years"), Fact(name="sex", value="F"))
    return Case(case_id="c", patient_id="p", views=(view,), facts=facts, origin=origin)


def test_the_real_question_says_nothing_about_the_patient() -> None:
    text = stage_prompt(eye("DR").views[0])
    assert "3 x 3 mm" in text
    for word in ("77", "age", "female", "woman", "DR", "p"):
        assert word not in text.split()
    assert all(stage in text for stage in STAGES)


def test_asked_directly_two_classes_are_asked_for_as_two() -> None:
    """Of four words "healthy" can be the likeliest where the other three together are likelier."""
    from chiasm.evaluation import Reply
    from chiasm.evaluation._marking import mark

    item = dr_item(eye("DR"), eye("DR").views[0], "dr", {}, style="direct")
    assert item.question.options == ("no", "yes")
    assert "Diabetic retinopathy: yes or no?" in item.question.prompt
    assert "3 x 3 mm" in item.question.prompt
    for said, expected in (("no", "healthy"), ("yes", "dr")):
        marked = mark(item, Reply(f"<answer>{said}</answer>", {"no": 0.4, "yes": 0.6}))
        assert marked.tolerant.answer == expected
        assert marked.probabilities == pytest.approx({"healthy": 0.4, "dr": 0.6})


@pytest.mark.parametrize(("answer", "expected"), [("healthy", "healthy"), ("early-npdr", "dr"), ("pdr", "dr")])
def test_with_reasoning_any_stage_but_healthy_counts_as_dr(answer: str, expected: str) -> None:
    from chiasm.evaluation import Reply
    from chiasm.evaluation._marking import mark

    item = dr_item(eye("DR"), eye("DR").views[0], "dr", {})
    scores = {"healthy": 0.2, "early-npdr": 0.3, "late-npdr": 0.4, "pdr": 0.1}
    marked = mark(item, Reply(f"<answer>{answer}</answer>", scores))
    assert marked.tolerant.answer == expected
    assert marked.probabilities == pytest.approx({"healthy": 0.2, "dr": 0.8})


def test_a_stage_answers_both_questions() -> None:
    direct = dr_item(eye("DR"), eye("DR").views[0], "dr", {}, style="direct")
    assert stage_answers(direct) == {"healthy": "no", "early-npdr": "yes", "late-npdr": "yes", "pdr": "yes"}
    assert stage_answers(dr_item(eye("DR"), eye("DR").views[0], "dr", {})) == {stage: stage for stage in STAGES}
    assert stage_answers(replace(direct, classes=("left", "right"))) == {}


def test_an_image_folder_becomes_a_classification(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for k in range(3):
            path = tmp_path / label / f"{k}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png(k + 10 * (label == "dog")))
    (tmp_path / "dog" / "broken.png").write_bytes(b"no image")
    exam = load_exam(f"images:{tmp_path}")
    assert [i.truth for i in exam.items] == ["cat"] * 3 + ["dog"] * 3
    assert "cat, dog" in exam.items[0].question.prompt
    assert any("broken.png" in p for p in exam.problems)
    assert isinstance(exam.items[0].key.answer, CategoryAnswer)
    one = tmp_path / "one"
    (one / "cat").mkdir(parents=True)
    (one / "cat" / "0.png").write_bytes(png(0))
    with pytest.raises(InvalidInput, match="at least two labels"):
        load_exam(f"images:{one}")


def test_octa500_with_its_pixel_baseline_gives_the_published_figures(real_data: Path, tmp_path: Path) -> None:
    """The data's readme states them: AUC 0.939 and 0.759, 0.88 and 0.74 at 40 years and above, 0.65 for a carried threshold."""
    from chiasm.evaluation._figures import cells, figures_of_cell
    from chiasm.evaluation._marking import mark_all
    from chiasm.evaluation._pixels import carried_threshold_replies, low_flow_replies

    exam = load_exam(f"octa500:{real_data / 'octa500'}")
    assert len(exam.items) == 157
    found = {}
    for name, replies in (
        ("own", low_flow_replies(exam.items, np.random.default_rng(0))),
        ("carried", carried_threshold_replies(exam.items)),
    ):
        for cell in cells(mark_all(exam.items, replies)):
            figures = figures_of_cell(cell, np.random.default_rng(0))
            found[name, cell.fov_mm, cell.group] = dict(figures)
    assert found["own", 3.0, "all"]["auc"].value == pytest.approx(0.939, abs=0.001)
    assert found["own", 6.0, "all"]["auc"].value == pytest.approx(0.759, abs=0.001)
    assert found["own", 3.0, "age >= 40"]["auc"].value == pytest.approx(0.88, abs=0.01)
    assert found["own", 6.0, "age >= 40"]["auc"].value == pytest.approx(0.74, abs=0.01)
    carried = [found["carried", f, "all"]["balanced_accuracy"].value for f in (3.0, 6.0)]
    assert np.mean(carried) == pytest.approx(0.65, abs=0.02)


def asked_at(number: int, visit: int, *, without: str = "", program: str = "dropout-present") -> dict[str, Any]:
    """A row about one view of the case c0 at a visit; of a twin where something was taken out."""
    view = row(0)["views"][0] | {"view_id": f"od-v{visit}-inner", "visit": visit}
    facts = [{"name": "twin", "value": f"without {without}", "visit": visit}] if without else []
    own = {"item_id": f"{program}-{number}", "case_id": "c0", "patient_id": "p0", "program": program, "views": [view]}
    return row(number, facts=json.dumps(facts), **own)


def test_twins_in_a_built_data_set_are_paired_with_their_asked_at(tmp_path: Path) -> None:
    rows = [
        asked_at(0, 0),
        asked_at(1, 2, without="dropout"),  # of two true visits: the twin of the first
        asked_at(2, 1),
        asked_at(4, 4, without="irma"),
        asked_at(3, 3, without="dropout", program="stage"),  # its partner was not asked
        asked_at(5, 2, without="dropout"),  # asked twice: paired once
    ]
    exam = load_exam(str(write(tmp_path / "a.parquet", rows)))
    told = {i.item_id: [(p.test, p.level, p.changed) for p in i.pairings] for i in exam.items}
    assert told == {
        "dropout-present-0": [("twins", "dropout", False), ("twins", "irma", False)],
        "dropout-present-1": [("twins", "dropout", True)],
        "dropout-present-2": [],
        "dropout-present-4": [("twins", "irma", True)],
        "stage-3": [],
        "dropout-present-5": [],
    }
    yes = evaluate([Constant("yes", "yes")], [exam], tmp_path / "out", EvaluationOptions(quiet=True, controls=False))
    rows_of = {(r.level, r.metric): r for r in yes.outcomes[0].robustness}
    assert rows_of["dropout", "answer changed"].after == 0
    assert rows_of["dropout", "answer changed"].n == 1
    assert rows_of["irma", "same answer"].after == 1
    limited = load_exam(str(tmp_path / "a.parquet"), limit=3)
    assert {"dropout-present-0", "dropout-present-1", "dropout-present-4"} <= {i.item_id for i in limited.items}
