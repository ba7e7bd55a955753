"""A smooth displacement of the retina's plane that bends vessels and moves everything near them along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


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
        where = (points_um - np.array(self.origin_um)) / self.step_um
        return np.stack([bilinear(s, where[:, 0], where[:, 1]) for s in self.shift_um], axis=1)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def bilinear(values: Any, row: Any, col: Any) -> NDArray[np.float64]:
    """(P,) values (H, W) between grid points, at fractional indices; the nearest border value outside."""
    out = np.empty(len(row))
    height, width = values.shape
    for k in range(len(row)):
        r = min(max(row[k], 0.0), height - 1.0)
        c = min(max(col[k], 0.0), width - 1.0)
        r0, c0 = min(int(r), height - 2), min(int(c), width - 2)
        fr, fc = r - r0, c - c0
        top = values[r0, c0] * (1.0 - fc) + values[r0, c0 + 1] * fc
        bottom = values[r0 + 1, c0] * (1.0 - fc) + values[r0 + 1, c0 + 1] * fc
        out[k] = top * (1.0 - fr) + bottom * fr
    return out
