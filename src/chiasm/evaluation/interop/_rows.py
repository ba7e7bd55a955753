"""Scoring of one exported row, for harnesses that call us back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chiasm.evaluation._marking import mark
from chiasm.evaluation._question import ExamItem, Question, Reply
from chiasm.questions import Key


def score_row(row: Mapping[str, Any], text: str) -> tuple[float, float]:
    """(exact, graded) of a reply to an exported row; NaN for an empty reply, which is unscored.

    Args:
        row: With key, classes, truth, merge and ordinal, as `export_lmms` writes them.
        text: Everything the model wrote.
    """
    item = ExamItem(
        question=Question(question_id=row["item_id"], prompt=row["question"], pictures=()),
        case_id=row["patient_id"],
        patient_id=row["patient_id"],
        task=row["task"],
        level="",
        key=Key.model_validate_json(row["key"]),
        classes=tuple(row["classes"]),
        truth=row["truth"],
        merge={pair["answer"]: pair["class"] for pair in row["merge"]},
        ordinal=bool(row["ordinal"]),
    )
    if not text.strip():
        return math.nan, math.nan
    marked = mark(item, Reply(text))
    return marked.tolerant.exact, marked.tolerant.graded
