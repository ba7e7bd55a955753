"""Fit a device profile to a handful of unlabelled images, by matching distributions of image statistics.

1. Look at the images: what cannot be used is named, one by one, with the reason.
2. Render a fixed set of eyes with the start profile, always with the same draws, so that statistics change smoothly.
3. Transfer: curves of the device's processing, by distributions of detail and grey (`_transfer_fit`); the share of black pixels is
   counted with it.
4. Means: Gauss-Newton steps (`scipy.optimize.lsq_linear`, soft-L1 weights) on (synthetic mean - real mean) / real sd of
   every statistic and measured biomarker, outer tenths drawn in, families weighing the same, with a weak pull towards the
   start where the images do not tell; the transfer is fitted again wherever parameters go, also to find the slopes (variable
   projection: Golub and Pereyra 1973), or parameters would mend what the transfer mends; a step that does not help is halved.
5. Spreads: non-negative least squares on variances: what the eyes' own variety does not explain is shared out among the
   parameters by how strongly they move each statistic; what bands still lack becomes the modes of the transfer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.imaging._eye import Eye
from chiasm.worlds.octa.imaging._inspect import ImageProblem, inspect_images
from chiasm.worlds.octa.imaging._matched import matched_names, matched_statistics
from chiasm.worlds.octa.imaging._profile import Profile, profile_of
from chiasm.worlds.octa.imaging._search import Progress, Search, Table, scale_of

MINIMUM_IMAGES = 10
"""Fewer cannot say how images of a device vary."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a calibration found.

    Attributes:
        profile: The fitted profile.
        start: The one it began from.
        before: Mean distance of the statistics' distributions, start against real, by family; 0 is equal.
        after: The same for the fitted profile.
        worst: The statistics that still differ most: (family, name, distance).
        problems: Images that were left out.
        n_images: Images that were used.
        evaluations: Times that all eyes were rendered.
        elapsed_s: Wall-clock seconds.
    """

    profile: Profile
    start: Profile
    before: dict[str, float]
    after: dict[str, float]
    worst: tuple[tuple[str, str, float], ...]
    problems: tuple[ImageProblem, ...]
    n_images: int
    evaluations: int
    elapsed_s: float


def calibrate(
    images: Sequence[NDArray[Any]],
    eyes: Sequence[Eye],
    start: Profile,
    *,
    name: str,
    names: Sequence[str] | None = None,
    use_the_rest: bool = False,
    rounds: int = 3,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Calibration:
    """Fit a profile to real images.

    Args:
        images: At least 10 square greyscale images (H, W) uint8 of one size and one kind of scan.
        eyes: What is rendered for comparison: eyes grown for this field, in the mix of patients of the images; 64 are usual.
        start: Where to begin, and the source of what is not fitted (artefact rates, slabs, `saturation_mm_s`).
        name: Of the new profile: letters, digits, `.`, `_` and `-`.
        names: How to name each image in messages; None numbers them.
        use_the_rest: Whether to go on without unusable images; else they are an error.
        rounds: Steps of the least-squares search; each renders `SLOPE_EYES` eyes about 40 times.
        seed: Of the renders.
        progress: Called after every evaluation.

    Raises:
        InvalidInput: Unusable images (each named with its reason), fewer than 10 usable ones, another name, eyes of another
            field, or a start whose renders show nothing to measure.

    An image or render in which a biomarker cannot be had has no part in that biomarker's mean, spread and distribution.
    """
    began = time.monotonic()
    problems = inspect_images(images, names)
    if problems and not use_the_rest:
        listed = "\n".join(f"  {p.name}: {p.reason}" for p in problems)
        msg = f"{len(problems)} of {len(images)} images cannot be used:\n{listed}\nremove them, or say that the rest shall be used"
        raise InvalidInput(msg)
    bad = {p.index for p in problems}
    usable = [np.asarray(pixels) for i, pixels in enumerate(images) if i not in bad]
    if len(usable) < MINIMUM_IMAGES:
        msg = f"calibration needs at least {MINIMUM_IMAGES} usable images, got {len(usable)} of {len(images)}"
        raise InvalidInput(msg)
    card = {
        "fitted_on": f"{len(usable)} unlabelled images, {start.fov_mm:g} mm",
        "method": f"chiasm calibrate, from {start.name}, {len(eyes)} eyes, {rounds} rounds, seed {seed}",
        "limits": f"slabs, artefact rates and saturation_mm_s are those of {start.name}, not fitted",
    }
    own = {"name": name, "size_px": len(usable[0]), "card": card}
    start = profile_of({**start.model_dump(), **own}, "the new profile")
    real = np.array([matched_statistics(pixels, start.fov_mm) for pixels in usable])
    search = Search(tuple(eyes), start, usable, real, seed, progress, began)
    fitted = search.spreads(search.means(rounds))
    tables = [search.render(profile) for profile in (start, fitted)]
    before, after = (family_distances(table, real) for table in tables)
    distances = distribution_distances(tables[1], real)
    order = np.argsort(-distances)[:12]
    worst = tuple((*matched_names()[i], float(distances[i])) for i in order)
    return Calibration(
        fitted, start, before, after, worst, tuple(problems), len(usable), search.evaluations, time.monotonic() - began
    )


def distribution_distances(synthetic: Table, real: Table) -> Table:
    """(S,) mean difference of quantiles of each statistic, in real standard deviations."""
    levels = np.linspace(0.05, 0.95, 19)
    gap = np.abs(np.nanquantile(synthetic, levels, axis=0) - np.nanquantile(real, levels, axis=0)).mean(axis=0)
    return np.asarray(gap / scale_of(real), dtype=np.float64)


def family_distances(synthetic: Table, real: Table) -> dict[str, float]:
    """Mean of `distribution_distances` by family of statistics."""
    distances = distribution_distances(synthetic, real)
    families = np.array([family for family, _ in matched_names()])
    return {f: float(distances[families == f].mean()) for f in dict.fromkeys(families.tolist())}
