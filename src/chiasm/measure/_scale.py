"""From pixels to millimetres, and the check of what is measured.

Nothing is guessed: without a field of view, lengths stay in pixels and are labelled so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput

MIN_SIDE_PX: Final = 64
MAX_SIDE_PX: Final = 8192
UM_PER_PX_RANGE: Final = (0.5, 50.0)
"""Below: finer than any OCTA raster; above: capillaries (8 um) are lost. Outside, the field of view is surely mistaken."""
ROUNDING: Final = 1e-5
"""How far floating-point pixels may leave [0, 1]: float32 arithmetic, not another range."""
NOMINAL_UM_PER_PX: Final = 10.0
"""Sizes the filters where no field of view is given (3 mm over 304 px is 9.9 um); never used to convert a length."""


@dataclass(frozen=True)
class Scale:
    """Size of a square pixel.

    Attributes:
        um_per_px: [um]; None where unknown.
    """

    um_per_px: float | None

    def __post_init__(self) -> None:
        low, high = UM_PER_PX_RANGE
        if self.um_per_px is not None and not (math.isfinite(self.um_per_px) and low <= self.um_per_px <= high):
            msg = (
                f"pixel size must be within {low} to {high} um, got {self.um_per_px:g} um; "
                "check the field of view (in mm, e.g. 3) and the size of the image"
            )
            raise InvalidInput(msg)

    @classmethod
    def from_fov(cls, shape: tuple[int, int], fov_mm: float | None) -> Scale:
        """The scale of an image of `shape` (rows, cols) whose width shows `fov_mm` millimetres; pixels are square.

        Raises:
            InvalidInput: The field of view is not a positive number, or gives an absurd pixel size.
        """
        if fov_mm is None:
            return cls(None)
        if not (math.isfinite(fov_mm) and fov_mm > 0):
            msg = f"fov_mm must be > 0 mm, got {fov_mm}; give the width of the field, e.g. 3 or 6"
            raise InvalidInput(msg)
        return cls(1000.0 * fov_mm / shape[1])

    @property
    def known(self) -> bool:
        """Whether lengths can be given in mm."""
        return self.um_per_px is not None

    @property
    def filter_um(self) -> float:
        """Pixel size by which filters are sized [um]."""
        return NOMINAL_UM_PER_PX if self.um_per_px is None else self.um_per_px

    def px(self, um: float) -> float:
        """A filter size given in um, in pixels."""
        return um / self.filter_um

    def length(self, px: float, unit: str) -> tuple[float, str]:
        """A length in px as (value, unit): in `unit` ("um", "mm") where the scale is known, else in "px"."""
        if self.um_per_px is None:
            return px, "px"
        return px * self.um_per_px / _UM[unit], unit

    def area(self, px2: float) -> tuple[float, str]:
        """An area in px2 as (value, unit): "mm2", or "px2" where the scale is unknown."""
        if self.um_per_px is None:
            return px2, "px2"
        return px2 * (self.um_per_px / 1000.0) ** 2, "mm2"

    def per_length(self, per_px: float) -> tuple[float, str]:
        """A density per length in 1/px as (value, unit): "1/mm", or "1/px" where the scale is unknown."""
        if self.um_per_px is None:
            return per_px, "1/px"
        return per_px * 1000.0 / self.um_per_px, "1/mm"


_UM: Final = {"um": 1.0, "mm": 1000.0}


def as_grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """A grey image as float32 in [0, 1], checked.

    Args:
        pixels: (H, W), uint8, uint16, or floating point in [0, 1]; brighter is more flow.

    Raises:
        InvalidInput: Not two-dimensional, of another type, too small or large, not finite, outside [0, 1], or constant.
    """
    array = np.asarray(pixels)
    if array.ndim != 2:
        hint = "; convert colour to grey first" if array.ndim == 3 and array.shape[-1] in (3, 4) else ""
        msg = f"an en-face image must be grey, (rows, cols); got an array of shape {array.shape}{hint}"
        raise InvalidInput(msg)
    check_shape((array.shape[0], array.shape[1]))
    if array.dtype in (np.uint8, np.uint16):
        grey = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    elif np.issubdtype(array.dtype, np.floating):
        grey = _checked_float(array)
    else:
        msg = f"an en-face image must be uint8, uint16 or float in [0, 1], got {array.dtype}"
        raise InvalidInput(msg)
    if grey.min() == grey.max():
        msg = f"the image is constant ({float(grey.min()):g} everywhere): there is nothing to measure"
        raise InvalidInput(msg)
    return grey


def as_coverage(mask: NDArray[Any], name: str) -> NDArray[np.float32]:
    """A truth mask as float32 coverage in [0, 1]: bool, or the share of each pixel that is covered.

    Raises:
        InvalidInput: Not two-dimensional, of another type, too small or large, or outside [0, 1].
    """
    array = np.asarray(mask)
    if array.ndim != 2:
        msg = f"{name} must be (rows, cols), got an array of shape {array.shape}"
        raise InvalidInput(msg)
    check_shape((array.shape[0], array.shape[1]))
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if np.issubdtype(array.dtype, np.floating):
        return _checked_float(array)
    msg = f"{name} must be bool or float coverage in [0, 1], got {array.dtype}; write mask > 0 if that is what is meant"
    raise InvalidInput(msg)


def check_shape(shape: tuple[int, int]) -> None:
    """Refuse images too small to measure or too large to be an en-face scan.

    Raises:
        InvalidInput: A side is outside MIN_SIDE_PX..MAX_SIDE_PX.
    """
    if min(shape) < MIN_SIDE_PX or max(shape) > MAX_SIDE_PX:
        msg = f"image sides must be within {MIN_SIDE_PX} to {MAX_SIDE_PX} px, got {shape[0]} x {shape[1]}"
        raise InvalidInput(msg)


def _checked_float(array: NDArray[Any]) -> NDArray[np.float32]:
    bad = ~np.isfinite(array)
    if bad.any():
        row, col = np.argwhere(bad)[0]
        msg = f"pixels must be finite, got {array[row, col]} at row {row}, col {col} ({int(bad.sum())} such pixels)"
        raise InvalidInput(msg)
    low, high = float(array.min()), float(array.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        msg = f"floating-point pixels must lie in [0, 1], got {low:g} to {high:g}; divide by the type's maximum"
        raise InvalidInput(msg)
    return np.asarray(np.clip(array, 0, 1), dtype=np.float32)
