"""Distances between vessels: from points to vessel walls, and which capsules pass through each other."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

JOINT_REACH = 4.0
"""Two capsules are at one joint when a path along the vessels, shorter than this many times the sum of their radii and
at most `JOINT_HOPS` edges long, links them: a branch starts inside the vessel that it leaves."""
JOINT_HOPS = 10
CELL_UM = (60.0, 60.0, 45.0)
"""Cells (row, col, depth) in which contacts are looked for [um]."""


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def segment_gap(a: Any, b: Any, c: Any, d: Any) -> float:
    """Distance between the segments ab and cd, in any dimension."""
    # Written out without arrays: this is called a million times per eye.
    aa, cc = 0.0, 0.0
    bb, ac, bc = 0.0, 0.0, 0.0
    for k in range(len(a)):
        ab, cd, ca = b[k] - a[k], d[k] - c[k], a[k] - c[k]
        aa += ab * ab
        cc += cd * cd
        bb += ab * cd
        ac += ab * ca
        bc += cd * ca
    low = 1e-12
    s, t = 0.0, 0.0
    if aa <= low and cc <= low:
        pass
    elif aa <= low:
        t = min(max(bc / cc, 0.0), 1.0)
    elif cc <= low:
        s = min(max(-ac / aa, 0.0), 1.0)
    else:
        determinant = aa * cc - bb * bb
        if determinant > low * aa * cc:
            s = min(max((bb * bc - ac * cc) / determinant, 0.0), 1.0)
        t = (bb * s + bc) / cc
        if t < 0.0:
            t = 0.0
            s = min(max(-ac / aa, 0.0), 1.0)
        elif t > 1.0:
            t = 1.0
            s = min(max((bb - ac) / aa, 0.0), 1.0)
    total = 0.0
    for k in range(len(a)):
        total += (a[k] - c[k] + s * (b[k] - a[k]) - t * (d[k] - c[k])) ** 2
    return float(np.sqrt(total))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def nearest_wall(
    points: NDArray[np.float64],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius: NDArray[np.float64],
    reach_um: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance of each point to the nearest vessel wall in the plane, and which segment that is.

    Args:
        points: (P, 2) [um].
        start: (S, 2) starts of the segments [um].
        end: (S, 2) ends of the segments [um].
        radius: (S,) [um].
        reach_um: Farther walls are not looked for.

    Returns:
        (P,) distance [um], inf beyond reach; (P,) segment index, -1 beyond reach.
    """
    best = np.full(len(points), np.inf)
    which = np.full(len(points), -1, np.int64)
    if len(points) == 0 or len(start) == 0:
        return best, which
    cell = 100.0
    first, index, low0, low1, n_rows, n_cols = _bucket_points(points, cell)
    # In the order of the cells, so that a row of them is read at a stretch.
    at, near, whose = points[index], np.full(len(points), reach_um), np.full(len(points), -1, np.int64)
    for s in range(len(start)):
        pad = reach_um + radius[s]
        r0 = int(np.floor((min(start[s, 0], end[s, 0]) - pad - low0) / cell))
        r1 = int(np.floor((max(start[s, 0], end[s, 0]) + pad - low0) / cell))
        c0 = max(int(np.floor((min(start[s, 1], end[s, 1]) - pad - low1) / cell)), 0)
        c1 = min(int(np.floor((max(start[s, 1], end[s, 1]) + pad - low1) / cell)), n_cols - 1)
        row, col = start[s, 0], start[s, 1]
        along, across = end[s, 0] - row, end[s, 1] - col
        square = along * along + across * across
        for r in range(max(r0, 0), min(r1, n_rows - 1) + 1):
            if c0 > c1:
                break
            for x in range(first[r * n_cols + c0], first[r * n_cols + c1 + 1]):
                dr, dc = at[x, 0] - row, at[x, 1] - col
                t = min(max((along * dr + across * dc) / square, 0.0), 1.0) if square > 1e-12 else 0.0
                gap = np.sqrt((dr - t * along) ** 2 + (dc - t * across) ** 2) - radius[s]
                if gap < near[x]:
                    near[x], whose[x] = gap, s
    for x in range(len(points)):
        if whose[x] >= 0:
            best[index[x]], which[index[x]] = near[x], whose[x]
    return best, which


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def sort_by_cell(place: NDArray[np.int64], n_cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Things by the cell that each lies in, in their order within a cell: (start of each cell, indices)."""
    first = np.zeros(n_cells + 1, np.int64)
    for cell in place:
        first[cell + 1] += 1
    for k in range(n_cells):
        first[k + 1] += first[k]
    fill = first.copy()
    index = np.empty(len(place), np.int64)
    for p in range(len(place)):
        index[fill[place[p]]] = p
        fill[place[p]] += 1
    return first, index


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _bucket_points(points: NDArray[np.float64], cell: float) -> Any:
    """Points by square cell: (start of each cell, point indices, lowest row, lowest col, number of rows, of columns)."""
    low0, low1 = points[:, 0].min(), points[:, 1].min()
    n_rows = int((points[:, 0].max() - low0) / cell) + 1
    n_cols = int((points[:, 1].max() - low1) / cell) + 1
    place = np.empty(len(points), np.int64)
    for p in range(len(points)):
        place[p] = int((points[p, 0] - low0) / cell) * n_cols + int((points[p, 1] - low1) / cell)
    first, index = sort_by_cell(place, n_rows * n_cols)
    return first, index, low0, low1, n_rows, n_cols


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def bucket_segments(start: NDArray[np.float64], end: NDArray[np.float64], cell: float, pad: NDArray[np.float64]) -> Any:
    """Segments by the square cells that their padded boxes touch (row, col only).

    Returns:
        (start of each cell, segment indices, lowest row, lowest col, number of rows, number of columns).
    """
    n = len(start)
    low = np.empty((n, 2))
    high = np.empty((n, 2))
    for s in range(n):
        for k in range(2):
            low[s, k] = min(start[s, k], end[s, k]) - pad[s]
            high[s, k] = max(start[s, k], end[s, k]) + pad[s]
    low0, low1 = low[:, 0].min(), low[:, 1].min()
    n_rows = int((high[:, 0].max() - low0) / cell) + 1
    n_cols = int((high[:, 1].max() - low1) / cell) + 1
    first = np.zeros(n_rows * n_cols + 1, np.int64)
    for s in range(n):
        for r in range(int((low[s, 0] - low0) / cell), int((high[s, 0] - low0) / cell) + 1):
            for c in range(int((low[s, 1] - low1) / cell), int((high[s, 1] - low1) / cell) + 1):
                first[r * n_cols + c + 1] += 1
    for k in range(n_rows * n_cols):
        first[k + 1] += first[k]
    fill = first.copy()
    index = np.empty(first[-1], np.int64)
    for s in range(n):
        for r in range(int((low[s, 0] - low0) / cell), int((high[s, 0] - low0) / cell) + 1):
            for c in range(int((low[s, 1] - low1) / cell), int((high[s, 1] - low1) / cell) + 1):
                index[fill[r * n_cols + c]] = s
                fill[r * n_cols + c] += 1
    return first, index, low0, low1, n_rows, n_cols


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def close_pairs(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius: NDArray[np.float64],
    slack_um: float,
    edges: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """(K, 2) pairs of capsules (i < j) whose walls are closer than `slack_um`.

    Neighbours at a node are included, unless `edges` (S, 2), the nodes of each capsule, are given.
    """
    n = len(start)
    box = np.empty((n, 6))
    for s in range(n):
        pad = radius[s] + 0.5 * slack_um
        for k in range(3):
            box[s, k] = min(start[s, k], end[s, k]) - pad
            box[s, k + 3] = max(start[s, k], end[s, k]) + pad
    first, index, span, shape = _bucket_boxes(box)
    here = np.empty((np.diff(first).max(), 6))  # the boxes of one cell, side by side
    pairs = np.empty((1024, 2), np.int64)
    n_pairs = 0
    for place in range(len(first) - 1):
        cell0 = place // (shape[1] * shape[2])
        cell1 = place // shape[2] % shape[1]
        cell2 = place % shape[2]
        begin, count = first[place], first[place + 1] - first[place]
        for x in range(count):
            for k in range(6):
                here[x, k] = box[index[begin + x], k]
        for x in range(count):
            i = index[begin + x]
            for y in range(x + 1, count):
                if (
                    (here[x, 0] > here[y, 3]) | (here[y, 0] > here[x, 3])
                    | (here[x, 1] > here[y, 4]) | (here[y, 1] > here[x, 4])
                    | (here[x, 2] > here[y, 5]) | (here[y, 2] > here[x, 5])
                ):  # fmt: skip
                    continue
                j = index[begin + y]
                # A pair may share several cells; it counts in the one that holds the low corner of the common box.
                if (
                    max(span[i, 0], span[j, 0]) != cell0
                    or max(span[i, 2], span[j, 2]) != cell1
                    or max(span[i, 4], span[j, 4]) != cell2
                ):
                    continue
                if edges is not None and _meet(edges, i, j):
                    continue
                gap = segment_gap(_point(start, i), _point(end, i), _point(start, j), _point(end, j))
                if gap < radius[i] + radius[j] + slack_um:
                    if n_pairs == len(pairs):
                        grown = np.empty((2 * n_pairs, 2), np.int64)
                        grown[:n_pairs] = pairs
                        pairs = grown
                    pairs[n_pairs, 0], pairs[n_pairs, 1] = min(i, j), max(i, j)
                    n_pairs += 1
    return pairs[:n_pairs]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _point(points: Any, i: int) -> tuple[float, float, float]:
    """A row as a tuple: of known length, so that loops over it are unrolled."""
    return points[i, 0], points[i, 1], points[i, 2]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _meet(edges: Any, i: int, j: int) -> bool:
    """Whether two edges have a common node."""
    a, b, c, d = edges[i, 0], edges[i, 1], edges[j, 0], edges[j, 1]
    return bool(a in (c, d) or b in (c, d))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _bucket_boxes(box: Any) -> Any:
    """Boxes (S, 6), low corner and high, by the cells of `CELL_UM` that they touch.

    Returns:
        (start of each cell, box indices, first and end cell of each box along each axis (S, 6), cells along each axis).
    """
    n = len(box)
    origin = np.empty(3)
    shape = np.empty(3, np.int64)
    for k in range(3):
        origin[k] = box[:, k].min()
        shape[k] = int((box[:, k + 3].max() - origin[k]) / CELL_UM[k]) + 1
    span = np.empty((n, 6), np.int32)
    first = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for s in range(n):
        for k in range(3):
            span[s, 2 * k] = int((box[s, k] - origin[k]) / CELL_UM[k])
            span[s, 2 * k + 1] = int((box[s, k + 3] - origin[k]) / CELL_UM[k]) + 1
        for a in range(span[s, 0], span[s, 1]):
            for b in range(span[s, 2], span[s, 3]):
                for c in range(span[s, 4], span[s, 5]):
                    first[(a * shape[1] + b) * shape[2] + c + 1] += 1
    for k in range(len(first) - 1):
        first[k + 1] += first[k]
    fill = first.copy()
    index = np.empty(first[-1], np.int32)
    for s in range(n):
        for a in range(span[s, 0], span[s, 1]):
            for b in range(span[s, 2], span[s, 3]):
                for c in range(span[s, 4], span[s, 5]):
                    place = (a * shape[1] + b) * shape[2] + c
                    index[fill[place]] = s
                    fill[place] += 1
    return first, index, span, shape


def touching_pairs(
    position_um: NDArray[np.float64], edges: NDArray[np.int64], radius_um: NDArray[np.float64], slack_um: float = 0.0
) -> NDArray[np.int64]:
    """(K, 2) pairs of edges without a common node whose capsules come closer than `slack_um`."""
    if len(edges) == 0:
        return np.empty((0, 2), np.int64)
    return np.asarray(close_pairs(position_um[edges[:, 0]], position_um[edges[:, 1]], radius_um, slack_um, edges))


def at_joint(
    pairs: NDArray[np.int64],
    position_um: NDArray[np.float64],
    edges: NDArray[np.int64],
    radius_um: NDArray[np.float64],
    slack_um: float = 0.0,
) -> NDArray[np.bool_]:
    """(K,) whether two touching capsules belong to one joint (`JOINT_REACH`), by a path shorter by `slack_um` than it may be."""
    first, link = incidence(edges, len(position_um))
    return np.asarray(_at_joint(pairs, position_um, edges, radius_um, (first, link), slack_um))


def overlapping_pairs(
    position_um: NDArray[np.floating],
    edges: NDArray[np.integer],
    radius_um: NDArray[np.floating],
    slack_um: float = 0.0,
) -> NDArray[np.int64]:
    """(K, 2) pairs of edges whose capsules pass through each other in 3D, other than at a joint (`JOINT_REACH`)."""
    pos, nodes = np.asarray(position_um, dtype=np.float64), np.asarray(edges, dtype=np.int64)
    radius = np.asarray(radius_um, dtype=np.float64)
    pairs = touching_pairs(pos, nodes, radius, slack_um)
    return pairs[~at_joint(pairs, pos, nodes, radius)]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def incidence(edges: NDArray[np.int64], n_nodes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges at each node: (N + 1,) where each node's list starts, and (2E,) edge indices."""
    first = np.zeros(n_nodes + 1, np.int64)
    for e in range(len(edges)):
        first[edges[e, 0] + 1] += 1
        first[edges[e, 1] + 1] += 1
    for k in range(n_nodes):
        first[k + 1] += first[k]
    fill = first.copy()
    link = np.empty(2 * len(edges), np.int64)
    for e in range(len(edges)):
        for k in range(2):
            node = edges[e, k]
            link[fill[node]] = e
            fill[node] += 1
    return first, link


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _at_joint(pairs: Any, pos: Any, edges: Any, radius: Any, at_node: Any, slack: float) -> NDArray[np.bool_]:
    first, link = at_node
    out = np.zeros(len(pairs), np.bool_)
    nodes = np.empty(256, np.int64)
    reached = np.empty(256)
    hops = np.empty(256, np.int64)
    for p in range(len(pairs)):
        i, j = pairs[p]
        limit = JOINT_REACH * (radius[i] + radius[j]) - slack
        nodes[0], nodes[1] = edges[i, 0], edges[i, 1]
        reached[:2], hops[:2] = 0.0, 0
        n, k = 2, 0
        while k < n and not out[p]:
            node = nodes[k]
            if node == edges[j, 0] or node == edges[j, 1]:
                out[p] = True
            if hops[k] < JOINT_HOPS:
                for x in range(first[node], first[node + 1]):
                    e = link[x]
                    other = edges[e, 0] + edges[e, 1] - node
                    length = 0.0
                    for axis in range(pos.shape[1]):
                        length += (pos[other, axis] - pos[node, axis]) ** 2
                    path = reached[k] + np.sqrt(length)
                    if e != i and path <= limit and n < 256:
                        nodes[n], reached[n], hops[n] = other, path, hops[k] + 1
                        n += 1
            k += 1
    return out
