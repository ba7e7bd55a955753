"""Intraretinal microvascular abnormalities: capillaries beside dropout that have widened into shunts.

A shunt follows the capillary bed from an arteriole to a venule along the border of dropout (or through it: its capillaries
are spared), so it is as tortuous as the bed, and it stays in the superficial complex. ETDRS standard: calibre from barely
visible to 31 um; about three foci in an affected eye (PMC7262762).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from chiasm.case import Layer, Quantity, Record, Vessel
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.pathology._dropout import DropoutPlan
from chiasm.worlds.octa.pathology._ground import Change, Converted, Ground
from chiasm.worlds.octa.pathology._lesion import Lesion, Unplaced
from chiasm.worlds.octa.pathology._severity import Severity

TERM: Final = "intraretinal microvascular abnormality"
STAGES: Final = (Stage.LATE_NPDR, Stage.PDR)
MOST: Final = 4
"""Per 3x3 mm. An eye with late NPDR has one at least, unless its non-perfused area alone makes the stage."""
CALIBRE_UM: Final = (15.0, 31.0)
LENGTH_UM: Final = (180.0, 1100.0)
SEARCH_UM: Final = 520.0
"""A shunt lies within this distance of its anchor at the border of dropout [um]."""
ANCHORS: Final = 24
"""Places tried for each."""
SPEED_MM_S: Final = 3.0
"""Mean speed in a shunt: it bypasses the capillary bed [mm/s]."""


class IrmaParams(Record):
    """One focus."""

    seed: int = Field(ge=0, lt=2**53)
    """Seed of its place."""
    calibre_um: float = Field(ge=CALIBRE_UM[0], le=CALIBRE_UM[1], allow_inf_nan=False)
    """Mean diameter [um]."""


class IrmasParams(Record):
    """The foci of one eye."""

    each: Annotated[tuple[IrmaParams, ...], Field(max_length=200)] = ()


@dataclass(frozen=True, eq=False)
class Shunt:
    """The way of one focus: edges and nodes in order from arteriole to venule."""

    number: int
    edges: NDArray[np.int64]
    nodes: NDArray[np.int64]


def sample(rng: np.random.Generator, severity: Severity) -> IrmasParams:
    """Draw the foci of an eye."""
    if severity.stage not in STAGES:
        return IrmasParams()
    least = 1 if severity.stage is Stage.LATE_NPDR and not severity.share_makes_late else 0
    spread = max(1.0, severity.scans**0.5)
    count = round(int(rng.integers(least, MOST + 1)) * spread)
    each = tuple(
        IrmaParams(
            seed=int(rng.integers(2**53)),
            calibre_um=float(CALIBRE_UM[0] + (CALIBRE_UM[1] - CALIBRE_UM[0]) * rng.beta(1.2, 2.2)),
        )
        for _ in range(count)
    )
    return IrmasParams(each=each)


def plan(ground: Ground, params: IrmasParams, dropout: DropoutPlan) -> tuple[list[Shunt], list[Unplaced]]:
    """Find a way through the capillary bed for each focus."""
    shunts: list[Shunt] = []
    unplaced: list[Unplaced] = []
    if not params.each:
        return shunts, unplaced
    bed = np.flatnonzero(ground.capillary & (ground.graph.layer == Layer.SVC) & _in_field(ground))
    anchors = _anchors(ground, dropout, bed)
    taken = np.zeros(len(ground.pos), np.bool_)
    feeds = np.zeros((2, len(ground.pos)), np.bool_)
    for row, kind in enumerate((Vessel.ARTERY, Vessel.VEIN)):
        feeds[row, ground.edges[(ground.graph.vessel == kind) & ~dropout.removed].ravel()] = True
    for number, one in enumerate(params.each, 1):
        order = np.argsort(hash01(one.seed, 1, np.arange(len(anchors))))[:ANCHORS]
        shunt = None
        for anchor in anchors[order]:
            shunt = _shunt(ground, number, anchor, bed, taken, feeds)
            if shunt is not None:
                break
        if shunt is None:
            unplaced.append(Unplaced("irma", number, "no free way from an arteriole to a venule beside dropout"))
            continue
        shunts.append(shunt)
        taken[ground.edges[_around(ground, shunt.nodes)].ravel()] = True
    return shunts, unplaced


def apply(ground: Ground, params: IrmasParams, shunts: list[Shunt], unplaced: list[Unplaced]) -> Change:
    """Widen the capillaries of every shunt."""
    converted, lesions = [], []
    for shunt in shunts:
        one = params.each[shunt.number - 1]
        n = len(shunt.edges)
        wave = hash01(one.seed, 2, np.arange(n + 2))
        beads = np.convolve(wave, np.ones(3) / 3.0, mode="valid")
        calibre = one.calibre_um * (1.0 + 0.3 * (beads - beads.mean()))
        change = Converted(shunt.edges, 0.5 * calibre, Vessel.IRMA, np.full(n, SPEED_MM_S))
        converted.append(change)
        lesions.append(_lesion(ground, shunt, change))
    return Change("irma", tuple(lesions), converted=tuple(converted), unplaced=tuple(unplaced))


def _in_field(ground: Ground) -> NDArray[np.bool_]:
    inset = 20.0
    return np.asarray(((ground.middle > inset) & (ground.middle < ground.fov_um - inset)).all(axis=1))


def _anchors(ground: Ground, dropout: DropoutPlan, bed: NDArray[np.int64]) -> NDArray[np.float64]:
    """Places beside or in dropout; anywhere in the bed when there is none."""
    lost = bed[dropout.removed[bed]]
    return ground.middle[lost if len(lost) else bed]


def _shunt(
    ground: Ground,
    number: int,
    anchor: NDArray[np.float64],
    bed: NDArray[np.int64],
    taken: NDArray[np.bool_],
    feeds: NDArray[np.bool_],
) -> Shunt | None:
    """The way from an arteriole to a venule whose length and place suit best; None where there is none.

    `feeds` (2, N): whether a node lies on a living artery, on a living vein.
    """
    graph = ground.graph
    near = np.hypot(*(ground.middle[bed] - anchor).T) < SEARCH_UM
    free = bed[near & ~taken[ground.edges[bed]].any(axis=1)]
    if len(free) == 0:
        return None
    nodes, index = np.unique(ground.edges[free].ravel(), return_inverse=True)
    ends = index.reshape(-1, 2)
    sources, sinks = np.flatnonzero(feeds[0, nodes]), np.flatnonzero(feeds[1, nodes])
    if len(sources) == 0 or len(sinks) == 0:
        return None
    weight = graph.length_um[free].astype(np.float64)
    net = coo_matrix((weight, (ends[:, 0], ends[:, 1])), shape=(len(nodes), len(nodes))).tocsr()
    length, before, _ = dijkstra(net, directed=False, indices=sources, return_predecessors=True, min_only=True)
    away = np.hypot(*(ground.pos[nodes[sinks], :2] - anchor).T)
    reach = length[sinks]
    suits = (reach >= LENGTH_UM[0]) & (reach <= LENGTH_UM[1])
    if not suits.any():
        return None
    sinks, away, reach = sinks[suits], away[suits], reach[suits]
    at = int(sinks[np.argmin(away + np.abs(reach - 450.0))])
    way = [at]
    while before[at] >= 0:
        at = int(before[at])
        way.append(at)
    path = nodes[np.array(way[::-1])]
    key = {tuple(sorted(pair)): e for pair, e in zip(ground.edges[free].tolist(), free.tolist(), strict=True)}
    edges = [key[tuple(sorted((int(a), int(b))))] for a, b in pairwise(path)]
    return Shunt(number, np.array(edges, np.int64), path)


def _around(ground: Ground, nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(E,) edges that touch those nodes."""
    touched = np.zeros(len(ground.pos), np.bool_)
    touched[nodes] = True
    return np.asarray(touched[ground.edges].any(axis=1) & ground.capillary)


def _lesion(ground: Ground, shunt: Shunt, change: Converted) -> Lesion:
    mine = np.zeros(len(ground.edges), np.bool_)
    mine[shunt.edges] = True
    vessels = ground.vessels(mine)
    order = np.argsort(np.argsort(shunt.edges))  # `vessels` holds the edges in the order of the eye
    radius = np.empty(len(order))
    radius[order] = change.radius_um
    line = ground.now[shunt.nodes]
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    middle = line[len(line) // 2]
    return Lesion(
        lesion_id=f"irma-{shunt.number}",
        term=TERM,
        layers=frozenset((Layer.SVC,)),
        center_um=(float(middle[0]), float(middle[1]), float(middle[2])),
        polyline_um=line[:, :2],
        attributes={},
        quantities=(
            Quantity(name="length", value=round(float(steps.sum()) / 1000.0, 4), unit="mm"),
            Quantity(
                name="calibre", value=round(float(2.0 * np.average(change.radius_um, weights=steps)), 2), unit="um"
            ),
        ),
        fov_um=ground.fov_um,
        vessels=vessels.evolve(radius_um=radius.astype(np.float32)),
    )
