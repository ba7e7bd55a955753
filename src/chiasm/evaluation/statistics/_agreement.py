"""Agreement of ordered grades: weighted kappa with an interval over patients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics._estimate import Clusters, Estimate, cluster_index, combine, correlation, undefined
from chiasm.evaluation.statistics._means import mean_score, proportion
from chiasm.evaluation.statistics._resampling import jackknife

Weights = Literal["quadratic", "linear", "none"]


def kappa(
    truth: Sequence[float] | NDArray[np.float64],
    predicted: Sequence[float] | NDArray[np.float64],
    *,
    n_grades: int,
    weights: Weights = "quadratic",
    clusters: Clusters | None = None,
) -> Estimate:
    """Cohen's kappa with weights (Cohen 1968); equal to scikit-learn's `cohen_kappa_score`.

    Kappa is one minus the ratio of the observed to the expected disagreement. Its interval is the union of three, and wide
    rather than short: the jackknife of kappa on the atanh scale, good in the middle; and twice the ratio bounded by MOVER,
    the observed disagreement taken as a mean cost (good near perfect agreement), and as a sum of shares by distance (good
    where the rarest disagreements weigh most).

    Args:
        truth: (N,) grades 0 .. n_grades - 1.
        predicted: (N,) grades; NaN is unscored and left out.
        n_grades: Number of grades, also of those that nobody used.
        weights: How a disagreement grows with its distance.
        clusters: (N,) patient of each item; None: each its own.

    Returns:
        The estimate; undefined where both sides use one same grade only.

    Raises:
        InvalidInput: A grade outside the range.
    """
    rows, columns = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    kept = ~np.isnan(columns)
    _check_grades((rows, columns[kept]), n_grades)
    cost = _cost(n_grades, weights)
    pairs = (rows * n_grades + np.where(kept, columns, 0)).astype(np.intp)

    index = cluster_index(clusters, len(kept))
    seen = mean_score(np.where(kept, cost.ravel()[pairs], math.nan), clusters=index)

    def table(chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.bincount(pairs[chosen], minlength=n_grades**2).reshape(n_grades, n_grades).astype(np.float64)

    def chance(chosen: NDArray[np.intp]) -> float:
        counts = table(chosen)
        return float((np.outer(counts.sum(axis=1), counts.sum(axis=0)) * cost).sum() / max(counts.sum(), 1) ** 2)

    def statistic(chosen: NDArray[np.intp]) -> float:
        expected = chance(chosen)
        return 1 - float((table(chosen) * cost).sum()) / len(chosen) / expected if expected > 0 else math.nan

    expected = jackknife(chance, kept, clusters=index)
    whole = jackknife(statistic, kept, clusters=index, scale="atanh")
    if not (seen.defined and expected.defined and whole.defined):
        return undefined("kappa needs two grades in use and two patients", index, n=int(kept.sum()))
    stepwise = _by_exceedance(np.where(kept, np.abs(rows - columns), math.nan), cost[0], index)

    def limits(level: float) -> tuple[float, float]:
        return _union_limits(whole, (seen, stepwise), expected, level)

    return replace(whole, limits=limits, method=f"{weights} kappa: union of two MOVER ratios and {whole.method}")


def _check_grades(sides: Sequence[NDArray[np.float64]], n_grades: int) -> None:
    for grades in sides:
        if not np.isin(grades, np.arange(n_grades)).all():
            msg = f"grades must be whole numbers in 0 .. {n_grades - 1}, got {sorted(set(grades.tolist()))[:8]}"
            raise InvalidInput(msg)


def _union_limits(whole: Estimate, tops: Sequence[Estimate], expected: Estimate, level: float) -> tuple[float, float]:
    """The widest of the jackknife's interval and one minus each disagreement's ratio to the expected one."""
    found = [whole.interval(level)]
    for top in tops:
        rho = correlation(top, expected)
        low, high = _ratio_limits((top.value, *top.interval(level)), (expected.value, *expected.interval(level)), rho)
        found.append((1 - high, 1 - low))
    return max(-1.0, min(f[0] for f in found)), min(1.0, max(f[1] for f in found))


def _by_exceedance(distance: NDArray[np.float64], cost: NDArray[np.float64], index: NDArray[np.intp]) -> Estimate:
    """The mean cost as a weighted sum of the shares that are at least d grades off.

    A distance that nobody reached still has an upper limit; that is what keeps the lower limit of kappa honest, because the
    rarest disagreements weigh most.
    """
    shares = [
        proportion(np.where(np.isnan(distance), math.nan, distance >= d), clusters=index, part=True)
        for d in range(1, len(cost))
    ]
    return combine(shares, np.diff(cost).tolist(), n=shares[0].n, n_unscored=shares[0].n_unscored)


def _ratio_limits(top: tuple[float, float, float], base: tuple[float, float, float], rho: float) -> tuple[float, float]:
    """Limits of top / base from (value, lower, upper) of each and their correlation (Zou & Donner 2008; Fieller's form)."""
    (a, la, ua), (b, lb, ub) = top, base
    mixed = a * b - rho * (a - la) * (ub - b)
    low = (mixed - math.sqrt(max(mixed**2 - la * ub * (2 * a - la) * (2 * b - ub), 0.0))) / (ub * (2 * b - ub))
    if lb <= 0 or 2 * b - lb <= 0:
        return max(low, 0.0), math.inf
    mixed = a * b - rho * (ua - a) * (b - lb)
    high = (mixed + math.sqrt(max(mixed**2 - ua * lb * (2 * a - ua) * (2 * b - lb), 0.0))) / (lb * (2 * b - lb))
    return max(low, 0.0), high


def _cost(n_grades: int, weights: Weights) -> NDArray[np.float64]:
    """(K, K) disagreement weights, the largest 1."""
    distance = np.abs(np.subtract.outer(np.arange(n_grades), np.arange(n_grades))).astype(np.float64)
    if weights == "none":
        return np.asarray(distance > 0, dtype=np.float64)
    scaled = distance / max(n_grades - 1, 1)
    return np.asarray(scaled**2 if weights == "quadratic" else scaled)
