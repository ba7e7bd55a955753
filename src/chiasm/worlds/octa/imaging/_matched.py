"""What calibration matches of one image: its statistics, and the biomarkers that `chiasm measure` finds in it.

Statistics alone do not bind what is measured: profiles that matched them rendered healthy eyes whose skeleton density was 1.9
standard deviations above that of real ones (docs/log.md), and labels learned there do not hold on real images.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from chiasm.measure import measure_image
from chiasm.worlds.octa.imaging._statistics import image_statistics, statistic_names

Vector = NDArray[np.float64]

BIOMARKERS: Final = (
    "skeleton_density",
    "vessel_area_density",
    "vessel_diameter_index",
    "intercapillary_distance",
    "nonperfusion_fraction",
)
"""Of the whole field. The FAZ's area is left out: its size is the eye's and not the scanner's, which would be bent to draw
large FAZs in eyes that have small ones; and not every image shows a FAZ."""


def matched_names() -> tuple[tuple[str, str], ...]:
    """(family, name) of every entry of `matched_statistics`."""
    return (*statistic_names(), *(("biomarkers", name) for name in BIOMARKERS))


def matched_statistics(pixels: NDArray[np.uint8], fov_mm: float) -> Vector:
    """(S,) float64 of one square image (n, n) uint8 of a field of `fov_mm` [mm]; NaN where a biomarker cannot be had."""
    found = measure_image(pixels, fov_mm).biomarkers
    measured = [found.value(name) if found.has(name) else np.nan for name in BIOMARKERS]
    return np.concatenate([image_statistics(pixels), measured])
