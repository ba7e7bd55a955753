"""Size and shape of a region such as the FAZ: area, sub-pixel perimeter, circularity, axis ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from chiasm.errors import InvalidInput
from chiasm.measure._scale import Scale

OUTLINE_SIGMA_UM: Final = 15.0
"""The outline is the half-level line of the mask blurred by this, so that a perimeter does not grow with the resolution
(the staircase of a binary disc is 27 % too long at any) and 3 mm and 6 mm fields are judged alike."""
MIN_OUTLINE_SIGMA_PX: Final = 1.0


@dataclass(frozen=True)
class RegionShape:
    """Shape of one region, in pixels.

    Attributes:
        area_px2: Covered area [px2].
        perimeter_px: Length of the sub-pixel outline [px].
        circularity: 4 pi area / perimeter^2 of the outline; 1 for a disc, less for any other shape.
        axis_ratio: Major / minor axis of the ellipse with the region's second moments, >= 1.
        major_px: That ellipse's major axis, full length [px].
        minor_px: Its minor axis, full length [px].
        centroid: (row, col) of the region, continuous pixel coordinates.
        outline: (P, 2) closed outline, (row, col), continuous pixel coordinates.
    """

    area_px2: float
    perimeter_px: float
    circularity: float
    axis_ratio: float
    major_px: float
    minor_px: float
    centroid: tuple[float, float]
    outline: NDArray[np.float64]


def region_shape(coverage: NDArray[np.float32], scale: Scale) -> RegionShape:
    """Measure one region.

    Args:
        coverage: (H, W) in [0, 1], 1 inside.
        scale: Size of a pixel; sets the smoothing of the outline (`OUTLINE_SIGMA_UM`).

    Raises:
        InvalidInput: The region is empty, or too small to have an outline.
    """
    rows, cols = np.nonzero(coverage > 0)
    if rows.size == 0:
        msg = "the region is empty: it has no shape"
        raise InvalidInput(msg)
    sigma = max(MIN_OUTLINE_SIGMA_PX, scale.px(OUTLINE_SIGMA_UM))
    margin = math.ceil(4 * sigma) + 1
    top, left = int(rows.min()), int(cols.min())
    crop = np.pad(coverage[top : rows.max() + 1, left : cols.max() + 1].astype(np.float64), margin)
    origin = np.array([top - margin, left - margin]) + 0.5
    lines = find_contours(ndimage.gaussian_filter(crop, sigma, mode="constant"), 0.5)
    if not lines:
        msg = f"the region of {coverage.sum():g} px is too small to have an outline (smoothing {sigma:.1f} px)"
        raise InvalidInput(msg)
    outline = max(lines, key=len) + origin
    perimeter = float(np.linalg.norm(np.diff(outline, axis=0), axis=1).sum())
    area, centroid, (major, minor) = _moments(crop)
    return RegionShape(
        area_px2=area,
        perimeter_px=perimeter,
        circularity=4 * math.pi * _enclosed(outline) / perimeter**2,
        axis_ratio=major / minor,
        major_px=major,
        minor_px=minor,
        centroid=(centroid[0] + origin[0], centroid[1] + origin[1]),
        outline=outline,
    )


def _moments(crop: NDArray[np.float64]) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Area, centroid by pixel index, and full axes of the ellipse of equal second moments."""
    area = float(crop.sum())
    r, c = np.arange(crop.shape[0], dtype=np.float64), np.arange(crop.shape[1], dtype=np.float64)
    by_row, by_col = crop.sum(axis=1), crop.sum(axis=0)
    row, col = float(by_row @ r) / area, float(by_col @ c) / area
    # a pixel is a square, not a point: 1/12 is its own second moment
    var_r = float(by_row @ (r - row) ** 2) / area + 1 / 12
    var_c = float(by_col @ (c - col) ** 2) / area + 1 / 12
    cov = float((r - row) @ crop @ (c - col)) / area
    minor, major = np.linalg.eigvalsh(np.array([[var_r, cov], [cov, var_c]]))
    return area, (row, col), (4 * math.sqrt(major), 4 * math.sqrt(minor))


def _enclosed(outline: NDArray[np.float64]) -> float:
    """Area inside a closed polyline (shoelace)."""
    r, c = outline[:-1].T
    r2, c2 = outline[1:].T
    return float(abs((r * c2 - r2 * c).sum())) / 2
