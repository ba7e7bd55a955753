"""Arteries and veins of the macula as planar trees: seeds, growth, waviness, radii, and the cut at the simulated region.

Coordinates are those of `_arcades`: a right eye centred on the fovea.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._arcades import STEP_UM, plant
from chiasm.worlds.octa.anatomy._colonise import Rule, colonise
from chiasm.worlds.octa.anatomy._lattice import jittered_lattice
from chiasm.worlds.octa.anatomy._params import AnatomyParams

ARTERY, VEIN = 0, 1
MURRAY_EXPONENT = 2.85
"""r_parent^k = sum r_child^k, between 2.55 and 2.9, the two values of Kreitner 2024. With side vessels at every step (see
`SIDE_RADIUS_UM`) macular vessels taper from about 13 um at 1.5 mm from the fovea to capillary calibre at the FAZ."""
TERMINAL_RADIUS_UM = (4.2, 4.6)
"""Radius of a terminal arteriole and venule [um]."""
SIDE_RADIUS_UM = (3.5, 4.1)
"""Every step of a vessel also feeds the bed by side vessels; together they count as one of this radius per step [um],
so that calibre grows steadily towards the root: arteries to about five sixths of veins."""
ARCADE_END_RADIUS_UM = (9.0, 11.0)
"""Radius of an arcade where it leaves the growth domain temporally [um]."""
FINE_STEP_UM = 32.0
FAZ_CLEARANCE_UM = 55.0
"""Arterioles and venules keep this far from the FAZ; capillaries bridge the rest [um]."""

# spacing of the attractors [um], share of them that is kept, and the rule: trunks, branches, twigs
_GENERATIONS = (
    (400.0, 1.0, Rule(1500.0, 450.0, 230.0, STEP_UM, 250, 0.6, 100.0, 1000, 0.8)),
    (230.0, 0.8, Rule(700.0, 230.0, 150.0, STEP_UM, 250, 0.45, 85.0, 24, 0.3)),
    (130.0, 0.5, Rule(330.0, 145.0, 120.0, FINE_STEP_UM, 60, 0.4, 60.0, 12, 0.0)),
)
# wavelength [um], amplitude [um], number of waves of the warp that makes vessels wavy
_WAVES = ((1700.0, 55.0, 3), (650.0, 14.0, 4), (290.0, 7.0, 6))


@dataclass(frozen=True)
class Forest:
    """Arterial and venous trees in the plane. T nodes; a node's edge runs to its parent.

    Attributes:
        pos_um: (T, 2) row and col about the fovea [um].
        parent: (T,) index of the node nearer the root, -1 at roots.
        kind: (T,) ARTERY or VEIN.
        radius_um: (T,) radius of the edge to the parent (of the first edge at roots) [um].
        order: (T,) Strahler order of that edge.
        pressure_mmhg: (T,) pressure by Murray's flow [mmHg]; used where the region cuts a tree.
    """

    pos_um: NDArray[np.float64]
    parent: NDArray[np.int32]
    kind: NDArray[np.uint8]
    radius_um: NDArray[np.float64]
    order: NDArray[np.int16]
    pressure_mmhg: NDArray[np.float64]

    def keep(self, wanted: NDArray[np.bool_]) -> Forest:
        """The nodes where `wanted` (T,) holds; a node whose parent goes becomes a root."""
        new_index = np.cumsum(wanted) - 1
        parent = self.parent[wanted]
        has = (parent >= 0) & wanted[parent]
        return replace(
            self,
            pos_um=self.pos_um[wanted],
            parent=np.where(has, new_index[parent], -1).astype(np.int32),
            kind=self.kind[wanted],
            radius_um=self.radius_um[wanted],
            order=self.order[wanted],
            pressure_mmhg=self.pressure_mmhg[wanted],
        )


def grow_forest(params: AnatomyParams) -> Forest:
    """Grow the arteries and veins of the whole macula, whatever the field (so 3 and 6 mm show the same vessels)."""
    half = max(4000.0, params.fov_mm * 500.0 + 500.0)
    rng = np.random.default_rng(np.random.SeedSequence(params.growth_seed, spawn_key=(1,)))
    seeds = plant(params, half, rng)
    n_seeds = len(seeds.pos)
    capacity = n_seeds + int(8 * (2 * half / 120.0) ** 2)
    pos = np.zeros((capacity, 2))
    direction = np.zeros((capacity, 2))
    parent = np.full(capacity, -1, np.int32)
    kind = np.zeros(capacity, np.uint8)
    pos[:n_seeds], direction[:n_seeds] = np.array(seeds.pos), np.array(seeds.direction)
    parent[:n_seeds], kind[:n_seeds] = seeds.parent, seeds.kind
    n_children, first_child = _children(parent[:n_seeds], capacity)
    ends = np.flatnonzero(np.array(seeds.arcade) & (n_children[:n_seeds] == 0))
    n_children[ends] = 2  # An arcade leaves the domain at its end: nothing sprouts there.
    n_nodes = n_seeds
    hole = params.faz_radius_um(np.linspace(-np.pi, np.pi, 181)[:-1]) + FAZ_CLEARANCE_UM
    forest = (pos, direction, parent, kind, n_children, first_child)
    for stream, (spacing, share, rule) in enumerate(_GENERATIONS, start=1):
        tissue = _tissue(params, stream, spacing, share, half)
        luck = rng.random(capacity)
        n_nodes = colonise(forest, n_nodes, tissue, luck, (half + 1.0, hole), rule)
    pos, parent, kind = pos[:n_nodes], parent[:n_nodes], kind[:n_nodes]
    pos = pos + _warp(pos, params, rng)
    arcade_end = np.zeros(n_nodes, np.bool_)
    arcade_end[ends] = True
    radius, order = _radii(parent, kind, arcade_end)
    pressure = _murray_pressure(pos, parent, kind, radius, params)
    return Forest(pos, parent, kind, radius, order, pressure)


def _tissue(
    params: AnatomyParams, stream: int, spacing_um: float, share: float, half_um: float
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Attractors of one generation outside the FAZ, and the kind of vessel that each wants."""
    box = np.array([[-half_um, half_um], [-half_um, half_um]])
    lattices = [jittered_lattice(params.growth_seed, 10 * stream + 3 * k, spacing_um, box, 0.45) for k in range(2)]
    points = np.concatenate([lattice.points_um for lattice in lattices])
    wanted = np.repeat(np.arange(2, dtype=np.uint8), [len(lattice.chance) for lattice in lattices])
    angle = np.arctan2(points[:, 1], points[:, 0])
    alive = np.hypot(points[:, 0], points[:, 1]) > params.faz_radius_um(angle) + FAZ_CLEARANCE_UM + 15.0
    alive &= (np.abs(points).max(axis=1) < half_um) & (np.concatenate([la.chance for la in lattices]) < share)
    return points[alive], wanted[alive]


def _warp(pos: NDArray[np.float64], params: AnatomyParams, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth displacement [um] that makes vessels wavy without making them touch; it fades out at the fovea.

    The largest slope of the displacement stays below 1, so no two vessels can cross that did not before.
    """
    shift = np.zeros_like(pos)
    for wavelength, amplitude, n_waves in _WAVES:
        for _ in range(n_waves):
            turn, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
            vector = 2.0 * np.pi / (wavelength * rng.uniform(0.8, 1.25)) * np.array([np.cos(turn), np.sin(turn)])
            push = rng.normal(0.0, 1.0, 2) * amplitude * params.tortuosity / np.sqrt(n_waves / 2.0)
            shift += np.sin(pos @ vector + phase)[:, None] * push
    distance = np.hypot(pos[:, 0], pos[:, 1])
    fade = ((distance - 300.0) / 700.0).clip(0.0, 1.0)
    return np.asarray(shift * fade[:, None])


def _murray_pressure(
    pos: NDArray[np.float64],
    parent: NDArray[np.int32],
    kind: NDArray[np.uint8],
    radius: NDArray[np.float64],
    params: AnatomyParams,
) -> NDArray[np.float64]:
    """Pressure at each node when speed is proportional to radius, as Murray's law with exponent 3 implies.

    Guan 2003 (Microvasc Res 65:145): a retinal arteriole of 104.6 um carries 8.8 ul/min, a mean speed of 17 mm/s; hence
    0.325 mm/s per um of radius. Poiseuille with 3 mPa s then gives the drop per length.
    """
    length = np.where(parent >= 0, np.hypot(*(pos - pos[parent]).T), 0.0)
    speed_per_radius = 325.0
    drop_pa = 8.0 * 3e-3 * speed_per_radius * length / radius
    drop = drop_pa / 133.322 * np.where(kind == ARTERY, -1.0, 0.6)
    start = np.where(kind == ARTERY, params.arterial_pressure_mmhg, params.venous_pressure_mmhg)
    return np.asarray(_accumulate(parent, drop, start))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _accumulate(
    parent: NDArray[np.int32], drop: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    value = start.copy()
    for node in range(len(parent)):
        if parent[node] >= 0:
            value[node] = value[parent[node]] + drop[node]
    return value


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _children(parent: NDArray[np.int32], capacity: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    n_children = np.zeros(capacity, np.int32)
    first_child = np.full(capacity, -1, np.int32)
    for node in range(len(parent)):
        above = parent[node]
        if above >= 0:
            if n_children[above] == 0:
                first_child[above] = node
            n_children[above] += 1
    return n_children, first_child


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _radii(
    parent: NDArray[np.int32], kind: NDArray[np.uint8], arcade_end: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Radius by Murray's law and Strahler order; parents come before their children."""
    n = len(parent)
    power = np.zeros(n)
    order = np.zeros(n, np.int16)
    ties = np.zeros(n, np.int16)
    for node in range(n - 1, -1, -1):
        if order[node] == 0:
            tip = ARCADE_END_RADIUS_UM[kind[node]] if arcade_end[node] else TERMINAL_RADIUS_UM[kind[node]]
            power[node] = tip**MURRAY_EXPONENT - SIDE_RADIUS_UM[kind[node]] ** MURRAY_EXPONENT
            order[node] = 4 if arcade_end[node] else 1
        elif ties[node] > 1:
            order[node] += 1
        power[node] += SIDE_RADIUS_UM[kind[node]] ** MURRAY_EXPONENT
        above = parent[node]
        if above >= 0:
            power[above] += power[node]
            if order[node] > order[above]:
                order[above], ties[above] = order[node], 1
            elif order[node] == order[above]:
                ties[above] += 1
    return power ** (1.0 / MURRAY_EXPONENT), order
