"""Average precision of boxes, defined as COCO does (101 recall points, greedy matching by score), for one class or many.

A model that gives boxes without scores gets the constant score 1: its precision-recall curve is then a single point.
`pycocotools` gives the same numbers (a test), and is not needed to run this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluation.statistics import Clusters, Estimate, bootstrap, cluster_index
from chiasm.questions import iou

Box = tuple[float, float, float, float]
COCO_THRESHOLDS: Final = tuple(0.5 + 0.05 * k for k in range(10))
_RECALLS: Final = np.linspace(0, 1, 101)
MOST_BOXES: Final = 100
"""COCO keeps the 100 highest-scored boxes an image."""
AREA_STEP: Final = 4.0
"""Side of a pixel of `area_of_boxes` [thousandths of the picture's side]."""


class ImageBoxes(NamedTuple):
    """Truth and answer for one image and class, (x1, y1, x2, y2) in any one unit."""

    truth: tuple[Box, ...]
    found: tuple[Box, ...]
    scores: tuple[float, ...] = ()
    """One per found box; empty: all 1."""


class _Matched(NamedTuple):
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    n_truth: int


def average_precision(images: Sequence[ImageBoxes], threshold: float = 0.5) -> float:
    """AP at one IoU threshold; NaN where there is no true box."""
    return _ap([_match(image, threshold) for image in images])


def mean_average_precision(images: Sequence[ImageBoxes]) -> float:
    """AP averaged over the thresholds 0.50, 0.55 ... 0.95; NaN where there is no true box."""
    return float(np.mean([average_precision(images, t) for t in COCO_THRESHOLDS]))


def average_precision_estimate(
    images: Sequence[ImageBoxes],
    *,
    rng: np.random.Generator,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    clusters: Clusters | None = None,
) -> Estimate:
    """AP averaged over thresholds, with a bootstrap over patients."""
    matched = [[_match(image, t) for image in images] for t in thresholds]

    def statistic(chosen: NDArray[np.intp]) -> float:
        return float(np.mean([_ap([row[i] for i in chosen]) for row in matched]))

    index = cluster_index(clusters, len(images))
    return bootstrap(statistic, np.ones(len(images), dtype=bool), rng=rng, clusters=index, n_samples=500)


def area_of_boxes(boxes: Sequence[Box]) -> NDArray[np.bool_]:
    """What boxes in thousandths of width and height cover together, as far as it lies in the picture.

    Returns:
        Square bool mask; a pixel is `AREA_STEP` thousandths wide.
    """
    side = round(1000 / AREA_STEP)
    mask = np.zeros((side, side), bool)
    for x1, y1, x2, y2 in boxes:
        left, top, right, bottom = (round(min(max(v, 0.0), 1000.0) / AREA_STEP) for v in (x1, y1, x2, y2))
        mask[top:bottom, left:right] = True
    return mask


def _match(image: ImageBoxes, threshold: float) -> _Matched:
    """COCO's greedy matching: by score, each box takes the free true box that it overlaps most."""
    scores = np.asarray(image.scores or [1.0] * len(image.found), dtype=np.float64)
    order = np.argsort(-scores, kind="mergesort")[:MOST_BOXES]
    free = set(range(len(image.truth)))
    hits = np.zeros(len(order), dtype=bool)
    for place, i in enumerate(order):
        best, at = min(threshold, 1 - 1e-10), -1
        for j in sorted(free):
            overlap = iou(image.found[i], image.truth[j])
            if overlap >= best:
                best, at = overlap, j
        if at >= 0:
            free.discard(at)
            hits[place] = True
    return _Matched(scores[order], hits, len(image.truth))


def _ap(matched: Sequence[_Matched]) -> float:
    n_truth = sum(m.n_truth for m in matched)
    if n_truth == 0:
        return math.nan
    scores = np.concatenate([m.scores for m in matched])
    hits = np.concatenate([m.hits for m in matched])[np.argsort(-scores, kind="mergesort")]
    if len(hits) == 0:
        return 0.0
    true_positives = np.cumsum(hits)
    recall = true_positives / n_truth
    precision = true_positives / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.where(places < len(envelope), envelope[np.minimum(places, len(envelope) - 1)], 0.0).mean())
