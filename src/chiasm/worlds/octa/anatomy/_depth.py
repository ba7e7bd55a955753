"""Depth of arteries and veins, so that they cross over and under each other and never pass through one another."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._contact import incidence, overlapping_pairs
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.anatomy._trees import ARTERY, Forest

CLEARANCE_UM = 4.0
"""Tissue between the walls of two vessels that cross [um]."""
ARTERY_ABOVE = 0.75
"""Share of crossings in which the artery lies nearer the vitreous; about three in four in fundus studies."""


def base_depth_um(radius_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth of a vessel's axis below the ILM [um]: all lie in the nerve-fibre and ganglion-cell layers."""
    return np.asarray(27.0 + 0.25 * radius_um)


def layer_forest(forest: Forest, seed: int) -> tuple[Forest, NDArray[np.float64]]:
    """Give every node a depth; a branch that cannot be kept apart is left out with all it carries.

    Returns:
        The forest that is left, and (T,) depths [um].
    """
    forest = _without(forest, _same_kind_contacts(forest))
    depth = _bumped(forest, seed)
    for _ in range(4):
        edges, nodes = _tree_edges(forest)
        pos = np.column_stack([forest.pos_um, depth])
        pairs = overlapping_pairs(pos, edges, forest.radius_um[nodes], 1.0)
        if len(pairs) == 0:
            break
        drop = np.zeros(len(forest.parent), np.bool_)
        drop[_smaller(forest, nodes, pairs)] = True
        kept = ~_descend(forest.parent, drop)
        forest, depth = forest.keep(kept), depth[kept]
    return forest, depth


def _tree_edges(forest: Forest) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    nodes = np.flatnonzero(forest.parent >= 0)
    return np.column_stack([nodes, forest.parent[nodes]]).astype(np.int64), nodes


def _flat_contacts(forest: Forest, slack_um: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of tree edges that meet when seen from above, as indices into the edge list; and that list's nodes."""
    edges, nodes = _tree_edges(forest)
    flat = np.column_stack([forest.pos_um, np.zeros(len(forest.pos_um))])
    return overlapping_pairs(flat, edges, forest.radius_um[nodes], slack_um), nodes


def _smaller(forest: Forest, nodes: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    one, two = nodes[pairs[:, 0]], nodes[pairs[:, 1]]
    return np.asarray(np.where(forest.radius_um[one] < forest.radius_um[two], one, two))


def _same_kind_contacts(forest: Forest) -> NDArray[np.bool_]:
    pairs, nodes = _flat_contacts(forest, 1.0)
    same = forest.kind[nodes[pairs[:, 0]]] == forest.kind[nodes[pairs[:, 1]]]
    drop = np.zeros(len(forest.parent), np.bool_)
    drop[_smaller(forest, nodes, pairs[same])] = True
    return drop


def _without(forest: Forest, drop: NDArray[np.bool_]) -> Forest:
    return forest.keep(~_descend(forest.parent, drop)) if drop.any() else forest


def _bumped(forest: Forest, seed: int) -> NDArray[np.float64]:
    depth = base_depth_um(forest.radius_um)
    pairs, nodes = _flat_contacts(forest, CLEARANCE_UM)
    edges, _ = _tree_edges(forest)
    net = (forest.pos_um, edges, *incidence(edges, len(forest.parent)))
    lift = np.zeros(len(depth))
    centres: list[NDArray[np.float64]] = []
    above: list[bool] = []
    for i, j in pairs:
        artery, vein = (nodes[i], nodes[j]) if forest.kind[nodes[i]] == ARTERY else (nodes[j], nodes[i])
        centre = 0.5 * (forest.pos_um[artery] + forest.pos_um[vein])
        known = [k for k, c in enumerate(centres) if np.hypot(*(c - centre)) < 250.0]
        if not known:
            centres.append(centre)
            above.append(bool(hash01(seed, 900, np.array([len(centres)]))[0] < ARTERY_ABOVE))
            known = [len(centres) - 1]
        sign = -1.0 if above[known[0]] else 1.0
        r_artery, r_vein = forest.radius_um[artery], forest.radius_um[vein]
        apart = r_artery + r_vein + 1.5 * CLEARANCE_UM - sign * (depth[artery] - depth[vein])
        width = max(150.0, 3.5 * (r_artery + r_vein))
        share = r_vein / (r_artery + r_vein)
        for node, amount in ((artery, sign * share * apart), (vein, -sign * (1.0 - share) * apart)):
            _bump(lift, int(node), float(amount), width, 2.0 * (r_artery + r_vein), net)
    return np.asarray(depth + lift)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _bump(lift: Any, node: int, amount: float, width: float, plateau: float, net: Any) -> None:
    """Raise `lift` around a node along its vessel: flat over the plateau, then a cosine to zero over the width."""
    pos, edges, first, link = net
    queue = np.empty(512, np.int64)
    path = np.empty(512)
    came = np.empty(512, np.int64)
    queue[0], path[0], came[0] = node, 0.0, -1
    n, k = 1, 0
    while k < n:
        at = queue[k]
        beyond = max(path[k] - plateau, 0.0)
        if beyond < width:
            here = amount * 0.5 * (1.0 + np.cos(np.pi * beyond / width))
            if abs(here) > abs(lift[at]):
                lift[at] = here
            for x in range(first[at], first[at + 1]):
                other = edges[link[x], 0] + edges[link[x], 1] - at
                if link[x] != came[k] and n < 512:
                    queue[n] = other
                    path[n] = path[k] + np.sqrt((pos[at, 0] - pos[other, 0]) ** 2 + (pos[at, 1] - pos[other, 1]) ** 2)
                    came[n] = link[x]
                    n += 1
        k += 1


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _descend(parent: NDArray[np.int32], drop: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`drop` extended to all descendants (parents come before children)."""
    out = drop.copy()
    for node in range(len(parent)):
        if parent[node] >= 0 and out[parent[node]]:
            out[node] = True
    return out
