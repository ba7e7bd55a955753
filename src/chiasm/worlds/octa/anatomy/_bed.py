"""The capillary bed: three sheets of long cells, laid across the gaps between arteries and veins.

The intermediate (ICP) and the deep plexus (DCP) are two sheets of their own below the superficial complex (SVC).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer
from chiasm.worlds.octa.anatomy._contact import bucket_segments, nearest_wall, segment_gap
from chiasm.worlds.octa.anatomy._lattice import Lattice, hash01, jittered_lattice
from chiasm.worlds.octa.anatomy._params import AnatomyParams
from chiasm.worlds.octa.anatomy._sheet import LABEL_ARTERY, LABEL_VEIN, Sheet, cut, mark, weave
from chiasm.worlds.octa.anatomy._trees import ARTERY, Forest

CAPILLARY_RADIUS_UM = 3.7
"""Mean capillary radius [um]; diameter 7.60 +- 0.40 um in healthy eyes (PMC7873504)."""
LATTICE_JITTER = 0.3
GUIDE_STEP_UM = 65.0
REACH_UM = 240.0
"""Arteries and veins give capillaries their direction up to this distance [um]."""
FREE_ZONE_RADII_UM = (5.0, 9.0)
FREE_ZONE_SHARE = (0.3, 1.0)
"""The capillary-free zone reaches its full width along vessels of 9 um and more; terminal ones have a third of it."""
GRAIN_UM = 13.0
"""Tissue that is not in the zone lets its cell's border, the capillary, lie about this much farther out [um] (measured)."""
RIM_GRAIN_UM = 6.0
"""The ring of capillaries lies this much outside the last tissue of the FAZ [um] (measured)."""
MACULA_UM = 2000.0
"""Disease thins the bed evenly up to this distance from the fovea, and more beyond it [um]."""
OUTWARD = 3.0
"""Power of that distance by which it does, per unit of rarefaction (tuned to what 6 mm images measure).

In the 3-6 mm ring density falls by 32, 45 and 70 % where the macula's falls by 9, 15 and 19 % (deep plexus, mild to severe; 102 and
170 eyes, docs/pathology.md)."""
RIM_BAND_UM = 95.0
"""Capillaries arch along the rim of the FAZ within about this distance of it [um]."""


# starts (S, 2), ends (S, 2), radii (S,) and kinds (S,) of the trees' edges
_Trees = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]


@dataclass(frozen=True)
class SheetPlan:
    """Constants of one capillary sheet.

    Attributes:
        layer: `Layer` of its edges.
        stream: Stream of its random numbers.
        spacing_um: Lattice spacing of the mean eye [um]: the gap between parallel capillaries.
        cell_points: Mean number of lattice points in a cell beyond the first: how long cells are.
        guidance: Weight of the artery-to-vein direction, 0-1; the rest is a smooth random direction.
        depth_um: Mean depth [um].
        faz_power: Its FAZ radius is the superficial one times `deep_faz_factor` to this power.
        plateau_factor: Its density rises up to this many times `plateau_mm` from the fovea: 657 um in the superficial and
            950 um in the deep plexus (TVST 2777986).
        thinning: Chance of a capillary at the rim of its FAZ to be missing, over `foveal_sparing` (tuned to the profile).
    """

    layer: Layer
    stream: int
    spacing_um: float
    cell_points: float
    guidance: float
    depth_um: float
    faz_power: float
    plateau_factor: float
    thinning: float


SHEETS = (
    SheetPlan(Layer.SVC, 100, 48.0, 2.2, 0.85, 30.0, 0.0, 1.0, 0.3),
    SheetPlan(Layer.ICP, 200, 76.0, 1.3, 0.5, 115.0, 0.75, 1.45, 0.42),
    SheetPlan(Layer.DCP, 300, 74.0, 0.7, 0.2, 155.0, 1.0, 1.45, 0.42),
)


def grow_bed(params: AnatomyParams, box_um: NDArray[np.float64], forest: Forest) -> list[Sheet]:
    """The sheets of `SHEETS`; free zones only in the superficial one, where the trees lie."""
    child = np.flatnonzero(forest.parent >= 0)
    trees = (forest.pos_um[child], forest.pos_um[forest.parent[child]], forest.radius_um[child], forest.kind[child])
    guide = _Guide.of(box_um, trees)
    return [_grow_sheet(params, plan, box_um, trees, guide) for plan in SHEETS]


def _grow_sheet(
    params: AnatomyParams, plan: SheetPlan, box_um: NDArray[np.float64], trees: _Trees, guide: _Guide
) -> Sheet:
    density = params.effective_density * (params.svc_density if plan.layer == Layer.SVC else params.dvc_density)
    spacing = plan.spacing_um / density
    lattice = _stretched(
        params, jittered_lattice(params.growth_seed, plan.stream, spacing, _padded(box_um, spacing), LATTICE_JITTER)
    )
    points = lattice.points_um
    angle = np.arctan2(points[:, 1], points[:, 0])
    rim = params.faz_radius_um(angle) * params.deep_faz_factor**plan.faz_power
    label = mark(lattice, box_um, rim - RIM_GRAIN_UM)
    if plan.layer == Layer.SVC:
        _mark_free_zones(params, label, points, trees)
    director = plan.guidance * guide.at(points)
    director += (1.0 - plan.guidance) * _wandering(points, params.growth_seed, plan.stream + 20)
    director = _arched(director, points, rim)
    along = _rotated(director, points, params.growth_seed, plan.stream, lattice.chance)
    draw = hash01(params.growth_seed, plan.stream + 9, (lattice.chance * 2.0**40).astype(np.int64))
    length = 1.0 + np.floor(-np.log(np.maximum(draw, 1e-9)) * plan.cell_points + 0.5).clip(0.0, 4.0 * plan.cell_points)
    sheet = _thinned(params, plan, weave(lattice, label, along, length), rim)
    if plan.layer != Layer.SVC:
        return sheet
    start, end, radius, _ = trees
    blocked = _crosses_vessel(sheet.pos_um, sheet.edges, start, end, radius + CAPILLARY_RADIUS_UM + 2.0)
    return cut(sheet, blocked)


def _padded(box_um: NDArray[np.float64], spacing_um: float) -> NDArray[np.float64]:
    return box_um + np.array([-2.0, 2.0]) * spacing_um


def _stretched(params: AnatomyParams, lattice: Lattice) -> Lattice:
    """The lattice thinned towards the fovea, and in an ill eye outwards: points move along their radius.

    r = R (q / R)^p. Inside the density's plateau distance p < 1 widens the lattice along circles by r / q and leaves it nearly as
    it is along the radius. Beyond `MACULA_UM` p = 1 + `OUTWARD` x rarefaction > 1 widens it both ways, more the farther out.
    """
    plateau = params.plateau_mm * 1000.0
    distance = np.hypot(lattice.points_um[:, 0], lattice.points_um[:, 1])
    scale = np.ones(len(distance))
    near = (distance < plateau) & (distance > 0.0)
    scale[near] = (distance[near] / plateau) ** (-0.7 * params.foveal_sparing)
    far = distance > MACULA_UM
    scale[far] = (distance[far] / MACULA_UM) ** (OUTWARD * params.rarefaction)
    return Lattice(lattice.points_um * scale[:, None], lattice.chance, lattice.shape)


def _thinned(params: AnatomyParams, plan: SheetPlan, sheet: Sheet, rim: NDArray[np.float64]) -> Sheet:
    """The sheet with cells joined at random near the FAZ: fewest capillaries at its rim, as many as elsewhere at the plateau."""
    index, other = sheet.sides[:, 0], sheet.sides[:, 1]
    plateau = params.plateau_mm * 1000.0 * plan.plateau_factor
    distance = np.hypot(sheet.points_um[index, 0], sheet.points_um[index, 1])
    ramp = ((plateau - distance) / np.maximum(plateau - rim[index], 50.0)).clip(0.0, 1.0)
    draw = hash01(params.growth_seed, plan.stream + 30, index, other)
    return cut(sheet, draw < plan.thinning * params.foveal_sparing * np.sqrt(ramp))


def _mark_free_zones(
    params: AnatomyParams, label: NDArray[np.int64], points: NDArray[np.float64], trees: _Trees
) -> None:
    """Give the tissue along arteries and veins their labels; the zone narrows for terminal vessels."""
    start, end, radius, kind = trees
    wall, which = nearest_wall(points, start, end, radius, max(params.periarterial_um, params.perivenous_um))
    zone = np.where(kind == ARTERY, params.periarterial_um, params.perivenous_um) - GRAIN_UM
    zone = zone * np.interp(radius, FREE_ZONE_RADII_UM, FREE_ZONE_SHARE)
    near = np.asarray((which >= 0) & (label >= 0))
    within = np.zeros(len(label), np.bool_)
    within[near] = wall[near] < zone[which[near]]
    label[within] = np.where(kind[which[within]] == ARTERY, LABEL_ARTERY, LABEL_VEIN)


@dataclass(frozen=True)
class _Guide:
    """Direction from the nearest artery to the nearest vein on a coarse grid, as a director.

    A director is (cosine, sine) of twice the angle, so that opposite directions are one and means make sense.
    """

    origin_um: NDArray[np.float64]
    director: NDArray[np.float64]

    @classmethod
    def of(cls, box_um: NDArray[np.float64], trees: _Trees) -> _Guide:
        origin = box_um[:, 0] - 2.0 * GUIDE_STEP_UM
        shape = np.ceil((box_um[:, 1] - origin) / GUIDE_STEP_UM).astype(np.int64) + 3
        rows, cols = (origin[k] + GUIDE_STEP_UM * np.arange(shape[k]) for k in range(2))
        points = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
        return cls(origin, _across(points, trees).reshape(shape[0], shape[1], 2))

    def at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(P, 2) director at points, interpolated."""
        place = ((points - self.origin_um) / GUIDE_STEP_UM).clip(0.0, np.array(self.director.shape[:2]) - 1.001)
        low = place.astype(np.int64)
        f = place - low
        r, c = low[:, 0], low[:, 1]
        top = (1.0 - f[:, 1:]) * self.director[r, c] + f[:, 1:] * self.director[r, c + 1]
        bottom = (1.0 - f[:, 1:]) * self.director[r + 1, c] + f[:, 1:] * self.director[r + 1, c + 1]
        return np.asarray((1.0 - f[:, :1]) * top + f[:, :1] * bottom)


def _across(points: NDArray[np.float64], trees: _Trees) -> NDArray[np.float64]:
    """(P, 2) direction from the nearest artery to the nearest vein as a director, zero where neither is in reach."""
    start, end, radius, kind = trees
    way = np.zeros_like(points)
    for k in range(2):
        own = np.flatnonzero(kind == k)
        wall, which = nearest_wall(points, start[own], end[own], radius[own], REACH_UM)
        near = which >= 0
        a, b = start[own][which[near]], end[own][which[near]]
        step = b - a
        t = ((points[near] - a) * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-9)
        away = points[near] - (a + t.clip(0.0, 1.0)[:, None] * step)
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        way[near] += (1.0 if k == ARTERY else -1.0) * away / (wall[near].clip(0.0, None) + 25.0)[:, None]
    angle = 2.0 * np.arctan2(way[:, 1], way[:, 0])
    strength = (np.linalg.norm(way, axis=1) > 1e-9).astype(np.float64)
    return np.stack([strength * np.cos(angle), strength * np.sin(angle)], axis=1)


def _waves(points: NDArray[np.float64], seed: int, stream: int, wavelength_um: float) -> NDArray[np.float64]:
    """(P,) smooth noise of about unit variance: five plane waves."""
    draws = hash01(seed, stream, np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)).reshape(5, 3)
    out = np.zeros(len(points))
    for turn, phase, stretch in draws:
        wave = 2.0 * np.pi / (wavelength_um * (0.7 + 0.6 * stretch))
        vector = wave * np.array([np.cos(2.0 * np.pi * turn), np.sin(2.0 * np.pi * turn)])
        out += np.sin(points @ vector + 2.0 * np.pi * phase)
    return np.asarray(out * np.sqrt(2.0 / 5.0))


def _wandering(points: NDArray[np.float64], seed: int, stream: int) -> NDArray[np.float64]:
    """(P, 2) a smooth random director."""
    angle = np.pi * _waves(points, seed, stream, 900.0)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _arched(
    director: NDArray[np.float64], points: NDArray[np.float64], rim: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The director turned along the rim of the FAZ near it."""
    beyond = (np.hypot(points[:, 0], points[:, 1]) - rim) / RIM_BAND_UM
    weight = np.exp(-(beyond**2))[:, None]
    angle = 2.0 * (np.arctan2(points[:, 1], points[:, 0]) + 0.5 * np.pi)
    return np.asarray((1.0 - weight) * director + weight * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _rotated(
    director: NDArray[np.float64], points: NDArray[np.float64], seed: int, stream: int, chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(P, 2) unit vectors of a director, turned by smooth noise (about 22 degrees) and a little by chance."""
    angle = 0.5 * np.arctan2(director[:, 1], director[:, 0])
    angle = angle + 0.38 * _waves(points, seed, stream + 21, 420.0) + 0.35 * (chance - 0.5)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _crosses_vessel(
    pos: NDArray[np.float64],
    edges: NDArray[np.int64],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    reach: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Edges (M, 2) that come nearer to a vessel's axis than its `reach`, seen from above."""
    out = np.zeros(len(edges), np.bool_)
    if len(start) == 0:
        return out
    first, index, low0, low1, n_rows, n_cols = bucket_segments(start, end, 60.0, reach)
    for m in range(len(edges)):
        a, b = pos[edges[m, 0]], pos[edges[m, 1]]
        r0 = int(np.floor((min(a[0], b[0]) - low0) / 60.0))
        r1 = int(np.floor((max(a[0], b[0]) - low0) / 60.0))
        c0 = int(np.floor((min(a[1], b[1]) - low1) / 60.0))
        c1 = int(np.floor((max(a[1], b[1]) - low1) / 60.0))
        for r in range(max(r0, 0), min(r1, n_rows - 1) + 1):
            for c in range(max(c0, 0), min(c1, n_cols - 1) + 1):
                for x in range(first[r * n_cols + c], first[r * n_cols + c + 1]):
                    s = index[x]
                    if not out[m] and segment_gap(a, b, start[s], end[s]) < reach[s]:
                        out[m] = True
    return out
