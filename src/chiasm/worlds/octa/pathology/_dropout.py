"""Capillary dropout: territories that lose their capillaries, partly or wholly.

1. Territories grow from seeds until they cover the requested share of the field (`_territory`).
2. In every layer whole cells of tissue in a territory lose their borders, the capillaries, until the territory's share of
   their length is gone; the deep layers lose more. What then ends blindly goes too, terminal arterioles and venules
   included; larger vessels stay.
3. What is recorded is what came out: a region is connected tissue of the territories near a capillary that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat
from scipy import ndimage

from chiasm.case import Layer, Quantity, Record
from chiasm.errors import InvalidInput
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import AnatomyParams
from chiasm.worlds.octa.anatomy._bed import SHEETS
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.pathology._faz import FazParams, planned_rim_um, within
from chiasm.worlds.octa.pathology._ground import Change, Ground, draw_segments
from chiasm.worlds.octa.pathology._lesion import Lesion, Patch
from chiasm.worlds.octa.pathology._loss import interior, thin_out, tissue_lost
from chiasm.worlds.octa.pathology._severity import Severity
from chiasm.worlds.octa.pathology._territory import MARGIN_UM, STEP_UM, grow_territories
from chiasm.worlds.octa.pathology._warp import Warp, bilinear

TERM: Final = "capillary dropout"
FINE_UM: Final = 10.0
"""Grid on which regions are recorded [um]."""
RING_UM: Final = 110.0
"""Tissue this close to the FAZ is spared, a cell or two, so that the FAZ keeps a border that can be seen [um]."""
REACH_UM: Final = 48.0
"""Tissue within this distance of a lost capillary counts as non-perfused: two thirds of a mesh [um]."""
DEEP_SURVIVAL: Final = 0.6
"""Survivors in the deep layers relative to the superficial one: deep loss is the greater (A.10.3's deep densities)."""
COMPLETE_PERCENT: Final = 80.0
"""From this share of lost length on, dropout is called complete: the capillaries that bound a region count in it."""
SEEDS_PER_SHARE: Final = 25.0
"""An eye has one territory at least and two more than this times its share at most, per 3x3 mm; neighbours may merge."""
COMPLETENESS: Final[dict[Stage, tuple[float, float]]] = {
    Stage.HEALTHY: (0.4, 0.8),
    Stage.EARLY_NPDR: (0.75, 1.0),
    Stage.LATE_NPDR: (0.8, 1.0),
    Stage.PDR: (0.8, 1.0),
}
"""Lowest and highest share of superficial capillary length lost in a territory."""
BESIDE_FAZ: Final = 0.45
"""Share of territories that begin beside the FAZ."""


class TerritoryParams(Record):
    """Where one territory begins."""

    row_um: FiniteFloat
    """Below the fovea [um]."""
    nasal_um: FiniteFloat
    """Towards the nose [um]."""
    weight: float = Field(gt=0.0, le=10.0, allow_inf_nan=False)
    """How fast it grows relative to the others."""
    completeness: float = Field(gt=0.0, le=1.0, allow_inf_nan=False)
    """Share of capillary length lost in the superficial layer, 0-1; the deep layers lose two fifths of the rest too."""


class DropoutParams(Record):
    """Non-perfusion of one eye."""

    share: float = Field(default=0.0, ge=0.0, le=0.5, allow_inf_nan=False)
    """Area of all regions over that of the field, 0-0.5."""
    seed: int = Field(default=0, ge=0, lt=2**53)
    """Seed of the irregular borders and of which capillaries survive."""
    territories: tuple[TerritoryParams, ...] = Field(default=(), max_length=200)


def sample(rng: np.random.Generator, severity: Severity, anatomy: AnatomyParams) -> DropoutParams:
    """Draw the territories of an eye."""
    seed = int(rng.integers(2**53))
    if severity.share == 0.0:
        return DropoutParams(seed=seed)
    most = 2 + round(SEEDS_PER_SHARE * severity.share)
    count = round(int(rng.integers(1, most + 1)) * max(1.0, severity.scans**0.75))
    territories = []
    for _ in range(count):
        row, nasal = _sample_place(rng, anatomy)
        weight = float(rng.uniform(0.4, 1.3))
        completeness = float(rng.uniform(*COMPLETENESS[severity.stage]))
        territories.append(TerritoryParams(row_um=row, nasal_um=nasal, weight=weight, completeness=completeness))
    return DropoutParams(share=severity.share, seed=seed, territories=tuple(territories))


@dataclass(frozen=True, eq=False)
class DropoutPlan:
    """What is to be lost, whether or not it is carried out.

    Attributes:
        removed: (E,) edges lost.
        region: Where, at healthy places.
    """

    removed: NDArray[np.bool_]
    region: Patch


def plan(ground: Ground, params: DropoutParams, faz: FazParams, faz_loss: NDArray[np.bool_]) -> DropoutPlan:
    """Decide which capillaries are lost.

    What neither this loss nor the FAZ's (E,) cuts off, but both together do, is lost to dropout.

    Raises:
        InvalidInput: The field has no room for the requested share.
    """
    removed = np.zeros(ground.graph.n_edges, np.bool_)
    if params.share == 0.0 or not params.territories:
        return DropoutPlan(removed, Patch((0.0, 0.0), STEP_UM, np.zeros((2, 2), np.bool_)))
    starts = np.array([ground.place(t.row_um, t.nasal_um) for t in params.territories])
    weight = np.array([t.weight for t in params.territories])
    start_rim = planned_rim_um(ground, faz) + RING_UM
    owner = grow_territories(ground, params.seed, params.share, starts, weight, start_rim)
    inside = ndimage.uniform_filter((owner > 0).astype(np.float32), 3, mode="nearest") > 0.5
    region = Patch((-MARGIN_UM, -MARGIN_UM), STEP_UM, inside)
    for sheet in SHEETS:
        rim = planned_rim_um(ground, faz) * ground.anatomy.params.deep_faz_factor**sheet.faz_power + RING_UM
        removed |= _lose(ground, params, region, owner, rim, sheet.layer)
    inside = region.contains(ground.middle) | within(ground, planned_rim_um(ground, faz), ground.middle)
    both = ground.settled(removed | faz_loss, inside)
    return DropoutPlan(ground.settled(removed | (both & ~faz_loss), inside), region)


def spare(planned: DropoutPlan, ways: list[NDArray[np.int64]]) -> DropoutPlan:
    """The plan without the loss of those edges: shunts stay open."""
    removed = planned.removed.copy()
    for edges in ways:
        removed[edges] = False
    return DropoutPlan(removed, planned.region)


def apply(ground: Ground, planned: DropoutPlan) -> Change:
    """Carry the plan out: one lesion for each connected region, in order of the length lost."""
    if not planned.removed.any():
        return Change("dropout")
    number, count = realised_regions(ground, planned)
    gone = np.flatnonzero(planned.removed)
    owner = number.at(ground.middle[gone])
    moved = number.moved(ground.warp)
    lesions = []
    for k in range(1, count + 1):
        mine = np.zeros(len(planned.removed), np.bool_)
        mine[gone[owner == k]] = True
        if not mine.any():
            continue
        lesion = _lesion(ground, moved.patch(k, ground.now[ground.edges[mine], :2]), mine)
        if lesion is not None:
            lesions.append(lesion)
    lesions.sort(key=lambda lesion: -lesion[0])
    named = tuple(replace(lesion, lesion_id=f"dropout-{i}") for i, (_, lesion) in enumerate(lesions, 1))
    return Change("dropout", named, planned.removed)


@dataclass(frozen=True, eq=False)
class Numbered:
    """Regions by number on a grid: `origin_um` (row, col) of its corner, `number` (H, W), 0 outside all."""

    origin_um: tuple[float, float]
    number: NDArray[np.int64]

    def at(self, points_um: NDArray[np.float64]) -> NDArray[np.int64]:
        """(P,) the region of each point; the nearest grid cell's outside the grid."""
        cell = np.floor((points_um - np.array(self.origin_um)) / FINE_UM).astype(np.int64)
        height, width = self.number.shape
        return np.asarray(self.number[cell[:, 0].clip(0, height - 1), cell[:, 1].clip(0, width - 1)])

    def moved(self, warp: Warp | None) -> Numbered:
        """Carried along: each cell takes what lies where it came from, to first order."""
        if warp is None:
            return self
        height, width = self.number.shape
        rows = self.origin_um[0] + (np.arange(height) + 0.5) * FINE_UM
        cols = self.origin_um[1] + (np.arange(width) + 0.5) * FINE_UM
        points = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
        return Numbered(self.origin_um, self.at(points - warp.at(points)).reshape(height, width))

    def patch(self, k: int, lost_um: NDArray[np.float64]) -> Patch:
        """One region with the vessels (L, 2, 2) that it lost, cut to its box."""
        core = draw_segments(lost_um[:, 0], lost_um[:, 1], np.full(len(lost_um), FINE_UM), FINE_UM)
        inside = self.number == k
        rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        low = np.round((np.array(core.origin_um) - np.array(self.origin_um)) / FINE_UM).astype(np.int64)
        high = low + core.inside.shape
        if len(rows):
            low = np.minimum(low, [rows[0], cols[0]])
            high = np.maximum(high, [rows[-1] + 1, cols[-1] + 1])
        row, col = np.array(self.origin_um) + low * FINE_UM
        out = Patch((float(row), float(col)), FINE_UM, np.zeros(tuple(high - low), np.bool_))
        _stamp(out, Patch(self.origin_um, FINE_UM, inside))
        _stamp(out, core)
        return out


def _stamp(onto: Patch, what: Patch) -> None:
    """Add the part of one patch that lies on another of the same step."""
    shift = np.round((np.array(what.origin_um) - np.array(onto.origin_um)) / FINE_UM).astype(np.int64)
    first = np.maximum(shift, 0)
    last = np.minimum(shift + what.inside.shape, onto.inside.shape)
    if (last > first).all():
        source = what.inside[first[0] - shift[0] : last[0] - shift[0], first[1] - shift[1] : last[1] - shift[1]]
        onto.inside[first[0] : last[0], first[1] : last[1]] |= source


def realised_regions(ground: Ground, planned: DropoutPlan) -> tuple[Numbered, int]:
    """The non-perfused tissue at healthy places: the planned region near lost capillaries, and all of those."""
    ends = ground.pos[ground.edges[planned.removed], :2]
    radius = ground.graph.radius_um[planned.removed]
    near = draw_segments(ends[:, 0], ends[:, 1], radius + REACH_UM, FINE_UM)
    core = draw_segments(ends[:, 0], ends[:, 1], radius + FINE_UM, FINE_UM)
    height, width = near.inside.shape
    where = [
        (near.origin_um[k] + (np.arange(n) + 0.5) * FINE_UM - planned.region.origin_um[k]) / STEP_UM - 0.5
        for k, n in enumerate((height, width))
    ]
    rows, cols = np.repeat(where[0], width), np.tile(where[1], height)
    there = bilinear(planned.region.inside.astype(np.float64), rows, cols) > 0.5
    # The capillaries that bound a region are alive, and so is the tissue next to them.
    inside = ndimage.binary_erosion(there.reshape(height, width) & near.inside)
    row, col = np.round((np.array(core.origin_um) - np.array(near.origin_um)) / FINE_UM).astype(np.int64)
    inside[row : row + core.inside.shape[0], col : col + core.inside.shape[1]] |= core.inside
    inside |= ndimage.binary_closing(inside)
    number, count = ndimage.label(inside)
    return Numbered(near.origin_um, number.astype(np.int64)), int(count)


def _sample_place(rng: np.random.Generator, anatomy: AnatomyParams) -> tuple[float, float]:
    """A point in the field outside the FAZ, often beside it; (below, nasal of) the fovea [um]."""
    half = 500.0 * anatomy.fov_mm
    reach = half - 120.0
    offset = np.array([anatomy.fixation_row_um, anatomy.fixation_nasal_um])
    for _ in range(200):
        if rng.random() < BESIDE_FAZ:
            angle, away = float(rng.uniform(0.0, 2.0 * np.pi)), float(rng.uniform(90.0, 350.0))
            rim = float(anatomy.faz_radius_um(np.array([angle]))[0])
            place = (rim + away) * np.array([np.cos(angle), np.sin(angle)])
        else:
            place = rng.uniform(-reach, reach, 2) - offset
        rim = float(anatomy.faz_radius_um(np.arctan2(place[1:], place[:1]))[0])
        if np.abs(place + offset).max() <= reach and np.hypot(*place) > rim + RING_UM:
            return float(place[0]), float(place[1])
    msg = f"a {anatomy.fov_mm} mm field must have room beside the FAZ; 200 draws found none"
    raise InvalidInput(msg)


def _lose(
    ground: Ground,
    params: DropoutParams,
    region: Patch,
    owner: NDArray[np.int64],
    rim_um: NDArray[np.float64],
    layer: Layer,
) -> NDArray[np.bool_]:
    """(E,) the sheet's capillaries that go, territory by territory; none within `rim_um` (721,) of the fovea."""
    tissue = ground.anatomy.tissue[layer]
    cell = np.floor((tissue.points_um - np.array(region.origin_um)) / region.step_um).astype(np.int64)
    on_grid = ((cell >= 0) & (cell < len(owner))).all(axis=1) & ~within(ground, rim_um, tissue.points_um)
    number = np.zeros(len(cell), np.int64)
    at = cell[on_grid]
    number[on_grid] = np.where(region.inside, owner, 0)[at[:, 0], at[:, 1]]
    candidates = interior(ground, layer, tissue_lost(ground, layer, number > 0))
    territory = number[ground.anatomy.edge_cells[candidates]].max(axis=1)
    rank = hash01(params.seed, 10 + int(layer), ground.graph.edge_id[candidates].astype(np.int64))
    gone = np.zeros(ground.graph.n_edges, np.bool_)
    for k, each in enumerate(params.territories, 1):
        share = 1.0 - (1.0 - each.completeness) * (1.0 if layer is Layer.SVC else DEEP_SURVIVAL)
        mine = territory == k
        gone |= thin_out(ground, layer, candidates[mine], rank[mine], share)
    return gone


def _lesion(ground: Ground, region: Patch, mine: NDArray[np.bool_]) -> tuple[float, Lesion] | None:
    """The length lost in one region, and its record; None when it lies wholly outside the field."""
    area = region.area_um2(ground.fov_um)
    if area == 0.0:
        return None
    graph = ground.graph
    here = (region.contains(ground.middle_now) | mine) & ground.capillary
    gone = float(graph.length_um[mine & here].sum())
    lost = 100.0 * gone / float(graph.length_um[here].sum())
    row, col = region.centroid_um(ground.fov_um)
    record = Lesion(
        lesion_id="",
        term=TERM,
        layers=frozenset(Layer(int(v)) for v in np.unique(graph.layer[mine])),
        center_um=(row, col, float(ground.now[ground.edges[mine].ravel(), 2].mean())),
        polyline_um=None,
        attributes={"completeness": "complete" if lost >= COMPLETE_PERCENT else "partial"},
        quantities=(
            Quantity(name="area", value=round(area / 1e6, 5), unit="mm2"),
            Quantity(name="share of field", value=round(100.0 * area / ground.fov_um**2, 3), unit="%"),
            Quantity(name="vessel length lost", value=round(lost, 2), unit="%"),
        ),
        fov_um=ground.fov_um,
        region=region,
        vessels=ground.vessels(mine),
    )
    return gone, record
