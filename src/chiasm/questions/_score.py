"""Scores of answers: exact (0 or 1) and graded in [0, 1], strictly and tolerantly read, each with its reason.

Graded score by kind: choice, yes/no: as exact. Number, count: relative accuracy (DeepTumorVQA's MRA). Category: 1 - steps
apart / most steps where ordinal, else as exact. Set: F1. Boxes: matched IoU over the longer list. Points: 1 within the radius,
falling to 0 at four radii. Ordered: longest common subsequence. Report: F1 of its claims.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chiasm.questions._answers import (
    BOX_IOU,
    Answer,
    BoxesAnswer,
    CategoryAnswer,
    ChoiceAnswer,
    CountAnswer,
    Key,
    NumberAnswer,
    OrderedAnswer,
    PointsAnswer,
    ReportAnswer,
    SetAnswer,
    Unjudged,
    YesNoAnswer,
)
from chiasm.questions._metrics import (
    matched_distances,
    matched_ious,
    order_agreement,
    ordinal_accuracy,
    relative_accuracy,
    set_f1,
)
from chiasm.questions._parse import Parsed, parse_answer
from chiasm.questions._report import score_report

SLACK: Final = 1e-9
"""Relative rounding slack, so that a value on the edge of its tolerance is within it."""


class Mark(NamedTuple):
    """One score."""

    exact: float
    """1.0 or 0.0."""
    graded: float
    """In [0, 1]."""
    reason: str
    parsed: Answer | None


class Score(NamedTuple):
    """A completion's scores under both parsers."""

    strict: Mark
    tolerant: Mark


def score(completion: str, key: Key) -> Score:
    """Score a completion; never raises, whatever it holds."""
    strict, tolerant = parse_answer(completion, key)
    lenient = mark(tolerant, key)
    return Score(lenient if strict == tolerant else mark(strict, key), lenient)


def mark(parsed: Parsed, key: Key) -> Mark:
    """Score an answer that has been read."""
    got, truth = parsed.answer, key.answer
    if got is None:
        return Mark(0.0, 0.0, f"not read: {parsed.reason}", None)
    if isinstance(got, Unjudged) or isinstance(truth, Unjudged):
        right = isinstance(got, Unjudged) and isinstance(truth, Unjudged)
        if right:
            return Mark(1.0, 1.0, "right: it cannot be judged", got)
        return Mark(0.0, 0.0, "abstained" if isinstance(got, Unjudged) else "answered what cannot be judged", got)
    exact, graded, reason = _compare(got, truth, key)
    return Mark(float(exact), float(graded), reason, got)


def _compare(got: Answer, truth: Answer, key: Key) -> tuple[bool, float, str]:
    match got, truth:
        case (ChoiceAnswer(), ChoiceAnswer()) | (YesNoAnswer(), YesNoAnswer()):
            return _same(got == truth)
        case NumberAnswer(), NumberAnswer():
            near = abs(got.value - truth.value) <= (key.tolerance or 0.0) + SLACK * abs(truth.value)
            graded = relative_accuracy(got.value, truth.value)
            return (
                near,
                graded,
                f"off by {abs(got.value - truth.value):.4g} {truth.unit}, tolerance {key.tolerance:.4g}",
            )
        case CountAnswer(), CountAnswer():
            return (
                got.value == truth.value,
                relative_accuracy(got.value, truth.value),
                f"{got.value:g} for {truth.value:g}",
            )
        case CategoryAnswer(), CategoryAnswer():
            if not key.ordinal:
                return _same(got == truth)
            graded = ordinal_accuracy(got.value, truth.value, key.options)
            return got == truth, graded, f"{got.value} for {truth.value}"
        case SetAnswer(), SetAnswer():
            return got == truth, set_f1(got.values, truth.values), f"F1 of {sorted(got.values)}"
        case BoxesAnswer(), BoxesAnswer():
            return _boxes(got, truth)
        case PointsAnswer(), PointsAnswer():
            return _points(got, truth, key.tolerance or 0.0)
        case OrderedAnswer(), OrderedAnswer():
            return got == truth, order_agreement(got.values, truth.values), "order"
        case ReportAnswer(), ReportAnswer():
            return score_report(got.text, key)
        case _:
            return False, 0.0, f"{got.kind} where {truth.kind} was asked"


def _same(right: bool) -> tuple[bool, float, str]:
    return right, float(right), "right" if right else "wrong"


def _boxes(got: BoxesAnswer, truth: BoxesAnswer) -> tuple[bool, float, str]:
    longest = max(len(got.boxes), len(truth.boxes))
    if longest == 0:
        return True, 1.0, "right: none"
    overlaps = matched_ious(got.boxes, truth.boxes)
    exact = len(got.boxes) == len(truth.boxes) and all(v >= BOX_IOU for v in overlaps)
    return (
        exact,
        sum(overlaps) / longest,
        f"IoU {[round(v, 3) for v in overlaps]} of {len(truth.boxes)}, {len(got.boxes)} given",
    )


def _points(got: PointsAnswer, truth: PointsAnswer, radius: float) -> tuple[bool, float, str]:
    longest = max(len(got.points), len(truth.points))
    if longest == 0:
        return True, 1.0, "right: none"
    apart = matched_distances(got.points, truth.points)
    exact = len(got.points) == len(truth.points) and all(d <= radius + SLACK for d in apart)
    graded = sum(min(1.0, max(0.0, (4 * radius - d) / (3 * radius))) for d in apart) / longest
    return exact, graded, f"{[round(d, 1) for d in apart]} thousandths off, radius {radius:g}"
