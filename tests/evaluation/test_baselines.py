"""Baselines that are trained: small networks on pictures, age alone, and the table that sets all beside the models."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.exams import STAGES, Constant, Oracle, item
from tests.evaluation.test_exams import row, write

from chiasm.errors import InvalidInput
from chiasm.evaluation import EvaluationOptions, Exam, Picture, evaluate, make_exam
from chiasm.evaluation import _network as network
from chiasm.evaluation._cache import AnswerCache
from chiasm.evaluation._pixels import AGE, LOW_FLOW
from chiasm.evaluation._real import DR_CLASSES, stage_key
from chiasm.questions import CategoryAnswer, Key, YesNoAnswer

MERGE = {"no": "healthy", "yes": "dr"}


def spotted(k: int, *, ill: bool) -> Picture:
    """Noise, with a dark square somewhere where the eye is ill; its mean brightness tells nothing."""
    rng = np.random.default_rng([5, k])
    pixels = rng.integers(60, 200, (32, 32)).astype(np.float64)
    if ill:
        r, c = rng.integers(2, 18, 2)
        pixels[r : r + 11, c : c + 11] = 10
    return Picture.from_array(np.clip(pixels * (110 / pixels.mean()), 0, 255).astype(np.uint8))


def dr_exam(n: int = 60, fov_mm: float = 3.0) -> Exam:
    items = []
    for k in range(n):
        ill = k % 3 == 0
        years = 30.0 + 20 * ill + k % 25
        key = Key(expects="yesno", answer=YesNoAnswer(yes=ill))
        made = item(
            k, "dr", key, classes=DR_CLASSES, truth=DR_CLASSES[ill], merge=MERGE, ordinal=False, fov_mm=fov_mm,
            age=years, groups={"age": ">= 40" if years >= 40 else "< 40"},
        )  # fmt: skip
        shown = replace(made.question, options=tuple(MERGE), pictures=(spotted(1000 + k, ill=ill),))
        items.append(replace(made, question=shown))
    return make_exam("eyes", items, [])


def built(folder: Path, n: int = 40, **changes: Any) -> Path:
    rows = []
    for k in range(n):
        ill = k % 2 == 0
        key = Key(expects="category", answer=CategoryAnswer(value=STAGES[2 * ill]), options=STAGES, ordinal=True)
        own = {
            "program": "explain-stage", "item_id": f"explain-{k}", "key": key.model_dump_json(),
            "images": [{"bytes": spotted(k, ill=ill).png, "path": "x.png"}], "findings": [], "evidence": [],
        }  # fmt: skip
        rows.append(row(k, split="train", **(own | changes)))
    write(folder / "data" / "train-00000.parquet", rows)
    return folder


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("STEPS", 50), ("FOLD_STEPS", 40), ("SIDE_PX", 32)):
        monkeypatch.setattr(network, name, value)


def test_every_baseline_stands_in_the_table_beside_the_models(tmp_path: Path) -> None:
    exam = dr_exam()
    models = [Oracle(exam, name=f"seed {k}", wrong=[i.item_id for i in exam.items][k : 5 * k : 2]) for k in range(3)]
    options = EvaluationOptions(quiet=True, cnn=str(built(tmp_path / "data")))
    result = evaluate(models, [exam], tmp_path / "out", options)
    assert result.find(model=network.TRAINED, metric="auc").value > 0.95
    assert result.find(model=network.TRAINED, metric="balanced_accuracy").value > 0.8
    assert result.find(model=network.CROSS_VALIDATED, metric="auc").value > 0.75
    assert 0.75 < result.find(model=AGE, metric="auc").value < 1
    table = (tmp_path / "out" / "table.md").read_text()
    for group in ("## eyes: dr, 3 mm (20 dr against 40 healthy)", "## eyes: dr, 3 mm, age >= 40 (20 dr against"):
        assert group in table
    for name in (
        "**seed 0**", "**seed 2**", "median of the 3 models (range)", "majority answer", LOW_FLOW, AGE, network.TRAINED,
        network.CROSS_VALIDATED, "seed 1 (image-blind)", "precision healthy | recall healthy | F1 healthy | precision dr",
    ):  # fmt: skip
        assert name in table, name
    first = next(line for line in table.splitlines() if line.startswith("| **seed 0** | "))
    assert first.count("[") == 3  # AUC, its difference to low-flow pixels and balanced accuracy, each with an interval
    low_flow = result.find(model=LOW_FLOW, metric="auc").value
    assert f"| {1 - low_flow:+.3f} [" in first


def test_networks_are_the_same_again_and_not_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exam, data = dr_exam(30), built(tmp_path / "data")
    plain = network.trained_replies(exam.items, data, seed=1, cache=None)
    with AnswerCache(tmp_path / "a.jsonl") as cache:
        assert network.trained_replies(exam.items, data, seed=1, cache=cache) == plain
        crossed = network.cross_validated_replies(exam.items, seed=1, cache=cache)
    assert all(set(r.scores or {}) == set(MERGE) for r in plain)
    monkeypatch.setattr(network, "fit", None)
    with AnswerCache(tmp_path / "a.jsonl") as cache:
        again = network.trained_replies(exam.items, data, seed=1, cache=cache)
        assert [r.text for r in again] == [r.text for r in plain]
        assert network.cross_validated_replies(exam.items, seed=1, cache=cache) == crossed


def test_cross_validated_answers_come_from_other_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that have nothing to do with the pictures are not learned: a leak would reach 1."""
    exam = dr_exam(60)
    rng = np.random.default_rng(0)
    drawn = [replace(i, truth=DR_CLASSES[int(rng.integers(2))]) for i in exam.items]
    replies = network.cross_validated_replies(drawn, seed=0, cache=None)
    right = np.mean([MERGE[str(r.text)[8:-9]] == i.truth for r, i in zip(replies, drawn, strict=True)])
    assert 0.25 < right < 0.75


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    exam = dr_exam(12)
    with pytest.raises(InvalidInput, match="no train split with the programs explain-stage or stage"):
        network.trained_replies(exam.items, built(tmp_path / "a", program="describe"), seed=0, cache=None)
    view = row(0)["views"][0] | {"attributes": json.dumps({"fov_mm": 6.0})}
    other = network.trained_replies(exam.items, built(tmp_path / "b", views=[view]), seed=0, cache=None)
    assert {r.problem for r in other} == {f"{tmp_path / 'b'} has no picture of 3 mm to train on"}
    few = network.cross_validated_replies(exam.items, seed=0, cache=None)
    assert {r.problem for r in few} == {"5 folds need 5 patients of each class, got 4"}
    bright = make_exam("bright", [item(0, "stage", stage_key(), fov_mm=None)], [])
    assert network.trained_replies(bright.items, tmp_path / "none", seed=0, cache=None)[0].text is None


def test_the_table_says_when_there_is_nothing_to_say(tmp_path: Path) -> None:
    exam = make_exam("stages", [item(k, "stage", stage_key()) for k in range(12)], [])
    evaluate([Constant("healthy")], [exam], tmp_path, EvaluationOptions(quiet=True, controls=False))
    assert "No task of two classes was asked." in (tmp_path / "table.md").read_text()
