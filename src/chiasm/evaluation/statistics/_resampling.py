"""Intervals for any statistic: the jackknife and the bootstrap, both over patients.

The jackknife works where the statistic is smooth (macro F1): on a transformed scale that opens its bounds, with a t
quantile. The bootstrap (BCa, Efron 1987) is for the rest (a threshold chosen on the data, average precision). It takes its
generator; nothing here draws from a hidden one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics._estimate import (
    NO_SPREAD,
    Clusters,
    Estimate,
    Limits,
    cluster_index,
    two_sided,
    undefined,
)

Statistic = Callable[[NDArray[np.intp]], float]
"""From the positions of the chosen items (with repeats in a bootstrap sample) to the figure; NaN where undefined."""
Scale = Literal["identity", "logit"]


def jackknife(
    statistic: Statistic, kept: NDArray[np.bool_], *, clusters: Clusters | None = None, scale: Scale = "identity"
) -> Estimate:
    """An estimate by leaving out one patient at a time.

    Args:
        statistic: The figure of the items at given positions.
        kept: (N,) which items were scored.
        clusters: (N,) patient of each item; None: each its own.
        scale: Where the interval is symmetric: "logit" for a figure in [0, 1].

    Returns:
        The estimate. Where the value lies on a bound of its scale, or does not vary, its limits are its own value and the
        note says that they are not an interval; the caller replaces them by a bound that holds.
    """
    index = cluster_index(clusters, len(kept))
    chosen = np.flatnonzero(kept)
    value = statistic(chosen) if len(chosen) else math.nan
    if not math.isfinite(value):
        return undefined("the figure is undefined on these items", index, n=len(chosen))
    patients = np.unique(index[chosen])
    if len(patients) < 2:
        return undefined("one patient gives no interval", index, n=len(chosen))
    g = len(patients)
    without = np.array([statistic(chosen[index[chosen] != p]) for p in patients])
    stable = np.isfinite(without)
    shift = np.where(stable, value - without, 0.0) * (g - 1) / g
    shift -= shift.mean()
    effect = np.zeros(len(kept))
    first = np.unique(index[chosen], return_index=True)[1]
    effect[chosen[first]] = shift
    error = math.sqrt(g / (g - 1) * float((shift**2).sum()))
    note = NO_SPREAD if error == 0 else ""
    if not stable.all():
        note = f"undefined without some of the patients ({int((~stable).sum())} of {g})"
    return Estimate(
        value=value,
        n=len(chosen),
        n_unscored=int((~kept).sum()),
        n_clusters=g,
        limits=_on_scale(value, error, g - 1, scale),
        effect=effect,
        clusters=index,
        method=f"clustered jackknife, t on the {scale} scale",
        note=note,
    )


def bootstrap(
    statistic: Statistic,
    kept: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    clusters: Clusters | None = None,
    n_samples: int = 2000,
) -> Estimate:
    """An estimate by resampling patients, bias-corrected and accelerated.

    Args:
        statistic: The figure of the items at given positions.
        kept: (N,) which items were scored.
        rng: Its state decides the samples.
        clusters: (N,) patient of each item; None: each its own.
        n_samples: Bootstrap samples, at least 200.
    """
    if n_samples < 200:
        msg = f"n_samples must be >= 200 for limits that mean something, got {n_samples}"
        raise InvalidInput(msg)
    base = jackknife(statistic, kept, clusters=clusters)
    if not base.defined:
        return base
    chosen = np.flatnonzero(kept)
    codes, members = np.unique(base.clusters[chosen], return_inverse=True)
    ordered = chosen[np.argsort(members, kind="stable")]
    sizes = np.bincount(members)
    starts = np.cumsum(sizes) - sizes
    draws = rng.integers(len(codes), size=(n_samples, len(codes)))
    replicates = np.array([statistic(ordered[_runs(starts[d], sizes[d])]) for d in draws])
    fine = np.sort(replicates[np.isfinite(replicates)])
    if len(fine) < n_samples // 2:
        return undefined("the figure is undefined in most bootstrap samples", base.clusters, n=base.n)
    below = (np.sum(fine < base.value) + np.sum(fine == base.value) / 2) / len(fine)
    bias = float(norm.ppf(np.clip(below, 1 / (len(fine) + 1), len(fine) / (len(fine) + 1))))
    influence = base.cluster_effects()
    spread = float((influence**2).sum()) ** 1.5
    acceleration = float((influence**3).sum()) / (6 * spread) if spread > 0 else 0.0

    def limits(level: float) -> tuple[float, float]:
        ends = []
        for z in (norm.ppf((1 - level) / 2), norm.ppf((1 + level) / 2)):
            shifted = bias + (bias + z) / (1 - acceleration * (bias + z))
            ends.append(float(np.quantile(fine, norm.cdf(shifted))))
        return min(ends[0], base.value), max(ends[1], base.value)

    lost = n_samples - len(fine)
    note = f"undefined in {lost} bootstrap samples" if lost else base.note
    return Estimate(
        value=base.value,
        n=base.n,
        n_unscored=base.n_unscored,
        n_clusters=base.n_clusters,
        limits=limits,
        effect=base.effect,
        clusters=base.clusters,
        method=f"clustered bootstrap, BCa, {n_samples} samples",
        note=NO_SPREAD if fine[0] == fine[-1] else note,
    )


def _runs(starts: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """The places start, start + 1 ... of each run, one run after the other."""
    ends = np.cumsum(sizes)
    return np.asarray(np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1]), dtype=np.intp)


def _on_scale(value: float, error: float, df: int, scale: Scale) -> Limits:
    if scale == "identity":
        return lambda level: (
            value - two_sided(level, df) * error,
            value + two_sided(level, df) * error,
        )
    if not 0 < value < 1:
        return lambda _: (value, value)
    centre, slope = math.log(value / (1 - value)), value * (1 - value)

    def limits(level: float) -> tuple[float, float]:
        half = two_sided(level, df) * error / slope
        return 0.5 * (1 + math.tanh((centre - half) / 2)), 0.5 * (1 + math.tanh((centre + half) / 2))

    return limits
