"""One capillary sheet (superficial, intermediate or deep) as the borders between cells of tissue.

1. Tissue points: a jittered lattice, denser away from the fovea, with pairs of points on both sides of the FAZ outline.
2. Every point carries a label. Points inside the FAZ share one, points in the free zone of an artery or vein another;
   neighbours may be merged, which makes long cells.
3. The capillaries are the dual of the Delaunay triangulation: triangles are junctions, and an edge of the dual is kept
   when the two points it separates have different labels. Borders of a partition have no dead ends and no bridges, so
   the bed is a mesh of loops, the FAZ is closed by a ring, and every zone without capillaries is bounded by vessels.
4. Junctions are relaxed and every edge is bent at its middle, so that no straight grid shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from chiasm.worlds.octa.anatomy._lattice import hash01, jittered_lattice

MIN_EDGE_UM = 15.0
"""Shorter edges between junctions are stretched, so that capsules that meet at neighbouring junctions stay apart."""
RING_STEP_UM = 42.0
RING_OFFSET_UM = 15.0
LATTICE_JITTER = 0.42

LABEL_FAZ, LABEL_ARTERY, LABEL_VEIN, LABEL_OUTSIDE = -1, -2, -3, -4


@dataclass(frozen=True)
class Tissue:
    """Points of one sheet with their labels: their own index, or a negative constant of this module."""

    points_um: NDArray[np.float64]
    label: NDArray[np.int64]
    chance: NDArray[np.float64]


@dataclass(frozen=True)
class Sheet:
    """Junctions and edges of one capillary sheet in the plane.

    Attributes:
        pos_um: (T, 2) junctions.
        edges: (M, 2) pairs of junctions.
        sides: (M, 2) the two tissue points that an edge separates.
        label: (P,) label of each tissue point after merging.
        points_um: (P, 2) tissue points.
        area_um2: (P,) area of the tissue around each point: a third of the triangles that meet there.
    """

    pos_um: NDArray[np.float64]
    edges: NDArray[np.int64]
    sides: NDArray[np.int64]
    label: NDArray[np.int64]
    points_um: NDArray[np.float64]
    area_um2: NDArray[np.float64]


def sow(seed: int, stream: int, spacing_um: float, box_um: NDArray[np.float64], ring_um: NDArray[np.float64]) -> Tissue:
    """Tissue points of one sheet.

    Args:
        seed: Seed of the eye.
        stream: Stream of this sheet's random numbers.
        spacing_um: Lattice spacing [um].
        box_um: ((row_min, row_max), (col_min, col_max)) of the perfused region about the fovea [um].
        ring_um: (K, 2) outline of this sheet's FAZ about the fovea [um], in order of the angle.
    """
    pad = 1.6 * spacing_um
    lattice, chance = jittered_lattice(seed, stream, spacing_um, box_um + np.array([-pad, pad]), LATTICE_JITTER)
    inner, outer = _ring_pairs(ring_um)
    angle = np.arctan2(lattice[:, 1], lattice[:, 0])
    rim = _radius_at(ring_um, angle)
    distance = np.hypot(lattice[:, 0], lattice[:, 1])
    lattice_kept = np.abs(distance - rim) > 0.5 * spacing_um
    in_faz = np.asarray(distance < rim)
    outside = np.asarray((lattice < box_um[:, 0]).any(axis=1) | (lattice > box_um[:, 1]).any(axis=1))
    points = np.concatenate([lattice[lattice_kept], outer, inner])
    label = np.arange(len(points))
    n_lattice, n_outer = int(lattice_kept.sum()), len(outer)
    label[:n_lattice][in_faz[lattice_kept]] = LABEL_FAZ
    label[:n_lattice][outside[lattice_kept]] = LABEL_OUTSIDE
    label[n_lattice + n_outer :] = LABEL_FAZ
    ring_chance = hash01(seed, stream + 3, np.arange(len(points) - n_lattice))
    return Tissue(points, label, np.concatenate([chance[lattice_kept], ring_chance]))


def weave(tissue: Tissue, along: NDArray[np.float64], merge: NDArray[np.float64]) -> Sheet:
    """The capillaries between the cells of tissue.

    Args:
        tissue: Points and labels.
        along: (P, 2) unit vector at each point in which cells are long, zero where they have no direction.
        merge: (P,) chance of a point to be merged with a neighbour.
    """
    triangulation = Delaunay(tissue.points_um)
    simplices = triangulation.simplices.astype(np.int64)
    edges, sides = _dual(simplices, triangulation.neighbors.astype(np.int64))
    label = tissue.label.copy()
    _merge_cells(edges, sides, label, tissue.points_um, along, merge, tissue.chance)
    keep = label[sides[:, 0]] != label[sides[:, 1]]
    edges, sides = edges[keep], sides[keep]
    pos = tissue.points_um[simplices].mean(axis=1)
    _relax(pos, edges, sides, tissue.points_um, MIN_EDGE_UM)
    a, b, c = (tissue.points_um[simplices[:, k]] for k in range(3))
    size = 0.5 * np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
    area = np.bincount(simplices.ravel(), np.repeat(size / 3.0, 3), minlength=len(label)).astype(np.float64)
    return Sheet(pos, edges, sides, label, tissue.points_um, area)


def cut(sheet: Sheet, drop: NDArray[np.bool_]) -> Sheet:
    """Remove edges with few dead ends: the cells on both sides become one, and lose all their borders."""
    label = unite(sheet.label, sheet.sides[drop])
    keep = (label[sheet.sides[:, 0]] != label[sheet.sides[:, 1]]) & ~drop
    return replace(sheet, edges=sheet.edges[keep], sides=sheet.sides[keep], label=label)


def _ring_pairs(ring_um: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points on the inner and outer side of the outline, evenly spaced along it."""
    closed = np.concatenate([ring_um, ring_um[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    n = max(8, round(along[-1] / RING_STEP_UM))
    at = np.linspace(0.0, along[-1], n + 1)[:-1]
    line = np.stack([np.interp(at, along, closed[:, k]) for k in range(2)], axis=1)
    tangent = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    outward = np.where((normal * line).sum(axis=1, keepdims=True) > 0, normal, -normal)
    return line - RING_OFFSET_UM * outward, line + RING_OFFSET_UM * outward


def _radius_at(ring_um: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    ring_angle = np.arctan2(ring_um[:, 1], ring_um[:, 0])
    order = np.argsort(ring_angle)
    radius = np.hypot(ring_um[:, 0], ring_um[:, 1])[order]
    return np.asarray(np.interp(angle, ring_angle[order], radius, period=2.0 * np.pi))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _dual(simplices: NDArray[np.int64], neighbours: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of neighbouring triangles, and the two points each pair shares."""
    n = len(simplices)
    edges = np.empty((n * 3 // 2 + 3, 2), np.int64)
    sides = np.empty((n * 3 // 2 + 3, 2), np.int64)
    m = 0
    for t in range(n):
        for k in range(3):
            other = neighbours[t, k]
            if other > t:
                edges[m, 0], edges[m, 1] = t, other
                sides[m, 0], sides[m, 1] = simplices[t, (k + 1) % 3], simplices[t, (k + 2) % 3]
                m += 1
    return edges[:m], sides[:m]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _merge_cells(edges: Any, sides: Any, label: Any, points: Any, along: Any, merge: Any, chance: Any) -> None:
    """Join a point that is due (chance < merge) with its free neighbour that lies best along its direction."""
    n = len(points)
    best = np.full(n, -1, np.int64)
    score = np.full(n, -1.0)
    for m in range(len(edges)):
        for turn in range(2):
            one, two = sides[m, turn], sides[m, 1 - turn]
            if label[one] != one or label[two] != two or chance[one] >= merge[one]:
                continue
            step = points[two] - points[one]
            length = np.sqrt(step[0] ** 2 + step[1] ** 2)
            strength = np.sqrt(along[one, 0] ** 2 + along[one, 1] ** 2)
            fit = abs(step[0] * along[one, 0] + step[1] * along[one, 1]) / length if strength > 0 else chance[two]
            if fit > score[one]:
                best[one], score[one] = two, fit
    taken = np.zeros(n, np.bool_)
    for one in range(n):
        two = best[one]
        if two >= 0 and not taken[one] and not taken[two]:
            label[two] = label[one]
            taken[one] = taken[two] = True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _relax(pos: Any, edges: Any, sides: Any, points: Any, shortest: float) -> None:
    """Move junctions of degree 2 and 3 towards the mean of their neighbours, then stretch edges that are too short."""
    n = len(pos)
    for _ in range(2):
        total = np.zeros((n, 2))
        count = np.zeros(n, np.int64)
        for m in range(len(edges)):
            a, b = edges[m]
            total[a] += pos[b]
            total[b] += pos[a]
            count[a] += 1
            count[b] += 1
        for t in range(n):
            if count[t] >= 2:
                pos[t] = 0.6 * pos[t] + 0.4 * total[t] / count[t]
    for _ in range(6):
        moved = False
        for m in range(len(edges)):
            a, b = edges[m]
            step = pos[b] - pos[a]
            length = np.sqrt(step[0] ** 2 + step[1] ** 2)
            if length >= shortest:
                continue
            if length < 1e-3:
                across = points[sides[m, 1]] - points[sides[m, 0]]
                step = np.array([-across[1], across[0]])
                step /= max(np.sqrt(step[0] ** 2 + step[1] ** 2), 1e-9)
            else:
                step /= length
            pos[a] -= 0.5 * (shortest - length) * step
            pos[b] += 0.5 * (shortest - length) * step
            moved = True
        if not moved:
            break


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
