"""Draw microaneurysms: ellipses, anti-aliased by the chords that lines through each pixel cut from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.imaging._eye import Blobs
from chiasm.worlds.octa.imaging._raster import check_size

_LINES_PER_HALF = 16
"""Lines across half of an ellipse's height: with 32 or more across the whole its area is right within 0.6 %."""
_MOST_LINES = 64
"""At most so many lines per row of pixels; reached by ellipses half a pixel high."""


def render_blobs(blobs: Blobs, fov_um: float, size_px: int) -> NDArray[np.float32]:
    """Coverage of each pixel by blobs, weighted by their flow, combined by maximum.

    Args:
        blobs: What to draw.
        fov_um: Side of the field [um].
        size_px: Side of the image [px].

    Returns:
        (size_px, size_px) float32 in [0, 1].
    """
    check_size(size_px)
    out = np.zeros((size_px, size_px), np.float32)
    for i in range(len(blobs)):
        window, coverage = _ellipse(blobs, i, fov_um / size_px, size_px)
        out[window] = np.maximum(out[window], coverage * blobs.flow[i])
    return out


def blob_masks(blobs: Blobs, fov_um: float, size_px: int) -> list[NDArray[np.bool_]]:
    """One (size_px, size_px) bool mask per blob: pixels covered by at least one half, and always the centre's pixel.

    A blob whose centre lies outside the field, and which covers no half pixel inside, has an empty mask.
    """
    check_size(size_px)
    pixel_um = fov_um / size_px
    masks = []
    for i in range(len(blobs)):
        mask = np.zeros((size_px, size_px), bool)
        window, coverage = _ellipse(blobs, i, pixel_um, size_px)
        mask[window] = coverage >= 0.5
        row, col = (int(np.floor(v / pixel_um)) for v in blobs.center_um[i, :2])
        if 0 <= row < size_px and 0 <= col < size_px:
            mask[row, col] = True
        masks.append(mask)
    return masks


def _ellipse(blobs: Blobs, i: int, pixel_um: float, size_px: int) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """The window that holds blob i, clipped to the image, and its coverage there."""
    center = blobs.center_um[i, :2] / pixel_um
    a, b = blobs.semi_um[i] / pixel_um
    cos, sin = np.cos(blobs.angle_rad[i]), np.sin(blobs.angle_rad[i])
    # The ellipse is y^2 p + 2 x y q + x^2 r <= 1 about its centre, y along rows and x along columns.
    q = cos * sin * (a**-2 - b**-2)
    r = (sin / a) ** 2 + (cos / b) ** 2
    half = np.array([a * b * np.sqrt(r), np.hypot(a * sin, b * cos)])
    low = np.clip(np.floor(center - half), 0, size_px).astype(int)
    high = np.clip(np.ceil(center + half), 0, size_px).astype(int)
    lines = int(np.clip(np.ceil(_LINES_PER_HALF / half[0]), 4, _MOST_LINES))
    y = low[0] + (np.arange((high[0] - low[0]) * lines) + 0.5)[:, None] / lines - center[0]
    middle = center[1] - y * q / r
    reach = np.sqrt(np.maximum(r - (y / (a * b)) ** 2, 0)) / r
    col = np.arange(low[1], high[1])
    covered = np.clip(np.minimum(middle + reach, col + 1) - np.maximum(middle - reach, col), 0, 1)
    coverage = covered.reshape(high[0] - low[0], lines, -1).mean(axis=1)
    return (slice(low[0], high[0]), slice(low[1], high[1])), coverage.astype(np.float32)
