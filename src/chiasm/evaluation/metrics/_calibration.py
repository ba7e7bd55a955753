"""Does a model know what it knows? Calibration of its probabilities, and what abstaining would buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics import Clusters, Estimate, bootstrap, cluster_index, jackknife, mean_score, wilson


@dataclass(frozen=True, eq=False, kw_only=True)
class ReliabilityBin:
    """Items of neighbouring confidence."""

    confidence: float
    """Mean stated probability."""
    accuracy: float
    """Share that was right."""
    lo: float
    """Lower limit of `accuracy` (Wilson, 95 %)."""
    hi: float
    n: int


def reliability(
    probability: Sequence[float] | NDArray[np.float64],
    right: Sequence[float] | NDArray[np.float64],
    *,
    n_bins: int = 10,
) -> tuple[ReliabilityBin, ...]:
    """The reliability curve over bins of equal numbers of items (ties stay together).

    Args:
        probability: (N,) stated probability of the answer given, in [0, 1].
        right: (N,) 1 where it was right, 0 where not; NaN in either is left out.
        n_bins: At most so many bins.
    """
    p, y = _pair(probability, right)
    if len(p) == 0:
        return ()
    bins = _bins(p, n_bins)
    out = []
    for b in np.unique(bins):
        at = bins == b
        n, hits = int(at.sum()), float(y[at].sum())
        lo, hi = wilson(hits, n)
        out.append(ReliabilityBin(confidence=float(p[at].mean()), accuracy=hits / n, lo=lo, hi=hi, n=n))
    return tuple(out)


def expected_calibration_error(
    probability: Sequence[float] | NDArray[np.float64],
    right: Sequence[float] | NDArray[np.float64],
    *,
    rng: np.random.Generator,
    clusters: Clusters | None = None,
    n_bins: int = 10,
) -> Estimate:
    """Mean distance of confidence and accuracy over bins of equal numbers (Naeini et al. 2015; Nixon et al. 2019).

    With few items even a perfectly calibrated model has an error above zero; the note states how much, from the same
    confidences with answers drawn at those probabilities.
    """
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(right, dtype=np.float64)
    kept = ~(np.isnan(p) | np.isnan(y))
    _pair(p, y)

    def statistic(chosen: NDArray[np.intp]) -> float:
        return _ece(p[chosen], y[chosen], n_bins) if len(chosen) else math.nan

    estimate = bootstrap(statistic, kept, rng=rng, clusters=clusters, n_samples=500)
    if not estimate.defined:
        return estimate
    chance = [_ece(p[kept], (rng.random(int(kept.sum())) < p[kept]).astype(np.float64), n_bins) for _ in range(200)]
    told = f"a perfectly calibrated model would show {np.mean(chance):.3f} on so few items"
    return replace(estimate, note="; ".join(note for note in (told, estimate.note) if note))


def brier(
    probability: Sequence[float] | NDArray[np.float64],
    positive: Sequence[bool] | NDArray[np.bool_],
    *,
    clusters: Clusters | None = None,
) -> Estimate:
    """Mean squared distance of the positive class's probability from the truth; 0 is best, 0.25 is a constant half."""
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(positive, dtype=np.float64)
    _pair(p, y)
    return mean_score((p - y) ** 2, clusters=clusters)


@dataclass(frozen=True, eq=False, kw_only=True)
class RiskPoint:
    """Answering only the surest share of items."""

    coverage: float
    risk: float
    """Share of wrong answers among those."""
    n: int


def risk_coverage(
    confidence: Sequence[float] | NDArray[np.float64], right: Sequence[float] | NDArray[np.float64]
) -> tuple[RiskPoint, ...]:
    """Risk at every coverage that the confidences allow, surest first; ties are answered together (El-Yaniv & Wiener 2010)."""
    c, y = _pair(confidence, right, unit=False)
    order = np.argsort(-c, kind="stable")
    wrong = np.cumsum(1 - y[order])
    ends = [i for i in range(len(c)) if i == len(c) - 1 or c[order[i]] != c[order[i + 1]]]
    return tuple(RiskPoint(coverage=(i + 1) / len(c), risk=float(wrong[i] / (i + 1)), n=i + 1) for i in ends)


def area_under_risk_coverage(
    confidence: Sequence[float] | NDArray[np.float64],
    right: Sequence[float] | NDArray[np.float64],
    *,
    clusters: Clusters | None = None,
) -> Estimate:
    """Mean risk over coverages; 0 is best, the error rate itself is what a useless confidence gives."""
    c, y = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    kept = ~(np.isnan(c) | np.isnan(y))

    def statistic(chosen: NDArray[np.intp]) -> float:
        if len(chosen) == 0:
            return math.nan
        order = np.argsort(-c[chosen], kind="stable")
        values, wrong = c[chosen][order], 1 - y[chosen][order]
        # within ties the order is arbitrary: each item carries the tie's mean
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        sizes = np.diff(np.r_[starts, len(values)])
        smooth = np.repeat(np.add.reduceat(wrong, starts) / sizes, sizes)
        return float(np.mean(np.cumsum(smooth) / np.arange(1, len(values) + 1)))

    estimate = jackknife(statistic, kept, clusters=cluster_index(clusters, len(c)))

    def limits(level: float) -> tuple[float, float]:
        low, high = estimate.limits(level)
        return max(low, 0.0), min(high, 1.0)

    return replace(estimate, limits=limits)


def _ece(p: NDArray[np.float64], y: NDArray[np.float64], n_bins: int) -> float:
    bins = _bins(p, n_bins)
    gap = np.bincount(bins, weights=p - y)
    return float(np.abs(gap).sum() / len(p))


def _bins(p: NDArray[np.float64], n_bins: int) -> NDArray[np.intp]:
    """(N,) bin of each item: equal numbers, ties together."""
    if n_bins < 2:
        msg = f"n_bins must be >= 2, got {n_bins}"
        raise InvalidInput(msg)
    places = np.linspace(0, len(p) - 1, min(n_bins, len(p)) + 1)[1:-1]
    edges = np.interp(places, np.arange(len(p)), np.sort(p))  # the quantiles, twenty times as fast as np.quantile
    return np.asarray(np.searchsorted(edges, p, side="left"), dtype=np.intp)


def _pair(
    a: Sequence[float] | NDArray[np.float64], b: Sequence[float] | NDArray[np.float64], *, unit: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        msg = f"probabilities and outcomes must be of one length, got {x.shape} and {y.shape}"
        raise InvalidInput(msg)
    kept = ~(np.isnan(x) | np.isnan(y))
    if unit and ((x[kept] < 0) | (x[kept] > 1)).any():
        msg = f"probabilities must lie in [0, 1], got {x[kept].min():g} to {x[kept].max():g}"
        raise InvalidInput(msg)
    return x[kept], y[kept]
