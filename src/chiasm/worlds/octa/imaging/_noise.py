"""Random fields: each step of the imaging chain has a stream of its own, so that changing one leaves the others alone."""

from __future__ import annotations

import enum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]


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


def generator(seed: int, stream: Stream, child: int = 0) -> np.random.Generator:
    """The generator of one step of one imaging."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), child))
    return np.random.Generator(np.random.SFC64(sequence))


def grain(rng: np.random.Generator, size_px: int, sd_px: float) -> Field:
    """White noise blurred by a Gaussian of `sd_px`, scaled back to unit variance: (size, size) float32."""
    white = rng.standard_normal((size_px, size_px), dtype=np.float32)
    return blur_unit(white, sd_px)


def blur_unit(white: Field, sd_px: float) -> Field:
    """White noise of unit variance, blurred, with unit variance again."""
    if sd_px < 0.15:
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
    basis = _basis(size_px, round(float(scale_px), 3))
    knots = rng.standard_normal((basis.shape[1], basis.shape[1]), dtype=np.float32)
    return np.asarray(basis @ knots @ basis.T, dtype=np.float32)


@lru_cache(maxsize=64)
def _basis(size_px: int, scale_px: float) -> NDArray[np.float32]:
    """(size, knots) Gaussian bumps every half sd, rows of unit norm, so that white knots give unit variance."""
    step = scale_px * 0.75
    knots = np.arange(-3 * scale_px, size_px + 3 * scale_px, step)
    distance = (np.arange(size_px)[:, None] + 0.5 - knots[None]) / scale_px
    basis = np.exp(-0.5 * distance**2)
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return np.asarray(basis, dtype=np.float32)


@lru_cache(maxsize=256)
def _kernel(sd_px: float) -> NDArray[np.float32]:
    """Gaussian of that sd integrated over pixels, summing to one; [1] where it is a point."""
    if sd_px < 0.15:
        return np.ones(1, np.float32)
    radius = max(1, int(np.ceil(3 * sd_px)))
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sd_px) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float32)
