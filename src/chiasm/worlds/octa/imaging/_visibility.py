"""Can a finding be seen at all? Its image against that of the same eye without disease.

Vessels are seen by their course: any change of grey along it counts. Areas and spots are seen by their mean alone, and must
stand out from what the texture of a healthy bed does by itself at their size: where capillaries are erased the pattern changes
everywhere, but a reader, who has no twin, sees only that it is darker there than a bed ever is.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import InvalidInput

FindingKind = Literal["area", "spot", "vessels"]
Window = tuple[slice, slice]

VISIBLE_CONTRAST_TO_NOISE = 0.6
"""Change of grey along a vessel must reach this share of the standard deviation of its surroundings, texture included: below it a
change is lost in the capillary pattern, however long it is."""
VISIBLE_VESSEL = 4.0
"""... and this detectability, in the middle of Rose's 3 to 5: short vessels need more contrast."""
VISIBLE_PATCH = 3.0
"""Detectability from which an area or a spot counts as visible, the lower end of Rose's 3 to 5: the noise is the texture's own."""

_WHOLE: Window = (slice(None), slice(None))
_SIDES = np.array([3, 5, 9, 17, 33, 65])
"""Sides of the squares whose means say how a bed varies [px]; between them by the logarithm, beyond the last as that."""
_WINDOW_PX = 15
_BED_SHARE = 0.8
"""Share of pixels that are bed: brighter ones are vessels, which a reader discounts when looking for dark areas."""
_EVERY = 3
"""Rows and columns that enter the quantiles."""


class Contrast(NamedTuple):
    """How far a finding stands out from its surroundings."""

    to_noise: float
    """Root mean square change of grey over the local standard deviation, >= 0."""
    detectability: float
    """Of vessels the same times the root of the number of pixels: d' of the ideal observer in white noise. Of areas and spots
    the mean change of grey over the spread of a healthy bed at their size: d' of the non-prewhitening observer in that texture
    (Barrett and Myers 2004)."""
    visible: bool
    """Whether the finding counts as visible."""


class Backdrop:
    """The image of the same eye without any disease, of the same noise seed and exposure: what findings must stand out from.

    Args:
        pixels: (H, W) uint8.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def contrast(
        self, image: NDArray[np.uint8], mask: NDArray[np.bool_], kind: FindingKind, window: Window = _WHOLE
    ) -> Contrast:
        """How far a finding stands out in the image (H, W) uint8 of the eye that has it.

        Args:
            image: The eye with the finding.
            mask: (h, w) bool, the finding's pixels within the window.
            kind: An area of bed that is darker, a bright spot, or vessels.
            window: Rows and columns of the mask; the whole image by default.

        Returns:
            Zero and not visible for an empty mask, or one without change.

        Raises:
            InvalidInput: Shapes that do not agree.
        """
        if image.shape != self.pixels.shape or mask.shape != self.pixels[window].shape:
            msg = f"image and mask must have the backdrop's shape {self.pixels.shape}, got {image.shape}, {mask.shape} in {window}"
            raise InvalidInput(msg)
        if not mask.any():
            return Contrast(0.0, 0.0, visible=False)
        found = image[window][mask].astype(np.float32)
        healthy = self.pixels[window][mask].astype(np.float32)
        to_noise = float(np.sqrt(np.mean((found - healthy) ** 2) / np.mean(self.noise[window][mask] ** 2)))
        if kind == "vessels":
            detectability = to_noise * float(np.sqrt(len(found)))
            return Contrast(
                to_noise,
                detectability,
                visible=to_noise >= VISIBLE_CONTRAST_TO_NOISE and detectability >= VISIBLE_VESSEL,
            )
        bound = self._bed if kind == "area" else 255
        change = float(np.minimum(found, bound).mean() - np.minimum(healthy, bound).mean())
        spreads = self._bed_spreads if kind == "area" else self._spreads
        detectability = abs(change) / float(np.interp(0.5 * np.log(len(found)), np.log(_SIDES), spreads))
        return Contrast(to_noise, detectability, visible=detectability >= VISIBLE_PATCH)

    @cached_property
    def noise(self) -> NDArray[np.float32]:
        """(H, W) local standard deviation of grey, noise and texture alike; at least half a grey level."""
        grey = self.pixels.astype(np.float32)
        mean = ndimage.uniform_filter(grey, _WINDOW_PX, mode="reflect")
        square = ndimage.uniform_filter(grey * grey, _WINDOW_PX, mode="reflect")
        return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0.25)), dtype=np.float32)

    @cached_property
    def _bed(self) -> float:
        return float(np.quantile(self.pixels[::_EVERY, ::_EVERY], _BED_SHARE))

    @cached_property
    def _spreads(self) -> NDArray[np.float64]:
        return _spread_by_side(self.pixels.astype(np.float32))

    @cached_property
    def _bed_spreads(self) -> NDArray[np.float64]:
        return _spread_by_side(np.minimum(self.pixels, self._bed).astype(np.float32))


def _spread_by_side(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    """(S,) spread of the mean of a square less that of the ring around it, by `_SIDES`; at least a tenth of a grey level.

    Half of the central 68 %, so that neither the FAZ nor large vessels decide.
    """
    out = []
    for side in _SIDES.tolist():
        outer = 2 * side - 1
        inside, both = ndimage.uniform_filter(grey, side), ndimage.uniform_filter(grey, outer)
        ring = (both * outer**2 - inside * side**2) / (outer**2 - side**2)
        low, high = np.quantile((inside - ring)[::_EVERY, ::_EVERY], (0.16, 0.84))
        out.append(max(0.1, float(high - low) / 2))
    return np.array(out)
