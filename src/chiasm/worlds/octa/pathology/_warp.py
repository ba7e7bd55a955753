"""A smooth displacement of the retina's plane that bends vessels and moves everything near them along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True, eq=False)
class Warp:
    """Displacements on a grid.

    Attributes:
        origin_um: (row, col) of the first grid point in the field [um].
        step_um: Distance of grid points [um].
        shift_um: (2, H, W) displacement along row and col [um].
    """

    origin_um: tuple[float, float]
    step_um: float
    shift_um: NDArray[np.float64]

    def at(self, points_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """(P, 2) displacement of points (row, col) [um]; that of the nearest grid point outside the grid."""
        where = ((points_um - np.array(self.origin_um)) / self.step_um).T
        return np.stack([ndimage.map_coordinates(s, where, order=1, mode="nearest") for s in self.shift_um], axis=1)

    def pull(self, inside: NDArray[np.bool_], origin_um: tuple[float, float], step_um: float) -> NDArray[np.bool_]:
        """A region (H, W) on a grid, carried along: each cell takes what lies where it came from (to first order)."""
        rows = origin_um[0] + (np.arange(inside.shape[0]) + 0.5) * step_um
        cols = origin_um[1] + (np.arange(inside.shape[1]) + 0.5) * step_um
        points = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
        source = (points - self.at(points) - np.array(origin_um)) / step_um
        index = np.floor(source).astype(np.int64)
        np.clip(index[:, 0], 0, inside.shape[0] - 1, out=index[:, 0])
        np.clip(index[:, 1], 0, inside.shape[1] - 1, out=index[:, 1])
        return np.asarray(inside[index[:, 0], index[:, 1]].reshape(inside.shape))
