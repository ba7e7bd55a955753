"""A figure with its uncertainty, and how figures are combined and compared.

Every estimate carries the limits of its interval as a function of the level, and the first-order effect of each item on its
value. The effects, summed within patients, give correlations, so that any two figures over the same items can be compared as
pairs, and several can be averaged, by the method of variance estimates recovery (MOVER; Zou & Donner 2008, Statistics in
Medicine 27:1693): each limit's own distance from the value stands for its standard error on that side, which keeps the
asymmetry of good small-sample intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from chiasm.errors import InvalidInput

LEVEL: Final = 0.95
NO_SPREAD: Final = "does not vary over these patients: the limits are no interval"
_HALVINGS: Final = 12
"""Of the logarithm of a p-value: to 1 % of itself at the smallest, far better at those near 0.05."""
Limits = Callable[[float], tuple[float, float]]
Clusters = Sequence[Hashable] | NDArray[np.intp]


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate:
    """One figure. N items were given, `n` of them scored.

    Attributes:
        value: The figure; NaN where it is undefined, with the reason in `note`.
        n: Items that were scored.
        n_unscored: Items that were not; they are in no sum.
        n_clusters: Patients among the scored items.
        limits: Interval at a level in (0, 1), (lower, upper).
        effect: (N,) first-order effect of each item on `value`: the sum is zero, summed within clusters and squared it gives
            the variance. Zero for unscored items.
        clusters: (N,) patient of each item, as an index.
        method: How the interval was made.
        paired_limits: For a difference over the same items, the limits at so many standard errors; None: `limits` serves.
        note: What the reader must know: why undefined, why wide.
    """

    value: float
    n: int
    n_unscored: int
    n_clusters: int
    limits: Limits
    effect: NDArray[np.float64]
    clusters: NDArray[np.intp]
    method: str
    note: str = ""
    paired_limits: Callable[[float], tuple[float, float]] | None = None

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def lo(self) -> float:
        """Lower limit of the 95 % interval."""
        return self.interval()[0]

    @property
    def hi(self) -> float:
        """Upper limit of the 95 % interval."""
        return self.interval()[1]

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """(lower, upper) at `level` in (0, 1); NaN where undefined."""
        if not 0 < level < 1:
            msg = f"level must lie in (0, 1), got {level}"
            raise InvalidInput(msg)
        return self.limits(level) if self.defined else (math.nan, math.nan)

    def cluster_effects(self) -> NDArray[np.float64]:
        """(G,) effects summed within clusters."""
        size = int(self.clusters.max(initial=-1)) + 1
        return np.asarray(np.bincount(self.clusters, weights=self.effect, minlength=size), dtype=np.float64)

    def __str__(self) -> str:
        if not self.defined:
            return f"undefined: {self.note} (n = {self.n}, {self.n_unscored} unscored)"
        return f"{self.value:.3f} [{self.lo:.3f}, {self.hi:.3f}] (n = {self.n}, {self.n_unscored} unscored)"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A minus B over the same items."""

    value: float
    lo: float
    hi: float
    p_value: float
    """Two-sided, by inverting the interval: below 0.05 exactly when the 95 % interval leaves out zero. NaN: undefined."""
    n: int
    n_unscored: int
    """Items that at least one of the two did not answer; they are left out of both."""
    correlation: float
    method: str
    note: str = ""


def two_sided(level: float, df: float | None = None) -> float:
    """The normal quantile of a two-sided interval, or with degrees of freedom Student's."""
    return float(ndtri((1 + level) / 2) if df is None else stdtrit(df, (1 + level) / 2))


def cluster_index(clusters: Clusters | None, n: int) -> NDArray[np.intp]:
    """(n,) integers 0..G-1 for any hashable names; None makes each item its own cluster."""
    if clusters is None:
        return np.arange(n, dtype=np.intp)
    if len(clusters) != n:
        msg = f"clusters must name the patient of each of the {n} items, got {len(clusters)} names"
        raise InvalidInput(msg)
    if isinstance(clusters, np.ndarray) and clusters.dtype.kind in "iu":
        return np.asarray(np.unique(clusters, return_inverse=True)[1], dtype=np.intp)
    seen: dict[Hashable, int] = {}
    return np.asarray([seen.setdefault(c, len(seen)) for c in clusters], dtype=np.intp)


def finite_or_none(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return value if math.isfinite(value) else None


def undefined(note: str, clusters: NDArray[np.intp], *, n: int = 0) -> Estimate:
    """An estimate without a value, and why. N is len(clusters)."""
    return Estimate(
        value=math.nan,
        n=n,
        n_unscored=len(clusters) - n,
        n_clusters=0,
        limits=lambda _: (math.nan, math.nan),
        effect=np.zeros(len(clusters)),
        clusters=clusters,
        method="none",
        note=note,
    )


def combine(parts: Sequence[Estimate], weights: Sequence[float], *, n: int, n_unscored: int) -> Estimate:
    """The weighted sum of estimates over the same items (MOVER with the correlation of their clustered effects).

    Args:
        parts: Estimates whose `effect` runs over the same items.
        weights: One per part, positive.
        n: Scored items of the whole.
        n_unscored: Unscored items of the whole.
    """
    if not parts or len(parts) != len(weights):
        msg = f"combine needs one weight per estimate, got {len(parts)} and {len(weights)}"
        raise InvalidInput(msg)
    lacking = next((p for p in parts if not p.defined), None)
    if lacking is not None:
        return undefined(lacking.note, lacking.clusters, n=n)
    w = np.asarray(weights, dtype=np.float64)
    values = np.array([p.value for p in parts])
    rho = _correlations(parts)
    value = float(w @ values)

    def limits(level: float) -> tuple[float, float]:
        ends = np.array([p.interval(level) for p in parts])
        down, up = w * (values - ends[:, 0]), w * (ends[:, 1] - values)
        return value - _root(down @ rho @ down), value + _root(up @ rho @ up)

    return Estimate(
        value=value,
        n=n,
        n_unscored=n_unscored,
        n_clusters=max(p.n_clusters for p in parts),
        limits=limits,
        effect=np.asarray(sum(wi * p.effect for wi, p in zip(w, parts, strict=True)), dtype=np.float64),
        clusters=parts[0].clusters,
        method=f"MOVER of {parts[0].method}",
    )


def correlation(a: Estimate, b: Estimate) -> float:
    """Correlation of two estimates over the same items, from their clustered effects; 0 where one does not vary."""
    return float(_correlations([a, b])[0, 1])


def difference(a: Estimate, b: Estimate) -> Difference:
    """A minus B for two estimates over the same items, in the same order, with the same clusters.

    Both must have scored the same items. Where both have `paired_limits`, those are taken at a Student's t quantile whose degrees
    of freedom follow from the kurtosis of the patients' effects on the difference (Satterthwaite): few patients that move it far,
    which long-tailed scores bring, count as few.

    Raises:
        InvalidInput: They are not over the same items.
    """
    if len(a.effect) != len(b.effect) or not np.array_equal(a.clusters, b.clusters):
        msg = "a paired difference needs two estimates over the same items and clusters, in the same order"
        raise InvalidInput(msg)
    if not (a.defined and b.defined):
        note = a.note if not a.defined else b.note
        return Difference(
            value=math.nan,
            lo=math.nan,
            hi=math.nan,
            p_value=math.nan,
            n=min(a.n, b.n),
            n_unscored=max(a.n_unscored, b.n_unscored),
            correlation=math.nan,
            method="none",
            note=note,
        )
    rho = correlation(a, b)
    delta = a.value - b.value
    df = _degrees_of_freedom(a.cluster_effects() - b.cluster_effects(), min(a.n_clusters, b.n_clusters))

    def limits(level: float) -> tuple[float, float]:
        if a.paired_limits is None or b.paired_limits is None:
            (la, ua), (lb, ub) = a.limits(level), b.limits(level)
        else:
            q = two_sided(level, df)
            (la, ua), (lb, ub) = a.paired_limits(q), b.paired_limits(q)
        down, up = (a.value - la, ub - b.value), (ua - a.value, b.value - lb)
        below = _root(down[0] ** 2 + down[1] ** 2 - 2 * rho * down[0] * down[1])
        above = _root(up[0] ** 2 + up[1] ** 2 - 2 * rho * up[0] * up[1])
        return delta - below, delta + above

    lo, hi = limits(LEVEL)
    return Difference(
        value=delta,
        lo=lo,
        hi=hi,
        p_value=_invert(limits),
        n=min(a.n, b.n),
        n_unscored=max(a.n_unscored, b.n_unscored),
        correlation=rho,
        method=f"MOVER of {a.method}, paired by the correlation of clustered effects",
    )


def _degrees_of_freedom(effects: NDArray[np.float64], n_clusters: int) -> float:
    """Of the variance of a sum of effects, estimated as their sum of squares: twice its square over its own variance."""
    total = float((effects**2).sum())
    spread = float((effects**4).sum()) - total**2 / n_clusters
    return min(max(2 * total**2 / spread, 1.0), float(n_clusters)) if spread > 0 else float(n_clusters)


def _invert(limits: Limits) -> float:
    """The p-value of zero: one minus the smallest level whose interval holds it."""

    def holds(level: float) -> bool:
        lo, hi = limits(level)
        return lo <= 0 <= hi

    narrow, wide = 1e-6, 1 - 1e-12  # nearer to 0 the quantiles lose their precision
    if holds(narrow):
        return 1.0
    if not holds(wide):
        return 1 - wide
    narrow, wide = (narrow, LEVEL) if holds(LEVEL) else (LEVEL, wide)
    for _ in range(_HALVINGS):
        # halve the tail's logarithm, not the level, so that small p-values keep their precision
        middle = 1 - math.sqrt((1 - narrow) * (1 - wide))
        narrow, wide = (narrow, middle) if holds(middle) else (middle, wide)
    return 1 - wide


def _correlations(parts: Sequence[Estimate]) -> NDArray[np.float64]:
    """Correlation matrix of clustered effects; zero where an effect does not vary."""
    effects = np.array([p.cluster_effects() for p in parts])
    norms = np.sqrt((effects**2).sum(axis=1))
    safe = np.where(norms > 0, norms, 1.0)
    rho = (effects @ effects.T) / np.outer(safe, safe)
    rho = np.where(np.outer(norms > 0, norms > 0), np.clip(rho, -1, 1), 0.0)
    np.fill_diagonal(rho, 1.0)
    return np.asarray(rho)


def _root(square: float) -> float:
    return math.sqrt(max(float(square), 0.0))  # rounding can leave -1e-18
