"""Random fields: each step of the imaging chain has a stream of its own, so that changing one leaves the others alone."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
_POINT_PX = 0.15
"""Narrower kernels are points [px]."""


class Stream(enum.IntEnum):
    """Who draws; the number is part of the seed and never changes meaning."""

    BEAD = 1
    MISSING = 2
    LOBULE = 3
    TEXTURE = 4
    ILLUMINATION = 5
    SPECKLE = 6
    FLOOR = 7
    ROWS = 8
    COLS = 9
    DEEP_BEAD = 10
    DEEP_MISSING = 11
    ARTEFACT = 12
    DIRECTION = 13
    SHOT = 14
    ROW_DRIFT = 15
    COL_DRIFT = 16
    PIXEL = 17


def generator(seed: int, stream: Stream, child: int = 0) -> np.random.Generator:
    """The generator of one step of one imaging."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), child))
    return np.random.Generator(np.random.SFC64(sequence))


class Raster(NamedTuple):
    """How noise, born on the scanner's raster, lies under the image's pixels.

    The device registers crossed scans and resamples them: where lines fall between two scan lines their noise is averaged
    and softer, where they fall on one it is sharp.
    """

    grain_px: float
    """Intrinsic correlation: Gaussian sd [px]."""
    row_phase: Field
    """(size, 1) position of each row between two scan lines, in [0, 1)."""
    col_phase: Field
    """(1, size) the same of columns."""
    skew: float = 0.0
    """Log-sd of noise as it is born; 0 is Gaussian."""

    def noise(self, rng: np.random.Generator) -> Field:
        """(size, size) noise of mean zero and, on scan lines, unit variance."""
        size = len(self.row_phase)
        white = rng.standard_normal((size + 1, size + 1), dtype=np.float32)
        born = blur_unit(skewed(white, self.skew), self.grain_px)
        rows = born[:-1] + self.row_phase * (born[1:] - born[:-1])
        return np.asarray(rows[:, :-1] + self.col_phase * (rows[:, 1:] - rows[:, :-1]), dtype=np.float32)

    def variance(self) -> Field:
        """(size, size) variance of `noise`: below one between scan lines, where neighbours are averaged."""
        kernel = _kernel(float(self.grain_px)) if self.grain_px >= _POINT_PX else np.ones(1, np.float32)
        near = float((kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum())
        rows, cols = (1 - 2 * p * (1 - p) * np.float32(1 - near) for p in (self.row_phase, self.col_phase))
        return np.asarray(rows * cols, dtype=np.float32)


def skewed(white: Field, skew: float) -> Field:
    """White noise as log-normal noise of that log-sd, with mean zero and unit variance again.

    Speckle is bright and sparse before it is blurred: peaks come out round and isolated, troughs wide, as no curve applied
    after the blur makes them.
    """
    if skew == 0:
        return white
    mean, power = np.exp(skew**2 / 2), np.exp(skew**2)
    return np.asarray((np.exp(np.float32(skew) * white) - np.float32(mean)) / np.float32(mean * np.sqrt(power - 1)))


def line_phases(rng: np.random.Generator, size_px: int, drift_px: float, change_px: float) -> Field:
    """(size,) fractional part of a slowly drifting line position; a drift of zero keeps every line on a scan line."""
    first, weights, count = _bumps(size_px, round(max(float(change_px), 1.0), 3))
    knots = rng.standard_normal(count, dtype=np.float32)
    drift = np.float32(drift_px) * (knots[first[:, None] + np.arange(weights.shape[1])] * weights).sum(axis=1)
    # Folded, not wrapped: a phase that passes a scan line returns smoothly.
    return np.asarray(np.abs(np.mod(drift + 1, 2) - 1), dtype=np.float32)


def grain(rng: np.random.Generator, size_px: int, sd_px: float) -> Field:
    """White noise blurred by a Gaussian of `sd_px`, scaled back to unit variance: (size, size) float32."""
    return blur_unit(rng.standard_normal((size_px, size_px), dtype=np.float32), sd_px)


def blur_unit(white: Field, sd_px: float) -> Field:
    """White noise of unit variance, blurred, with unit variance again."""
    if sd_px < _POINT_PX:
        return white
    kernel = _kernel(float(sd_px))
    return convolve(white, kernel, kernel) / np.float32((kernel**2).sum())


def blur(image: Field, sd_row_px: float, sd_col_px: float) -> Field:
    """Gaussian blur, mirrored at the border."""
    return convolve(image, _kernel(float(sd_row_px)), _kernel(float(sd_col_px)))


def convolve(image: Field, rows: NDArray[np.float32], cols: NDArray[np.float32]) -> Field:
    """Separable correlation with odd kernels along rows and along columns, mirrored at the border."""
    out = image
    if len(rows) > 1:
        out = ndimage.correlate1d(out, rows, axis=0, mode="reflect")
    if len(cols) > 1:
        out = ndimage.correlate1d(out, cols, axis=1, mode="reflect")
    return np.asarray(out, dtype=np.float32)


def smooth_field(rng: np.random.Generator, size_px: int, scale_px: float) -> Field:
    """A Gaussian random field of unit variance that changes over `scale_px` (sd of its kernel): (size, size) float32."""
    if scale_px < 2.5:
        return grain(rng, size_px, scale_px)
    first, weights, count = _bumps(size_px, round(float(scale_px), 3))
    knots = rng.standard_normal((count, count), dtype=np.float32)
    return spread_knots(knots, first, weights)


def spread_knots(knots: Field, first: NDArray[np.int64], weights: Field) -> Field:
    """(n, n) from (k, k) knots: pixel i takes the knots from first[i] on with weights[i], along rows and along columns.

    Compiled and single-threaded: a matrix product would wake the threads of the linear algebra library for every image.
    """
    out = np.empty((len(first), len(first)), np.float32)
    _spread(knots, first, weights, out)
    return out


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _spread(knots: Field, first: NDArray[np.int64], weights: Field, out: Field) -> None:
    n, taps = weights.shape
    columns = np.zeros((len(knots), n), np.float32)
    for k in range(len(knots)):
        for j in range(n):
            total = np.float32(0)
            for t in range(taps):
                total += weights[j, t] * knots[k, first[j] + t]
            columns[k, j] = total
    for i in range(n):
        row = out[i]
        row[:] = 0
        for t in range(taps):
            w, source = weights[i, t], columns[first[i] + t]
            for j in range(n):
                row[j] += w * source[j]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def keep_peaks(image: Field, share: float) -> Field:
    """`image` with that share of the brightest of each pixel and its four neighbours: a maximum projection keeps peaks."""
    out = np.empty_like(image)
    n, m = image.shape
    part = np.float32(share)
    for i in range(n):
        above, here, below = image[max(i - 1, 0)], image[i], image[min(i + 1, n - 1)]
        for j in range(m):
            own = here[j]
            near = max(max(above[j], below[j]), max(here[max(j - 1, 0)], here[min(j + 1, m - 1)]))
            out[i, j] = own + part * (max(own, near) - own)
    return out


@lru_cache(maxsize=64)
def _bumps(size_px: int, scale_px: float) -> tuple[NDArray[np.int64], Field, int]:
    """Gaussian bumps every 0.8 sd: for each pixel its first knot and (taps,) weights of unit norm; and the number of knots."""
    step, reach = 0.8 * scale_px, 2.6 * scale_px
    centre = np.arange(size_px) + 0.5
    taps = int(np.ceil(2 * reach / step))
    first = np.ceil((centre - reach) / step).astype(np.int64)
    origin = int(first.min())
    distance = ((first[:, None] + np.arange(taps)[None]) * step - centre[:, None]) / scale_px
    weights = np.exp(-0.5 * distance**2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return first - origin, weights.astype(np.float32), int(first.max()) - origin + taps


@lru_cache(maxsize=256)
def _kernel(sd_px: float) -> NDArray[np.float32]:
    """Gaussian of that sd integrated over pixels, summing to one; [1] where it is a point."""
    if sd_px < _POINT_PX:
        return np.ones(1, np.float32)
    radius = max(1, int(np.ceil(3 * sd_px)))
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sd_px) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float32)
