"""Where the large vessels of the macula come from: the temporal arcades, their trunks, and the papillomacular roots.

Coordinates here are those of a right eye centred on the fovea: row downward (superior is negative), col towards the nose.
The arcades are parabolas that open temporally from the optic disc, 4.7 mm nasal of the fovea.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._params import AnatomyParams

DISC_COL_UM = 4700.0
"""Distance of the optic disc from the fovea [um]."""
STEP_UM = 40.0
"""Spacing of nodes along large vessels [um]."""
SMALLEST_GAP_UM = 300.0
"""Artery and vein of one arcade keep this distance, before their waves [um]."""
ARCADE_GAP_UM = (400.0, 2000.0)
"""How much farther than that they are at most apart, from eye to eye [um]."""
RIM_UM = 150.0
"""Arcades that would leave the domain temporally run along its rim instead, that far from it [um]: where one left, a single trunk
of its kind served half the macula, wide and with branches like a comb."""
PLANTED_SHARE = (0.4, 0.8)
"""Share of the way to the fovea's surroundings that a trunk is planted along; from there it grows [1]."""
PAPILLOMACULAR = (4, 6)
"""Fewest and most roots between disc and macula."""
PAPILLOMACULAR_END_UM = (700.0, 1500.0)
"""Where they are planted to, nasal of the fovea [um]; trunks from the arcades branched backwards where they ended earlier."""
PLANTED_GAP_UM = 160.0
"""The course of a trunk ends where another is as near as that [um]."""
FORK_UM = (200.0, 550.0)
"""Least and largest distance between the forks of a trunk [um]; what is said of forks here is assumed, held against
forks and directions of real ridges (docs/log.md)."""
FORK_DEG = (40.0, 65.0)
"""Least and largest angle at which a daughter leaves a trunk [deg]."""
DAUGHTER_SHARE = (0.6, 1.1)
"""Length of a daughter, as a share of what is left of its trunk [1] ..."""
DAUGHTER_UM = 500.0
"""... which counts as at least so much [um]."""
BEND = 0.9
"""How much of that angle the whole of a daughter turns away [1]: what goes farther apart leaves room for the other kind between."""
NEAREST_UM = 1250.0
"""No daughter is planted nearer to the fovea than that [um]: farther in, vessels of one kind would lie beside each other."""


@dataclass
class Seeds:
    """Polylines that the forest starts from, as one node list (see `_colonise.colonise` for the columns)."""

    pos: list[NDArray[np.float64]]
    direction: list[NDArray[np.float64]]
    parent: list[int]
    kind: list[int]
    arcade: list[bool]
    trunks: list[list[int]]
    """Nodes of the trunks and roots of the macula, each from its origin on."""
    _points: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    def points(self) -> NDArray[np.float64]:
        """(n, 2) all positions; only those that are new since the last call are copied from the list."""
        if new := self.pos[len(self._points) :]:
            self._points = np.concatenate([self._points, np.array(new)])
        return self._points

    def add_line(self, line: NDArray[np.float64], kind: int, parent: int, *, arcade: bool) -> list[int]:
        """Append the points of a polyline as a chain below `parent` (-1: a root); returns their indices."""
        way = np.gradient(line, axis=0) if len(line) > 1 else line - self.pos[parent]
        way = way / np.maximum(np.hypot(way[:, 0], way[:, 1])[:, None], 1e-9)
        first = len(self.pos)
        self.pos.extend(line)
        self.direction.extend(way)
        self.parent.extend([parent, *range(first, first + len(line) - 1)])
        self.kind.extend([kind] * len(line))
        self.arcade.extend([arcade] * len(line))
        return list(range(first, first + len(line)))


@dataclass(frozen=True)
class Arcade:
    """The artery and the vein of one temporal arcade.

    Attributes:
        side: -1 superior, +1 inferior.
        lines: (n, 2) points of the artery and of the vein, from nasal to temporal.
        nodes: Their indices among the seeds.
        inner: Which of both runs nearer to the fovea.
    """

    side: int
    lines: tuple[NDArray[np.float64], NDArray[np.float64]]
    nodes: tuple[list[int], list[int]]
    inner: int


def plant(params: AnatomyParams, half_um: float, rng: np.random.Generator) -> Seeds:
    """Arcades, the trunks that leave them alternately to both sides, and the papillomacular roots.

    Args:
        params: The eye.
        half_um: Half side of the growth domain [um].
        rng: Source of randomness.
    """
    seeds = Seeds([], [], [], [], [], [])
    for side, height_mm in ((-1, params.arcade_superior_mm), (1, params.arcade_inferior_mm)):
        arcade = _arcade(seeds, side, height_mm * 1000.0, half_um, rng)
        for towards_fovea in (True, False):
            kind = int(rng.integers(2))
            col = 3100.0 + rng.uniform(-200.0, 200.0)
            while col > -half_um + 300.0:
                _trunk(seeds, arcade, kind, col, towards_fovea, half_um, rng)
                col -= params.trunk_spacing_um * rng.uniform(0.4, 1.6)
                kind = 1 - kind
    _papillomacular(seeds, params, half_um, rng)
    for trunk in tuple(seeds.trunks):  # once all are planted: a daughter takes no trunk's place
        _fork(seeds, trunk, half_um, rng)
    return seeds


def resample(line: NDArray[np.float64], step_um: float) -> NDArray[np.float64]:
    """The polyline with points `step_um` apart along its length."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, along[-1], step_um)
    return np.stack([np.interp(at, along, line[:, k]) for k in range(2)], axis=1)


def _arcade(seeds: Seeds, side: int, height_um: float, half_um: float, rng: np.random.Generator) -> Arcade:
    """Artery and vein at a distance that wanders; either may be the inner one."""
    col = np.linspace(min(half_um, DISC_COL_UM - 400.0), -half_um, 300)
    spread = rng.uniform(*ARCADE_GAP_UM)
    gap = SMALLEST_GAP_UM + spread * 0.5 * (1.0 + np.sin(col / rng.uniform(700.0, 1300.0) + rng.uniform(0.0, 6.28)))
    inner = int(rng.integers(2))
    lines = [_parabola(col, height_um, 0.0 if k == inner else gap, half_um, rng) for k in range(2)]
    lines = [line * np.array([side, 1.0]) for line in lines]
    nodes = [seeds.add_line(line, kind, -1, arcade=True) for kind, line in enumerate(lines)]
    return Arcade(side, (lines[0], lines[1]), (nodes[0], nodes[1]), inner)


def _parabola(
    col: NDArray[np.float64],
    height_um: float,
    beyond_um: NDArray[np.float64] | float,
    half_um: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Points `STEP_UM` apart of one inferior arcade vessel, from its nasal entry to the temporal rim of the growth domain.

    Args:
        col: (n,) nasal to temporal [um].
        height_um: Distance from the fovea at the fovea's meridian [um].
        beyond_um: (n,) what is added to the distance from the fovea's horizontal [um].
        half_um: Half side of the growth domain [um].
        rng: Source of its undulation.
    """
    height = height_um * np.sqrt((DISC_COL_UM - col) / DISC_COL_UM)
    height = height * (1.0 - 0.25 / (1.0 + np.exp((col + 2000.0) / 500.0)))
    height = height + beyond_um + 22.0 * np.sin(col / rng.uniform(330.0, 520.0) + rng.uniform(0.0, 6.28))
    height = np.minimum(height, half_um - RIM_UM)
    return resample(np.stack([height, col], axis=1), STEP_UM)


def _trunk(
    seeds: Seeds, arcade: Arcade, kind: int, col: float, inward: bool, half_um: float, rng: np.random.Generator
) -> None:
    """Start one trunk at an arcade; one that has to cross the other vessel of its arcade starts on the far side."""
    line = arcade.lines[kind]
    k = int(np.argmin(np.abs(line[:, 1] - col)))
    if not 2 < k < len(line) - 3 or abs(line[k, 1] - col) > STEP_UM:
        return
    start = line[k]
    if inward:
        target = np.array([0.0, start[1] * (0.35 if start[1] > 0 else 0.75) + rng.normal(-150.0, 100.0)])
        share = rng.uniform(*PLANTED_SHARE)
    else:
        target = start + np.array([arcade.side * 2000.0, rng.normal(-800.0, 700.0)])
        share = 0.0
    heading = target - start - np.array([0.0, 300.0])
    # Trunks leave at 40 degrees or more, else they would run inside the arcade's wall.
    steep = np.sign(heading[0]) * max(abs(heading[0]), 0.84 * abs(heading[1]))
    heading = np.array([steep, heading[1]]) / np.hypot(steep, heading[1])
    shortest = 3
    if inward == (kind != arcade.inner):
        other = arcade.lines[1 - kind]
        gap = np.hypot(*(other - start).T).min()
        shortest = int(np.ceil((gap / max(abs(heading[0]), 0.5) + 130.0) / STEP_UM))
    points = start + STEP_UM * heading * np.arange(shortest + 1)[:, None]
    if share:
        points = np.concatenate([points[:-1], _course(points[-1], heading, target, share)])
    points = _clear(points[1:], seeds, shortest)
    if len(points) and np.abs(points).max() < half_um:
        seeds.trunks.append(seeds.add_line(points, kind, arcade.nodes[kind][k], arcade=False))


def _papillomacular(seeds: Seeds, params: AnatomyParams, half_um: float, rng: np.random.Generator) -> None:
    """Arteries and veins in turn that fan out from the disc to the nasal macula, between the arcades."""
    entry = min(half_um, DISC_COL_UM - 500.0)
    kind = int(rng.integers(2))
    roots = int(rng.integers(PAPILLOMACULAR[0], PAPILLOMACULAR[1] + 1))
    for place in np.linspace(-0.62, 0.62, roots) + rng.uniform(-0.08, 0.08):
        end = rng.uniform(*PAPILLOMACULAR_END_UM) - 500.0 * abs(place)
        col = np.arange(entry, end, -STEP_UM)
        height = 1000.0 * (params.arcade_superior_mm if place < 0 else params.arcade_inferior_mm)
        share = place * (0.8 + 0.2 * (col - end) / (entry - end))
        row = share * height * np.sqrt((DISC_COL_UM - col) / DISC_COL_UM)
        line = _clear(resample(np.stack([row, col], axis=1), STEP_UM), seeds, 4)
        if len(line) > 1:
            seeds.trunks.append(seeds.add_line(line, kind, -1, arcade=False))
            kind = 1 - kind


def _fork(seeds: Seeds, nodes: list[int], half_um: float, rng: np.random.Generator) -> None:
    """Plant daughters that leave a trunk, given by its nodes, to both sides in turn and bend back to its course."""
    trunk = np.array([seeds.pos[node] for node in nodes])
    side = float(rng.choice((-1.0, 1.0)))
    at = rng.uniform(*FORK_UM)
    while (k := int(at / STEP_UM)) < len(trunk) - 2:
        heading = trunk[k + 1] - trunk[k - 1]
        heading = heading / np.hypot(*heading)
        turn = side * np.radians(rng.uniform(*FORK_DEG))
        reach = rng.uniform(*DAUGHTER_SHARE) * max(STEP_UM * (len(trunk) - k), DAUGHTER_UM)
        target = trunk[k] + reach * _turned(heading, BEND * turn)
        line = _clear(_course(trunk[k], _turned(heading, turn), target, 1.0)[1:], seeds, 0, own=nodes)
        outside = (np.hypot(line[:, 0], line[:, 1]) < NEAREST_UM) | (np.abs(line).max(axis=1) >= half_um)
        line = line[: int(np.argmax(outside)) if outside.any() else len(line)]
        if len(line) > 2:
            seeds.add_line(line, seeds.kind[nodes[0]], nodes[k], arcade=False)
            side = -side
        at += rng.uniform(*FORK_UM)


def _turned(way: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """A direction (2,) turned by an angle [rad]."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * way[0] - sin * way[1], sin * way[0] + cos * way[1]])


def _course(
    start: NDArray[np.float64], heading: NDArray[np.float64], target: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """The first `share` of a curve from `start`, which it leaves along `heading`, to `target`."""
    reach = 0.45 * np.hypot(*(target - start))
    t = np.linspace(0.0, 1.0, 200)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * (start + reach * heading) + t**2 * target
    line = resample(curve, STEP_UM)
    return line[: max(2, int(share * len(line)))]


def _clear(line: NDArray[np.float64], seeds: Seeds, shortest: int, own: Sequence[int] = ()) -> NDArray[np.float64]:
    """The line up to where it comes too near to a vessel planted before, other than its `own`; its first `shortest` points stay."""
    there = seeds.points()
    away = (line[:, :1] - there[:, 0]) ** 2 + (line[:, 1:] - there[:, 1]) ** 2
    away[:, list(own)] = np.inf
    near = away.min(axis=1, initial=np.inf) < PLANTED_GAP_UM**2
    near[:shortest] = False
    stop = np.flatnonzero(near)
    return line[: stop[0] if len(stop) else len(line)]
