"""Is this an en face OCTA image at all? How far a picture's statistics lie from those of rendered eyes.

Twenty-eight numbers of the picture, brought to one size: brightness and contrast, the shape of its histogram, how its power is
shared among spatial frequencies and directions, how alike its parts are, whether lines are bright or dark, and how dark its middle
is. Their Mahalanobis distance to rendered eyes, healthy and diseased, 3 and 6 mm, as rendered and with other exposures, tells
whether anything trained or tuned on such eyes may be trusted. `scripts/fit_familiar.py` makes the reference; no real image enters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from chiasm.measure._scale import as_grey

SIDE_PX: Final = 304
REFERENCE: Final = "familiar.json"
_BLOCKS: Final = 16
_CENTRE: Final = slice(132, 172)
"""About the size of a foveal avascular zone in a 3 mm field."""


@dataclass(frozen=True)
class Familiarity:
    """How like en face OCTA a picture is.

    Attributes:
        distance: Mahalanobis distance to rendered eyes, >= 0.
        limit: The distance that all but one in a thousand of them keep.
    """

    distance: float
    limit: float

    @property
    def is_octa(self) -> bool:
        """Whether it may be judged as en face OCTA."""
        return self.distance <= self.limit

    def __str__(self) -> str:
        known = "like" if self.is_octa else "unlike"
        return f"{known} en face OCTA: its statistics are {self.distance:.1f} from those of rendered eyes, limit {self.limit:.1f}"


def familiarity(pixels: NDArray[Any]) -> Familiarity:
    """Compare a picture with rendered eyes.

    Args:
        pixels: (H, W) uint8, or what `as_grey` takes.

    Raises:
        InvalidInput: The pixels break the rules of `as_grey`; a constant picture does.
    """
    centre, scale, precision, limit = _reference()
    away = (picture_statistics(pixels) - centre) / scale
    return Familiarity(float(np.sqrt(away @ precision @ away)), limit)


def picture_statistics(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """(28,) numbers; see the module's docstring. All are finite, also of a nearly blank picture."""
    grey = Image.fromarray(np.rint(255 * as_grey(pixels)).astype(np.uint8))
    kernel = Image.Resampling.BOX if min(grey.size) >= SIDE_PX else Image.Resampling.LANCZOS
    values = np.asarray(grey.resize((SIDE_PX, SIDE_PX), kernel), dtype=np.float64) / 255
    contrast = values.std() + 1e-4
    z = (values - values.mean()) / contrast
    parts = z.reshape(_BLOCKS, SIDE_PX // _BLOCKS, _BLOCKS, SIDE_PX // _BLOCKS)
    textures = np.log10(parts.std((1, 3)) + 1e-3)
    fine = z - ndimage.gaussian_filter(z, 3)
    fine /= fine.std() + 1e-6
    return np.asarray(
        [
            values.mean(),
            np.log10(contrast),
            *np.quantile(z, (0.01, 0.1, 0.5, 0.9, 0.99)),
            *_spectrum(z),
            textures.mean(),
            textures.std(),
            parts.mean((1, 3)).std(),
            (fine**3).mean(),
            np.log10((fine**4).mean() + 1e-6),
            z[_CENTRE, _CENTRE].mean(),
        ]
    )


def _spectrum(z: NDArray[np.float64]) -> list[float]:
    """Logarithms of the shares of power in 11 half octaves from a period of 76 px on, and in 4 directions of the fine ones."""
    window = np.hanning(SIDE_PX)
    power = np.abs(fft.rfft2(z * window[:, None] * window)) ** 2
    rows, columns = fft.fftfreq(SIDE_PX)[:, None], fft.rfftfreq(SIDE_PX)[None, :]
    radius = np.hypot(rows, columns)
    half_octave = np.floor(2 * np.log2(np.maximum(radius * SIDE_PX, 1e-9))).astype(int)
    whole = power[radius > 2 / SIDE_PX].sum() + 1e-12
    bands = [float(np.log10(power[half_octave == k].sum() / whole + 1e-7)) for k in range(4, 15)]
    direction = np.rint(np.arctan2(rows, columns) / (np.pi / 4)).astype(int) % 4
    fine = radius > 0.03
    sums = np.array([power[fine & (direction == k)].sum() for k in range(4)])
    return [*bands, *np.log10(sums / (sums.sum() + 1e-12) + 1e-6).tolist()]


@lru_cache(maxsize=1)
def _reference() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    stored = json.loads(files("chiasm.measure").joinpath(REFERENCE).read_text(encoding="utf-8"))
    centre, scale, precision = (np.asarray(stored[name]) for name in ("centre", "scale", "precision"))
    return centre, scale, precision, float(stored["limit"])
