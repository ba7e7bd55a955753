"""The outline of the foveal avascular zone (FAZ) as a closed curve in polar form about the fovea."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FIRST_HARMONIC = 3


def faz_radius_um(
    angle: NDArray[np.float64], area_mm2: float, axis_ratio: float, orientation_deg: float, waves: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of the outline from the fovea: an ellipse times a wavy factor, scaled to the area.

    Args:
        angle: Directions [rad], from +row towards +col.
        area_mm2: Enclosed area [mm2].
        axis_ratio: Minor over major axis, in (0, 1].
        orientation_deg: Direction of the major axis [deg], same convention as `angle`.
        waves: (H, 2) cosine and sine amplitudes of the harmonics 3, 4, ...; relative to the radius.

    Returns:
        Radii [um], same shape as `angle`.
    """
    fine, shape, unit_area = _table(axis_ratio, orientation_deg, tuple(map(tuple, waves.tolist())))
    turned = (angle + np.pi) % (2.0 * np.pi) - np.pi
    return np.asarray(np.interp(turned, fine, shape) * 1000.0 * np.sqrt(area_mm2 / unit_area))


def polygon_area_mm2(outline_um: NDArray[np.floating]) -> float:
    """Area of a closed polygon (K, 2) [um], in mm2 (shoelace formula)."""
    row, col = np.asarray(outline_um, dtype=np.float64).T
    return float(abs(np.dot(row, np.roll(col, -1)) - np.dot(col, np.roll(row, -1))) * 0.5e-6)


def polygon_perimeter_mm(outline_um: NDArray[np.floating]) -> float:
    """Perimeter of a closed polygon (K, 2) [um], in mm."""
    points = np.asarray(outline_um, dtype=np.float64)
    return float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).sum() * 1e-3)


@lru_cache(maxsize=4)
def _table(
    axis_ratio: float, orientation_deg: float, waves: tuple[tuple[float, ...], ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Angles, the outline's shape there, and the area of the shape. The same eye's is asked for a dozen times."""
    fine = np.linspace(-np.pi, np.pi, 1441)  # the outline is smooth at a quarter of a degree
    shape = _shape(fine, axis_ratio, orientation_deg, waves)
    return fine, shape, float(np.pi * np.mean(shape[:-1] ** 2))


def _shape(
    angle: NDArray[np.float64], axis_ratio: float, orientation_deg: float, waves: tuple[tuple[float, ...], ...]
) -> NDArray[np.float64]:
    turned = angle - np.deg2rad(orientation_deg)
    ellipse = 1.0 / np.sqrt(axis_ratio * np.cos(turned) ** 2 + np.sin(turned) ** 2 / axis_ratio)
    factor = np.ones_like(angle)
    for k, (cos_amp, sin_amp) in enumerate(waves, start=FIRST_HARMONIC):
        factor = factor + cos_amp * np.cos(k * angle) + sin_amp * np.sin(k * angle)
    return np.asarray(ellipse * factor)
