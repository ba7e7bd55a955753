"""One capillary sheet (superficial, intermediate or deep) as the borders between cells of tissue.

1. Tissue points: a jittered hexagonal lattice; its triangulation takes the shorter diagonal of every lattice quad.
2. Every point carries a label. Points inside the FAZ share one, points in the free zone of an artery or vein another.
   The rest is joined into chains that follow a direction field: long cells, with capillaries running along them.
3. The capillaries are the dual of the triangulation: triangles are junctions, and an edge of the dual is kept when the
   two points it separates have different labels. Borders of a partition have no dead ends and no bridges, so the bed is
   a mesh of loops, the FAZ is closed by a ring, and every zone without capillaries is bounded by vessels.
4. Junctions are relaxed towards their neighbours, which turns the zigzag along a chain into a smooth course.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._lattice import Lattice

SHORTEST_UM = 11.0
"""Shorter edges are stretched, so that capsules that meet at neighbouring junctions stay apart."""
LABEL_FAZ, LABEL_ARTERY, LABEL_VEIN, LABEL_OUTSIDE = -1, -2, -3, -4
RELAXATION = (0.45, 0.3)
"""Share by which a junction of 2 and of 3 capillaries moves to its neighbours' mean in each of `RELAX_ROUNDS`."""
RELAX_ROUNDS = 4


@dataclass(frozen=True)
class Sheet:
    """Junctions and edges of one capillary sheet in the plane.

    Attributes:
        pos_um: (T, 2) junctions.
        edges: (M, 2) pairs of junctions.
        sides: (M, 2) the two tissue points that an edge separates.
        label: (P,) label of each tissue point: a point of its cell, or a negative constant of this module.
        points_um: (P, 2) tissue points.
        area_um2: (P,) area of the tissue around each point: a third of the triangles that meet there.
    """

    pos_um: NDArray[np.float64]
    edges: NDArray[np.int64]
    sides: NDArray[np.int64]
    label: NDArray[np.int64]
    points_um: NDArray[np.float64]
    area_um2: NDArray[np.float64]


def mark(lattice: Lattice, box_um: NDArray[np.float64], faz_um: NDArray[np.float64]) -> NDArray[np.int64]:
    """(P,) labels before any joining: own index, FAZ, or outside the perfused box.

    Args:
        lattice: Tissue points about the fovea.
        box_um: ((row_min, row_max), (col_min, col_max)) of the perfused region about the fovea [um].
        faz_um: (P,) radius of the sheet's FAZ in the direction of each point [um].
    """
    points = lattice.points_um
    label = np.arange(len(points))
    outside = (points < box_um[:, 0]).any(axis=1) | (points > box_um[:, 1]).any(axis=1)
    label[np.hypot(points[:, 0], points[:, 1]) < faz_um] = LABEL_FAZ
    label[outside] = LABEL_OUTSIDE
    return label


def weave(lattice: Lattice, label: NDArray[np.int64], along: NDArray[np.float64], length: NDArray[np.float64]) -> Sheet:
    """The capillaries between the cells of tissue.

    Args:
        lattice: Tissue points.
        label: (P,) from `mark`, with free zones added.
        along: (P, 2) unit vector at each point that cells follow.
        length: (P,) wanted number of points in the cell that starts at each point.
    """
    simplices, edges, sides = _dual(lattice.points_um, lattice.shape[0], lattice.shape[1])
    label = label.copy()
    neighbours = _neighbours(sides, len(label))
    _chain_cells(lattice.points_um, label, along, length, np.argsort(lattice.chance, kind="stable"), neighbours)
    keep = label[sides[:, 0]] != label[sides[:, 1]]
    edges, sides = edges[keep], sides[keep]
    pos, area = _triangles(lattice.points_um, simplices)
    _relax(pos, edges, sides, lattice.points_um)
    return Sheet(pos, edges, sides, label, lattice.points_um, area)


def cut(sheet: Sheet, drop: NDArray[np.bool_]) -> Sheet:
    """Remove edges with few dead ends: the cells on both sides become one, and lose all their borders.

    The ring around the FAZ stays.
    """
    drop = drop & (sheet.label[sheet.sides] != LABEL_FAZ).all(axis=1)
    label = unite(sheet.label, sheet.sides[drop])
    keep = (label[sheet.sides[:, 0]] != label[sheet.sides[:, 1]]) & ~drop
    return replace(sheet, edges=sheet.edges[keep], sides=sheet.sides[keep], label=label)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def unite(label: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels after joining the cells of each pair of points; special (negative) labels win and are not joined."""
    n = len(label)
    root = np.arange(n + 5)
    for pair in range(len(pairs)):
        ra, rb = label[pairs[pair, 0]] + 4, label[pairs[pair, 1]] + 4
        while root[ra] != ra:
            ra = root[ra]
        while root[rb] != rb:
            rb = root[rb]
        if ra < 4 and rb < 4:
            continue
        if ra < rb:
            root[rb] = ra
        else:
            root[ra] = rb
    out = np.empty_like(label)
    for p in range(n):
        r = label[p] + 4
        while root[r] != r:
            r = root[r]
        out[p] = r - 4
    return out


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _dual(
    points: NDArray[np.float64], rows: int, cols: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Triangles of the lattice, pairs of neighbouring triangles, and the two points each pair shares.

    The quad (i, j) has the corners a = (i, j), b = (i, j + 1), c = (i + 1, j), d = (i + 1, j + 1).
    """
    n_quads = (rows - 1) * (cols - 1)
    simplices = np.empty((2 * n_quads, 3), np.int64)
    # Triangle of each quad that holds its left side and its right side; the first holds the top, the second the bottom.
    left = np.empty(n_quads, np.int64)
    right = np.empty(n_quads, np.int64)
    edges = np.empty((3 * n_quads, 2), np.int64)
    sides = np.empty((3 * n_quads, 2), np.int64)
    m = 0
    for i in range(rows - 1):
        for j in range(cols - 1):
            quad = i * (cols - 1) + j
            a, b = i * cols + j, i * cols + j + 1
            c, d = a + cols, b + cols
            top, bottom = 2 * quad, 2 * quad + 1
            bc = (points[b, 0] - points[c, 0]) ** 2 + (points[b, 1] - points[c, 1]) ** 2
            ad = (points[a, 0] - points[d, 0]) ** 2 + (points[a, 1] - points[d, 1]) ** 2
            if bc <= ad:
                simplices[top, 0], simplices[top, 1], simplices[top, 2] = a, b, c
                simplices[bottom, 0], simplices[bottom, 1], simplices[bottom, 2] = b, d, c
                left[quad], right[quad] = top, bottom
                sides[m, 0], sides[m, 1] = b, c
            else:
                simplices[top, 0], simplices[top, 1], simplices[top, 2] = a, b, d
                simplices[bottom, 0], simplices[bottom, 1], simplices[bottom, 2] = a, d, c
                left[quad], right[quad] = bottom, top
                sides[m, 0], sides[m, 1] = a, d
            edges[m, 0], edges[m, 1] = top, bottom
            m += 1
            if i > 0:
                edges[m, 0], edges[m, 1] = 2 * (quad - cols + 1) + 1, top
                sides[m, 0], sides[m, 1] = a, b
                m += 1
            if j > 0:
                edges[m, 0], edges[m, 1] = right[quad - 1], left[quad]
                sides[m, 0], sides[m, 1] = a, c
                m += 1
    return simplices, edges[:m], sides[:m]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _triangles(points: Any, simplices: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T, 2) centres of triangles, and (P,) a third of the area of those that meet at each point."""
    centre, area = np.empty((len(simplices), 2)), np.zeros(len(points))
    for t in range(len(simplices)):
        a, b, c = points[simplices[t, 0]], points[simplices[t, 1]], points[simplices[t, 2]]
        for k in range(2):
            centre[t, k] = (a[k] + b[k] + c[k]) / 3.0
        size = 0.5 * abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
        for k in range(3):
            area[simplices[t, k]] += size / 3.0
    return centre, area


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _neighbours(sides: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neighbouring tissue points: (P + 1,) where each point's list starts, and the list."""
    first = np.zeros(n + 1, np.int64)
    for m in range(len(sides)):
        first[sides[m, 0] + 1] += 1
        first[sides[m, 1] + 1] += 1
    for p in range(n):
        first[p + 1] += first[p]
    fill = first.copy()
    other = np.empty(2 * len(sides), np.int64)
    for m in range(len(sides)):
        a, b = sides[m, 0], sides[m, 1]
        other[fill[a]], other[fill[b]] = b, a
        fill[a] += 1
        fill[b] += 1
    return first, other


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _chain_cells(points: Any, label: Any, along: Any, length: Any, order: Any, neighbours: Any) -> None:
    """Join points into chains along the direction field, in place; each point belongs to one chain."""
    first, others = neighbours
    taken = np.zeros(len(points), np.bool_)
    for seed in order:
        if taken[seed] or label[seed] != seed:
            continue
        taken[seed] = True
        left = int(length[seed]) - 1
        for sign in (1.0, -1.0):
            # The two halves of a chain share what is wanted; a half that is blocked leaves the rest to the other.
            quota = left if sign < 0.0 else (left + 1) // 2
            at = seed
            axis = points[seed].copy()
            while quota > 0:
                way = sign * along[at]
                best, best_off = -1, 0.75
                for x in range(first[at], first[at + 1]):
                    p = others[x]
                    if taken[p] or label[p] != p:
                        continue
                    step = points[p] - points[at]
                    size = np.sqrt(step[0] ** 2 + step[1] ** 2)
                    ahead = (step[0] * way[0] + step[1] * way[1]) / size
                    aside = points[p] - axis
                    off = abs(aside[0] * way[1] - aside[1] * way[0]) / size
                    if ahead > 0.5 and off < best_off:
                        best, best_off = p, off
                if best < 0:
                    break
                step = points[best] - points[at]
                forward = step[0] * way[0] + step[1] * way[1]
                axis += forward * way
                label[best] = label[seed]
                taken[best] = True
                at = best
                quota -= 1
                left -= 1


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _relax(pos: Any, edges: Any, sides: Any, points: Any) -> None:
    """Move junctions towards the mean of their neighbours, then stretch edges that are too short; in place."""
    n = len(pos)
    count = np.zeros(n, np.int64)
    for m in range(len(edges)):
        count[edges[m, 0]] += 1
        count[edges[m, 1]] += 1
    total = np.zeros((n, 2))
    for _ in range(RELAX_ROUNDS):
        total[:] = 0.0
        for m in range(len(edges)):
            a, b = edges[m, 0], edges[m, 1]
            for k in range(2):
                total[a, k] += pos[b, k]
                total[b, k] += pos[a, k]
        for t in range(n):
            if count[t] >= 2:
                share = RELAXATION[0] if count[t] == 2 else RELAXATION[1]
                for k in range(2):
                    pos[t, k] = (1.0 - share) * pos[t, k] + share * total[t, k] / count[t]
    for _ in range(6):
        moved = False
        for m in range(len(edges)):
            a, b = edges[m, 0], edges[m, 1]
            row, col = pos[b, 0] - pos[a, 0], pos[b, 1] - pos[a, 1]
            length = np.sqrt(row * row + col * col)
            if length >= SHORTEST_UM:
                continue
            if length < 1e-3:
                row, col = (
                    points[sides[m, 0], 1] - points[sides[m, 1], 1],
                    points[sides[m, 1], 0] - points[sides[m, 0], 0],
                )
                scale = 1.0 / max(np.sqrt(row * row + col * col), 1e-9)
            else:
                scale = 1.0 / length
            push = 0.5 * (SHORTEST_UM - length) * scale
            pos[a, 0] -= push * row
            pos[a, 1] -= push * col
            pos[b, 0] += push * row
            pos[b, 1] += push * col
            moved = True
        if not moved:
            break
