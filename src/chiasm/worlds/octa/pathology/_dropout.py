"""Capillary dropout: territories that lose their capillaries, partly or wholly.

1. Every region has a seed. Tissue is reached from the seeds by a walk whose cost is irregular (noise of capillary-bed
   scale) and high across larger vessels, so that regions become irregular polygons between vessels.
2. The regions are what is reached first, until they cover the requested share of the field. More severity lets the same
   regions grow: they are nested.
3. In every layer whole cells of tissue in a region lose their borders, the capillaries, until the region's share of
   length is gone; the deep layers lose more. What then ends blindly goes too, terminal arterioles and venules included;
   larger vessels stay.
4. The region is recorded as it came out: tissue near a capillary that is gone.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat
from scipy import ndimage

from chiasm.case import Layer, Quantity, Record
from chiasm.errors import InvalidInput
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import AnatomyParams
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.pathology._faz import FazParams, planned_rim_um
from chiasm.worlds.octa.pathology._ground import Change, Ground, draw_segments
from chiasm.worlds.octa.pathology._lesion import Lesion, Patch
from chiasm.worlds.octa.pathology._loss import CAPILLARY_LAYERS, interior, thin_out, whole_cells
from chiasm.worlds.octa.pathology._severity import Severity

TERM: Final = "capillary dropout"
STEP_UM: Final = 15.0
"""Grid on which regions grow [um]."""
FINE_UM: Final = 5.0
"""Grid on which regions are recorded [um]."""
MARGIN_UM: Final = 90.0
"""Regions may reach this far beyond the field [um]."""
RING_UM: Final = 60.0
"""Tissue this close to the FAZ is spared, so that the FAZ keeps its own border [um]."""
NOISE_UM: Final = 70.0
NOISE_SD: Final = 0.75
"""Scale [um] and log-sd of the cost's irregularity."""
WALL_COST: Final = 9.0
WALL_RADIUS_UM: Final = 7.0
"""Crossing a vessel of this radius or more is so many times dearer."""
REACH_UM: Final = 48.0
"""Tissue within this distance of a lost capillary counts as non-perfused: two thirds of a mesh [um]."""
COMPLETE_PERCENT: Final = 90.0
"""From this share of lost length on, dropout is called complete."""
SEEDS: Final[dict[Stage, tuple[int, int]]] = {Stage.EARLY_NPDR: (1, 3), Stage.LATE_NPDR: (2, 5), Stage.PDR: (3, 6)}
COMPLETENESS: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (0.55, 0.95),
    Stage.LATE_NPDR: (0.65, 1.0),
    Stage.PDR: (0.75, 1.0),
}


class RegionParams(Record):
    """Where one region begins."""

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
    regions: tuple[RegionParams, ...] = ()


def sample(rng: np.random.Generator, severity: Severity, anatomy: AnatomyParams) -> DropoutParams:
    """Draw the regions of an eye."""
    seed = int(rng.integers(2**53))
    if severity.share == 0.0:
        return DropoutParams(seed=seed)
    low, high = SEEDS[severity.stage]
    spread = max(1.0, severity.scans**0.5)
    count = int(round(int(rng.integers(low, high + 1)) * spread))
    bounds = COMPLETENESS[severity.stage]
    regions = []
    for _ in range(count):
        row, nasal = _sample_place(rng, anatomy)
        weight, completeness = float(rng.uniform(0.5, 1.2)), float(rng.uniform(*bounds))
        regions.append(RegionParams(row_um=row, nasal_um=nasal, weight=weight, completeness=completeness))
    return DropoutParams(share=severity.share, seed=seed, regions=tuple(regions))


@dataclass(frozen=True, eq=False)
class DropoutPlan:
    """What is to be lost, whether or not it is carried out.

    Attributes:
        removed: (E,) edges lost.
        region: Where, at healthy places, fine grid; empty grid when nothing is lost.
        number: (H, W) the region's number of each grid cell, 0 outside.
    """

    removed: NDArray[np.bool_]
    region: Patch
    number: NDArray[np.int64]


def plan(ground: Ground, params: DropoutParams, faz: FazParams) -> DropoutPlan:
    """Decide which capillaries are lost.

    Raises:
        InvalidInput: The field has no room for the requested share.
    """
    removed = np.zeros(ground.graph.n_edges, np.bool_)
    if params.share == 0.0 or not params.regions:
        return DropoutPlan(removed, Patch((0.0, 0.0), FINE_UM, np.zeros((1, 1), np.bool_)), np.zeros((1, 1), np.int64))
    arrival, owner, origin = _arrival(ground, params, faz)
    inside = arrival <= _last_arrival(arrival, origin, params.share, ground.fov_um)
    region = Patch((origin, origin), STEP_UM, inside)
    for layer in CAPILLARY_LAYERS:
        removed |= _lose(ground, params, region, owner, layer)
    removed = ground.settled(removed, region.contains(ground.middle))
    return DropoutPlan(removed, region, np.where(inside, owner, 0))


def apply(ground: Ground, planned: DropoutPlan) -> Change:
    """Carry the plan out: one lesion for each connected region."""
    if not planned.removed.any():
        return Change("dropout")
    region = realised_region(ground, planned)
    number, count = ndimage.label(region.inside)
    middle = 0.5 * (ground.now[ground.edges[:, 0], :2] + ground.now[ground.edges[:, 1], :2])
    gone = np.flatnonzero(planned.removed)
    cell = np.floor((middle[gone] - np.array(region.origin_um)) / region.step_um).astype(np.int64)
    owner = number[cell[:, 0], cell[:, 1]]
    lesions = []
    for k in range(1, count + 1):
        mine = np.zeros(len(planned.removed), np.bool_)
        mine[gone[owner == k]] = True
        lesion = _lesion(ground, _cut(region, number == k), mine)
        if lesion is not None:
            lesions.append(lesion)
    lesions.sort(key=lambda lesion: -lesion.value("area"))
    named = tuple(_named(lesion, i) for i, lesion in enumerate(lesions, 1))
    return Change("dropout", named, planned.removed)


def spare(planned: DropoutPlan, ways: list[NDArray[np.int64]]) -> DropoutPlan:
    """The plan without the loss of those edges: shunts stay open."""
    removed = planned.removed.copy()
    for edges in ways:
        removed[edges] = False
    return DropoutPlan(removed, planned.region, planned.number)


def realised_region(ground: Ground, planned: DropoutPlan) -> Patch:
    """The non-perfused tissue at its present place: the planned region near lost capillaries, and all of those."""
    near = ground.painted(planned.removed, REACH_UM, FINE_UM)
    core = ground.painted(planned.removed, FINE_UM, FINE_UM)
    rows = near.origin_um[0] + (np.arange(near.inside.shape[0]) + 0.5) * FINE_UM
    cols = near.origin_um[1] + (np.arange(near.inside.shape[1]) + 0.5) * FINE_UM
    step, origin = planned.region.step_um, planned.region.origin_um
    where = np.meshgrid((rows - origin[0]) / step - 0.5, (cols - origin[1]) / step - 0.5, indexing="ij")
    smooth = ndimage.map_coordinates(planned.region.inside.astype(np.float32), where, order=1, mode="nearest")
    inside = smooth > 0.5
    if ground.warp is not None:
        inside = ground.warp.pull(inside, near.origin_um, FINE_UM)
    inside &= near.inside
    offset = np.round((np.array(core.origin_um) - np.array(near.origin_um)) / FINE_UM).astype(np.int64)
    height, width = core.inside.shape
    inside[offset[0] : offset[0] + height, offset[1] : offset[1] + width] |= core.inside
    inside = ndimage.binary_closing(inside, iterations=3) | inside
    return Patch(near.origin_um, FINE_UM, np.asarray(inside))


def _sample_place(rng: np.random.Generator, anatomy: AnatomyParams) -> tuple[float, float]:
    """A point in the field outside the FAZ, often beside it; (below, nasal of) the fovea [um]."""
    half = 500.0 * anatomy.fov_mm
    reach = half - 120.0
    for _ in range(200):
        if rng.random() < 0.35:
            angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(90.0, 350.0)
            rim = float(anatomy.faz_radius_um(np.array([angle]))[0])
            row, nasal = (rim + away) * np.cos(angle), (rim + away) * np.sin(angle)
        else:
            row = rng.uniform(-reach, reach) - anatomy.fixation_row_um
            nasal = rng.uniform(-reach, reach) - anatomy.fixation_nasal_um
        inside = max(abs(row + anatomy.fixation_row_um), abs(nasal + anatomy.fixation_nasal_um)) <= reach
        rim = float(anatomy.faz_radius_um(np.array([np.arctan2(nasal, row)]))[0])
        if inside and np.hypot(row, nasal) > rim + RING_UM:
            return float(row), float(nasal)
    msg = f"a {anatomy.fov_mm} mm field must have room beside the FAZ; 200 draws found none"
    raise InvalidInput(msg)


def _arrival(
    ground: Ground, params: DropoutParams, faz: FazParams
) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """When the walk reaches each grid cell (inf: never), from which seed (1, 2, ...), and the grid's first corner [um]."""
    origin = -MARGIN_UM
    n = int(np.ceil((ground.fov_um + 2 * MARGIN_UM) / STEP_UM))
    centre = origin + (np.arange(n) + 0.5) * STEP_UM
    points = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    white = hash01(params.seed, 1, *np.divmod(np.arange(n * n), n)).reshape(n, n) - 0.5
    noise = ndimage.gaussian_filter(white, NOISE_UM / STEP_UM / 2.0, mode="reflect")
    cost = np.exp(NOISE_SD * noise / noise.std())
    cost *= 1.0 + WALL_COST * _near_walls(ground, n, origin)
    distance, rim = planned_rim_um(ground, faz, points)
    cost[(distance < rim + RING_UM).reshape(n, n)] = np.inf
    places = np.array([ground.place(r.row_um, r.nasal_um) for r in params.regions])
    start = np.floor((places - origin) / STEP_UM).astype(np.int64).clip(0, n - 1)
    start = _open_cells(cost, start)
    weight = np.array([r.weight for r in params.regions])
    arrival, owner = _spread(cost, start, weight)
    finite = np.isfinite(arrival)
    smooth = ndimage.uniform_filter(np.where(finite, arrival, arrival[finite].max()), 3, mode="nearest")
    return np.where(finite, smooth, np.inf), owner, origin


def _near_walls(ground: Ground, n: int, origin: float) -> NDArray[np.float64]:
    """(n, n) 1 on larger vessels, falling to 0 beside them."""
    large = ~ground.capillary & (ground.graph.radius_um >= WALL_RADIUS_UM)
    out = np.zeros((n, n))
    if not large.any():
        return out
    ends = ground.pos[ground.edges[large], :2]
    drawn = draw_segments(ends[:, 0], ends[:, 1], ground.graph.radius_um[large] + 6.0, STEP_UM)
    at = origin + (np.arange(n) + 0.5) * STEP_UM
    r = np.floor((at - drawn.origin_um[0]) / STEP_UM).astype(np.int64)
    c = np.floor((at - drawn.origin_um[1]) / STEP_UM).astype(np.int64)
    r_ok, c_ok = (r >= 0) & (r < drawn.inside.shape[0]), (c >= 0) & (c < drawn.inside.shape[1])
    out[np.ix_(r_ok, c_ok)] = drawn.inside[np.ix_(r[r_ok], c[c_ok])]
    return out


def _open_cells(cost: NDArray[np.float64], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each seed, moved to the nearest grid cell that can be walked."""
    free = np.argwhere(np.isfinite(cost))
    if len(free) == 0:
        msg = "capillary dropout needs tissue outside the FAZ; the field holds none"
        raise InvalidInput(msg)
    nearest = [free[np.argmin(((free - s) ** 2).sum(axis=1))] if np.isinf(cost[tuple(s)]) else s for s in start]
    return np.array(nearest)


def _last_arrival(arrival: NDArray[np.float64], origin: float, share: float, fov_um: float) -> float:
    """The time by which the walk has covered a share of the field."""
    centre = origin + (np.arange(len(arrival)) + 0.5) * STEP_UM
    inner = (centre >= 0) & (centre < fov_um)
    times = np.sort(arrival[np.ix_(inner, inner)].ravel())
    wanted = max(1, round(share * times.size))
    if not np.isfinite(times[wanted - 1]):
        most = float(np.isfinite(times).mean())
        msg = f"dropout share must be <= {most:.3f} in this eye (field outside the FAZ and its ring), got {share}"
        raise InvalidInput(msg)
    return float(times[wanted - 1])


def _lose(
    ground: Ground, params: DropoutParams, region: Patch, owner: NDArray[np.int64], layer: Layer
) -> NDArray[np.bool_]:
    """(E,) the sheet's capillaries that go, region by region."""
    tissue = ground.anatomy.tissue[layer]
    cell = np.floor((tissue.points_um - np.array(region.origin_um)) / region.step_um).astype(np.int64)
    n = len(owner)
    on_grid = ((cell >= 0) & (cell < n)).all(axis=1)
    number = np.zeros(len(cell), np.int64)
    at = cell[on_grid]
    number[on_grid] = np.where(region.inside, owner, 0)[at[:, 0], at[:, 1]]
    gone = np.zeros(ground.graph.n_edges, np.bool_)
    for k, each in enumerate(params.regions, 1):
        chosen = (number == k) & (tissue.label >= 0)
        if not chosen.any():
            continue
        candidates = interior(ground, layer, whole_cells(ground, layer, chosen))
        survive = 1.0 - each.completeness
        share = 1.0 - survive * (1.0 if layer is Layer.SVC else 0.6)
        rank = hash01(params.seed, 10 + int(layer), candidates)
        gone |= thin_out(ground, layer, candidates, rank, share)
    return gone


def _lesion(ground: Ground, region: Patch, mine: NDArray[np.bool_]) -> Lesion | None:
    area = region.area_um2(ground.fov_um)
    if area == 0.0 or not mine.any():
        return None
    graph = ground.graph
    within = region.contains(0.5 * (ground.now[ground.edges[:, 0], :2] + ground.now[ground.edges[:, 1], :2]))
    length = graph.length_um
    lost = 100.0 * float(length[mine & ground.capillary].sum() / length[(within | mine) & ground.capillary].sum())
    row, col = region.centroid_um(ground.fov_um)
    layers = frozenset(Layer(int(v)) for v in np.unique(graph.layer[mine]))
    depth = float(ground.now[ground.edges[mine].ravel(), 2].mean())
    return Lesion(
        lesion_id="",
        term=TERM,
        layers=layers,
        center_um=(row, col, depth),
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


def _named(lesion: Lesion, number: int) -> Lesion:
    values = {name: getattr(lesion, name) for name in Lesion.__dataclass_fields__}
    return Lesion(**{**values, "lesion_id": f"dropout-{number}"})


def _cut(region: Patch, inside: NDArray[np.bool_]) -> Patch:
    """The patch of `inside` (H, W), cut to its box."""
    rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    row, col = int(rows[0]), int(cols[0])
    origin = (region.origin_um[0] + row * region.step_um, region.origin_um[1] + col * region.step_um)
    return Patch(origin, region.step_um, inside[row : int(rows[-1]) + 1, col : int(cols[-1]) + 1])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _spread(cost: Any, start: Any, weight: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Dijkstra on the grid from all seeds at once; a step takes the mean cost of its two cells over the seed's weight."""
    rows, cols = cost.shape
    arrival = np.full((rows, cols), np.inf)
    owner = np.zeros((rows, cols), np.int64)
    done = np.zeros((rows, cols), np.bool_)
    heap = [(0.0, 0, 0)]
    heap.pop()
    for k in range(len(start)):
        r, c = start[k]
        if arrival[r, c] > 0.0:
            arrival[r, c] = 0.0
            owner[r, c] = k + 1
            heapq.heappush(heap, (0.0, r, c))
    while len(heap) > 0:
        time, r, c = heapq.heappop(heap)
        if done[r, c]:
            continue
        done[r, c] = True
        speed = weight[owner[r, c] - 1]
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                rr, cc = r + dr, c + dc
                if (dr == 0 and dc == 0) or rr < 0 or cc < 0 or rr >= rows or cc >= cols or done[rr, cc]:
                    continue
                step = np.sqrt(float(dr * dr + dc * dc)) * 0.5 * (cost[r, c] + cost[rr, cc]) / speed
                if time + step < arrival[rr, cc]:
                    arrival[rr, cc] = time + step
                    owner[rr, cc] = owner[r, c]
                    heapq.heappush(heap, (time + step, rr, cc))
    return arrival, owner
