"""Space colonisation of the retina's plane by arterioles and venules that compete for the same tissue.

Attractors are points of tissue that want an artery, or a vein, nearby. Each belongs to the nearest node of its kind in
reach; a node grows by one step towards the mean of its attractors; an attractor within the kill distance of a new node
of its kind, or within a shorter one of the other kind, is served and goes. So vessels of one kind keep a wide distance,
and the other kind fills the gaps: arteries and veins alternate. A tip that meets a vessel of the other kind may leap
across it. The method is Runions' (Eurographics NPH 2007); the two kinds, the leap, the angle limits and the clearance
test are ours. Nothing is random inside: all randomness is in the attractors and the seeds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._contact import sort_by_cell

MIN_BRANCH_COS = 0.87
"""A side branch is wanted at no less than 30 degrees from its vessel, else the two would run side by side ..."""
MAX_BRANCH_COS = -0.1
"""... and at no more than 96 degrees."""
ACUTE = 0.35
"""Weight of the vessel's own course in the first step of a side branch: branches leave at acute angles and then turn."""
MAX_TURN_COS = 0.57
"""A tip turns at most 55 degrees in one step."""
LEAP_STEPS = 5
"""Steps of a leap across a vessel of the other kind."""


class Rule(NamedTuple):
    """How one generation of vessels grows. Lengths in um."""

    reach: float
    """Farthest attractor that a node feels."""
    kill: float
    """An attractor this near to a node of its kind is served."""
    kill_other: float
    """... and this near to a node of the other kind."""
    step: float
    """Length of one step."""
    rounds: int
    """Most rounds of growth."""
    straight: float
    """Weight of the old direction, 0-1."""
    clearance: float
    """A new node keeps this distance from all vessels but its own."""
    longest: int
    """Longest new twig [steps]."""
    leap: float
    """Share of meetings with the other kind that lead across it."""


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def colonise(forest: Any, n_nodes: int, tissue: Any, luck: NDArray[np.float64], domain: Any, rule: Rule) -> int:
    """Grow until every attractor is served, out of reach, or the rounds are used up.

    Args:
        forest: (pos (M, 2) [um], direction (M, 2), parent (M,), kind (M,), n_children (M,), first_child (M,)): arrays
            with room for M nodes, of which `n_nodes` are filled; changed in place.
        n_nodes: Filled nodes.
        tissue: (points (P, 2) [um], kind (P,)): the attractors.
        luck: (M,) uniform numbers, one per node, that decide about leaps.
        domain: (half side [um], hole (K,) [um]): the square about the origin, and the radius at K even angles from -pi of
            a hole around the origin where nothing grows.
        rule: How to grow.

    Returns:
        The new number of nodes.
    """
    pos, n_children = forest[0], forest[4]
    start, order, n_cells = _bucket(tissue[0], domain[0], rule.reach)
    # The attractors in the order of their cells, so that a row of cells is read at a stretch; `turn` is their own order.
    attractors, turn = tissue[0][order], np.argsort(order)
    tissue = (attractors, tissue[1][order])
    n_start = n_nodes
    twig = np.zeros(len(pos), np.int32)
    fails = np.zeros(len(pos), np.int32)
    votes = np.zeros((len(pos), 2))
    grid = _empty_buckets(len(pos), domain[0], rule.clearance)
    nearest = np.full(len(attractors), -1, np.int32)
    nearest_d2 = np.full(len(attractors), rule.reach * rule.reach)
    state = (twig, fails, (start, n_cells), grid, nearest, nearest_d2)
    domain = (domain[0], domain[1], domain[1].max())
    world = (tissue, state, luck, domain, rule)
    for node in range(n_nodes):
        _insert(grid, node, pos[node], domain[0], rule.clearance)
        _serve(node, forest, tissue, state, domain[0], rule)
    for _ in range(rule.rounds):
        n_votes = _vote(pos, attractors, turn, nearest, votes, n_nodes)
        before = n_nodes
        for node in range(before):
            if n_votes[node] > 0 and n_nodes + 4 < len(pos):
                n_nodes = _advance(node, (votes[node, 0], votes[node, 1]), forest, n_nodes, n_start, world)
        waiting = False
        for a in range(len(attractors)):
            node = nearest[a]
            if node >= 0 and (fails[node] >= 3 or n_children[node] >= 2):
                # Served by nobody for now; a nearer node that grows later may still take it.
                nearest[a] = -1
                if n_children[node] >= 2:
                    nearest_d2[a] = rule.reach * rule.reach
            waiting = waiting or nearest[a] >= 0
        if n_nodes == before and not waiting:
            break
    return n_nodes


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _vote(pos: Any, attractors: Any, turn: Any, nearest: Any, votes: Any, n_nodes: int) -> NDArray[np.int32]:
    """Sum the unit vectors from each node to its attractors, in their own order; returns how many each node has."""
    votes[:n_nodes] = 0.0
    n_votes = np.zeros(n_nodes, np.int32)
    for a in turn:
        node = nearest[a]
        if node >= 0:
            row, col = attractors[a, 0] - pos[node, 0], attractors[a, 1] - pos[node, 1]
            length = max(np.sqrt(row * row + col * col), 1e-9)
            votes[node, 0] += row / length
            votes[node, 1] += col / length
            n_votes[node] += 1
    return n_votes


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _advance(node: int, vote: Any, forest: Any, n_nodes: int, n_start: int, world: Any) -> int:
    """Let one node grow by a step, or leap across a vessel of the other kind; returns the number of nodes."""
    pos, direction, parent, kind, n_children, first_child = forest
    tissue, state, luck, domain, rule = world
    twig, fails, _, grid, _, _ = state
    row, col = _heading(node, vote, forest, rule.straight)
    if twig[node] >= rule.longest or (row == 0.0 and col == 0.0):
        fails[node] += 1
        return n_nodes
    n_steps = 1
    if not _free(_ahead(pos, node, rule.step, row, col), node, forest, grid, domain, rule.clearance, 2):
        far = _ahead(pos, node, LEAP_STEPS * rule.step, row, col)
        mine = kind[node]
        clear = luck[node] < rule.leap and _free(far, node, forest, grid, domain, rule.clearance, 2)
        for k in range(1, LEAP_STEPS):
            between = _ahead(pos, node, k * rule.step, row, col)
            clear = clear and _free(between, node, forest, grid, domain, rule.clearance, mine)
        if not clear:
            fails[node] += 1
            return n_nodes
        n_steps = LEAP_STEPS
    for _ in range(n_steps):
        pos[n_nodes, 0], pos[n_nodes, 1] = _ahead(pos, node, rule.step, row, col)
        direction[n_nodes, 0], direction[n_nodes, 1] = row, col
        parent[n_nodes], kind[n_nodes] = node, kind[node]
        twig[n_nodes] = twig[node] + 1 if node >= n_start else 1
        if n_children[node] == 0:
            first_child[node] = n_nodes
        n_children[node] += 1
        _insert(grid, n_nodes, pos[n_nodes], domain[0], rule.clearance)
        _serve(n_nodes, forest, tissue, state, domain[0], rule)
        node = n_nodes
        n_nodes += 1
    return n_nodes


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _ahead(pos: Any, node: int, length: float, row: float, col: float) -> tuple[float, float]:
    """The point a length away from a node in a direction."""
    return pos[node, 0] + length * row, pos[node, 1] + length * col


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _heading(node: int, vote: Any, forest: Any, straight: float) -> tuple[float, float]:
    """Unit direction of the next step from a node, or zeros where it must not grow."""
    # In numbers, not arrays: an array of two would be allocated each time.
    _, direction, parent, _, n_children, first_child = forest
    none = 0.0, 0.0
    length = np.sqrt(vote[0] ** 2 + vote[1] ** 2)
    if n_children[node] >= 2 or length < 1e-6:
        return none
    row, col = vote[0] / length, vote[1] / length
    if n_children[node] == 0:
        on_row, on_col = direction[node, 0], direction[node, 1]
        row = straight * on_row + (1.0 - straight) * row
        col = straight * on_col + (1.0 - straight) * col
        norm = np.sqrt(row**2 + col**2)
        if norm < 1e-6:
            return none
        row, col = row / norm, col / norm
        return (row, col) if row * on_row + col * on_col > MAX_TURN_COS else none
    child = first_child[node]
    above = parent[node]
    if n_children[child] >= 2 or (above >= 0 and n_children[above] >= 2):
        return none
    cosine = row * direction[child, 0] + col * direction[child, 1]
    if not MAX_BRANCH_COS < cosine < MIN_BRANCH_COS:
        return none
    row, col = row + ACUTE * direction[child, 0], col + ACUTE * direction[child, 1]
    norm = np.sqrt(row**2 + col**2)
    return row / norm, col / norm


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _cell(at: Any, half_um: float, cell: float) -> tuple[int, int]:
    return int((at[0] + half_um) / cell), int((at[1] + half_um) / cell)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _bucket(
    points: NDArray[np.float64], half_um: float, cell: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Point indices sorted by square cell: (start of each cell, indices, cells per side)."""
    n = int(2.0 * half_um / cell) + 1
    place = np.empty(len(points), np.int64)
    for p in range(len(points)):
        row, col = _cell(points[p], half_um, cell)
        place[p] = row * n + col
    start, index = sort_by_cell(place, n * n)
    return start, index, n


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _empty_buckets(capacity: int, half_um: float, cell: float) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    n = int(2.0 * half_um / cell) + 1
    return np.full(n * n, -1, np.int32), np.full(capacity, -1, np.int32), n


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _insert(grid: Any, node: int, at: Any, half_um: float, cell: float) -> None:
    head, link, n = grid
    row, col = _cell(at, half_um, cell)
    link[node] = head[row * n + col]
    head[row * n + col] = node


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _serve(node: int, forest: Any, tissue: Any, state: Any, half_um: float, rule: Rule) -> None:
    """Give a new node the attractors of its kind that it is nearest to, and retire those it serves."""
    row, col, kind = forest[0][node, 0], forest[0][node, 1], forest[3][node]
    attractors, wanted = tissue
    _, _, (start, n), _, nearest, nearest_d2 = state
    near_row, near_col = _cell((row, col), half_um, rule.reach)
    kill, kill_other = rule.kill * rule.kill, rule.kill_other * rule.kill_other
    for r in range(max(0, near_row - 1), min(n, near_row + 2)):
        for a in range(start[r * n + max(0, near_col - 1)], start[r * n + min(n, near_col + 2)]):
            d2 = (attractors[a, 0] - row) ** 2 + (attractors[a, 1] - col) ** 2
            own = wanted[a] == kind
            if d2 < (kill if own else kill_other):
                nearest[a] = -1
                nearest_d2[a] = 0.0
            elif own and d2 < nearest_d2[a]:
                nearest_d2[a] = d2
                nearest[a] = node


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _free(at: Any, node: int, forest: Any, grid: Any, domain: Any, clearance: float, kinds: int) -> bool:
    """Whether a point is in the domain and no node but `node`'s closest relatives lies within the clearance.

    With `kinds` 0 or 1 only vessels of that kind count, with 2 all.
    """
    pos, _, parent, kind, _, _ = forest
    head, link, n = grid
    half_um, hole, widest = domain
    if abs(at[0]) >= half_um or abs(at[1]) >= half_um:
        return False
    away = at[0] ** 2 + at[1] ** 2
    if away < widest**2:
        turn = int((np.arctan2(at[1], at[0]) / (2.0 * np.pi) + 0.5) * len(hole)) % len(hole)
        if away < hole[turn] ** 2:
            return False
    ancestors = _ancestors(node, parent)
    row, col = _cell(at, half_um, clearance)
    for r in range(max(0, row - 1), min(n, row + 2)):
        for c in range(max(0, col - 1), min(n, col + 2)):
            other = head[r * n + c]
            while other >= 0:
                near = (pos[other, 0] - at[0]) ** 2 + (pos[other, 1] - at[1]) ** 2 < clearance * clearance
                counts = kinds == 2 or kind[other] == kinds
                if near and counts and not _related(other, ancestors, parent):
                    return False
                other = link[other]
    return True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _ancestors(node: int, parent: Any) -> Any:
    """A node and its ancestors up to three steps up, -1 beyond the root."""
    first = np.int64(parent[node])
    second = np.int64(parent[first] if first >= 0 else -1)
    third = np.int64(parent[second] if second >= 0 else -1)
    return np.int64(node), first, second, third


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _related(one: int, ancestors: Any, parent: Any) -> bool:
    """Whether a node or an ancestor of it at most three steps up is among those of another node."""
    for _ in range(4):
        if np.int64(one) in ancestors:
            return True
        one = parent[one]
        if one < 0:
            break
    return False
