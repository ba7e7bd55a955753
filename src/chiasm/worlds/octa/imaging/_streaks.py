"""Unresolved capillaries: a texture of fine streaks that runs the way the eye's own vessels run.

A vessel graph cannot hold every capillary that a thick slab projects. What is left out is drawn as white noise smeared
along the local direction of the vessels (line integral convolution, Cabral & Leedom 1993) and kept to a band of widths.
It is scaled by perfusion, so that it vanishes where no vessel is near.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.case import Vessel, VesselGraph
from chiasm.worlds.octa.imaging._noise import Field, Stream, blur, generator, smooth_field, spread_knots
from chiasm.worlds.octa.imaging._params import ImagingParams

_CELL_UM = 100.0
"""Cell of the grid on which the vessels' directions are averaged [um]."""
_SMOOTH_CELLS = 1.8
"""sd over which directions are averaged [cells]: real streaks stay parallel over 0.2 to 0.3 mm."""
_STRIDE_PX = 3
"""Step of the second smearing [px]; the first has filled the gaps."""


def streaks(bed: VesselGraph, params: ImagingParams) -> Field:
    """A field of unit variance, elongated along the vessels: (size, size) float32.

    Uses `texture_um` (width), `streak_um` (length), `wander` and `wander_um` (direction), and the streams TEXTURE and DIRECTION.

    Args:
        bed: The vessels whose course the streaks take.
        params: The imaging.
    """
    angle = _angles(cell_directions(bed), params)
    white = generator(params.noise_seed, Stream.TEXTURE).standard_normal(angle.shape, dtype=np.float32)
    width = params.texture_um / params.pixel_um
    band = blur(white, width, width) - blur(white, 2.2 * width, 2.2 * width)
    down, right = np.sin(angle), np.cos(angle)
    out, short = np.empty_like(band), np.empty_like(band)
    # Three neighbours first, then every third pixel: the same reach for half the visits.
    _smear(band, down, right, np.float32(1), np.float32(2), short)
    _smear(short, down, right, np.float32(_STRIDE_PX), np.float32(1 + params.streak_um / params.pixel_um), out)
    return np.asarray(out / np.float32(max(float(out.std()), 1e-6)), dtype=np.float32)


@lru_cache(maxsize=1)
def cell_directions(graph: VesselGraph) -> NDArray[np.float32]:
    """(n, n, 2) double-angle vectors (cos 2a, sin 2a) of the capillaries' direction, averaged over cells and smoothed.

    a runs from +col towards +row. Shorter than one where directions disagree. Kept for the next image: twins share a bed.
    """
    n = max(4, round(graph.fov_um / _CELL_UM))
    ends = graph.position_um[:, :2][graph.edges]
    middle, step = ends.mean(axis=1), ends[:, 1] - ends[:, 0]
    cell = np.floor(middle * np.float32(n / graph.fov_um)).astype(np.int64)
    keep = ((cell >= 0) & (cell < n)).all(axis=1) & (graph.vessel == int(Vessel.CAPILLARY))
    flat = cell[keep, 0] * n + cell[keep, 1]
    dy, dx = step[keep, 0].astype(np.float64), step[keep, 1].astype(np.float64)
    length = np.maximum(np.hypot(dy, dx), 1e-6)
    sums = [np.bincount(flat, w, minlength=n * n) for w in ((dx * dx - dy * dy) / length, 2 * dx * dy / length, length)]
    cosine, sine, total = (
        blur(np.asarray(w.reshape(n, n), dtype=np.float32), _SMOOTH_CELLS, _SMOOTH_CELLS) for w in sums
    )
    scale = 1 / np.maximum(np.hypot(cosine, sine), 0.15 * total + 1e-6)
    return np.stack([cosine * scale, sine * scale], axis=-1).astype(np.float32)


def _angles(cells: NDArray[np.float32], params: ImagingParams) -> Field:
    """(size, size) direction of streaks [rad], from +col towards +row, with a random wander.

    `wander` is the sd of the random part of the double-angle vector, beside a coherent field of length one.
    """
    at = np.clip((np.arange(params.size_px) + 0.5) * len(cells) / params.size_px - 0.5, 0, len(cells) - 1)
    first = np.minimum(at.astype(np.int64), len(cells) - 2)
    share = (at - first).astype(np.float32)
    weights = np.stack([1 - share, share], axis=1)
    rng = generator(params.noise_seed, Stream.DIRECTION)
    parts = []
    for k in range(2):
        wander = smooth_field(rng, params.size_px, params.wander_um / params.pixel_um)
        mean = spread_knots(np.ascontiguousarray(cells[..., k]), first, weights)
        parts.append(mean + np.float32(params.wander) * wander)
    return np.asarray(0.5 * np.arctan2(parts[1], parts[0]), dtype=np.float32)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _smear(
    source: NDArray[np.float32],
    down: NDArray[np.float32],
    right: NDArray[np.float32],
    stride: np.float32,
    length: np.float32,
    out: NDArray[np.float32],
) -> None:
    """Average of `source` along the streamline through each pixel, every `stride` pixels up to `length`, triangular weights."""
    n, m = source.shape
    half = np.float32(0.5)
    steps = int(np.ceil(length / stride)) - 1
    for i in range(n):
        for j in range(m):
            total = source[i, j] * length
            for sign in (-stride, stride):
                y, x = np.float32(i) + half, np.float32(j) + half
                vy, vx = down[i, j] * sign, right[i, j] * sign
                weight = length
                for _ in range(steps):
                    y += vy
                    x += vx
                    weight -= stride
                    if y < 0 or x < 0 or y >= n or x >= m:
                        break
                    a, b = int(y), int(x)
                    total += source[a, b] * weight
                    wy, wx = down[a, b] * stride, right[a, b] * stride
                    if wy * vy + wx * vx < 0:
                        wy, wx = -wy, -wx
                    vy, vx = wy, wx
            out[i, j] = total
