"""Tests between two models, and the correction for many of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics._estimate import Clusters, cluster_index


class McNemar(NamedTuple):
    """Who was right where the other was wrong."""

    only_a: int
    only_b: int
    both: int
    neither: int
    p_exact: float
    """Exact conditional binomial test, two-sided; conservative."""
    p_mid: float
    """Mid-p version (Fagerland, Lydersen & Laake 2013): keeps its level at small numbers; the one to use."""
    n_unscored: int


def mcnemar(a: Sequence[float] | NDArray[np.float64], b: Sequence[float] | NDArray[np.float64]) -> McNemar:
    """McNemar's test on two models' hits. (N,) of 0, 1, NaN each; items that either left unscored are left out.

    It takes items as independent; with several items a patient use `swap_test`.

    Raises:
        InvalidInput: Lengths differ, or other values.
    """
    x, y = _pair(a, b)
    kept = ~(np.isnan(x) | np.isnan(y))
    if not np.isin(np.concatenate([x[kept], y[kept]]), (0.0, 1.0)).all():
        msg = "mcnemar takes 0, 1 and NaN (unscored) only"
        raise InvalidInput(msg)
    hit_a, hit_b = x[kept] == 1, y[kept] == 1
    only_a, only_b = int((hit_a & ~hit_b).sum()), int((~hit_a & hit_b).sum())
    n = only_a + only_b
    tail = float(binom.cdf(min(only_a, only_b), n, 0.5)) if n else 1.0
    p_exact = min(1.0, 2 * tail)
    p_mid = min(1.0, 2 * tail - float(binom.pmf(min(only_a, only_b), n, 0.5))) if n else 1.0
    # with equal counts the point sits in both tails, and the doubled mid-p is 1
    p_mid = 1.0 if only_a == only_b else p_mid
    both, neither = int((hit_a & hit_b).sum()), int((~hit_a & ~hit_b).sum())
    return McNemar(only_a, only_b, both, neither, p_exact, p_mid, int((~kept).sum()))


def swap_test(
    a: Sequence[float] | NDArray[np.float64],
    b: Sequence[float] | NDArray[np.float64],
    *,
    rng: np.random.Generator,
    clusters: Clusters | None = None,
    n_samples: int = 10_000,
) -> float:
    """Two-sided p-value of the mean difference of paired scores, by swapping the models' names patient by patient.

    Exact (all swaps) up to 14 patients with a difference; above, `n_samples` random ones, counted with the one observed.

    Args:
        a: (N,) scores of one model; NaN unscored.
        b: (N,) of the other.
        rng: Its state decides the random swaps.
        clusters: (N,) patient of each item; None: each its own.
        n_samples: Random swaps.
    """
    x, y = _pair(a, b)
    kept = ~(np.isnan(x) | np.isnan(y))
    sums = np.bincount(cluster_index(clusters, len(x))[kept], weights=(x - y)[kept])
    sums = sums[sums != 0]
    if len(sums) == 0:
        return 1.0
    observed = abs(float(sums.sum()))
    slack = 1e-9 * float(np.abs(sums).sum())
    if len(sums) <= 14:
        signs = 2.0 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1) - 1
        return float(np.mean(np.abs(signs @ sums) >= observed - slack))
    hits = 0
    for start in range(0, n_samples, 1000):
        swapped = rng.integers(2, size=(min(1000, n_samples - start), len(sums)), dtype=np.int8)
        hits += int((np.abs(2 * (swapped @ sums) - sums.sum()) >= observed - slack).sum())
    return (hits + 1) / (n_samples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the chance of any false finding (Holm 1979). NaN stays NaN and is not counted."""
    return _adjust(p_values, lambda p, rank, m: p * (m - rank), upward=True)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the share of false findings (1995). NaN stays NaN and is not counted."""
    return _adjust(p_values, lambda p, rank, m: p * m / (rank + 1), upward=False)


def _adjust(p_values: Sequence[float], step: Callable[[float, int, int], float], *, upward: bool) -> list[float]:
    if any(p < 0 or p > 1 for p in p_values):
        msg = f"p-values must lie in [0, 1], got {[p for p in p_values if p < 0 or p > 1]}"
        raise InvalidInput(msg)
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    raw = [step(p_values[i], rank, len(order)) for rank, i in enumerate(order)]
    smooth = np.maximum.accumulate(raw) if upward else np.minimum.accumulate(raw[::-1])[::-1]
    adjusted = [math.nan] * len(p_values)
    for i, p in zip(order, smooth, strict=True):
        adjusted[i] = min(1.0, float(p))
    return adjusted


def _pair(
    a: Sequence[float] | NDArray[np.float64], b: Sequence[float] | NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        msg = f"paired scores must be of one length, got {x.shape} and {y.shape}"
        raise InvalidInput(msg)
    return x, y
