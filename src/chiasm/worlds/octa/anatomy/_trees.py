"""Arteries and veins of the macula as planar trees: seeds, growth, waviness, radii, and the cut at the simulated region.

Coordinates are those of `_arcades`: a right eye centred on the fovea.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._arcades import DISC_COL_UM, STEP_UM, Seeds, arcade_line
from chiasm.worlds.octa.anatomy._colonise import Rule, colonise
from chiasm.worlds.octa.anatomy._lattice import jittered_lattice
from chiasm.worlds.octa.anatomy._params import AnatomyParams

ARTERY, VEIN = 0, 1
MURRAY_EXPONENT = 2.7
"""r_parent^k = sum r_child^k; between 2.55 and 2.9, the two values of Kreitner 2024's superficial and deep vessels."""
TERMINAL_RADIUS_UM = (6.0, 6.8)
"""Radius of a terminal arteriole and venule [um]."""
ARCADE_END_RADIUS_UM = (20.0, 23.0)
"""Radius of an arcade where it leaves the growth domain temporally [um]."""
FINE_STEP_UM = 35.0
FAZ_CLEARANCE_UM = 55.0
"""Arterioles and venules keep this far from the FAZ; capillaries bridge the rest [um]."""

# spacing of the attractors [um] and the rule: trunks, branches, twigs
_PASSES = (
    (420.0, Rule(1500.0, 480.0, 250.0, STEP_UM, 250, 0.6, 100.0, 1000, 0.5)),
    (250.0, Rule(700.0, 260.0, 170.0, STEP_UM, 250, 0.5, 90.0, 14, 0.15)),
    (150.0, Rule(280.0, 120.0, 120.0, FINE_STEP_UM, 60, 0.4, 60.0, 5, 0.0)),
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
    half = max(3500.0, params.fov_mm * 500.0 + 500.0)
    rng = np.random.default_rng(np.random.SeedSequence(params.growth_seed, spawn_key=(1,)))
    seeds = _plant(params, half, rng)
    n_seeds = len(seeds.pos)
    capacity = n_seeds + int(8 * (2 * half / 120.0) ** 2)
    pos = np.zeros((capacity, 2))
    direction = np.zeros((capacity, 2))
    parent = np.full(capacity, -1, np.int32)
    kind = np.zeros(capacity, np.uint8)
    pos[:n_seeds], direction[:n_seeds] = np.array(seeds.pos), np.array(seeds.direction)
    parent[:n_seeds], kind[:n_seeds] = seeds.parent, seeds.kind
    n_children, first_child = _children(parent[:n_seeds], capacity)
    n_nodes = n_seeds
    box = np.array([[-half, half], [-half, half]])
    hole = params.faz_radius_um(np.linspace(-np.pi, np.pi, 181)[:-1]) + FAZ_CLEARANCE_UM
    for stream, (spacing, rule) in enumerate(_PASSES, start=1):
        points = [jittered_lattice(params.growth_seed, 10 * stream + 3 * k, spacing, box, 0.45)[0] for k in range(2)]
        wanted = np.repeat(np.arange(2, dtype=np.uint8), [len(p) for p in points])
        both = np.concatenate(points)
        angle = np.arctan2(both[:, 1], both[:, 0])
        alive = np.hypot(both[:, 0], both[:, 1]) > params.faz_radius_um(angle) + FAZ_CLEARANCE_UM + 15.0
        forest = (pos, direction, parent, kind, n_children, first_child)
        luck = rng.random(capacity)
        n_nodes = colonise(forest, n_nodes, (both[alive], wanted[alive]), luck, (half + 1.0, hole), rule)
    pos, parent, kind = pos[:n_nodes], parent[:n_nodes], kind[:n_nodes]
    pos = pos + _warp(pos, params, rng)
    arcade_end = np.zeros(n_nodes, np.bool_)
    arcade_end[:n_seeds] = np.array(seeds.arcade) & (np.bincount(parent[parent >= 0], minlength=n_nodes)[:n_seeds] == 0)
    radius, order = _radii(parent, kind, arcade_end)
    pressure = _murray_pressure(pos, parent, kind, radius, params)
    return Forest(pos, parent, kind, radius, order, pressure)


def _plant(params: AnatomyParams, half_um: float, rng: np.random.Generator) -> Seeds:
    """Arcades, the trunks that leave them alternately to both sides, and the papillomacular roots."""
    seeds = Seeds([], [], [], [], [])
    for side, height_mm in ((-1, params.arcade_superior_mm), (1, params.arcade_inferior_mm)):
        gap = rng.uniform(300.0, 430.0) * (1.0 if rng.random() < 0.5 else -1.0)
        heights = (height_mm * 1000.0, height_mm * 1000.0 + gap)
        phase = rng.uniform(0.0, 2.0 * np.pi)
        lines = [arcade_line(h, side, half_um, phase, 35.0) for h in heights]
        nodes = [seeds.add_line(line, kind, -1, arcade=True) for kind, line in enumerate(lines)]
        inner = int(np.argmin(heights))
        for towards_fovea in (True, False):
            start_kind = int(rng.integers(2))
            col = 3100.0 + rng.uniform(-200.0, 200.0)
            k = 0
            while col > -half_um + 300.0:
                kind = (start_kind + k) % 2
                crossing = towards_fovea == (kind != inner)
                _trunk(seeds, lines[kind], nodes[kind], col, side, crossing, towards_fovea, abs(gap), rng)
                col -= params.trunk_spacing_um * rng.uniform(0.6, 1.4)
                k += 1
    n_roots = int(rng.integers(3, 6))
    first = int(rng.integers(2))
    entry = min(half_um, DISC_COL_UM - 500.0)
    rows = np.linspace(-650.0, 650.0, n_roots) + rng.uniform(-90.0, 90.0, n_roots)
    for k, row in enumerate(rows):
        line = np.stack([np.full(4, row), entry - STEP_UM * np.arange(4)], axis=1)
        seeds.add_line(line, (first + k) % 2, -1, arcade=False)
    return seeds


def _trunk(
    seeds: Seeds,
    line: NDArray[np.float64],
    nodes: list[int],
    col: float,
    side: int,
    crossing: bool,
    inward: bool,
    gap: float,
    rng: np.random.Generator,
) -> None:
    """Start one trunk at an arcade; one that has to cross the other arcade starts on its far side."""
    k = int(np.argmin(np.abs(line[:, 1] - col)))
    if not 2 < k < len(line) - 3 or abs(line[k, 1] - col) > STEP_UM:
        return
    ahead = rng.normal(0.0, 1.0, 2) * np.array([350.0, 800.0])
    beyond = line[k] + np.array([side * 2000.0, rng.normal(-800.0, 700.0)])
    heading = (ahead if inward else beyond) - line[k] - np.array([0.0, 300.0])
    # Trunks leave at 40 degrees or more, else they would run inside the arcade's wall.
    steep = np.sign(heading[0]) * max(abs(heading[0]), 0.84 * abs(heading[1]))
    heading = np.array([steep, heading[1]]) / np.hypot(steep, heading[1])
    length = 3 if not crossing else int(np.ceil((gap / max(abs(heading[0]), 0.5) + 130.0) / STEP_UM))
    points = line[k] + STEP_UM * heading * np.arange(1, length + 1)[:, None]
    seeds.add_line(points, seeds.kind[nodes[k]], nodes[k], arcade=False)


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
            power[node] = tip**MURRAY_EXPONENT
            order[node] = 4 if arcade_end[node] else 1
        elif ties[node] > 1:
            order[node] += 1
        above = parent[node]
        if above >= 0:
            power[above] += power[node]
            if order[node] > order[above]:
                order[above], ties[above] = order[node], 1
            elif order[node] == order[above]:
                ties[above] += 1
    return power ** (1.0 / MURRAY_EXPONENT), order
