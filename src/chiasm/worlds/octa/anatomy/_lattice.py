"""Random numbers that belong to a place: a counter-based hash, and the jittered lattice built on it.

A value depends only on (seed, stream, i, j), so the same eye has the same capillaries whether a 3 mm or a 6 mm field is
grown, and no generator state has to be carried. The mixer is SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_WAVES = 8
_WAVE_UM = (400.0, 1100.0)
"""Lengths of the waves that bend a lattice's rows [um]: long against a cell, short against the field."""
_WARP = 0.45
"""sd of the bend along each axis, in rows' distances: enough for a row to meet the place of its neighbour."""


def hash01(seed: int, stream: int, i: NDArray[np.int64], j: NDArray[np.int64] | int = 0) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one for each index pair; the same on every machine."""
    i, j = np.broadcast_arrays(np.asarray(i, dtype=np.int64), np.asarray(j, dtype=np.int64))
    values = _hash(np.uint64(seed & 0xFFFFFFFFFFFFFFFF), np.uint64(stream), i.ravel(), j.ravel())
    return np.asarray(values.reshape(i.shape))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _hash(seed: Any, stream: Any, i: Any, j: Any) -> NDArray[np.float64]:
    start = _mix(_mix(seed) ^ stream)
    out = np.empty(len(i))
    for k in range(len(i)):
        state = _mix(_mix(start ^ np.uint64(i[k])) ^ np.uint64(j[k]))
        out[k] = np.float64(state >> np.uint64(11)) * 2.0**-53
    return out


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _mix(state: Any) -> Any:
    state = state + _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True)
class Lattice:
    """A jittered hexagonal lattice that covers a box, row by row.

    Attributes:
        points_um: (P, 2) row and col about the fovea [um].
        chance: (P,) a uniform number of each point.
        shape: (rows, columns) of the lattice; P is their product.
    """

    points_um: NDArray[np.float64]
    chance: NDArray[np.float64]
    shape: tuple[int, int]


def jittered_lattice(seed: int, stream: int, spacing_um: float, box_um: NDArray[np.float64], jitter: float) -> Lattice:
    """A hexagonal lattice anchored at the fovea, each point moved by its own random vector.

    Args:
        seed: Seed of the eye.
        stream: Which lattice of the eye.
        spacing_um: Distance of neighbours before the jitter [um].
        box_um: ((row_min, row_max), (col_min, col_max)) of the region to cover [um].
        jitter: Largest move along each axis, in spacings.
    """
    pitch = spacing_um * np.sqrt(3.0) / 2.0
    reach = _WARP * np.sqrt(2 * _WAVES)
    i = np.arange(int(np.floor(box_um[0, 0] / pitch - reach)) - 1, int(np.ceil(box_um[0, 1] / pitch + reach)) + 2)
    j = np.arange(
        int(np.floor(box_um[1, 0] / spacing_um - reach)) - 1, int(np.ceil(box_um[1, 1] / spacing_um + reach)) + 2
    )
    ii, jj = (a.ravel() for a in np.meshgrid(i, j, indexing="ij"))
    row = (ii + jitter * (2.0 * hash01(seed, stream, ii, jj) - 1.0)) * pitch
    col = (jj + 0.5 * (ii & 1) + jitter * (2.0 * hash01(seed, stream + 1, ii, jj) - 1.0)) * spacing_um
    points = _warped(seed, stream + 3, np.stack([row, col], axis=1), pitch)
    return Lattice(points, hash01(seed, stream + 2, ii, jj), (len(i), len(j)))


def _warped(seed: int, stream: int, points_um: NDArray[np.float64], pitch_um: float) -> NDArray[np.float64]:
    """Points moved by a sum of slow waves, so that the lattice's rows do not run straight through the field.

    Straight rows add up to lines in the image's row means, which no eye has.
    """
    wave = np.arange(_WAVES, dtype=np.int64)
    length, angle, phase, way = (hash01(seed, stream, wave, k) for k in range(4))
    low, high = _WAVE_UM
    number = 2 * np.pi / (low + (high - low) * length)
    direction = np.stack([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)])
    move = np.stack([np.cos(2 * np.pi * way), np.sin(2 * np.pi * way)], axis=1)
    swing = np.sin(points_um @ (direction * number) + 2 * np.pi * phase)
    return np.asarray(points_um + swing @ move * (np.sqrt(2 / _WAVES) * np.sqrt(2) * _WARP * pitch_um))
