"""Agreement of ordered grades: weighted kappa with an interval over patients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics._estimate import Clusters, Estimate, Limits, cluster_index, two_sided, undefined

Weights = Literal["quadratic", "linear", "none"]
_ADDED: Final = 2.0


def kappa(
    truth: Sequence[float] | NDArray[np.float64],
    predicted: Sequence[float] | NDArray[np.float64],
    *,
    n_grades: int,
    weights: Weights = "quadratic",
    clusters: Clusters | None = None,
) -> Estimate:
    """Cohen's kappa with weights (Cohen 1968); equal to scikit-learn's `cohen_kappa_score`.

    Kappa is one minus the ratio of the observed to the expected disagreement. Its interval is symmetric on the scale of the cube
    root of that ratio (as Wilson and Hilferty took it for variances), with the large-sample variance (Fleiss, Cohen & Everitt
    1969, Psychological Bulletin 72:323) summed within patients, and a t quantile. Centre and variance are taken with two
    observations more, spread evenly over the table: without them the interval covers 90 % where rare large disagreements weigh
    most, and is empty at perfect agreement. Scale and number were chosen by simulation.

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
    index = cluster_index(clusters, len(kept))
    cost, n = _cost(n_grades, weights), int(kept.sum())
    pairs = rows[kept].astype(np.intp), columns[kept].astype(np.intp)
    counts = np.zeros((n_grades, n_grades))
    np.add.at(counts, pairs, 1.0)
    patients = np.unique(index[kept])
    chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(n, 1) ** 2
    if not (chance * cost).sum() > 0 or len(patients) < 2:
        return undefined("kappa needs two grades in use and two patients", index, n=n)
    value = 1 - float((counts * cost).sum()) / n / float((chance * cost).sum())
    effect = np.zeros(len(kept))
    effect[kept] = _influence(counts / n, cost)[pairs] / n
    return Estimate(
        value=value,
        n=n,
        n_unscored=int((~kept).sum()),
        n_clusters=len(patients),
        limits=_limits(value, counts, cost, pairs, index[kept]),
        effect=effect,
        clusters=index,
        method=f"{weights} kappa: large-sample variance with two observations added, t on the cube-root scale",
        note="fewer than 10 items" if n < 10 else "",
    )


def _disagreement(shares: NDArray[np.float64], cost: NDArray[np.float64]) -> float:
    """Observed over expected disagreement of a (K, K) table of shares."""
    expected = shares.sum(axis=1) @ cost @ shares.sum(axis=0)
    return float((shares * cost).sum() / expected)


def _influence(shares: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, K) first-order change of kappa by an observation in each place of a table of shares."""
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    expected = float(rows @ cost @ columns)
    ratio = _disagreement(shares, cost)
    margins = (cost @ columns)[:, None] + (rows @ cost)[None, :] - 2 * expected
    return np.asarray(-((cost - ratio * expected) - ratio * margins) / expected)


def _limits(
    value: float,
    counts: NDArray[np.float64],
    cost: NDArray[np.float64],
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    owners: NDArray[np.intp],
) -> Limits:
    """The interval around a kappa; counts: (K, K); pairs: places of the items in it; owners: their patients."""
    n = len(owners) + _ADDED
    filled = (counts + _ADDED / counts.size) / n
    pull = _influence(filled, cost)
    patients = np.unique(owners)
    sums = np.bincount(owners, weights=pull[pairs])[patients]
    g = len(patients)
    square = g / (g - 1) * float((sums**2).sum()) + _ADDED * float((pull**2).mean())
    root = _disagreement(filled, cost) ** (1 / 3)
    error = math.sqrt(square) / n / (3 * root**2)

    def limits(level: float) -> tuple[float, float]:
        half = two_sided(level, g - 1) * error
        # the two observations can move the interval off the value at perfect agreement, or at a level near zero
        return max(-1.0, min(value, 1 - (root + half) ** 3)), max(value, 1 - max(root - half, 0.0) ** 3)

    return limits


def _check_grades(sides: Sequence[NDArray[np.float64]], n_grades: int) -> None:
    for grades in sides:
        if not np.isin(grades, np.arange(n_grades)).all():
            msg = f"grades must be whole numbers in 0 .. {n_grades - 1}, got {sorted(set(grades.tolist()))[:8]}"
            raise InvalidInput(msg)


def _cost(n_grades: int, weights: Weights) -> NDArray[np.float64]:
    """(K, K) disagreement weights, the largest 1."""
    distance = np.abs(np.subtract.outer(np.arange(n_grades), np.arange(n_grades))).astype(np.float64)
    if weights == "none":
        return np.asarray(distance > 0, dtype=np.float64)
    scaled = distance / max(n_grades - 1, 1)
    return np.asarray(scaled**2 if weights == "quadratic" else scaled)
