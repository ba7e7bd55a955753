"""Microaneurysms: small bulges of capillaries, most of them where non-perfusion borders on living capillaries.

Sources, by label
    PMC6856183: 52 microaneurysms in 3-D: superficial 38.4 %, deep 50 %, both 11.6 %; 31 of 52 saccular.
    PMC8005788: the best OCTA device shows 43 % of what angiography with dye shows, so many have little flow.
    Clinical upper limit of the diameter: 125 um.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtr, ndtri

from chiasm.case import Layer, Quantity, Record
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.imaging import Blobs
from chiasm.worlds.octa.pathology._dropout import DropoutPlan
from chiasm.worlds.octa.pathology._ground import Change, Ground, draw_segments
from chiasm.worlds.octa.pathology._lesion import Lesion, Unplaced
from chiasm.worlds.octa.pathology._severity import Severity

TERM: Final = "microaneurysm"
COUNT: Final[dict[Stage, tuple[float, int]]] = {
    Stage.EARLY_NPDR: (4.0, 15),
    Stage.LATE_NPDR: (8.0, 30),
    Stage.PDR: (11.0, 40),
}
"""Mean before it is cut off, and most, per 3x3 mm. Counts spread as widely as geometric ones: cohorts report 2.6 to 47 an
eye (PMC6856183, Cairo)."""
NONE: Final = 0.2
"""So many eyes whose stage other findings make have none in the field."""
DIAMETER_UM: Final = (20.0, 125.0)
DIAMETER_LOG: Final = (float(np.log(43.0)), 0.36)
"""Mean and sd of the diameter's logarithm; 43 um is the median before the ends are cut off."""
LAYERS: Final = {"SVC": 0.384, "ICP": 0.116, "DCP": 0.5}
SHAPES: Final = {"saccular": 0.5, "fusiform": 0.3, "focal bulge": 0.2}
BORDER_SHARE: Final = 0.8
"""Share that sits at the border of dropout, where there is any."""
BORDER_UM: Final = 110.0
"""How far from dropout still counts as its border [um]."""
GAP_UM: Final = 25.0
"""Least distance between the walls of two [um]."""
FUSIFORM_RATIO: Final = 1.9
"""Length over width of a fusiform one."""


class MicroaneurysmParams(Record):
    """One microaneurysm; its place is the free capillary of its layer that its seed ranks first."""

    seed: int = Field(ge=0, lt=2**53)
    """Seed of its place."""
    diameter_um: float = Field(ge=DIAMETER_UM[0], le=DIAMETER_UM[1], allow_inf_nan=False)
    """Longest diameter [um]."""
    shape: Literal["saccular", "fusiform", "focal bulge"]
    layer: Literal["SVC", "ICP", "DCP"]
    at_border: bool
    """At the border of dropout, where there is one with room."""
    flow: float = Field(ge=0.0, le=1.0, allow_inf_nan=False)
    """Share of the full decorrelation contrast, 0-1."""


class MicroaneurysmsParams(Record):
    """The microaneurysms of one eye."""

    each: Annotated[tuple[MicroaneurysmParams, ...], Field(max_length=2000)] = ()


def sample(rng: np.random.Generator, severity: Severity) -> MicroaneurysmsParams:
    """Draw the microaneurysms of an eye."""
    if severity.stage not in COUNT:
        return MicroaneurysmsParams()
    needed = severity.stage is Stage.EARLY_NPDR and not severity.share_makes_early
    if rng.random() < NONE and not needed:
        return MicroaneurysmsParams()
    mean, most = COUNT[severity.stage]
    # The inverse of the geometric distribution function, cut off at the most.
    stay = 1.0 - 1.0 / mean
    count = math.ceil(math.log1p(-rng.random() * (1.0 - stay**most)) / math.log(stay))
    return MicroaneurysmsParams(each=tuple(sample_one(rng) for _ in range(max(1, round(severity.scans * count)))))


def sample_one(rng: np.random.Generator) -> MicroaneurysmParams:
    """Draw one microaneurysm; its diameter is log-normal within `DIAMETER_UM`."""
    low, high = ndtr((np.log(DIAMETER_UM) - DIAMETER_LOG[0]) / DIAMETER_LOG[1])
    diameter = float(np.exp(DIAMETER_LOG[0] + DIAMETER_LOG[1] * ndtri(rng.uniform(low, high))))
    bright = rng.random() < 0.55
    return MicroaneurysmParams(
        seed=int(rng.integers(2**53)),
        diameter_um=diameter,
        shape=str(rng.choice(list(SHAPES), p=list(SHAPES.values()))),
        layer=str(rng.choice(list(LAYERS), p=list(LAYERS.values()))),
        at_border=bool(rng.random() < BORDER_SHARE),
        flow=float(rng.uniform(0.45, 0.95) if bright else rng.uniform(0.05, 0.45)),
    )


@dataclass(frozen=True)
class Site:
    """Where one microaneurysm sits: the parent edge."""

    number: int
    edge: int


def plan(
    ground: Ground, params: MicroaneurysmsParams, dropout: DropoutPlan, lost: NDArray[np.bool_]
) -> tuple[list[Site], list[Unplaced]]:
    """Choose a living capillary for each.

    Args:
        ground: The eye.
        params: What to place.
        dropout: The planned non-perfusion, whose borders are sought.
        lost: (E,) every capillary that is planned to be lost.
    """
    if not params.each:
        return [], []
    graph = ground.graph
    middle = ground.middle
    inset = 0.5 * DIAMETER_UM[1]
    inside = ((middle > inset) & (middle < ground.fov_um - inset)).all(axis=1)
    living = ground.capillary & ~lost & inside
    border = living & _near_border(ground, dropout)
    sites: list[Site] = []
    unplaced: list[Unplaced] = []
    centres = np.zeros((0, 2))
    radii = np.zeros(0)
    for number, one in enumerate(params.each, 1):
        mine = living & (graph.layer == Layer[one.layer])
        groups = (mine & border, mine & ~border) if one.at_border else (mine,)
        chosen = -1
        for e in _in_turn(ground, one.seed, groups):
            gap = np.hypot(*(centres - middle[e]).T) - radii - 0.5 * one.diameter_um
            if not (gap < GAP_UM).any():
                chosen = e
                break
        if chosen < 0:
            unplaced.append(Unplaced("microaneurysm", number, f"no free capillary in the {one.layer}"))
            continue
        sites.append(Site(number, chosen))
        centres = np.vstack([centres, middle[chosen]])
        radii = np.append(radii, 0.5 * one.diameter_um)
    return sites, unplaced


def _in_turn(ground: Ground, seed: int, groups: tuple[NDArray[np.bool_], ...]) -> Iterator[int]:
    """The edges of each group (E,) in an irregular order; a group is sorted when its turn comes, which it seldom does."""
    for group in groups:
        candidates = np.flatnonzero(group)
        rank = hash01(seed, 1, ground.graph.edge_id[candidates].astype(np.int64))
        yield from candidates[np.argsort(rank, kind="stable")].tolist()


def apply(ground: Ground, params: MicroaneurysmsParams, sites: list[Site], unplaced: list[Unplaced]) -> Change:
    """Hang the blobs on their capillaries."""
    if not sites:
        return Change("microaneurysm", unplaced=tuple(unplaced))
    blobs = hang(params, sites, ground, ground.now)
    lesions = tuple(_lesion(ground, site, params.each[site.number - 1], blobs, i) for i, site in enumerate(sites))
    return Change("microaneurysm", lesions, blobs=blobs, unplaced=tuple(unplaced))


def moved(params: MicroaneurysmsParams, sites: list[Site], ground: Ground) -> Blobs | None:
    """The blobs that tortuosity moves along, at both places; None where it moves none."""
    if not sites or ground.warp is None:
        return None
    before, after = hang(params, sites, ground, ground.pos), hang(params, sites, ground, ground.now)
    shifted = (before.center_um != after.center_um).any(axis=1)
    if not shifted.any():
        return None
    pairs = {
        f.name: np.concatenate([getattr(b.select(shifted), f.name) for b in (before, after)]) for f in fields(Blobs)
    }
    return Blobs(**pairs)


def hang(params: MicroaneurysmsParams, sites: list[Site], ground: Ground, pos_um: NDArray[np.float64]) -> Blobs:
    """The blobs on the capillaries of a network whose nodes lie at `pos_um` (N, 3)."""
    ones = [params.each[site.number - 1] for site in sites]
    index = np.array([site.edge for site in sites])
    ends = pos_um[ground.edges[index]]
    centre = ends.mean(axis=1)
    along = ends[:, 1, :2] - ends[:, 0, :2]
    angle = np.arctan2(along[:, 1], along[:, 0])
    side = np.array([1.0 if one.seed % 2 else -1.0 for one in ones])
    parent = ground.graph.radius_um[index]
    offset = np.array([_offset_um(one, float(r)) for one, r in zip(ones, parent, strict=True)]) * side
    centre[:, 0] -= offset * np.sin(angle)
    centre[:, 1] += offset * np.cos(angle)
    return Blobs(
        center_um=centre.astype(np.float32),
        semi_um=np.array([_semi_axes(one) for one in ones], np.float32),
        angle_rad=angle.astype(np.float32),
        layer=np.array([Layer[one.layer] for one in ones], np.uint8),
        flow=np.array([one.flow for one in ones], np.float32),
    )


def _near_border(ground: Ground, dropout: DropoutPlan) -> NDArray[np.bool_]:
    """(E,) edges outside the planned non-perfusion but close to it."""
    if not dropout.removed.any():
        return np.zeros(len(ground.edges), np.bool_)
    step = 20.0
    ends = ground.pos[ground.edges[dropout.removed], :2]
    near = draw_segments(ends[:, 0], ends[:, 1], np.full(len(ends), BORDER_UM), step)
    return near.contains(ground.middle)


def _semi_axes(one: MicroaneurysmParams) -> tuple[float, float]:
    half = 0.5 * one.diameter_um
    if one.shape == "fusiform":
        return half, half / FUSIFORM_RATIO
    return half, 0.9 * half


def _offset_um(one: MicroaneurysmParams, parent_radius_um: float) -> float:
    """How far the centre lies beside the capillary's axis: sacs hang on it, bulges stick out by half."""
    half = 0.5 * one.diameter_um
    if one.shape == "saccular":
        return 0.9 * half + 0.5 * parent_radius_um
    return 0.0 if one.shape == "fusiform" else 0.5 * half


def _lesion(ground: Ground, site: Site, one: MicroaneurysmParams, blobs: Blobs, i: int) -> Lesion:
    only = np.zeros(len(blobs), np.bool_)
    only[i] = True
    blob = blobs.select(only)
    row, col, depth = (float(v) for v in blob.center_um[0])
    away = float(np.hypot(row - ground.anatomy.fovea_um[0], col - ground.anatomy.fovea_um[1]))
    return Lesion(
        lesion_id=f"microaneurysm-{site.number}",
        term=TERM,
        layers=frozenset((Layer[one.layer],)),
        center_um=(row, col, depth),
        polyline_um=None,
        attributes={"shape": one.shape, "layer": one.layer},
        quantities=(
            Quantity(name="diameter", value=round(2.0 * float(blob.semi_um[0].max()), 2), unit="um"),
            Quantity(name="distance to fovea", value=round(away / 1000.0, 4), unit="mm"),
        ),
        fov_um=ground.fov_um,
        blob=blob,
    )
