"""Space colonisation of the retina's plane by arterioles and venules that compete for the same tissue.

Attractors are points of tissue that want blood nearby. Each belongs to the nearest vessel node in reach; a node grows by
one step towards the mean of its attractors; an attractor within the kill distance of a new node is served and goes.
Because arteries and veins kill each other's attractors, their branches interdigitate and keep apart without further
rules. The method is Runions' (Eurographics NPH 2007); competition between the two kinds, the angle limits and the
clearance test are ours. Nothing is random inside: all randomness is in the attractors and the seeds.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

MIN_BRANCH_COS = 0.82
"""A side branch leaves its vessel at no less than 35 degrees, else the two would run side by side."""
MAX_BRANCH_COS = -0.26
"""... and at no more than 105 degrees."""
MAX_TURN_COS = 0.57
"""A tip turns at most 55 degrees in one step."""


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def colonise(forest: Any, n_nodes: int, attractors: NDArray[np.float64], rule: NDArray[np.float64]) -> int:
    """Grow until every attractor is served, out of reach, or the rounds are used up.

    Args:
        forest: (pos (M, 2) [um], direction (M, 2), parent (M,), kind (M,), n_children (M,), first_child (M,)): arrays
            with room for M nodes, of which `n_nodes` are filled; changed in place.
        n_nodes: Filled nodes.
        attractors: (P, 2) tissue points [um].
        rule: reach [um], kill [um], step [um], rounds, straightness (0-1), clearance [um], longest twig [steps].

    Returns:
        The new number of nodes.
    """
    pos, direction, parent, kind, n_children, first_child = forest
    reach, kill, step, rounds, straight, clearance, longest = rule
    capacity = len(pos)
    n_start = n_nodes
    twig = np.zeros(capacity, np.int32)
    fails = np.zeros(capacity, np.int32)
    votes = np.zeros((capacity, 2))
    n_votes = np.zeros(capacity, np.int32)
    origin = (
        np.array(
            [min(attractors[:, 0].min(), pos[:n_nodes, 0].min()), min(attractors[:, 1].min(), pos[:n_nodes, 1].min())]
        )
        - 1.0
    )
    far = (
        np.array(
            [max(attractors[:, 0].max(), pos[:n_nodes, 0].max()), max(attractors[:, 1].max(), pos[:n_nodes, 1].max())]
        )
        + 1.0
    )
    a_cells = _bucket(attractors, origin, far, reach)
    head, link, n_cols = _empty_buckets(capacity, origin, far, clearance)
    for node in range(n_nodes):
        _insert(head, link, n_cols, node, pos[node], origin, clearance)
    nearest = np.full(len(attractors), -1, np.int32)
    nearest_d2 = np.full(len(attractors), reach * reach)
    for node in range(n_nodes):
        _serve(node, pos[node], attractors, nearest, nearest_d2, a_cells, origin, reach, kill)
    for _ in range(int(rounds)):
        votes[:n_nodes] = 0.0
        n_votes[:n_nodes] = 0
        for a in range(len(attractors)):
            node = nearest[a]
            if node >= 0:
                vector = attractors[a] - pos[node]
                length = np.sqrt(vector[0] ** 2 + vector[1] ** 2)
                votes[node] += vector / max(length, 1e-9)
                n_votes[node] += 1
        before = n_nodes
        for node in range(before):
            if n_votes[node] == 0 or n_nodes == capacity:
                continue
            heading = _heading(node, votes[node], forest, straight)
            if twig[node] >= longest or (heading[0] == 0.0 and heading[1] == 0.0):
                fails[node] += 1
                continue
            tip = pos[node] + step * heading
            inside = origin[0] < tip[0] < far[0] and origin[1] < tip[1] < far[1]
            if not inside or not _free(tip, node, pos, parent, head, link, n_cols, origin, clearance):
                fails[node] += 1
                continue
            pos[n_nodes], direction[n_nodes], parent[n_nodes], kind[n_nodes] = tip, heading, node, kind[node]
            twig[n_nodes] = twig[node] + 1 if node >= n_start else 1
            if n_children[node] == 0:
                first_child[node] = n_nodes
            n_children[node] += 1
            _insert(head, link, n_cols, n_nodes, tip, origin, clearance)
            _serve(n_nodes, tip, attractors, nearest, nearest_d2, a_cells, origin, reach, kill)
            n_nodes += 1
        for a in range(len(attractors)):
            node = nearest[a]
            if node >= 0 and (fails[node] >= 3 or n_children[node] >= 2):
                # Served by nobody for now; a nearer node that grows later may still take it.
                nearest[a] = -1
                if n_children[node] >= 2:
                    nearest_d2[a] = reach * reach
        if n_nodes == before and not _any_left(nearest, fails):
            break
    return n_nodes


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _any_left(nearest: NDArray[np.int32], fails: NDArray[np.int32]) -> bool:
    for node in nearest:
        if node >= 0 and fails[node] < 3:
            return True
    return False


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _heading(node: int, vote: NDArray[np.float64], forest: Any, straight: float) -> NDArray[np.float64]:
    """Unit direction of the next step from a node, or zeros where it must not grow."""
    _, direction, parent, _, n_children, first_child = forest
    none = np.zeros(2)
    length = np.sqrt(vote[0] ** 2 + vote[1] ** 2)
    if n_children[node] >= 2 or length < 1e-6:
        return none
    wish = vote / length
    if n_children[node] == 0:
        blend = straight * direction[node] + (1.0 - straight) * wish
        norm = np.sqrt(blend[0] ** 2 + blend[1] ** 2)
        if norm < 1e-6:
            return none
        blend /= norm
        return blend if blend[0] * direction[node, 0] + blend[1] * direction[node, 1] > MAX_TURN_COS else none
    child = first_child[node]
    above = parent[node]
    if n_children[child] >= 2 or (above >= 0 and n_children[above] >= 2):
        return none
    cosine = wish[0] * direction[child, 0] + wish[1] * direction[child, 1]
    return wish if MAX_BRANCH_COS < cosine < MIN_BRANCH_COS else none


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _bucket(points: NDArray[np.float64], origin: NDArray[np.float64], far: NDArray[np.float64], cell: float) -> Any:
    """Point indices sorted by square cell: (start of each cell, indices, number of columns)."""
    n_rows = int((far[0] - origin[0]) / cell) + 1
    n_cols = int((far[1] - origin[1]) / cell) + 1
    start = np.zeros(n_rows * n_cols + 1, np.int32)
    place = np.empty(len(points), np.int32)
    for p in range(len(points)):
        place[p] = int((points[p, 0] - origin[0]) / cell) * n_cols + int((points[p, 1] - origin[1]) / cell)
        start[place[p] + 1] += 1
    for c in range(n_rows * n_cols):
        start[c + 1] += start[c]
    fill = start.copy()
    index = np.empty(len(points), np.int32)
    for p in range(len(points)):
        index[fill[place[p]]] = p
        fill[place[p]] += 1
    return start, index, n_cols


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _empty_buckets(capacity: int, origin: NDArray[np.float64], far: NDArray[np.float64], cell: float) -> Any:
    n_rows = int((far[0] - origin[0]) / cell) + 1
    n_cols = int((far[1] - origin[1]) / cell) + 1
    return np.full(n_rows * n_cols, -1, np.int32), np.full(capacity, -1, np.int32), n_cols


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _insert(
    head: NDArray[np.int32],
    link: NDArray[np.int32],
    n_cols: int,
    node: int,
    at: NDArray[np.float64],
    origin: Any,
    cell: float,
) -> None:
    place = int((at[0] - origin[0]) / cell) * n_cols + int((at[1] - origin[1]) / cell)
    link[node] = head[place]
    head[place] = node


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _serve(
    node: int,
    at: Any,
    attractors: Any,
    nearest: Any,
    nearest_d2: Any,
    cells: Any,
    origin: Any,
    reach: float,
    kill: float,
) -> None:
    """Give a new node the attractors it is nearest to, and retire those it serves."""
    start, index, n_cols = cells
    n_rows = (len(start) - 1) // n_cols
    row = int((at[0] - origin[0]) / reach)
    col = int((at[1] - origin[1]) / reach)
    for r in range(max(0, row - 1), min(n_rows, row + 2)):
        for c in range(max(0, col - 1), min(n_cols, col + 2)):
            for k in range(start[r * n_cols + c], start[r * n_cols + c + 1]):
                a = index[k]
                d2 = (attractors[a, 0] - at[0]) ** 2 + (attractors[a, 1] - at[1]) ** 2
                if d2 < nearest_d2[a]:
                    nearest_d2[a] = d2
                    nearest[a] = node
                if d2 < kill * kill:
                    nearest[a] = -1
                    nearest_d2[a] = 0.0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _free(
    tip: Any, node: int, pos: Any, parent: Any, head: Any, link: Any, n_cols: int, origin: Any, cell: float
) -> bool:
    """Whether no node but the closest relatives lies within the clearance (one cell) of a point."""
    n_rows = len(head) // n_cols
    row = int((tip[0] - origin[0]) / cell)
    col = int((tip[1] - origin[1]) / cell)
    for r in range(max(0, row - 1), min(n_rows, row + 2)):
        for c in range(max(0, col - 1), min(n_cols, col + 2)):
            other = head[r * n_cols + c]
            while other >= 0:
                near = (pos[other, 0] - tip[0]) ** 2 + (pos[other, 1] - tip[1]) ** 2 < cell * cell
                if near and not _related(other, node, parent):
                    return False
                other = link[other]
    return True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _related(one: int, two: int, parent: Any) -> bool:
    """Whether two nodes share an ancestor at most three steps up (themselves included)."""
    a = one
    for _ in range(4):
        b = two
        for _ in range(4):
            if a == b:
                return True
            b = parent[b]
            if b < 0:
                break
        a = parent[a]
        if a < 0:
            break
    return False
