"""Blood flow on a vessel network: Poiseuille's law, pressures known at the cut ends, one sparse solve.

Chains of edges are first replaced by one resistance each, so that only junctions remain. Viscosity follows Pries 1992
(Am J Physiol 263:H1770, glass tubes) at a discharge haematocrit of 0.45, over a plasma viscosity of 1.2 mPa s; the later
in-vivo law would slow capillaries about sixfold, below the 0.3-3 mm/s that are seen in the living retina.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._contact import incidence

PLASMA_VISCOSITY_PA_S = 1.2e-3
PA_PER_MMHG = 133.322
TOLERANCE = 1e-6
"""Relative residual at which the conjugate gradients stop."""
MAX_ITERATIONS = 4000


@dataclass(frozen=True)
class Flow:
    """Solved flow.

    Attributes:
        pressure_mmhg: (N,) NaN at nodes that no known pressure reaches.
        velocity_mm_s: (E,) mean speed, positive from the first to the second node of the edge; 0 where unreached.
    """

    pressure_mmhg: NDArray[np.float64]
    velocity_mm_s: NDArray[np.float64]


def viscosity_pa_s(radius_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apparent viscosity of blood in a vessel (Pries 1992, haematocrit 0.45) [Pa s]."""
    d = 2.0 * np.asarray(radius_um, dtype=np.float64)
    relative = 220.0 * np.exp(-1.3 * d) + 3.2 - 2.44 * np.exp(-0.06 * d**0.645)
    return np.asarray(PLASMA_VISCOSITY_PA_S * relative)


def solve_flow(
    position_um: NDArray[np.float64],
    edges: NDArray[np.int64],
    radius_um: NDArray[np.float64],
    known_mmhg: NDArray[np.float64],
) -> Flow:
    """Pressures and speeds on a network.

    Args:
        position_um: (N, 3) node positions [um].
        edges: (E, 2) node indices.
        radius_um: (E,) [um].
        known_mmhg: (N,) pressure where it is known, NaN elsewhere [mmHg].

    Returns:
        The flow. Where no node is known, everything stands still.
    """
    length = np.linalg.norm(position_um[edges[:, 1]] - position_um[edges[:, 0]], axis=1)
    resistance = 8.0 * viscosity_pa_s(radius_um) * np.maximum(length, 1e-3) / radius_um**4
    first, link = incidence(edges, len(position_um))
    pressure = _solve(edges, resistance, known_mmhg, first, link, TOLERANCE, MAX_ITERATIONS)
    drop = np.nan_to_num(pressure[edges[:, 0]] - pressure[edges[:, 1]])
    # mean speed = r^2 dp / (8 viscosity length) = dp / (resistance r^2); um and Pa give um/s
    velocity = drop * PA_PER_MMHG / (resistance * radius_um**2) * 1e-3
    return Flow(pressure, velocity)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _solve(
    edges: Any, resistance: Any, known: Any, first: Any, link: Any, tolerance: float, rounds: int
) -> NDArray[np.float64]:
    """Pressure at every node; chains are one resistance each, so that only their ends are unknowns."""
    n = len(known)
    key = np.full(n, -1, np.int64)
    keys = np.empty(n, np.int64)
    n_keys = 0
    for node in range(n):
        degree = first[node + 1] - first[node]
        if degree > 0 and (degree != 2 or not np.isnan(known[node])):
            key[node] = n_keys
            keys[n_keys] = node
            n_keys += 1
    net = (edges, resistance, key, first, link)
    start = np.zeros(n_keys + 1, np.int64)
    for k in range(n_keys):
        start[k + 1] = start[k] + first[keys[k] + 1] - first[keys[k]]
    column = np.empty(start[n_keys], np.int64)
    weight = np.empty(start[n_keys])
    value = np.empty(n_keys)
    for k in range(n_keys):
        value[k] = known[keys[k]]
        for x in range(first[keys[k]], first[keys[k] + 1]):
            end, total = _walk(keys[k], link[x], net)
            slot = start[k] + x - first[keys[k]]
            column[slot] = key[end]
            weight[slot] = 1.0 / total if end != keys[k] else 0.0
    _conjugate(start, column, weight, value, tolerance, rounds)
    pressure = np.full(n, np.nan)
    for k in range(n_keys):
        pressure[keys[k]] = value[k]
    for k in range(n_keys):
        for x in range(first[keys[k]], first[keys[k] + 1]):
            _fill(keys[k], link[x], net, pressure, weight[start[k] + x - first[keys[k]]])
    return pressure


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _walk(node: int, edge: int, net: Any) -> tuple[int, float]:
    """The key node at the other end of the chain that leaves `node` by `edge`, and the chain's resistance."""
    edges, resistance, key, first, link = net
    total = resistance[edge]
    at = edges[edge, 0] + edges[edge, 1] - node
    while key[at] < 0:
        edge = link[first[at]] + link[first[at] + 1] - edge
        total += resistance[edge]
        at = edges[edge, 0] + edges[edge, 1] - at
    return at, total


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(node: int, edge: int, net: Any, pressure: Any, weight: float) -> None:
    """Pressures inside a chain, from its start; the drop goes with the resistance."""
    edges, resistance, key, first, link = net
    end, _ = _walk(node, edge, net)
    if end < node:
        return
    flow = (pressure[node] - pressure[end]) * weight
    at = edges[edge, 0] + edges[edge, 1] - node
    before = pressure[node]
    while key[at] < 0:
        pressure[at] = before - flow * resistance[edge]
        before = pressure[at]
        edge = link[first[at]] + link[first[at] + 1] - edge
        at = edges[edge, 0] + edges[edge, 1] - at


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _reached(start: Any, column: Any, weight: Any, value: Any) -> NDArray[np.bool_]:
    """Which entries a known one is linked to."""
    n = len(value)
    reached = np.zeros(n, np.bool_)
    stack = np.empty(n, np.int64)
    top = 0
    for k in range(n):
        if not np.isnan(value[k]):
            reached[k] = True
            stack[top] = k
            top += 1
    while top > 0:
        top -= 1
        k = stack[top]
        for x in range(start[k], start[k + 1]):
            other = column[x]
            if not reached[other] and weight[x] > 0.0:
                reached[other] = True
                stack[top] = other
                top += 1
    return reached


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _conjugate(start: Any, column: Any, weight: Any, value: Any, tolerance: float, rounds: int) -> None:
    """Fill the unknown (NaN) entries of `value` that known ones reach: preconditioned conjugate gradients.

    The preconditioner is the incomplete Cholesky factor without fill, which in a network with few triangles needs only
    a diagonal of its own.
    """
    unknown = _reached(start, column, weight, value) & np.isnan(value)
    n = unknown.sum()
    if n == 0:
        return
    order, place = _by_level(start, column, unknown)
    matrix = (start, column, weight)
    rows = _rows(matrix, order, place, 0)
    lower, upper = _rows(matrix, order, place, -1), _rows(matrix, order, place, 1)
    turn = place[unknown]
    mean = np.nanmean(value)
    value[order] = mean
    diagonal, factor, residual = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        k = order[i]
        for x in range(start[k], start[k + 1]):
            diagonal[i] += weight[x]
            residual[i] += weight[x] * (value[column[x]] - value[k])
        factor[i] = diagonal[i]
        for x in range(lower[0][i], lower[0][i + 1]):
            factor[i] -= lower[2][x] * lower[2][x] / factor[lower[1][x]]
        factor[i] = max(factor[i], 1e-3 * diagonal[i])
    found, image, ready = np.full(n, mean), np.zeros(n), np.zeros(n)
    system = (lower, upper, factor, turn[::-1].copy())
    total = _precondition(residual, ready, system)
    direction = ready.copy()
    goal = total * tolerance * tolerance
    for _ in range(rounds):
        if total <= goal or total == 0.0:
            break
        for i in range(n):
            s = diagonal[i] * direction[i]
            for x in range(rows[0][i], rows[0][i + 1]):
                s -= rows[2][x] * direction[rows[1][x]]
            image[i] = s
        step = total / _dot(image, direction, turn)
        for i in range(n):
            found[i] += step * direction[i]
            residual[i] -= step * image[i]
        new_total = _precondition(residual, ready, system)
        for i in range(n):
            direction[i] = ready[i] + new_total / total * direction[i]
        total = new_total
    value[order] = found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _by_level(start: Any, column: Any, unknown: Any) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The unknowns in an order that suits the factor's recurrences, and each entry's place in it, -1 for known ones.

    An unknown's level is one more than the highest among its neighbours before it. Those of one level do not depend on
    each other, so the processor works at several at a time; within a level those with equally many neighbours before
    them stand together, so that it can foresee how many there are. Who comes before whom among neighbours stays.
    """
    most = 3
    level, group = np.zeros(len(unknown), np.int32), np.zeros(len(unknown), np.int32)
    for k in np.flatnonzero(unknown):
        before = 0
        for x in range(start[k], start[k + 1]):
            if column[x] < k and unknown[column[x]]:
                level[k] = max(level[k], level[column[x]] + 1)
                before += 1
        group[k] = level[k] * (most + 1) + min(before, most)
    fill = np.zeros(group.max() + 2, np.int64)
    for k in np.flatnonzero(unknown):
        fill[group[k] + 1] += 1
    fill = fill.cumsum()
    order, place = np.empty(fill[-1], np.int64), np.full(len(unknown), -1, np.int32)
    for k in np.flatnonzero(unknown):
        place[k] = fill[group[k]]
        order[place[k]] = k
        fill[group[k]] += 1
    return order, place


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _rows(
    matrix: Any, order: Any, place: Any, side: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """The unknowns' rows in their order: (start of each, column, weight), off the diagonal.

    With `side` -1 only what is before the diagonal, with 1 only what is after it.
    """
    start, column, weight = matrix
    first = np.zeros(len(order) + 1, np.int32)
    others, weights = np.empty(len(column), np.int32), np.empty(len(column))
    m = 0
    for i in range(len(order)):
        for x in range(start[order[i]], start[order[i] + 1]):
            other = place[column[x]]
            if other >= 0 and other != i and (side == 0 or (other > i) == (side > 0)):
                others[m], weights[m] = other, weight[x]
                m += 1
        first[i + 1] = m
    return first, others[:m].copy(), weights[:m].copy()


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _dot(one: Any, two: Any, turn: Any) -> float:
    """The sum of products, added in the order of `turn`, which must not depend on how the unknowns are stored."""
    total = 0.0
    for i in turn:
        total += one[i] * two[i]
    return total


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _precondition(residual: Any, ready: Any, system: Any) -> float:
    """Solve with the incomplete factor into `ready`; returns residual times ready."""
    lower, upper, factor, turn = system
    n = len(residual)
    for i in range(n):
        s = residual[i]
        for x in range(lower[0][i], lower[0][i + 1]):
            s += lower[2][x] * ready[lower[1][x]]
        ready[i] = s / factor[i]
    for i in range(n - 1, -1, -1):
        s = 0.0
        for x in range(upper[0][i], upper[0][i + 1]):
            s += upper[2][x] * ready[upper[1][x]]
        ready[i] += s / factor[i]
    return float(_dot(ready, residual, turn))
