"""The statistics of an image that calibration matches: grey levels, spectrum, local contrast, lines, bed, eccentricity.

Fast (about 10 ms for 304 px), smooth in the imaging parameters, and stated in `statistic_names`. The realism judge of
`evaluation` computes features of its own and holds many that are not here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

_QUANTILES = (0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97)
_BANDS = np.array(
    [
        0.004,
        0.008,
        0.013,
        0.02,
        0.03,
        0.04,
        0.055,
        0.075,
        0.1,
        0.13,
        0.165,
        0.2,
        0.24,
        0.28,
        0.33,
        0.38,
        0.44,
        0.5,
        0.71,
    ]
)
_RINGS = 12
_SCALES = (0.0, 0.7, 1.4, 2.8, 5.6, 11.2)
_WINDOWS = (3.0, 8.0)
_BED_LEVELS = (1, 2)
"""Indices of `_SCALES`."""
_BED_WINDOWS = (2.5, 5.0, 8.0)
_RIDGES = (2, 3)
"""Indices of `_SCALES`."""
_BED_SHARE = 0.8
"""Share of the smoothed image, from the darkest on, that is taken for capillary bed: without the bright vessels."""
_SLOPE = np.array([-0.5, 0, 0.5], dtype=np.float32)
_CURVE = np.array([1, -2, 1], dtype=np.float32)

Vector = NDArray[np.float64]
Image = NDArray[np.float32]


class _Geometry(NamedTuple):
    window: NDArray[np.float32]
    band: NDArray[np.intp]
    band_count: NDArray[np.float64]
    along: NDArray[np.bool_]
    across: NDArray[np.bool_]
    axes: NDArray[np.bool_]
    ring: NDArray[np.intp]
    ring_count: NDArray[np.float64]


@lru_cache(maxsize=1)
def statistic_names() -> tuple[tuple[str, str], ...]:
    """(family, name) of every statistic, in the order of `image_statistics`."""
    names = [("histogram", f"q{q:g}") for q in _QUANTILES]
    names += [("histogram", n) for n in ("mean", "sd", "levels")]
    names += [("spectrum", f"{low:g}-{high:g} c/px") for low, high in itertools.pairwise(_BANDS)]
    names += [
        ("direction", f"{kind} {part}") for part in ("low", "middle", "high") for kind in ("rows/columns", "axes")
    ]
    for low, high in itertools.pairwise(_SCALES):
        names += [("contrast", f"{kind} {low:g}-{high:g} px") for kind in ("sd", "skewness", "patchiness")]
    names += [("grain", f"autocorrelation {d} {k}") for d in ("rows", "columns") for k in (1, 2, 3, 4)]
    names += [("grain", "autocorrelation diagonal")]
    names += [("pattern", f"{r} px, {k} bright") for r in (1, 2) for k in (*range(9), "broken")]
    names += [("pattern", f"Euler {s:g} px p{q}") for s in (0.0, 1.0, 2.0) for q in (20, 50, 80)]
    names += [("line", f"coherence {w:g} px p{q}") for w in _WINDOWS for q in (25, 50, 90)]
    names += [("line", f"ridge {w:g} px p{q}") for w in _RIDGES for q in (50, 90, 99)]
    names += [("bed", f"coherence {_SCALES[k]:g} px in {w:g} px") for k in _BED_LEVELS for w in _BED_WINDOWS]
    names += [("eccentricity", f"{kind} {i}") for kind in ("mean", "sd") for i in range(_RINGS)]
    return tuple(names)


def image_statistics(pixels: NDArray[np.uint8]) -> Vector:
    """(S,) float64 statistics of one square image (n, n) uint8."""
    grey = pixels.astype(np.float32) / np.float32(255)
    geometry = _geometry(len(pixels))
    smooth = _pyramid(grey)
    counts = np.bincount(pixels.ravel(), minlength=256)
    values = [*_quantiles(grey, _QUANTILES), float(grey.mean()), float(grey.std()), float(np.log((counts > 0).sum()))]
    values += _spectrum(grey, geometry)
    values += _contrast(smooth)
    values += _grain(grey - smooth[3])
    values += [*_patterns(pixels, 1), *_patterns(pixels, 2), *_euler(smooth)]
    values += _lines(smooth)
    values += _bed(smooth)
    values += _eccentricity(grey, geometry)
    return np.array(values, dtype=np.float64)


def middle(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis after its outer tenths are drawn in: an image with an artefact shall not move the whole."""
    unknown = bool(np.isnan(table).any())
    low, high = (np.nanquantile if unknown else np.quantile)(table, (0.1, 0.9), axis=0)
    return np.asarray((np.nanmean if unknown else np.mean)(np.clip(table, low, high), axis=0))


def _pyramid(grey: Image) -> list[Image]:
    """The image at each of `_SCALES`; the last two at half size, which holds all their detail."""
    out = [grey]
    for scale in _SCALES[1:4]:
        out.append(ndimage.gaussian_filter(grey, scale, truncate=3))
    half = out[3][::2, ::2]
    for scale in _SCALES[4:]:
        # Blurring by a then b is blurring by sqrt(a^2 + b^2); scales halve with the grid.
        out.append(ndimage.gaussian_filter(half, np.sqrt(scale**2 - _SCALES[3] ** 2) / 2, truncate=3))
    return out


def _quantiles(values: Image, shares: Sequence[float]) -> list[float]:
    """Quantiles from a histogram of 1024 bins, interpolated within bins: smooth, and ten times as fast as sorting."""
    low, high = float(values.min()), float(values.max())
    width = max(high - low, 1e-9) / 1023
    bins = ((values - np.float32(low)) * np.float32(1 / width)).astype(np.int32)
    below = np.concatenate([[0.0], np.cumsum(np.bincount(bins.ravel(), minlength=1024))]) / values.size
    at = np.interp(shares, below, np.arange(len(below)))
    return [float(v) for v in low + at * width]


def _spectrum(grey: Image, geometry: _Geometry) -> list[float]:
    """Log power per radial band; log ratios of rows to columns and of the axes to the rest, in three ranges."""
    power = np.abs(fft.rfft2((grey - grey.mean()) * geometry.window)) ** 2
    flat = power.ravel()
    sums = np.bincount(geometry.band, flat, minlength=len(_BANDS) + 1)[1 : len(_BANDS)]
    out = [float(v) for v in np.log10(sums / geometry.band_count + 1e-9)]
    radial = geometry.band.reshape(power.shape)
    for low, high in ((1, 5), (6, 11), (12, 17)):
        part = (radial >= low) & (radial <= high)
        rows, cols = power[part & geometry.across].mean(), power[part & geometry.along].mean()
        on, off = power[part & geometry.axes].mean(), power[part & ~geometry.axes].mean()
        out += [float(np.log10(rows / cols)), float(np.log10(on / off))]
    return out


def _contrast(smooth: list[Image]) -> list[float]:
    """Log sd, skewness and patchiness (sd of local energy over energy) of differences of Gaussians."""
    out = []
    for i in range(len(smooth) - 1):
        fine, coarse = smooth[i], smooth[i + 1]
        band = fine[::2, ::2] - coarse if fine.shape != coarse.shape else fine - coarse
        square = band * band
        variance = max(float(square.mean()), 1e-12)
        local = ndimage.uniform_filter(square, 25 if i < 3 else 13)
        skewness = float((square * band).mean()) / variance**1.5
        out += [0.5 * float(np.log(variance)), skewness, float(local.std()) / variance]
    return out


def _grain(high: Image) -> list[float]:
    """Autocorrelation of fine detail along rows, columns and the diagonal."""
    variance = max(float((high * high).mean()), 1e-12)
    out = [float((high[:-k] * high[k:]).mean()) / variance for k in (1, 2, 3, 4)]
    out += [float((high[:, :-k] * high[:, k:]).mean()) / variance for k in (1, 2, 3, 4)]
    return [*out, float((high[:-1, :-1] * high[1:, 1:]).mean()) / variance]


def _patterns(pixels: NDArray[np.uint8], radius: int) -> list[float]:
    """Shares of pixels by the number of neighbours at least as bright, if these are adjacent, and of all others."""
    counts = np.zeros(10, np.int64)
    _count_patterns(pixels, radius, counts)
    return [float(c) for c in counts / counts.sum()]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _count_patterns(pixels: NDArray[np.uint8], radius: int, counts: NDArray[np.int64]) -> None:
    n, m = pixels.shape
    down = (-radius, -radius, -radius, 0, radius, radius, radius, 0)
    right = (-radius, 0, radius, radius, radius, 0, -radius, -radius)
    for i in range(radius, n - radius):
        for j in range(radius, m - radius):
            centre = pixels[i, j]
            bright, changes = 0, 0
            last = pixels[i + down[7], j + right[7]] >= centre
            for k in range(8):
                now = pixels[i + down[k], j + right[k]] >= centre
                bright += now
                changes += now != last
                last = now
            counts[bright if changes <= 2 else 9] += 1


def _euler(smooth: list[Image]) -> list[float]:
    """Euler number per pixel (4-connected) of the brighter part of the image, at three scales and thresholds."""
    out: list[float] = []
    for level in (0, 1, 2):
        values = smooth[level]
        for threshold in _quantiles(values, (0.2, 0.5, 0.8)):
            above = values > threshold
            pairs = np.count_nonzero(above[1:] & above[:-1]) + np.count_nonzero(above[:, 1:] & above[:, :-1])
            down = above[1:] & above[:-1]
            squares = np.count_nonzero(down[:, 1:] & down[:, :-1])
            out.append((np.count_nonzero(above) - pairs + squares) / values.size * 100)
    return out


def _lines(smooth: list[Image]) -> list[float]:
    """Coherence of direction (structure tensor) over windows, and ridge strength (Hessian) at two widths: percentiles."""
    row, col = ndimage.correlate1d(smooth[1], _SLOPE, axis=0), ndimage.correlate1d(smooth[1], _SLOPE, axis=1)
    moments = (row * row, col * col, row * col)
    out: list[float] = []
    for window in _WINDOWS:
        a, b, c = (ndimage.uniform_filter(m, round(3 * window))[::2, ::2] for m in moments)
        out += _quantiles(np.hypot(a - b, 2 * c) / (a + b + np.float32(1e-7)), (0.25, 0.5, 0.9))
    for level in _RIDGES:
        values = smooth[level]
        slope = ndimage.correlate1d(values, _SLOPE, axis=0)
        rr, cc = ndimage.correlate1d(values, _CURVE, axis=0), ndimage.correlate1d(values, _CURVE, axis=1)
        rc = ndimage.correlate1d(slope, _SLOPE, axis=1)
        ridge = np.maximum(np.hypot((rr - cc) / 2, rc) - (rr + cc) / 2, 0) * np.float32(_SCALES[level] ** 2)
        out += _quantiles(ridge, (0.5, 0.9, 0.99))
    return out


def _bed(smooth: list[Image]) -> list[float]:
    """Mean coherence of direction of fine detail where no bright vessel is: capillaries run side by side between vessels.

    Detail is bounded first, or a few bright pixels would decide. Matching coherence over the whole image, which bright vessels
    lead, had left 3 mm beds two standard deviations too disordered (docs/log.md).
    """
    dark = (smooth[2] < _quantiles(smooth[2], [_BED_SHARE])[0])[::2, ::2]
    out: list[float] = []
    for level in _BED_LEVELS:
        fine = smooth[level] - smooth[3]
        bounded = np.tanh(fine / max(float(np.abs(fine).mean()), 1e-9))
        row, col = (ndimage.correlate1d(bounded, _SLOPE, axis=axis) for axis in (0, 1))
        for window in _BED_WINDOWS:
            a, b, c = (
                ndimage.uniform_filter(m, round(3 * window))[::2, ::2] for m in (row * row, col * col, row * col)
            )
            out.append(float((np.hypot(a - b, 2 * c) / (a + b + np.float32(1e-7)))[dark].mean()))
    return out


def _eccentricity(grey: Image, geometry: _Geometry) -> list[float]:
    """Mean and sd of grey in rings about the centre of the field."""
    flat = grey.ravel().astype(np.float64)
    mean = np.bincount(geometry.ring, flat, minlength=_RINGS)[:_RINGS] / geometry.ring_count
    square = np.bincount(geometry.ring, flat * flat, minlength=_RINGS)[:_RINGS] / geometry.ring_count
    return [*mean.tolist(), *np.sqrt(np.maximum(square - mean**2, 0)).tolist()]


@lru_cache(maxsize=8)
def _geometry(n: int) -> _Geometry:
    window = np.hanning(n)[:, None] * np.hanning(n)[None]
    row, col = np.abs(np.fft.fftfreq(n))[:, None], np.abs(np.fft.rfftfreq(n))[None]
    radius = np.hypot(row, col)
    band = np.digitize(radius, _BANDS).ravel()
    count = np.bincount(band, minlength=len(_BANDS) + 1)[1 : len(_BANDS)].astype(np.float64)
    angle = np.arctan2(np.broadcast_to(row, radius.shape), np.broadcast_to(col, radius.shape))
    axes = np.broadcast_to((row < 1.5 / n) | (col < 1.5 / n), radius.shape)
    y, x = np.mgrid[:n, :n]
    distance = np.hypot(y + 0.5 - n / 2, x + 0.5 - n / 2) / n
    ring = np.minimum((distance / 0.06).astype(np.intp), _RINGS - 1).ravel()
    ring_count = np.bincount(ring, minlength=_RINGS).astype(np.float64)
    window = (window / np.sqrt((window**2).sum())).astype(np.float32)
    return _Geometry(window, band, count, angle < np.pi / 8, angle > 3 * np.pi / 8, axes, ring, ring_count)
