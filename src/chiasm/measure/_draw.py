"""A picture of what was measured: the image with the outline of the FAZ, the vessels and the non-perfused areas."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.measure._image import ImageMeasurement
from chiasm.measure._scale import as_grey

MIN_PICTURE_PX: Final = 800
"""Small images are enlarged by a whole factor to at least this, so that the outline can be seen between pixels."""
VESSEL_RGB: Final = (255, 140, 0)
FAZ_RGB: Final = (0, 220, 255)
NONPERFUSED_RGB: Final = (190, 60, 255)


def draw_measurement(pixels: NDArray[Any], measurement: ImageMeasurement) -> NDArray[np.uint8]:
    """The image, and beside it the same with vessel centre lines (orange), FAZ outline (cyan) and non-perfusion (violet).

    Args:
        pixels: (H, W), the image that was measured.
        measurement: Its measurement.

    Returns:
        (k H, 2 k W, 3) uint8 RGB, enlarged by a whole factor k.

    Raises:
        InvalidInput: The image is not of the measured size.
    """
    grey = as_grey(pixels)
    if grey.shape != measurement.vessels.shape:
        msg = f"the picture needs the measured image of {measurement.vessels.shape} px, got {grey.shape}"
        raise InvalidInput(msg)
    factor = max(1, -(-MIN_PICTURE_PX // max(grey.shape)))
    base = np.repeat(np.rint(grey * 255)[..., None], 3, axis=2)
    marked = base.copy()
    if measurement.nonperfused is not None:
        _tint(marked, measurement.nonperfused, NONPERFUSED_RGB, 0.35)
    _tint(marked, measurement.skeleton.mask, VESSEL_RGB, 0.8)
    both = np.concatenate([_enlarge(base, factor), _enlarge(marked, factor)], axis=1)
    picture = both.astype(np.uint8)
    if measurement.faz_shape is not None:
        _line(picture[:, grey.shape[1] * factor :], measurement.faz_shape.outline * factor, FAZ_RGB)
    return picture


def _tint(picture: NDArray[np.float32], mask: NDArray[np.bool_], colour: tuple[int, int, int], strength: float) -> None:
    picture[mask] = (1 - strength) * picture[mask] + strength * np.array(colour, dtype=np.float32)


def _enlarge(picture: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _line(picture: NDArray[np.uint8], points: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Draw a polyline two pixels wide through (row, col) points."""
    for (r0, c0), (r1, c1) in pairwise(points):
        n = int(max(abs(r1 - r0), abs(c1 - c0)) * 2) + 2
        rows, cols = np.linspace(r0, r1, n), np.linspace(c0, c1, n)
        for down in (-0.5, 0.5):
            for right in (-0.5, 0.5):
                r = np.clip(rows + down, 0, picture.shape[0] - 1).astype(np.intp)
                c = np.clip(cols + right, 0, picture.shape[1] - 1).astype(np.intp)
                picture[r, c] = colour
