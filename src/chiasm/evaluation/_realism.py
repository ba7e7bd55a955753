"""Two-sample report: how well can anything tell these synthetic images from these real ones?

1. Stated features of every image (`_realism_features`), some of which no calibration has ever matched.
2. AUC with its interval of a forest, a logistic model, a kernel machine and a learned patch classifier
   (`_realism_judges`): 0.5 cannot tell, 1 always can.
3. Kolmogorov-Smirnov distance of every feature, the worst named.
4. Nearest real neighbours; density and coverage (Naeem et al. 2020, ICML), each beside what real gives against real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.evaluation._realism_features import FITTED_FAMILIES, feature_table
from chiasm.evaluation._realism_judges import forest_importance, judge_features, judge_patches
from chiasm.evaluation.statistics import Estimate

Pixels = NDArray[np.uint8]
_NEIGHBOURS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class RealismReport:
    """What the judges found. n synthetic, m real images, F features.

    Attributes:
        auc: Judge -> AUC with interval; "forest, never fitted" sees only families that calibration does not match.
        real_auc: Judge -> AUC of one half of the real images against the other: what no difference looks like here.
        ks: Feature -> Kolmogorov-Smirnov distance in [0, 1].
        importance: Feature -> share of the forest's decisions.
        density: > 1 where synthetic images crowd around real ones.
        coverage: Share of real images with a synthetic one among their neighbours.
        real_coverage: The same of real against real, halves.
        nearest: (n, 5) indices of the nearest real images of each synthetic one.
        seed: Of folds and forests.
        counts: (n, m).
    """

    auc: dict[str, Estimate]
    real_auc: dict[str, Estimate]
    ks: dict[str, float]
    importance: dict[str, float]
    density: float
    coverage: float
    real_coverage: float
    nearest: NDArray[np.intp]
    seed: int
    counts: tuple[int, int]

    @property
    def ks_mean(self) -> float:
        """Mean Kolmogorov-Smirnov distance over all features."""
        return float(np.mean(list(self.ks.values())))

    def worst(self, count: int = 10) -> list[tuple[str, float]]:
        """The features that differ most, with their distance."""
        return sorted(self.ks.items(), key=lambda item: -item[1])[:count]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without the neighbours."""

        def estimates(found: dict[str, Estimate]) -> dict[str, Any]:
            return {k: {"value": e.value, "lo": e.lo, "hi": e.hi, "n": e.n} for k, e in found.items()}

        return {
            "auc": estimates(self.auc),
            "real_auc": estimates(self.real_auc),
            "ks_mean": self.ks_mean,
            "ks": self.ks,
            "importance": self.importance,
            "density": self.density,
            "coverage": self.coverage,
            "real_coverage": self.real_coverage,
            "n_synthetic": self.counts[0],
            "n_real": self.counts[1],
            "seed": self.seed,
        }


def realism(
    synthetic: Sequence[Pixels], real: Sequence[Pixels], out: Path | None = None, *, seed: int = 0
) -> RealismReport:
    """Judge synthetic images against real ones.

    Args:
        synthetic: (H, W) uint8 images.
        real: The same of real ones; one size for all.
        out: Folder for `realism.html` and `realism.json` with pictures of the images themselves; None writes nothing.
        seed: Of folds and forests.
    """
    _check(synthetic, real)
    table, names = feature_table([*synthetic, *real])
    truth = np.arange(len(table)) < len(synthetic)
    report = judge_tables(table[truth], table[~truth], names, seed=seed)
    report.auc["patch words"] = judge_patches([*synthetic, *real], truth, seed=seed)
    half = np.arange(len(real)) % 2 == 0
    report.real_auc["patch words"] = judge_patches(list(real), half, seed=seed)
    if out is not None:
        from chiasm.evaluation._realism_page import write_report

        write_report(report, synthetic, real, out)
    return report


def judge_tables(
    synthetic: NDArray[np.float64], real: NDArray[np.float64], names: Sequence[str], *, seed: int = 0
) -> RealismReport:
    """Judge feature tables (n, F) and (m, F); without the patch classifier, which needs pixels."""
    table = np.concatenate([synthetic, real])
    truth = np.arange(len(table)) < len(synthetic)
    half = np.arange(len(real)) % 2 == 0
    aucs = judge_features(table, truth, seed=seed)
    free = np.array([name.split(".")[0] not in FITTED_FAMILIES for name in names])
    aucs["forest, never fitted"] = judge_features(table[:, free], truth, seed=seed)["forest"]
    scale = 1.4826 * np.median(np.abs(real - np.median(real, axis=0)), axis=0)
    scale = np.where(scale > 1e-9, scale, np.maximum(real.std(axis=0), 1e-9))
    a, b = (np.clip((t - np.median(real, axis=0)) / scale, -8, 8) for t in (synthetic, real))
    density, coverage, nearest = _manifold(a, b)
    importance = forest_importance(table, truth, seed=seed)
    return RealismReport(
        auc=aucs,
        real_auc=judge_features(real, half, seed=seed),
        ks={name: _ks(synthetic[:, i], real[:, i]) for i, name in enumerate(names)},
        importance=dict(zip(names, importance.tolist(), strict=True)),
        density=density,
        coverage=coverage,
        real_coverage=_manifold(b[half], b[~half])[1],
        nearest=nearest,
        seed=seed,
        counts=(len(synthetic), len(real)),
    )


def _manifold(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float, NDArray[np.intp]]:
    """Density and coverage of `b` (real) by `a`, and the nearest five of `b` to each of `a`."""
    from scipy.spatial.distance import cdist

    k = min(_NEIGHBOURS, len(b) - 1)
    radius = np.sort(cdist(b, b), axis=1)[:, k]
    across = cdist(a, b)
    inside = across < radius[None]
    nearest = np.argsort(across, axis=1)[:, :k]
    return float(inside.sum(axis=1).mean() / k), float(inside.any(axis=0).mean()), nearest


def _ks(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Two-sample Kolmogorov-Smirnov distance."""
    values = np.concatenate([a, b])
    share = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (a, b)]
    return float(np.abs(share[0] - share[1]).max())


def _check(synthetic: Sequence[Pixels], real: Sequence[Pixels]) -> None:
    """At least ten of each, and one size."""
    for name, images in (("synthetic", synthetic), ("real", real)):
        if len(images) < 10:
            msg = f"realism needs at least 10 {name} images, got {len(images)}"
            raise InvalidInput(msg)
    shapes = {tuple(pixels.shape) for pixels in (*synthetic, *real)}
    if len(shapes) > 1:
        msg = f"realism compares images of one size, got {sorted(shapes)}; render the synthetic ones at the real ones' size"
        raise InvalidInput(msg)
