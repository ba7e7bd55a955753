"""Area under the ROC curve for few patients, values near one, and scores of unknown shape.

DeLong's variance (1988, Biometrics 44:837; clustered: Obuchowski 1997, Biometrics 53:567) is right for large samples, and
its Wald interval covers 84 % instead of 95 % at 15 against 80 and AUC 0.95. Newcombe's score interval (2006, Statistics in
Medicine 25:559, method 5) holds there for scores of one shape, and not where the positives' have a long tail. This interval
joins them: on each side it solves

    |theta - AUC| = z sqrt(r V(theta))

with Newcombe's V for as many positive and negative patients. The ratio r is DeLong's variance over Newcombe's. Each class's
part of it is drawn towards 0.9 with the weight of a quarter of a patient, against the patients of that class that take part
in a misordered pair: at an AUC of one nothing is known, and the model stands.

The two sides differ by g = |2 AUC - 1|. Towards one half r is at least 1.6 g: a sample that happens to hold no outlier shows
neither a low AUC nor a large variance, so that its own variance cannot be trusted on this side. Towards the nearer end, where
few samples can err on the other side, z is shorter by a tenth of sqrt(g). Below 25 patients a class (their harmonic mean) the
range of the AUC itself bounds the error, and both are eased by s = 1 - mean / 25: the floor by 0.3 s of it, z by 0.08 s (1 - g)
more. In paired differences the floor is 0.6 g, z whole, and Student's t takes its place (see `difference`): what a sample
hides, it hides in part from both models. The constants were chosen by simulation over eight score distributions and nine sample
sizes; `tests/evaluation/test_coverage.py` holds the proof on other draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import harmonic_mean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import rankdata

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics._estimate import Clusters, Estimate, cluster_index, two_sided, undefined

_PRIOR = 0.25
_PRIOR_RATIO = 0.9
_FLOOR = 1.6
_SHORTER = 0.1
_FEW = 25
_FEW_FLOOR = 0.3
_FEW_SHORTER = 0.08
_PAIRED_FLOOR = 0.6


def auc(
    positive: Sequence[bool] | NDArray[np.bool_],
    score: Sequence[float] | NDArray[np.float64],
    *,
    clusters: Clusters | None = None,
) -> Estimate:
    """The chance that a positive item scores above a negative one, ties counting half.

    Args:
        positive: (N,) truth.
        score: (N,) higher for positive; NaN is unscored and left out.
        clusters: (N,) patient of each item; None: each its own.

    Returns:
        The estimate; undefined, and saying so, where one class is missing.
    """
    truth = np.asarray(positive, dtype=bool)
    values = np.asarray(score, dtype=np.float64)
    if truth.shape != values.shape or truth.ndim != 1:
        msg = f"positive and score must be of one length, got {truth.shape} and {values.shape}"
        raise InvalidInput(msg)
    index = cluster_index(clusters, len(truth))
    kept = ~np.isnan(values)
    m, n = int((truth & kept).sum()), int((~truth & kept).sum())
    if m == 0 or n == 0:
        which = "positive" if m == 0 else "negative"
        return undefined(f"AUC needs both classes; there is no {which} item", index, n=m + n)
    place_pos, place_neg = _placements(values[kept & truth], values[kept & ~truth])
    area = float(place_pos.mean())
    effect = np.zeros(len(truth))
    effect[kept & truth] = (place_pos - area) / m
    effect[kept & ~truth] = (place_neg - area) / n
    parts = (_class_part(effect, index, kept & truth, place_pos), _class_part(effect, index, kept & ~truth, place_neg))
    patients = parts[0].n_patients, parts[1].n_patients
    ends = _Ends(area, _ratio(area, parts), _newcombe(*patients))
    few = max(0.0, 1 - harmonic_mean(patients) / _FEW)
    g = abs(2 * area - 1)
    floor, shorter = _FLOOR * (1 - _FEW_FLOOR * few) * g, _SHORTER * math.sqrt(g) + _FEW_SHORTER * few * (1 - g)
    return Estimate(
        value=area,
        n=m + n,
        n_unscored=int((~kept).sum()),
        n_clusters=len(np.unique(index[kept])),
        limits=lambda level: ends.at(two_sided(level), floor=floor, shorter=shorter),
        paired_limits=lambda q: ends.at(q, floor=_PAIRED_FLOOR * g, shorter=0.0),
        effect=effect,
        clusters=index,
        method="score interval, Newcombe's variance scaled to clustered DeLong's",
        note=f"{m} positive against {n} negative" + ("; fewer than 10 in a class" if min(m, n) < 10 else ""),
    )


class _Ends(NamedTuple):
    """What the interval of one AUC is solved from."""

    area: float
    ratio: float
    base: Callable[[float], float]
    """Newcombe's variance as a function of the area."""

    def at(self, q: float, *, floor: float, shorter: float) -> tuple[float, float]:
        """The ends at q standard errors, with a floor under the ratio towards one half and a shorter q towards the nearer end."""
        inner, outer = (q, max(self.ratio, floor)), (q * (1 - shorter), self.ratio)
        below, above = (inner, outer) if self.area >= 0.5 else (outer, inner)
        return _solve(self.area, *below, self.base, 0.0), _solve(self.area, *above, self.base, 1.0)


def _placements(pos: NDArray[np.float64], neg: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of negatives below each positive, and of positives above each negative, by midranks (ties half)."""
    m, n = len(pos), len(neg)
    ranks = rankdata(np.concatenate([pos, neg]))
    below = (ranks[:m] - rankdata(pos)) / n
    above = 1 - (ranks[m:] - rankdata(neg)) / m
    return np.asarray(below), np.asarray(above)


class _Part(NamedTuple):
    """What one class tells of the variance."""

    variance: float
    """Of the AUC, from this class's patients; they bring their own degree of freedom (Obuchowski 1997)."""
    n_patients: int
    informed: int
    """Patients in at least one misordered pair, or, for an AUC below one half, in at least one ordered one."""
    sums: NDArray[np.float64]
    """(G,) effects summed within patients, scaled by that degree of freedom."""


def _class_part(
    effect: NDArray[np.float64], index: NDArray[np.intp], which: NDArray[np.bool_], places: NDArray[np.float64]
) -> _Part:
    owners = index[which]
    g = len(np.unique(owners))
    sums = np.bincount(owners, weights=effect[which], minlength=int(index.max()) + 1)
    scaled = np.asarray(sums * math.sqrt(g / max(g - 1, 1)), dtype=np.float64)
    informed = min(len(np.unique(owners[places < 1])), len(np.unique(owners[places > 0])))
    return _Part(float((scaled**2).sum()), g, informed if g > 1 else 0, scaled)


def _ratio(area: float, parts: tuple[_Part, _Part]) -> float:
    """DeLong's variance over Newcombe's, each class's part drawn towards `_PRIOR_RATIO`."""
    if not 0 < area < 1:
        return _PRIOR_RATIO
    # Newcombe's variance of one placement, without the term that vanishes for large samples
    model = area * (1 - area) * ((1 - area) / (2 - area) + area / (1 + area)) / 2
    drawn = [
        (p.informed * p.variance + _PRIOR * _PRIOR_RATIO * model / p.n_patients) / (p.informed + _PRIOR) for p in parts
    ]
    shared = 2 * float(parts[0].sums @ parts[1].sums)  # patients with items of both classes
    return max(sum(drawn) + shared, 0.0) / (model * sum(1 / p.n_patients for p in parts))


def _newcombe(m: int, n: int) -> Callable[[float], float]:
    """Newcombe's method 5 variance as a function of the area."""
    half = (m + n) / 2 - 1

    def variance(theta: float) -> float:
        return theta * (1 - theta) * (1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)) / (m * n)

    return variance


def _solve(area: float, q: float, ratio: float, variance: Callable[[float], float], end: float) -> float:
    """The theta between `area` and `end` (0 or 1) at which area lies q standard errors away."""
    if area == end:
        return end

    def excess(theta: float) -> float:
        return abs(theta - area) - q * math.sqrt(max(ratio * variance(theta), 0.0))

    nudge = area + (end - area) * 1e-12
    return float(brentq(excess, nudge, end, xtol=1e-10)) if excess(nudge) < 0 < excess(end) else area
