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
    n = len(value)
    unknown = _reached(start, column, weight, value) & np.isnan(value)
    if unknown.sum() == 0:
        return
    mean = np.nanmean(value)
    diagonal, factor = np.zeros(n), np.zeros(n)
    for k in range(n):
        if unknown[k]:
            value[k] = mean
            for x in range(start[k], start[k + 1]):
                diagonal[k] += weight[x]
            factor[k] = diagonal[k]
            for x in range(start[k], start[k + 1]):
                other = column[x]
                if other < k and unknown[other]:
                    factor[k] -= weight[x] * weight[x] / factor[other]
            factor[k] = max(factor[k], 1e-3 * diagonal[k])
    residual, image = np.zeros(n), np.zeros(n)
    for k in range(n):
        if unknown[k]:
            for x in range(start[k], start[k + 1]):
                residual[k] += weight[x] * (value[column[x]] - value[k])
    system = (start, column, weight, unknown, factor)
    ready = np.zeros(n)
    total = _precondition(residual, ready, system)
    direction = ready.copy()
    goal = total * tolerance * tolerance
    for _ in range(rounds):
        if total <= goal or total == 0.0:
            break
        bend = 0.0
        for k in range(n):
            if unknown[k]:
                s = diagonal[k] * direction[k]
                for x in range(start[k], start[k + 1]):
                    s -= weight[x] * direction[column[x]]
                image[k] = s
                bend += s * direction[k]
        step = total / bend
        for k in range(n):
            value[k] += step * direction[k]
            residual[k] -= step * image[k]
        new_total = _precondition(residual, ready, system)
        for k in range(n):
            direction[k] = ready[k] + new_total / total * direction[k]
        total = new_total


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _precondition(residual: Any, ready: Any, system: Any) -> float:
    """Solve with the incomplete factor into `ready`; returns residual times ready."""
    start, column, weight, unknown, factor = system
    n = len(residual)
    for k in range(n):
        if unknown[k]:
            s = residual[k]
            for x in range(start[k], start[k + 1]):
                other = column[x]
                if other < k and unknown[other]:
                    s += weight[x] * ready[other]
            ready[k] = s / factor[k]
    total = 0.0
    for k in range(n - 1, -1, -1):
        if unknown[k]:
            s = 0.0
            for x in range(start[k], start[k + 1]):
                other = column[x]
                if other > k and unknown[other]:
                    s += weight[x] * ready[other]
            ready[k] += s / factor[k]
            total += ready[k] * residual[k]
    return total
