"""Analytic phantoms: masks whose biomarkers are known by formula, drawn as coverage by sampling each pixel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FOV_MM = 3.0
SAMPLES = 32
# the R2 sequence (Roberts 2018): even along every direction, unlike a lattice of samples, which is coarse along its axes
_OFFSETS = (np.arange(1, SAMPLES + 1)[:, None] * [0.7548776662466927, 0.5698402909980532]) % 1.0
Field = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]


def coverage(inside: Field, size_px: int = 304, fov_mm: float = FOV_MM) -> NDArray[np.float32]:
    """(size_px, size_px) share of each pixel where inside(row_mm, col_mm) holds, from SAMPLES points in it."""
    total = np.zeros((size_px, size_px), dtype=np.float32)
    step = fov_mm / size_px
    for down, right in _OFFSETS:
        total += inside(((np.arange(size_px) + down) * step)[:, None], ((np.arange(size_px) + right) * step)[None, :])
    return total / np.float32(SAMPLES)


def disc(radius_mm: float, centre_mm: tuple[float, float] = (1.47, 1.53)) -> Field:
    return lambda r, c: np.hypot(r - centre_mm[0], c - centre_mm[1]) <= radius_mm


def ellipse(major_mm: float, minor_mm: float, angle: float, centre_mm: tuple[float, float] = (1.47, 1.53)) -> Field:
    def inside(r: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.bool_]:
        dr, dc = r - centre_mm[0], c - centre_mm[1]
        along, across = dr * np.sin(angle) + dc * np.cos(angle), dr * np.cos(angle) - dc * np.sin(angle)
        return (2 * along / major_mm) ** 2 + (2 * across / minor_mm) ** 2 <= 1

    return inside


def capsule(start_mm: tuple[float, float], stop_mm: tuple[float, float], width_mm: float) -> Field:
    (r0, c0), (r1, c1) = start_mm, stop_mm
    length2 = (r1 - r0) ** 2 + (c1 - c0) ** 2

    def inside(r: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.bool_]:
        t = np.clip(((r - r0) * (r1 - r0) + (c - c0) * (c1 - c0)) / length2, 0, 1)
        return np.hypot(r - r0 - t * (r1 - r0), c - c0 - t * (c1 - c0)) <= width_mm / 2

    return inside


def union(*fields: Field) -> Field:
    return lambda r, c: np.logical_or.reduce(
        [np.broadcast_to(f(r, c), np.broadcast_shapes(r.shape, c.shape)) for f in fields]
    )


def tube_through(angle: float, width_mm: float, through_mm: tuple[float, float] = (1.52, 1.49)) -> tuple[Field, float]:
    """A straight tube across the whole field, and its length inside the field [mm]."""
    along = np.array([np.sin(angle), np.cos(angle)])
    low, high = -np.inf, np.inf
    for k in range(2):
        if abs(along[k]) > 1e-12:
            ends = sorted([(0 - through_mm[k]) / along[k], (FOV_MM - through_mm[k]) / along[k]])
            low, high = max(low, ends[0]), min(high, ends[1])
    start, stop = np.array(through_mm) - 5 * along, np.array(through_mm) + 5 * along
    return capsule(tuple(start), tuple(stop), width_mm), high - low


def y_junction(width_mm: float, arm_mm: float = 1.0) -> tuple[Field, float]:
    """Three arms at 120 degrees from (1.5, 1.5) mm, and their total length [mm]."""
    arms = []
    for angle in np.deg2rad([80.0, 200.0, 320.0]):
        stop = (1.5 + arm_mm * np.sin(angle), 1.5 + arm_mm * np.cos(angle))
        arms.append(capsule((1.5, 1.5), stop, width_mm))
    return union(*arms), 3 * arm_mm


def grid(spacing_mm: float, width_mm: float) -> Field:
    """Vessels along rows and columns; whole meshes in a 3 mm field when spacing_mm divides it."""

    def near(x: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.abs((x % spacing_mm) - spacing_mm / 2) <= width_mm / 2

    return lambda r, c: near(r) | near(c)


def koch(depth: int = 6) -> NDArray[np.float64]:
    """(P, 2) points of the Koch curve on the unit interval; dimension log 4 / log 3."""
    points = np.array([0.0, 1.0], dtype=complex)
    turn = np.exp(1j * np.pi / 3)
    for _ in range(depth):
        a, b = points[:-1], points[1:]
        third = (b - a) / 3
        middle = a + third
        points = np.append(np.stack([a, middle, middle + third * turn, a + 2 * third], axis=1).ravel(), b[-1])
    return np.stack([points.imag, points.real], axis=1)
