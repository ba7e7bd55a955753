"""Figures of a grown eye that anatomy is judged by: free zones, crossings, density profile, dead ends, flow, overlaps.

They are exact, from the graph. Everything is taken inside the field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer, Node, Vessel
from chiasm.worlds.octa.anatomy._contact import bucket_segments, overlapping_pairs
from chiasm.worlds.octa.anatomy._faz import polygon_area_mm2, polygon_perimeter_mm
from chiasm.worlds.octa.anatomy._grow import Anatomy

LARGE_RADIUS_UM = 9.0
"""From this radius on a vessel counts as large: where the capillary-free zone has its full width."""
RAY_UM = 220.0
"""A free zone is looked for up to this distance from the wall [um]."""
PERFUSED_MM_S = 0.01
"""A capillary carries flow when blood moves at least this fast [mm/s]."""
RING_MM = 0.05
"""Width of the rings of the density profile [mm]."""


@dataclass(frozen=True, eq=False)
class Audit:
    """Figures of one healthy eye.

    Attributes:
        faz_area_mm2: Area of the superficial FAZ.
        faz_circularity: 4 pi area / perimeter^2 of its ring of capillaries.
        faz_axis_ratio: Minor over major axis of the ellipse with its second moments.
        free_zone_um: (artery, vein) samples: from the wall of a large vessel straight aside to the first superficial
            capillary.
        crossings_per_mm2: Places where a large artery and a large vein cross, over the field's area.
        alternation: Share of neighbours around the fovea at 1 mm, among arteries and veins of 7 um and more, that are of
            different kind; NaN with fewer than two. A random order gives about a half.
        perfused_share: Share of capillary length that carries flow (`PERFUSED_MM_S`).
        dead_end_share: Blind ends over all ends of capillary chains, away from the cut border.
        overlaps: Pairs of capsules that pass through each other in 3D, other than at a joint.
        density_per_mm: (R,) length of superficial vessels per area in rings about the fovea [1/mm].
        ring_mm: (R,) mean distance of the rings [mm].
        tree_density_per_mm: Length of arteries and veins per area [1/mm].
        capillary_density_per_mm: The same of capillaries, by layer.
    """

    faz_area_mm2: float
    faz_circularity: float
    faz_axis_ratio: float
    free_zone_um: tuple[NDArray[np.float64], NDArray[np.float64]]
    crossings_per_mm2: float
    alternation: float
    perfused_share: float
    dead_end_share: float
    overlaps: int
    density_per_mm: NDArray[np.float64]
    ring_mm: NDArray[np.float64]
    tree_density_per_mm: float
    capillary_density_per_mm: dict[Layer, float]


def audit(anatomy: Anatomy) -> Audit:
    """Measure a grown eye."""
    graph = anatomy.graph
    pos, edges = graph.position_um.astype(np.float64), graph.edges.astype(np.int64)
    capillary = graph.vessel == Vessel.CAPILLARY
    node_inside = np.asarray(((pos[:, :2] >= 0.0) & (pos[:, :2] <= graph.fov_um)).all(axis=1))
    inside = np.asarray(node_inside[edges].all(axis=1), dtype=np.bool_)
    length = graph.length_um.astype(np.float64) * 1e-3
    area = (graph.fov_um * 1e-3) ** 2
    outline = anatomy.faz_outline_um
    faz_area, perimeter = polygon_area_mm2(outline), polygon_perimeter_mm(outline)
    ring, density = _profile(anatomy, pos, edges, length)
    moving = capillary & inside & (graph.speed_mm_s >= PERFUSED_MM_S)
    return Audit(
        faz_area_mm2=faz_area,
        faz_circularity=4.0 * np.pi * faz_area / perimeter**2,
        faz_axis_ratio=_axis_ratio(outline),
        free_zone_um=(_free_zone(anatomy, Vessel.ARTERY, inside), _free_zone(anatomy, Vessel.VEIN, inside)),
        crossings_per_mm2=_crossings(anatomy, inside) / area,
        alternation=_alternation(anatomy),
        perfused_share=float(length[moving].sum() / length[capillary & inside].sum()),
        dead_end_share=_dead_ends(anatomy, inside),
        overlaps=len(overlapping_pairs(pos, edges, graph.radius_um)),
        density_per_mm=density,
        ring_mm=ring,
        tree_density_per_mm=float(length[~capillary & inside].sum() / area),
        capillary_density_per_mm={
            layer: float(length[capillary & inside & (graph.layer == layer)].sum() / area)
            for layer in (Layer.SVC, Layer.ICP, Layer.DCP)
        },
    )


def _profile(
    anatomy: Anatomy, pos: NDArray[np.float64], edges: NDArray[np.int64], length_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rings about the fovea that the field holds whole, and the density of superficial vessels in them."""
    graph = anatomy.graph
    fovea = np.array(anatomy.fovea_um)
    reach_um = float(min(fovea.min(), (graph.fov_um - fovea).min()))
    limits = np.arange(0.0, reach_um * 1e-3, RING_MM)
    middle = 0.5 * (pos[edges[:, 0], :2] + pos[edges[:, 1], :2])
    distance = np.hypot(*(middle - fovea).T) * 1e-3
    superficial = graph.layer == Layer.SVC
    total, _ = np.histogram(distance[superficial], limits, weights=length_mm[superficial])
    return 0.5 * (limits[1:] + limits[:-1]), total / (np.pi * (limits[1:] ** 2 - limits[:-1] ** 2))


def _axis_ratio(outline_um: NDArray[np.float64]) -> float:
    """Minor over major axis of the ellipse with the polygon's second moments (Green's theorem)."""
    p = outline_um - outline_um.mean(axis=0)
    q = np.roll(p, -1, axis=0)
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    area = cross.sum() / 2.0
    centre = ((p + q) * cross[:, None]).sum(axis=0) / (6.0 * area)
    xx = ((p**2 + p * q + q**2) * cross[:, None]).sum(axis=0) / (12.0 * area) - centre**2
    mixed = p[:, 0] * q[:, 1] + 2.0 * p[:, 0] * p[:, 1] + 2.0 * q[:, 0] * q[:, 1] + q[:, 0] * p[:, 1]
    xy = (mixed * cross).sum() / (24.0 * area) - centre[0] * centre[1]
    spread = np.linalg.eigvalsh(np.array([[xx[0], xy], [xy, xx[1]]]))
    return float(np.sqrt(spread[0] / spread[1]))


def _free_zone(anatomy: Anatomy, kind: Vessel, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(S,) from the wall to the first capillary on either side of each large edge; edges near the FAZ left out [um]."""
    graph = anatomy.graph
    pos = graph.position_um.astype(np.float64)[:, :2]
    use = np.flatnonzero((graph.vessel == kind) & (graph.radius_um >= LARGE_RADIUS_UM) & inside)
    sheet = np.flatnonzero((graph.layer == Layer.SVC) & (anatomy.edge_cells[:, 0] >= 0))
    others = np.flatnonzero(graph.vessel != Vessel.CAPILLARY)
    if len(use) == 0 or len(sheet) == 0:
        return np.empty(0)
    a, b = pos[graph.edges[use, 0]], pos[graph.edges[use, 1]]
    lines = np.concatenate([sheet, others])
    hit = np.concatenate([np.zeros(len(sheet)), np.ones(len(others))])
    c, d = pos[graph.edges[lines, 0]], pos[graph.edges[lines, 1]]
    gap = _cast(a, b, c, d, hit, graph.radius_um[use].astype(np.float64))
    return np.asarray(gap[np.isfinite(gap)])


def _crossings(anatomy: Anatomy, inside: NDArray[np.bool_]) -> int:
    graph = anatomy.graph
    pos = graph.position_um.astype(np.float64)[:, :2]
    large = inside & (graph.radius_um >= 7.0)
    arteries = graph.edges[large & (graph.vessel == Vessel.ARTERY)]
    veins = graph.edges[large & (graph.vessel == Vessel.VEIN)]
    return int(_count_crossings(pos[arteries[:, 0]], pos[arteries[:, 1]], pos[veins[:, 0]], pos[veins[:, 1]]))


def _alternation(anatomy: Anatomy) -> float:
    graph = anatomy.graph
    step = graph.position_um[:, :2].astype(np.float64) - np.array(anatomy.fovea_um)
    beyond = np.hypot(step[:, 0], step[:, 1]) > 1000.0
    crossing = beyond[graph.edges].sum(axis=1) == 1
    use = crossing & (graph.vessel != Vessel.CAPILLARY) & (graph.radius_um >= 7.0)
    if use.sum() < 2:
        return float("nan")
    at = step[graph.edges[use, 0]]
    kind = graph.vessel[use][np.argsort(np.arctan2(at[:, 1], at[:, 0]))]
    return float((kind != np.roll(kind, 1)).mean())


def _dead_ends(anatomy: Anatomy, inside: NDArray[np.bool_]) -> float:
    graph = anatomy.graph
    use = (graph.vessel == Vessel.CAPILLARY) & inside
    ends = graph.edges[use].ravel()
    chain_end = graph.degree[ends] != 2
    blind = graph.node[ends] == Node.TIP
    return float(blind.sum() / max(int(chain_end.sum()), 1))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _cast(a: Any, b: Any, c: Any, d: Any, wall: Any, radius: Any) -> NDArray[np.float64]:
    """Rays from the middle of each segment ab to both sides: distance from the wall to the first line cd.

    Rays that meet another large vessel first (`wall` > 0), or nothing within `RAY_UM`, give NaN.
    """
    n = len(a)
    out = np.full(2 * n, np.nan)
    first, index, low0, low1, n_rows, n_cols = bucket_segments(c, d, 60.0, np.ones(len(c)))
    for s in range(n):
        mid0, mid1 = 0.5 * (a[s, 0] + b[s, 0]), 0.5 * (a[s, 1] + b[s, 1])
        way0, way1 = b[s, 0] - a[s, 0], b[s, 1] - a[s, 1]
        size = max(np.sqrt(way0 * way0 + way1 * way1), 1e-9)
        for side in range(2):
            sign = 1.0 - 2.0 * side
            ray0, ray1 = -way1 / size * sign, way0 / size * sign
            reach = RAY_UM + radius[s]
            r0 = int(np.floor((min(mid0, mid0 + reach * ray0) - low0) / 60.0))
            r1 = int(np.floor((max(mid0, mid0 + reach * ray0) - low0) / 60.0))
            c0 = int(np.floor((min(mid1, mid1 + reach * ray1) - low1) / 60.0))
            c1 = int(np.floor((max(mid1, mid1 + reach * ray1) - low1) / 60.0))
            best, best_wall = reach, 1.0
            for row in range(max(r0, 0), min(r1, n_rows - 1) + 1):
                for col in range(max(c0, 0), min(c1, n_cols - 1) + 1):
                    for x in range(first[row * n_cols + col], first[row * n_cols + col + 1]):
                        k = index[x]
                        e0, e1 = d[k, 0] - c[k, 0], d[k, 1] - c[k, 1]
                        cross = ray0 * e1 - ray1 * e0
                        if abs(cross) < 1e-9:
                            continue
                        t = ((c[k, 0] - mid0) * e1 - (c[k, 1] - mid1) * e0) / cross
                        u = ((c[k, 0] - mid0) * ray1 - (c[k, 1] - mid1) * ray0) / cross
                        if 0.0 <= u <= 1.0 and 1.0 < t < best:
                            best, best_wall = t, wall[k]
            if best_wall == 0.0:
                out[2 * s + side] = best - radius[s]
    return out


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _count_crossings(a: Any, b: Any, c: Any, d: Any) -> int:
    total = 0
    for i in range(len(a)):
        for j in range(len(c)):
            if abs(a[i, 0] - c[j, 0]) > 120.0 or abs(a[i, 1] - c[j, 1]) > 120.0:
                continue
            side = [0.0, 0.0, 0.0, 0.0]
            for k, (p, q, r) in enumerate(
                ((a[i], b[i], c[j]), (a[i], b[i], d[j]), (c[j], d[j], a[i]), (c[j], d[j], b[i]))
            ):
                side[k] = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
            if side[0] * side[1] < 0.0 and side[2] * side[3] < 0.0:
                total += 1
    return total
