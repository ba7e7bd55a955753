"""The healthy eye as the disease processes see it, the changes they make, and how changes come together.

Rule for twins. Every process plans its change on the healthy eye from its own parameters and from what the processes
before it have planned. A process that is hidden is still planned, but not carried out. So hiding one leaves every edge
outside its lesions' regions the same to the last bit, in radius, speed and `edge_id`.

Flow under disease. Edges outside the lesions' regions keep their healthy speed: inlets and outlets of a macular field are
held at their pressures by vessels far larger than what is lost here. Inside, an edge that lost its way in or out is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer, Node, Vessel, VesselGraph
from chiasm.worlds.octa.anatomy import Anatomy
from chiasm.worlds.octa.anatomy._contact import incidence
from chiasm.worlds.octa.anatomy._passage import passable
from chiasm.worlds.octa.imaging import Blobs
from chiasm.worlds.octa.pathology._lesion import FAMILIES, Family, Lesion, Patch, Unplaced
from chiasm.worlds.octa.pathology._warp import Warp

ANGLES = np.linspace(-np.pi, np.pi, 721)
"""Where outlines around the fovea are tabulated, from +row to nasal [rad]."""
ID_BLOCK = 10_000_000
"""New edges of one family are numbered from a multiple of this, so that families cannot collide."""
TWIG_RADIUS_UM = 8.0
"""Terminal arterioles and venules up to this radius die with the capillaries that they feed; larger vessels are spared."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A healthy eye prepared for planning. N nodes, E edges.

    Attributes:
        anatomy: The eye.
        pos: (N, 3) healthy node positions [um]: what is planned on.
        now: (N, 3) node positions after tortuosity [um]: what lesions are drawn at.
        warp: The displacement between the two.
        edges: (E, 2) node indices.
        middle: (E, 2) healthy middles of the edges seen from above [um].
        capillary: (E,) whether an edge is a capillary.
    """

    anatomy: Anatomy
    pos: NDArray[np.float64]
    now: NDArray[np.float64]
    warp: Warp | None
    edges: NDArray[np.int64]
    middle: NDArray[np.float64]
    capillary: NDArray[np.bool_]

    @classmethod
    def of(cls, anatomy: Anatomy, warp: Warp | None) -> Ground:
        """Prepare an eye."""
        graph = anatomy.graph
        pos = graph.position_um.astype(np.float64)
        now = pos
        if warp is not None:
            now = pos.copy()
            now[:, :2] += warp.at(pos[:, :2])
        edges = graph.edges.astype(np.int64)
        middle = 0.5 * (pos[edges[:, 0], :2] + pos[edges[:, 1], :2])
        return cls(anatomy, pos, now, warp, edges, middle, graph.vessel == Vessel.CAPILLARY)

    @cached_property
    def incidence(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N + 1,) and (2E,): the edges at node n are `second[first[n] : first[n + 1]]`."""
        first, link = incidence(self.edges, len(self.pos))
        return np.asarray(first), np.asarray(link)

    @cached_property
    def middle_now(self) -> NDArray[np.float64]:
        """(E, 2) middles of the edges at their present places [um]."""
        return 0.5 * (self.now[self.edges[:, 0], :2] + self.now[self.edges[:, 1], :2])

    @cached_property
    def rim_um(self) -> NDArray[np.float64]:
        """(721,) radius of the healthy superficial FAZ at the angles of `ANGLES` [um]."""
        return np.asarray(self.anatomy.params.faz_radius_um(ANGLES))

    def polar(self, points_um: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance from the fovea [um], and angle from +row to nasal [rad], of points (row, col)."""
        row, col = self.anatomy.fovea_um
        dr, dc = points_um[:, 0] - row, self.nasal_sign * (points_um[:, 1] - col)
        return np.hypot(dr, dc), np.arctan2(dc, dr)

    @property
    def graph(self) -> VesselGraph:
        """The healthy vessels."""
        return self.anatomy.graph

    @property
    def fov_um(self) -> float:
        """Side of the field [um]."""
        return float(self.anatomy.graph.fov_um)

    def place(self, row_um: float, nasal_um: float) -> NDArray[np.float64]:
        """(row, col) in the field of a point given relative to the fovea, downward and towards the nose [um]."""
        row, col = self.anatomy.fovea_um
        return np.array([row + row_um, col + self.nasal_sign * nasal_um])

    @property
    def nasal_sign(self) -> float:
        """+1 where the nose is towards high col (right eye), -1 otherwise."""
        return float(self.anatomy.params.nasal)

    def settled(self, removed: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(E,) `removed` and every edge that blood no longer passes because of it.

        Capillaries that end blindly, that hang on the rest by a single vessel (a mesh on a stalk has no way out) or on
        nothing, and terminal twigs `inside` (E,) that end blindly.
        """
        first, link = self.incidence
        twig = inside & ~self.capillary & (self.graph.radius_um <= TWIG_RADIUS_UM)
        gone = removed
        while True:
            fed = np.zeros(len(self.pos), np.bool_)
            fed[self.edges[~gone & ~self.capillary]] = True
            dry = self.capillary & ~passable(self.edges, gone, fed, first, link)
            found = np.asarray(_prune(self.edges, gone | dry, twig, first, link))
            if not (found & ~gone & twig).any():  # a twig that goes may have fed capillaries
                return found
            gone = found

    def vessels(self, chosen: NDArray[np.bool_]) -> VesselGraph:
        """Those edges (E,) at their present places, without flow."""
        index = np.flatnonzero(chosen)
        graph = self.graph
        nodes, ends = np.unique(self.edges[index].ravel(), return_inverse=True)
        return VesselGraph(
            fov_um=graph.fov_um,
            position_um=self.now[nodes].astype(np.float32),
            node=graph.node[nodes],
            edges=ends.reshape(-1, 2).astype(np.int32),
            edge_id=graph.edge_id[index],
            radius_um=graph.radius_um[index],
            vessel=graph.vessel[index],
            layer=graph.layer[index],
            order=graph.order[index],
            speed_mm_s=graph.speed_mm_s[index],
            pressure_mmhg=graph.pressure_mmhg[nodes],
        )


@dataclass(frozen=True, eq=False)
class Added:
    """New vessels. Node indices below the healthy eye's number of nodes are its nodes, those above are `pos` in order."""

    pos: NDArray[np.float64]
    edges: NDArray[np.int64]
    radius_um: NDArray[np.float64]
    vessel: Vessel
    layer: Layer
    speed_mm_s: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Converted:
    """Healthy edges that become something else: indices (M,), and their new radius, kind and speed."""

    index: NDArray[np.int64]
    radius_um: NDArray[np.float64]
    vessel: Vessel
    speed_mm_s: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Change:
    """What one process does to the healthy eye."""

    family: Family
    lesions: tuple[Lesion, ...] = ()
    removed: NDArray[np.bool_] | None = None
    converted: tuple[Converted, ...] = ()
    added: tuple[Added, ...] = ()
    blobs: Blobs | None = None
    unplaced: tuple[Unplaced, ...] = field(default=())


def combine(ground: Ground, changes: list[Change]) -> VesselGraph:
    """The eye after all changes."""
    graph = ground.graph
    keep = np.ones(graph.n_edges, np.bool_)
    radius, vessel, speed = graph.radius_um.copy(), graph.vessel.copy(), graph.speed_mm_s.copy()
    for change in changes:
        if change.removed is not None:
            keep &= ~change.removed
        for other in change.converted:
            radius[other.index] = other.radius_um
            vessel[other.index] = other.vessel
            speed[other.index] = other.speed_mm_s
    parts: dict[str, list[NDArray[Any]]] = {
        "position_um": [ground.now],
        "edges": [graph.edges[keep]],
        "edge_id": [graph.edge_id[keep]],
        "radius_um": [radius[keep]],
        "vessel": [vessel[keep]],
        "layer": [graph.layer[keep]],
        "order": [graph.order[keep]],
        "speed_mm_s": [speed[keep]],
    }
    n_nodes = graph.n_nodes
    for change in changes:
        next_id = ID_BLOCK * (1 + FAMILIES.index(change.family))
        for new in change.added:
            _append(parts, new, graph.n_nodes, n_nodes, next_id)
            next_id += len(new.edges)
            n_nodes += len(new.pos)
    arrays = {name: np.concatenate(values) for name, values in parts.items()}
    n_new = n_nodes - graph.n_nodes
    node = np.concatenate([graph.node, np.full(n_new, Node.TIP, np.uint8)])
    pressure = np.concatenate([graph.pressure_mmhg, np.full(n_new, np.nan, np.float32)])
    return graph.evolve(node=_node_kinds(node, arrays["edges"]), pressure_mmhg=pressure, **arrays)


def draw_segments(
    start: NDArray[np.floating[Any]],
    end: NDArray[np.floating[Any]],
    reach_um: NDArray[np.floating[Any]],
    step_um: float,
) -> Patch:
    """The patch of everything nearer than `reach_um` (S,) to segments (S, 2), seen from above, on multiples of the step."""
    pad = float(reach_um.max()) + step_um
    # Column by column: numpy is ten times slower along the first axis of two columns.
    lowest = np.array([min(start[:, k].min(), end[:, k].min()) for k in range(2)])
    low = np.floor((lowest - pad) / step_um) * step_um
    high = np.array([max(start[:, k].max(), end[:, k].max()) for k in range(2)]) + pad
    shape = tuple(int(n) for n in np.ceil((high - low) / step_um))
    inside = np.zeros(shape, np.bool_)
    paint(inside, start - low, end - low, reach_um, step_um)
    return Patch((float(low[0]), float(low[1])), step_um, inside)


def _append(parts: dict[str, list[NDArray[Any]]], new: Added, n_healthy: int, n_nodes: int, next_id: int) -> None:
    m = len(new.edges)
    parts["position_um"].append(new.pos)
    parts["edges"].append(np.where(new.edges >= n_healthy, new.edges - n_healthy + n_nodes, new.edges).astype(np.int32))
    parts["edge_id"].append(np.arange(next_id, next_id + m, dtype=np.int32))
    parts["radius_um"].append(new.radius_um.astype(np.float32))
    parts["vessel"].append(np.full(m, new.vessel, np.uint8))
    parts["layer"].append(np.full(m, new.layer, np.uint8))
    parts["order"].append(np.zeros(m, np.int16))
    parts["speed_mm_s"].append(new.speed_mm_s.astype(np.float32))


def _node_kinds(node: NDArray[np.uint8], edges: NDArray[np.int32]) -> NDArray[np.uint8]:
    """What each node is after the change; those at the border and without edges keep their kind."""
    degree = np.bincount(edges.ravel(), minlength=len(node))
    inner = np.isin(node, (Node.JUNCTION, Node.JOINT, Node.TIP)) & (degree > 0)
    kind = np.where(degree >= 3, Node.JUNCTION, np.where(degree == 2, Node.JOINT, Node.TIP))
    return np.where(inner, kind, node).astype(np.uint8)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _prune(edges: Any, removed: Any, may_go: Any, first: Any, link: Any) -> Any:
    gone = removed.copy()
    n = len(first) - 1
    degree = np.zeros(n, np.int64)
    stack = np.empty(len(edges) + n, np.int64)
    top = 0
    for node in range(n):
        hit = False
        for x in range(first[node], first[node + 1]):
            if gone[link[x]]:
                hit = True
            else:
                degree[node] += 1
        if hit and degree[node] == 1:
            stack[top] = node
            top += 1
    while top > 0:
        top -= 1
        node = stack[top]
        for x in range(first[node], first[node + 1]):
            e = link[x]
            if not gone[e] and may_go[e]:
                gone[e] = True
                other = edges[e, 0] + edges[e, 1] - node
                degree[node] -= 1
                degree[other] -= 1
                if degree[other] == 1:
                    stack[top] = other
                    top += 1
    return gone


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def paint(inside: Any, start: Any, end: Any, reach: Any, step: float) -> None:
    rows, cols = inside.shape
    for s in range(len(start)):
        pad = reach[s]
        r0 = max(int((min(start[s, 0], end[s, 0]) - pad) / step), 0)
        r1 = min(int((max(start[s, 0], end[s, 0]) + pad) / step), rows - 1)
        c0 = max(int((min(start[s, 1], end[s, 1]) - pad) / step), 0)
        c1 = min(int((max(start[s, 1], end[s, 1]) + pad) / step), cols - 1)
        dr, dc = end[s, 0] - start[s, 0], end[s, 1] - start[s, 1]
        square = max(dr * dr + dc * dc, 1e-9)
        for r in range(r0, r1 + 1):
            for c in range(c0, c1 + 1):
                if inside[r, c]:
                    continue
                pr, pc = (r + 0.5) * step - start[s, 0], (c + 0.5) * step - start[s, 1]
                t = min(max((pr * dr + pc * dc) / square, 0.0), 1.0)
                if (pr - t * dr) ** 2 + (pc - t * dc) ** 2 <= pad * pad:
                    inside[r, c] = True
