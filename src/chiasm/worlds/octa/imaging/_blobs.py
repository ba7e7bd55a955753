"""Draw microaneurysms: ellipses, anti-aliased by their signed distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.imaging._eye import Blobs
from chiasm.worlds.octa.imaging._raster import check_size


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
    center = blobs.center_um[i, :2] / pixel_um - 0.5
    a, b = np.maximum(blobs.semi_um[i] / pixel_um, 0.05)
    reach = max(a, b) + 1
    low = np.clip(np.floor(center - reach), 0, size_px).astype(int)
    high = np.clip(np.ceil(center + reach) + 1, 0, size_px).astype(int)
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    row, col = np.mgrid[window]
    y, x = row - center[0], col - center[1]
    cos, sin = np.cos(blobs.angle_rad[i]), np.sin(blobs.angle_rad[i])
    along, across = y * cos + x * sin, x * cos - y * sin
    # First-order signed distance to an ellipse: (|p|_E - 1) / |grad |p|_E|, exact on circles' axes.
    level = np.hypot(along / a, across / b)
    slope = np.hypot(along / a**2, across / b**2) / np.maximum(level, 1e-6)
    distance = np.where(level > 1e-6, (level - 1) / np.maximum(slope, 1e-6), -min(a, b))
    coverage = np.clip(0.5 - distance, 0, 1) * min(1.0, 2 * min(a, b))
    return window, coverage.astype(np.float32)
