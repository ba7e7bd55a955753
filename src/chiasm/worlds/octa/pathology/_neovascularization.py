"""Neovascularization: a tuft of fine new vessels that rises from a vein through the ILM and fans out above it.

Rare in a macular field, and there only in PDR. The tuft is a fan of forking branches whose ends are joined by a rim vessel,
so that every branch is perfused.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from chiasm.case import Layer, Node, Quantity, Record, Vessel, VesselGraph
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.pathology._dropout import DropoutPlan
from chiasm.worlds.octa.pathology._ground import ANGLES, Added, Change, Ground, draw_segments
from chiasm.worlds.octa.pathology._lesion import Lesion, Patch, Unplaced
from chiasm.worlds.octa.pathology._severity import Severity

TERM: Final = "neovascularization"
COUNT: Final[dict[Stage, tuple[int, int]]] = {Stage.PDR: (1, 2)}
AREA_MM2: Final = (0.03, 0.3)
"""Smallest and largest area of a tuft."""
AREA_OVER_REACH: Final = 1.9
"""Area of a tuft over the square of its reach, as they grow before they are scaled."""
SCALINGS: Final = 3
STEM_DEPTH_UM: Final = -12.0
TUFT_DEPTH_UM: Final = -25.0
"""Depth of a tuft below the ILM; negative: above it [um]."""
STEP_UM: Final = 14.0
VESSEL_RADIUS_UM: Final = (8.0, 4.0)
"""Radius of new vessels at the stem and at the rim [um]."""
SPEED_MM_S: Final = 1.5
FILL_UM: Final = 18.0
"""Tissue within this distance of new vessels belongs to the tuft's area [um]."""


class NeovascularizationParams(Record):
    """One tuft."""

    seed: int = Field(ge=0, lt=2**53)
    """Seed of its place and form."""
    area_mm2: float = Field(ge=AREA_MM2[0], le=AREA_MM2[1], allow_inf_nan=False)
    """Area seen from above [mm2]."""
    branches: int = Field(ge=3, le=12)
    """Main branches."""

    @property
    def reach_um(self) -> float:
        """About how far it reaches from its root [um]."""
        return float(1000.0 * np.sqrt(self.area_mm2 / AREA_OVER_REACH))


class NeovascularizationsParams(Record):
    """The tufts of one eye."""

    each: Annotated[tuple[NeovascularizationParams, ...], Field(max_length=20)] = ()


@dataclass(frozen=True)
class Root:
    """The node of a vein that a tuft rises from."""

    number: int
    node: int


def sample(rng: np.random.Generator, severity: Severity) -> NeovascularizationsParams:
    """Draw the tufts of an eye."""
    if severity.stage not in COUNT:
        return NeovascularizationsParams()
    low, high = COUNT[severity.stage]
    count = int(rng.integers(low, high + 1))
    each = tuple(
        NeovascularizationParams(
            seed=int(rng.integers(2**53)),
            area_mm2=float(AREA_MM2[0] + (AREA_MM2[1] - AREA_MM2[0]) * rng.beta(1.2, 2.6)),
            branches=int(rng.integers(5, 9)),
        )
        for _ in range(count)
    )
    return NeovascularizationsParams(each=each)


def plan(ground: Ground, params: NeovascularizationsParams, dropout: DropoutPlan) -> tuple[list[Root], list[Unplaced]]:
    """Choose the root of each tuft: a vein beside dropout, far enough from the border, the FAZ and other tufts."""
    roots: list[Root] = []
    unplaced: list[Unplaced] = []
    if not params.each:
        return roots, unplaced
    graph = ground.graph
    veins = np.unique(ground.edges[(graph.vessel == Vessel.VEIN) & ~dropout.removed].ravel())
    place = ground.pos[veins, :2]
    distance, angle = ground.polar(place)
    rim = np.interp(angle, ANGLES, ground.rim_um)
    near = np.zeros(len(veins), np.bool_)
    if dropout.removed.any():
        ends = ground.pos[ground.edges[dropout.removed], :2]
        near = draw_segments(ends[:, 0], ends[:, 1], np.full(len(ends), 150.0), 25.0).contains(place)
    for number, one in enumerate(params.each, 1):
        inset = 0.8 * one.reach_um
        fits = ((place > inset) & (place < ground.fov_um - inset)).all(axis=1) & (distance > rim + 0.5 * one.reach_um)
        for root in roots:
            reach = one.reach_um + params.each[root.number - 1].reach_um
            fits &= np.hypot(*(place - ground.pos[root.node, :2]).T) > 1.1 * reach
        chosen = np.flatnonzero(fits & near) if (fits & near).any() else np.flatnonzero(fits)
        if len(chosen) == 0:
            unplaced.append(Unplaced("neovascularization", number, "no vein with room around it"))
            continue
        best = chosen[np.argmin(hash01(one.seed, 1, veins[chosen]))]
        roots.append(Root(number, int(veins[best])))
    return roots, unplaced


def apply(ground: Ground, params: NeovascularizationsParams, roots: list[Root], unplaced: list[Unplaced]) -> Change:
    """Grow the tufts."""
    added, lesions = [], []
    for root in roots:
        one = params.each[root.number - 1]
        tuft = _grow(ground, one, root)
        added.append(tuft)
        lesions.append(_lesion(ground, root, tuft))
    return Change("neovascularization", tuple(lesions), added=tuple(added), unplaced=tuple(unplaced))


def _grow(ground: Ground, one: NeovascularizationParams, root: Root) -> Added:
    """A fan of forking branches within an irregular outline, joined at their ends by a rim."""
    rng = np.random.Generator(np.random.PCG64(one.seed))
    base = ground.pos[root.node]  # the vein may wind, the tuft above it does not move along
    n_healthy = ground.graph.n_nodes
    lean = rng.uniform(0.0, 2.0 * np.pi)
    opening = rng.uniform(1.1, 1.9) * np.pi
    nodes = [np.array([base[0], base[1], STEM_DEPTH_UM])]
    edges = [(root.node, n_healthy)]
    radius = [VESSEL_RADIUS_UM[0]]
    tips: list[tuple[float, int]] = []
    angles = lean + opening * ((np.arange(one.branches) + rng.uniform(-0.25, 0.25, one.branches)) / one.branches - 0.5)
    queue = [(0, float(a), 0.0, one.reach_um * float(rng.uniform(0.65, 1.0))) for a in angles]
    for at, heading, start, reach in queue:
        gone, node = start, at
        forked = False
        while gone < reach and len(nodes) < 600:
            heading += float(rng.normal(0.0, 0.22))
            step = np.array([np.cos(heading), np.sin(heading)]) * STEP_UM
            depth = TUFT_DEPTH_UM + 8.0 * np.sin(gone / 60.0 + at)
            nodes.append(np.array([nodes[node][0] + step[0], nodes[node][1] + step[1], depth]))
            edges.append((n_healthy + node, n_healthy + len(nodes) - 1))
            share = min(1.0, gone / one.reach_um)
            radius.append(VESSEL_RADIUS_UM[0] + (VESSEL_RADIUS_UM[1] - VESSEL_RADIUS_UM[0]) * share**0.5)
            node = len(nodes) - 1
            gone += STEP_UM
            if not forked and gone > 0.35 * reach and rng.random() < 0.25:
                forked = True
                queue.append((node, heading + float(rng.choice([-1.0, 1.0])) * 0.7, gone, reach * 0.95))
        offset = nodes[node][:2] - base[:2]
        turn = float((np.arctan2(offset[1], offset[0]) - lean + np.pi) % (2.0 * np.pi))
        tips.append((turn, node))
    tips.sort()
    for (_, a), (_, b) in pairwise(tips):
        _join(nodes, edges, radius, n_healthy, a, b, rng)
    pos = _scaled(np.array(nodes), np.array(edges, np.int64) - n_healthy, np.array(radius), one.area_mm2)
    return Added(
        pos=pos,
        edges=np.array(edges, np.int64),
        radius_um=np.array(radius),
        vessel=Vessel.NEOVESSEL,
        layer=Layer.VITREOUS,
        speed_mm_s=np.full(len(edges), SPEED_MM_S),
    )


def _scaled(
    pos: NDArray[np.float64], edges: NDArray[np.int64], radius_um: NDArray[np.float64], area_mm2: float
) -> NDArray[np.float64]:
    """The tuft, widened or narrowed about its first node until it covers the area (the stem's first edge is left out)."""
    root = pos[0, :2].copy()
    for _ in range(SCALINGS):
        region = _filled(pos[edges[1:], :2], radius_um[1:])
        area = float(region.inside.sum()) * region.step_um**2 / 1e6
        pos = pos.copy()
        pos[:, :2] = root + (pos[:, :2] - root) * np.sqrt(area_mm2 / area)
    return pos


def _join(
    nodes: list[NDArray[np.float64]],
    edges: list[tuple[int, int]],
    radius: list[float],
    n_healthy: int,
    a: int,
    b: int,
    rng: np.random.Generator,
) -> None:
    """A bowed vessel between two nodes of the tuft."""
    start, end = nodes[a], nodes[b]
    gap = end - start
    length = float(np.hypot(gap[0], gap[1]))
    count = max(1, int(length / STEP_UM))
    bow = float(rng.uniform(0.1, 0.3)) * length
    normal = np.array([-gap[1], gap[0], 0.0]) / max(length, 1e-9)
    before = a
    for k in range(1, count):
        t = k / count
        nodes.append(start + t * gap - bow * np.sin(np.pi * t) * normal)
        edges.append((n_healthy + before, n_healthy + len(nodes) - 1))
        radius.append(VESSEL_RADIUS_UM[1] + 1.0)
        before = len(nodes) - 1
    edges.append((n_healthy + before, n_healthy + b))
    radius.append(VESSEL_RADIUS_UM[1] + 1.0)


def _lesion(ground: Ground, root: Root, tuft: Added) -> Lesion:
    n_healthy = ground.graph.n_nodes
    stem = ground.now[root.node]
    pos = np.concatenate([stem[None], tuft.pos])
    ends = np.where(tuft.edges >= n_healthy, tuft.edges - n_healthy + 1, 0)
    region = _filled(pos[ends, :2], tuft.radius_um)
    row, col = region.centroid_um(ground.fov_um)
    vessels = VesselGraph(
        fov_um=ground.fov_um,
        position_um=pos.astype(np.float32),
        node=np.full(len(pos), Node.JOINT, np.uint8),
        edges=ends.astype(np.int32),
        edge_id=np.arange(len(ends), dtype=np.int32),
        radius_um=tuft.radius_um.astype(np.float32),
        vessel=np.full(len(ends), tuft.vessel, np.uint8),
        layer=np.full(len(ends), tuft.layer, np.uint8),
        order=np.zeros(len(ends), np.int16),
        speed_mm_s=tuft.speed_mm_s.astype(np.float32),
        pressure_mmhg=np.full(len(pos), np.nan, np.float32),
    )
    return Lesion(
        lesion_id=f"neovascularization-{root.number}",
        term=TERM,
        layers=frozenset((Layer.VITREOUS,)),
        center_um=(row, col, TUFT_DEPTH_UM),
        polyline_um=None,
        attributes={"layer": "vitreous"},
        quantities=(Quantity(name="area", value=round(region.area_um2(ground.fov_um) / 1e6, 5), unit="mm2"),),
        fov_um=ground.fov_um,
        region=region,
        vessels=vessels,
    )


def _filled(ends: NDArray[np.float64], radius_um: NDArray[np.float64]) -> Patch:
    """The tuft as one region: everything near its vessels, holes filled."""
    drawn = draw_segments(ends[:, 0], ends[:, 1], radius_um + FILL_UM, 5.0)
    return Patch(drawn.origin_um, drawn.step_um, np.asarray(ndimage.binary_fill_holes(drawn.inside)))
