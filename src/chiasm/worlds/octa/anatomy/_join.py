"""How the trees feed the capillary sheets, and how the sheets feed each other.

Precapillary arterioles and postcapillary venules leave their vessel at steep angles to both sides, cross its free zone
and end at the nearest junction of the superficial sheet; tips fan out to up to three junctions. Short, nearly vertical
vessels link the sheets. A junction takes at most one such vessel.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

FAN_REACH_UM = 150.0
SIDE_REACH_UM = 130.0
SIDE_COSINE = 0.75
"""A side vessel leaves at more than about 41 degrees from its parent's course."""
FAN_COSINE = 0.5
"""Vessels of one fan are at least 60 degrees apart."""


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def feed(
    pos: NDArray[np.float64],
    parent: NDArray[np.int32],
    child: NDArray[np.int32],
    gates: NDArray[np.int8],
    junctions: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Choose the junction that each feeding vessel of the trees ends at.

    Args:
        pos: (T, 2) tree nodes [um].
        parent: (T,) parent of each, -1 at roots.
        child: (T,) first child of each, -1 at tips.
        gates: (T,) 0 nothing leaves here, 1 a side vessel to the left, 2 to the right, 3 a fan (at tips).
        junctions: (J, 2) junctions of the sheet [um].
        free: (J,) junctions that may take a vessel; those taken are switched off in place.

    Returns:
        (K, 2) tree node, junction.
    """
    cell = 0.5 * FAN_REACH_UM
    low0, low1 = junctions[:, 0].min(), junctions[:, 1].min()
    n_rows = int((junctions[:, 0].max() - low0) / cell) + 1
    n_cols = int((junctions[:, 1].max() - low1) / cell) + 1
    head = np.full(n_rows * n_cols, -1, np.int64)
    link = np.full(len(junctions), -1, np.int64)
    for j in range(len(junctions)):
        if free[j]:
            place = int((junctions[j, 0] - low0) / cell) * n_cols + int((junctions[j, 1] - low1) / cell)
            link[j] = head[place]
            head[place] = j
    out = np.empty((len(pos) * 3, 2), np.int64)
    n = 0
    taken = np.zeros((3, 2))
    for node in range(len(pos)):
        if gates[node] == 0:
            continue
        course = pos[node] - pos[parent[node]] if parent[node] >= 0 else pos[child[node]] - pos[node]
        course /= max(np.sqrt(course[0] ** 2 + course[1] ** 2), 1e-9)
        for n_taken in range(3 if gates[node] == 3 else 1):
            best, best_d = -1, FAN_REACH_UM if gates[node] == 3 else SIDE_REACH_UM
            row = int(np.floor((pos[node, 0] - low0) / cell))
            col = int(np.floor((pos[node, 1] - low1) / cell))
            for r in range(max(0, row - 2), min(n_rows, row + 3)):
                for c in range(max(0, col - 2), min(n_cols, col + 3)):
                    j = head[r * n_cols + c]
                    while j >= 0:
                        dr, dc = junctions[j, 0] - pos[node, 0], junctions[j, 1] - pos[node, 1]
                        d = np.sqrt(dr * dr + dc * dc)
                        if d < best_d and free[j] and _allowed(dr, dc, course, gates[node], taken, n_taken):
                            best, best_d = j, d
                        j = link[j]
            if best < 0:
                break
            out[n, 0], out[n, 1] = node, best
            n += 1
            free[best] = False
            taken[n_taken] = (junctions[best] - pos[node]) / max(best_d, 1e-9)
    return out[:n]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _allowed(row: float, col: float, course: Any, gate: int, taken: Any, n_taken: int) -> bool:
    length = max(np.sqrt(row * row + col * col), 1e-9)
    ahead = (row * course[0] + col * course[1]) / length
    if gate == 3:
        if ahead < -0.3:
            return False
        closest = -1.0
        for k in range(n_taken):
            closest = max(closest, (row * taken[k, 0] + col * taken[k, 1]) / length)
        return closest <= FAN_COSINE
    left = course[0] * col - course[1] * row > 0
    return bool(abs(ahead) < SIDE_COSINE and left == (gate == 1))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def drop_lines(
    upper: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    lower: NDArray[np.float64],
    free: NDArray[np.bool_],
    reach_um: float,
) -> NDArray[np.int64]:
    """Nearly vertical vessels: each chosen upper node to the nearest free junction below it within reach.

    Returns:
        (K, 2) upper node, lower junction; taken junctions are switched off in `free`.
    """
    out = np.empty((len(upper), 2), np.int64)
    n = 0
    if len(lower) == 0:
        return out[:0]
    low0, low1 = lower[:, 0].min(), lower[:, 1].min()
    n_rows = int((lower[:, 0].max() - low0) / reach_um) + 1
    n_cols = int((lower[:, 1].max() - low1) / reach_um) + 1
    head = np.full(n_rows * n_cols, -1, np.int64)
    link = np.full(len(lower), -1, np.int64)
    for j in range(len(lower)):
        place = int((lower[j, 0] - low0) / reach_um) * n_cols + int((lower[j, 1] - low1) / reach_um)
        link[j] = head[place]
        head[place] = j
    for u in range(len(upper)):
        if not chosen[u]:
            continue
        row = int(np.floor((upper[u, 0] - low0) / reach_um))
        col = int(np.floor((upper[u, 1] - low1) / reach_um))
        best, best_d2 = -1, reach_um * reach_um
        for r in range(max(0, row - 1), min(n_rows, row + 2)):
            for c in range(max(0, col - 1), min(n_cols, col + 2)):
                j = head[r * n_cols + c]
                while j >= 0:
                    d2 = (lower[j, 0] - upper[u, 0]) ** 2 + (lower[j, 1] - upper[u, 1]) ** 2
                    if free[j] and d2 < best_d2:
                        best, best_d2 = j, d2
                    j = link[j]
        if best >= 0:
            out[n, 0], out[n, 1] = u, best
            n += 1
            free[best] = False
    return out[:n]
