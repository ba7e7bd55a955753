"""What the vessel pattern measures: fractal dimension, spacing of capillaries, non-perfused areas, tortuosity."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import Unanswerable
from chiasm.measure._distance import distance_to
from chiasm.measure._scale import Scale
from chiasm.measure._skeleton import Skeleton

BOX_DIVISIONS: Final = (8, 12, 16, 24, 32, 48, 64)
"""Box side = image side / these (made odd): 39 px to 5 px at 304 px. Shares of the field, so that resampling changes nothing;
larger boxes are all full, smaller ones see the pixel grid."""
MIN_BRANCH_UM: Final = 100.0
"""Shorter branches are left out of tortuosity: a few pixels have no meaningful curvature."""
NEIGHBOURHOOD_UM: Final = 80.0
"""Gaussian sigma of the neighbourhood in which the density around a point is taken: more than the widest normal gap
(capillary-free zones along arteries are 67 +- 25 um wide, PMID 31042789), less than a lobule."""
OWN_LEVEL_QUANTILE: Final = 0.75
"""The eye's own level of density: reached by a quarter of the field, so that up to three quarters may be lost."""
NONPERFUSED_LEVEL: Final = 0.55
"""A point is non-perfused where less than this share of the eye's own density is left."""
MIN_NONPERFUSED_MM2: Final = 0.02
"""Smaller areas are chance gaps between capillaries."""
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
    # A box of side 2 k + 1 meets a line where the chessboard distance from its centre is at most k.
    distance = ndimage.distance_transform_cdt(~_four_connected(skeleton), "chessboard")
    within = np.cumsum(np.bincount(distance.ravel()))
    sides = np.array(sorted({round(max(skeleton.shape) / n) // 2 * 2 + 1 for n in BOX_DIVISIONS}))
    met = within[np.minimum(sides // 2, len(within) - 1)] / skeleton.size
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
    fine = _doubled(_doubled(coverage).T).T >= 0.5
    # in original pixels; to the vessel's edge, which lies half a fine pixel before the centre of its first pixel
    distance = (distance_to(fine) / 2 - 0.25).astype(np.float32)
    peaks = _peaks(distance, np.float32(scale.px(MIN_GAP_UM) / 2), max(1, round(scale.px(MIN_GAP_UM))))
    labels, n = ndimage.label(peaks, structure=np.ones((3, 3)))
    if n == 0:
        msg = "intercapillary distance needs a gap between vessels"
        raise Unanswerable(msg)
    row, col, radius = _discs(labels, distance)
    inside = np.minimum.reduce([row, col, coverage.shape[0] - row, coverage.shape[1] - col]) > radius
    away = distance_to(excluded)
    inside &= away[row.astype(np.intp), col.astype(np.intp)] > radius
    if not inside.any():
        msg = "intercapillary distance needs a gap that is enclosed by vessels"
        raise Unanswerable(msg)
    return float(2 * radius[inside].mean())


def _doubled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2 H, W) from (H, W): two rows for each, interpolated linearly between the middles of pixels."""
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    out = np.empty((2 * values.shape[0], values.shape[1]), np.float32)
    out[0::2] = 0.75 * values + 0.25 * padded[:-2]
    out[1::2] = 0.75 * values + 0.25 * padded[2:]
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _peaks(values: NDArray[np.float32], least: np.float32, reach: int) -> NDArray[np.bool_]:
    """True where a value is at least `least` and at least every value within `reach` rows and columns.

    A maximum filter visits every pixel's neighbours; here nearly all pixels are dismissed by the first few.
    """
    rows, cols = values.shape
    peaks = np.zeros((rows, cols), dtype=np.bool_)
    for r in range(rows):
        for c in range(cols):
            value = values[r, c]
            if value < least:
                continue
            if (r > 0 and values[r - 1, c] > value) or (r + 1 < rows and values[r + 1, c] > value):
                continue
            highest = True
            for i in range(max(0, r - reach), min(rows, r + reach + 1)):
                for j in range(max(0, c - reach), min(cols, c + reach + 1)):
                    if values[i, j] > value:
                        highest = False
                        break
                if not highest:
                    break
            peaks[r, c] = highest
    return peaks


def _discs(
    labels: NDArray[np.int32], distance: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Row, column and radius [px] of the disc at each labelled peak of the distance on the doubled grid.

    A gap of an even number of fine pixels has its middle between two of them: both are peaks, and the disc reaches half a
    fine pixel farther than the distance at either.
    """
    at_row, at_col = np.nonzero(labels)
    disc = labels[at_row, at_col]
    order = np.argsort(disc, kind="stable")
    at_row, at_col, first = at_row[order], at_col[order], np.flatnonzero(np.diff(disc[order], prepend=0))
    span_row = np.maximum.reduceat(at_row, first) - np.minimum.reduceat(at_row, first)
    span_col = np.maximum.reduceat(at_col, first) - np.minimum.reduceat(at_col, first)
    between = np.minimum(span_row, span_col) == 1
    radius = distance[at_row[first], at_col[first]] + np.where(between, 0.25, 0.0).astype(np.float32)
    return (at_row[first] + 0.5) / 2, (at_col[first] + 0.5) / 2, radius


def nonperfused(skeleton: Skeleton, faz: NDArray[np.bool_] | None, scale: Scale) -> NDArray[np.bool_]:
    """Areas outside the FAZ that have lost their capillaries, by the eye's own measure.

    The length of centre lines per area, in a Gaussian neighbourhood that counts only retina in the image, is below
    `NONPERFUSED_LEVEL` times its `OWN_LEVEL_QUANTILE` over the field. A large vessel alone does not make a place perfused.

    Args:
        skeleton: Centre lines of all vessels.
        faz: (H, W) bool, or None where there is none.
        scale: Size of a pixel.

    Returns:
        (H, W) bool; all True where there is no vessel at all.
    """
    retina = np.ones(skeleton.mask.shape, bool) if faz is None else ~faz
    sigma = scale.px(NEIGHBOURHOOD_UM)
    length = ndimage.gaussian_filter(skeleton.length_map * retina, sigma, mode="constant")
    area = ndimage.gaussian_filter(retina.astype(np.float32), sigma, mode="constant")
    density = np.divide(length, area, out=np.zeros_like(length), where=retina)
    own = float(np.quantile(density[retina], OWN_LEVEL_QUANTILE))
    if own == 0:
        return retina
    areas, _ = ndimage.label(retina & (density < NONPERFUSED_LEVEL * own))
    large = np.bincount(areas.ravel()) * (scale.filter_um / 1000) ** 2 >= MIN_NONPERFUSED_MM2
    large[0] = False
    return np.asarray(large[areas])
