"""How near an answer comes, each as the field defines it. Pure functions of numbers and sets.

Sources: relative accuracy, DeepTumorVQA v2 (arXiv 2605.09679); mean relative accuracy, VSI-Bench (arXiv 2412.14171);
generalised IoU, Rezatofighi et al. 2019 (arXiv 1902.09630).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

Box = tuple[float, float, float, float]
MRA_THRESHOLDS: Final = tuple(0.5 + 0.05 * k for k in range(10))
"""0.50, 0.55 ... 0.95 (VSI-Bench, section 4)."""


def relative_error(got: float, truth: float) -> float:
    """|got - truth| / |truth|; 0 or infinity where the truth is 0."""
    if truth == 0:
        return 0.0 if got == 0 else math.inf
    return abs(got - truth) / abs(truth)


def relative_accuracy(got: float, truth: float) -> float:
    """max(0, 1 - relative error), the "MRA" of DeepTumorVQA."""
    return max(0.0, 1.0 - relative_error(got, truth))


def mean_relative_accuracy(got: float, truth: float) -> float:
    """Share of thresholds t in 0.50 ... 0.95 with relative error < 1 - t, the MRA of VSI-Bench."""
    error = relative_error(got, truth)
    return sum(error < 1 - t - 1e-12 for t in MRA_THRESHOLDS) / len(MRA_THRESHOLDS)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two (x1, y1, x2, y2) boxes, in [0, 1]; 0 where the union is empty."""
    union = _area(a) + _area(b) - _intersection(a, b)
    return _intersection(a, b) / union if union > 0 else 0.0


def giou(a: Box, b: Box) -> float:
    """Generalised IoU in [-1, 1]: IoU less the share of the hull that neither box covers."""
    union = _area(a) + _area(b) - _intersection(a, b)
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return iou(a, b) - ((hull - union) / hull if hull > 0 else 0.0)


def matched_ious(got: Sequence[Box], truth: Sequence[Box]) -> list[float]:
    """IoU of each pair of the best one-to-one matching of two lists of boxes."""
    if not got or not truth:
        return []
    table = np.array([[iou(a, b) for b in truth] for a in got])
    rows, cols = linear_sum_assignment(-table)
    return [float(v) for v in table[rows, cols]]


def matched_distances(got: Sequence[tuple[float, float]], truth: Sequence[tuple[float, float]]) -> list[float]:
    """Distance of each pair of the nearest one-to-one matching of two lists of points."""
    if not got or not truth:
        return []
    table = np.array([[math.dist(a, b) for b in truth] for a in got])
    rows, cols = linear_sum_assignment(table)
    return [float(v) for v in table[rows, cols]]


def set_f1(got: AbstractSet[str], truth: AbstractSet[str]) -> float:
    """F1 of two sets; 1 where both are empty."""
    if not got and not truth:
        return 1.0
    return 2 * len(got & truth) / (len(got) + len(truth))


def ordinal_accuracy(got: str, truth: str, order: Sequence[str]) -> float:
    """1 - steps apart / most steps apart, so that the two ends score 0 against each other."""
    apart = abs(order.index(got) - order.index(truth))
    return 1.0 - apart / max(len(order) - 1, 1)


def order_agreement(got: Sequence[str], truth: Sequence[str]) -> float:
    """Longest common subsequence over the longer length; 1 where both are empty."""
    if not got and not truth:
        return 1.0
    best = [[0] * (len(truth) + 1) for _ in range(len(got) + 1)]
    for i, a in enumerate(got):
        for j, b in enumerate(truth):
            best[i + 1][j + 1] = best[i][j] + 1 if a == b else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1] / max(len(got), len(truth))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _intersection(a: Box, b: Box) -> float:
    return _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
