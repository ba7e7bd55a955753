"""Where dropout lies: territories that grow from seeds through the tissue, held up by larger vessels.

Every step of the walk costs something irregular (noise of the capillary bed's scale), and much more across larger vessels,
so that territories become irregular polygons between vessels. What is reached first belongs to them, until they cover the
requested share of the field: with more severity the same territories grow.
"""

from __future__ import annotations

import heapq
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.pathology._faz import within
from chiasm.worlds.octa.pathology._ground import Ground, draw_segments

STEP_UM: Final = 15.0
"""Grid on which territories grow [um]."""
MARGIN_UM: Final = 90.0
"""Territories may reach this far beyond the field [um]."""
NOISE_UM: Final = 60.0
NOISE_SD: Final = 1.0
"""Scale [um] and log-sd of the cost's irregularity."""
WALL_COST: Final = 9.0
WALL_RADIUS_UM: Final = 7.0
"""Crossing a vessel of this radius or more is so many times dearer."""


def grow_territories(
    ground: Ground,
    seed: int,
    share: float,
    starts_um: NDArray[np.float64],
    weight: NDArray[np.float64],
    rim_um: NDArray[np.float64],
) -> NDArray[np.int64]:
    """(n, n) the number of the seed (1, 2, ...) whose territory a grid cell belongs to, 0 for none.

    Args:
        ground: The eye.
        seed: Seed of the irregularity.
        share: Area of all territories over that of the field.
        starts_um: (S, 2) seeds (row, col) [um].
        weight: (S,) how fast each grows.
        rim_um: (721,) outline around the fovea that no territory enters [um].

    Raises:
        InvalidInput: There is no room for that share.
    """
    n = int(np.ceil((ground.fov_um + 2 * MARGIN_UM) / STEP_UM))
    centre = (np.arange(n) + 0.5) * STEP_UM - MARGIN_UM
    points = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    white = hash01(seed, 1, np.arange(n * n)).reshape(n, n) - 0.5
    noise = ndimage.gaussian_filter(white, NOISE_UM / STEP_UM / 2.0, mode="reflect")
    cost = np.exp(NOISE_SD * noise / noise.std())
    cost *= 1.0 + WALL_COST * _walls(ground, n)
    cost[within(ground, rim_um, points).reshape(n, n)] = np.inf
    inner = (centre >= 0) & (centre < ground.fov_um)
    in_field = inner[:, None] & inner[None]
    wanted = max(1, round(share * float(in_field.sum())))
    most = float((np.isfinite(cost) & in_field).sum() / in_field.sum())
    if share > most:
        msg = f"dropout share must be <= {most:.3f} in this eye (field outside the FAZ and its ring), got {share}"
        raise InvalidInput(msg)
    start = _open_cells(cost, np.floor((starts_um + MARGIN_UM) / STEP_UM).astype(np.int64))
    return np.asarray(_spread(cost, start, weight, in_field, wanted))


def _walls(ground: Ground, n: int) -> NDArray[np.bool_]:
    """(n, n) grid cells on larger vessels."""
    large = ~ground.capillary & (ground.graph.radius_um >= WALL_RADIUS_UM)
    if not large.any():
        return np.zeros((n, n), np.bool_)
    ends = ground.pos[ground.edges[large], :2] + MARGIN_UM
    drawn = draw_segments(ends[:, 0], ends[:, 1], ground.graph.radius_um[large] + 6.0, STEP_UM)
    return drawn.mask(n * STEP_UM, n)


def _open_cells(cost: NDArray[np.float64], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each seed, moved to the nearest grid cell that can be walked."""
    free = np.argwhere(np.isfinite(cost))
    return np.array([free[np.argmin(((free - s) ** 2).sum(axis=1))] for s in start])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _spread(cost: Any, start: Any, weight: Any, in_field: Any, wanted: int) -> NDArray[np.int64]:
    """Dijkstra on the grid from all seeds at once, until `wanted` cells of the field are reached.

    A step takes the mean cost of its two cells over the seed's weight.
    """
    rows, cols = cost.shape
    arrival = np.full((rows, cols), np.inf)
    owner = np.zeros((rows, cols), np.int64)
    out = np.zeros((rows, cols), np.int64)
    heap = [(0.0, 0, 0)]
    heap.pop()
    for k in range(len(start)):
        r, c = start[k]
        if arrival[r, c] > 0.0:
            arrival[r, c] = 0.0
            owner[r, c] = k + 1
            heapq.heappush(heap, (0.0, r, c))
    reached = 0
    while len(heap) > 0 and reached < wanted:
        time, r, c = heapq.heappop(heap)
        if out[r, c] > 0:
            continue
        out[r, c] = owner[r, c]
        if in_field[r, c]:
            reached += 1
        speed = weight[owner[r, c] - 1]
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                rr, cc = r + dr, c + dc
                if (dr == 0 and dc == 0) or rr < 0 or cc < 0 or rr >= rows or cc >= cols or out[rr, cc] > 0:
                    continue
                step = np.sqrt(float(dr * dr + dc * dc)) * 0.5 * (cost[r, c] + cost[rr, cc]) / speed
                if time + step < arrival[rr, cc]:
                    arrival[rr, cc] = time + step
                    owner[rr, cc] = owner[r, c]
                    heapq.heappush(heap, (time + step, rr, cc))
    return out
