"""Can a lesion be seen at all? Its image against its twin's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import InvalidInput

VISIBLE_CONTRAST_TO_NOISE = 1.0
"""A finding counts as visible from here: its mean change of grey equals one standard deviation of its surroundings. Over
the dozen pixels of a small microaneurysm this meets Rose's criterion for detection (signal-to-noise of 3 to 5)."""


def noise_map(pixels: NDArray[np.uint8], window_px: int = 15) -> NDArray[np.float32]:
    """Local standard deviation of grey: what a lesion must stand out from, noise and texture alike.

    Args:
        pixels: (H, W) uint8.
        window_px: Side of the square window [px].

    Returns:
        (H, W) float32, at least 0.5 (half a grey level).
    """
    grey = pixels.astype(np.float32)
    mean = ndimage.uniform_filter(grey, window_px, mode="reflect")
    square = ndimage.uniform_filter(grey * grey, window_px, mode="reflect")
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0.25)), dtype=np.float32)


def contrast_to_noise(
    image_with: NDArray[np.uint8],
    image_without: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    noise: NDArray[np.float32] | None = None,
) -> float:
    """Mean change of grey over a lesion's mask, in standard deviations of its surroundings.

    Args:
        image_with: (H, W) uint8, the eye with the lesion.
        image_without: (H, W) uint8, its twin of the same noise seed and exposure.
        mask: (H, W) bool, the lesion's pixels; empty gives 0.
        noise: (H, W) from `noise_map` of the twin; None computes it.

    Returns:
        >= 0. Compare with `VISIBLE_CONTRAST_TO_NOISE`.
    """
    if not image_with.shape == image_without.shape == mask.shape:
        msg = f"images and mask must have one shape, got {image_with.shape}, {image_without.shape}, {mask.shape}"
        raise InvalidInput(msg)
    if not mask.any():
        return 0.0
    level = noise_map(image_without) if noise is None else noise
    change = image_with[mask].astype(np.float32) - image_without[mask].astype(np.float32)
    return float(abs(change.mean()) / np.sqrt(np.mean(level[mask] ** 2)))
