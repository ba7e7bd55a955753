"""What the vessel pattern measures: fractal dimension, spacing of capillaries, non-perfused areas, tortuosity."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import Unanswerable
from chiasm.measure._scale import Scale
from chiasm.measure._skeleton import Skeleton

BOX_DIVISIONS: Final = (8, 12, 16, 24, 32, 48, 64)
"""Box side = image side / these (made odd): 39 px to 5 px at 304 px. Shares of the field, so that resampling changes nothing;
larger boxes are all full, smaller ones see the pixel grid."""
MIN_BRANCH_UM: Final = 100.0
"""Shorter branches are left out of tortuosity: a few pixels have no meaningful curvature."""
VESSEL_FREE_RADIUS_UM: Final = 60.0
"""A non-perfused area holds a vessel-free disc of this radius. Normal gaps are smaller: capillary-free zones along arteries
are 67 +- 25 um wide (PMID 31042789), so a disc of 120 um diameter is two SD beyond the widest normal gap."""
MIN_GAP_UM: Final = 10.0
"""Narrower gaps between capillaries are below what OCTA resolves (lateral resolution about 15 um)."""


def fractal_dimension(skeleton: NDArray[np.bool_]) -> float:
    """Box-counting dimension of the centre lines.

    For each side s of `BOX_DIVISIONS`, boxes are laid in every position (centred on every pixel) instead of one grid: the
    share p(s) of boxes that meet a line, times area / s^2, is the expected count over all grids. The dimension is 2 minus the
    slope of log p on log s. Diagonal steps of the pixel line are filled first: else boxes slip through them.

    Args:
        skeleton: (H, W) bool, True on centre lines.

    Raises:
        Unanswerable: There are no centre lines.
    """
    if not skeleton.any():
        msg = "the fractal dimension needs at least one vessel"
        raise Unanswerable(msg)
    line = _four_connected(skeleton).astype(np.uint8)
    sides = np.array(sorted({round(max(skeleton.shape) / n) // 2 * 2 + 1 for n in BOX_DIVISIONS}))
    met = []
    for side in sides:
        rows = ndimage.maximum_filter1d(line, side, axis=0, mode="constant")
        met.append(ndimage.maximum_filter1d(rows, side, axis=1, mode="constant").mean(dtype=np.float64))
    return 2.0 - float(np.polyfit(np.log(sides), np.log(met), 1)[0])


def _four_connected(line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The line with one corner pixel added at each step that is only diagonal."""
    out = line.copy()
    a, b, c, d = line[:-1, :-1], line[:-1, 1:], line[1:, :-1], line[1:, 1:]
    out[1:, :-1] |= a & d & ~b & ~c
    out[:-1, :-1] |= b & c & ~a & ~d
    return out


def tortuosity(skeleton: Skeleton, scale: Scale) -> float:
    """Total arc / total chord over branches of at least `MIN_BRANCH_UM`; 1 is straight. Closed loops are left out.

    Raises:
        Unanswerable: No branch is long enough.
    """
    use = (skeleton.arc_px >= scale.px(MIN_BRANCH_UM)) & (skeleton.chord_px > 0)
    if not use.any():
        msg = f"tortuosity needs a vessel branch of at least {MIN_BRANCH_UM:g} um"
        raise Unanswerable(msg)
    return float(skeleton.arc_px[use].sum() / skeleton.chord_px[use].sum())


def intercapillary_distance_px(coverage: NDArray[np.float32], excluded: NDArray[np.bool_], scale: Scale) -> float:
    """Mean diameter of the largest vessel-free discs between vessels [px].

    A disc counts where its centre is a local maximum of the distance to the nearest vessel, it is at least `MIN_GAP_UM` wide,
    and it neither leaves the image nor touches `excluded`.

    Args:
        coverage: (H, W) in [0, 1], 1 on vessel.
        excluded: (H, W) bool, the FAZ and non-perfused areas.
        scale: Size of a pixel.

    Raises:
        Unanswerable: There is no such disc.
    """
    fine = ndimage.zoom(coverage, 2, order=1, grid_mode=True, mode="nearest") >= 0.5
    # in original pixels; to the vessel's edge, which lies half a fine pixel before the centre of its first pixel
    distance = (ndimage.distance_transform_edt(~fine) / 2 - 0.25).astype(np.float32)
    reach = max(3, 2 * round(scale.px(MIN_GAP_UM)) + 1)
    peaks = (distance >= ndimage.maximum_filter(distance, size=reach)) & (2 * distance >= scale.px(MIN_GAP_UM))
    labels, n = ndimage.label(peaks, structure=np.ones((3, 3)))
    if n == 0:
        msg = "intercapillary distance needs a gap between vessels"
        raise Unanswerable(msg)
    row, col, radius = _discs(labels, distance)
    inside = np.minimum.reduce([row, col, coverage.shape[0] - row, coverage.shape[1] - col]) > radius
    away = ndimage.distance_transform_edt(~excluded) if excluded.any() else np.full(coverage.shape, np.inf)
    inside &= away[row.astype(np.intp), col.astype(np.intp)] > radius
    if not inside.any():
        msg = "intercapillary distance needs a gap that is enclosed by vessels"
        raise Unanswerable(msg)
    return float(2 * radius[inside].mean())


def _discs(
    labels: NDArray[np.int32], distance: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Row, column and radius [px] of the disc at each labelled peak of the distance on the doubled grid.

    A gap of an even number of fine pixels has its middle between two of them: both are peaks, and the disc reaches half a
    fine pixel farther than the distance at either.
    """
    first = np.unique(labels, return_index=True)[1][1:]
    rows, cols = np.unravel_index(first, labels.shape)
    spans = [(r.stop - r.start, c.stop - c.start) for r, c in ndimage.find_objects(labels)]
    between = np.array([min(span) == 2 for span in spans])
    radius = distance.ravel()[first] + np.where(between, 0.25, 0.0).astype(np.float32)
    return (rows + 0.5) / 2, (cols + 0.5) / 2, radius


def nonperfused(vessels: NDArray[np.bool_], faz: NDArray[np.bool_] | None, scale: Scale) -> NDArray[np.bool_]:
    """Areas outside the FAZ without vessels: the union of all vessel-free discs of `VESSEL_FREE_RADIUS_UM`.

    A disc may leave the image but must have its centre inside it. Pixels of the FAZ count as vessels, so that the gap
    between the FAZ's border vessels and the next is judged by itself.

    Args:
        vessels: (H, W) bool.
        faz: (H, W) bool, or None where there is none.
        scale: Size of a pixel.

    Returns:
        (H, W) bool.
    """
    blocked = vessels if faz is None else vessels | faz
    if not blocked.any():
        return np.ones_like(vessels)
    radius = scale.px(VESSEL_FREE_RADIUS_UM)
    centres = ndimage.distance_transform_edt(~blocked) > radius
    if not centres.any():
        return np.zeros_like(vessels)
    return np.asarray(ndimage.distance_transform_edt(~centres) <= radius) & ~blocked
