"""Can a lesion be seen at all? Its image against its twin's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import InvalidInput

VISIBLE_CONTRAST_TO_NOISE = 0.6
"""A finding's change of grey must reach this share of the standard deviation of its surroundings, texture included: below
it a change is lost in the capillary pattern, however wide it is."""
VISIBLE_DETECTABILITY = 4.0
"""... and this detectability index, in the middle of Rose's 3 to 5 for detection: small findings need more contrast."""


class Contrast(NamedTuple):
    """How far a finding stands out from its surroundings."""

    to_noise: float
    """Root mean square change of grey over the local standard deviation, >= 0."""
    detectability: float
    """The same times the root of the number of pixels: d' of the ideal observer in white noise (Barrett and Myers 2004)."""

    @property
    def visible(self) -> bool:
        """Whether the finding counts as visible."""
        return self.to_noise >= VISIBLE_CONTRAST_TO_NOISE and self.detectability >= VISIBLE_DETECTABILITY


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
) -> Contrast:
    """Change of grey over a lesion's mask, in standard deviations of its surroundings.

    Args:
        image_with: (H, W) uint8, the eye with the lesion.
        image_without: (H, W) uint8, its twin of the same noise seed and exposure.
        mask: (H, W) bool, the lesion's pixels; empty gives 0.
        noise: (H, W) from `noise_map` of the twin; None computes it.

    Returns:
        Zero for an empty mask, or one without change.
    """
    if not image_with.shape == image_without.shape == mask.shape:
        msg = f"images and mask must have one shape, got {image_with.shape}, {image_without.shape}, {mask.shape}"
        raise InvalidInput(msg)
    if not mask.any():
        return Contrast(0.0, 0.0)
    level = noise_map(image_without) if noise is None else noise
    change = image_with[mask].astype(np.float32) - image_without[mask].astype(np.float32)
    ratio = float(np.sqrt(np.mean(change**2) / np.mean(level[mask] ** 2)))
    return Contrast(ratio, ratio * float(np.sqrt(mask.sum())))
