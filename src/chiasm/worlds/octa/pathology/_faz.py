"""FAZ enlargement and erosion: the innermost capillaries die, evenly and in notches.

Every layer's FAZ widens in proportion. The superficial outline afterwards is read off the capillaries that are left.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from skimage.measure import find_contours

from chiasm.case import Layer, Record
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import AnatomyParams
from chiasm.worlds.octa.anatomy._bed import SHEETS
from chiasm.worlds.octa.anatomy._params import bounded_normal
from chiasm.worlds.octa.anatomy._sheet import LABEL_FAZ
from chiasm.worlds.octa.pathology._ground import ANGLES, Change, Ground, paint
from chiasm.worlds.octa.pathology._loss import interior, tissue_lost
from chiasm.worlds.octa.pathology._severity import Severity

GROWTH: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (0.11, 0.10),
    Stage.LATE_NPDR: (0.31, 0.18),
    Stage.PDR: (0.50, 0.25),
}
"""Relative growth of the area without notches, mean and sd; makes 0.30, 0.38 and 0.45 mm2 of 0.26."""
NOTCHES: Final[dict[Stage, float]] = {Stage.EARLY_NPDR: 1.0, Stage.LATE_NPDR: 1.9, Stage.PDR: 3.0}
"""Mean number of notches."""
OUTLINE_STEP_UM: Final = 6.0
SLACK_UM: Final = 25.0
"""The outline may lie this far beyond the planned rim: cells of tissue are lost whole [um]."""
WIDEST_MM2: Final = 1.1
"""No diseased FAZ is drawn larger than this [mm2]."""


class Notch(Record):
    """A bite out of the perifoveal ring."""

    angle_deg: float = Field(ge=0.0, lt=360.0, allow_inf_nan=False)
    """Direction, from +row to nasal [deg]."""
    depth_um: float = Field(gt=0.0, le=500.0, allow_inf_nan=False)
    """How far it reaches beyond the outline [um]."""
    width_deg: float = Field(gt=0.0, le=120.0, allow_inf_nan=False)
    """Full width at half depth [deg]."""


class FazParams(Record):
    """How the FAZ has changed."""

    growth_mm2: float = Field(default=0.0, ge=0.0, le=1.5, allow_inf_nan=False)
    """Area added evenly around the superficial FAZ [mm2]."""
    notches: tuple[Notch, ...] = Field(default=(), max_length=12)
    """Erosions."""


def sample(rng: np.random.Generator, severity: Severity, anatomy: AnatomyParams) -> FazParams:
    """Draw a change of the FAZ."""
    if severity.stage not in GROWTH:
        return FazParams()
    mean, sd = GROWTH[severity.stage]
    # A FAZ that is nearly as large as the field allows has little room to grow.
    room = max(0.0, min(WIDEST_MM2, _room_mm2(anatomy)) / anatomy.effective_faz_area_mm2 - 1.0)
    share = bounded_normal(rng, mean + 0.5 * sd * (severity.level - 0.5), sd, 0.0, mean + 2.5 * sd)
    growth = anatomy.effective_faz_area_mm2 * (share if share <= room else room * float(rng.uniform(0.5, 1.0)))
    count = min(7, int(rng.poisson(NOTCHES[severity.stage])))
    notches = []
    for _ in range(count):
        depth = float(rng.uniform(70.0, 160.0))
        width = float(rng.uniform(16.0, 34.0))
        notches.append(Notch(angle_deg=float(rng.uniform(0.0, 360.0)), depth_um=depth, width_deg=width))
    return FazParams(growth_mm2=growth, notches=tuple(notches))


def planned_rim_um(ground: Ground, params: FazParams) -> NDArray[np.float64]:
    """(721,) planned radius of the diseased superficial FAZ at `ANGLES` [um]."""
    wider = ground.rim_um * np.sqrt(1.0 + params.growth_mm2 / ground.anatomy.params.effective_faz_area_mm2)
    for notch in params.notches:
        away = np.abs((ANGLES - np.deg2rad(notch.angle_deg) + np.pi) % (2.0 * np.pi) - np.pi)
        wider = wider + notch.depth_um * np.exp2(-((2.0 * away / np.deg2rad(notch.width_deg)) ** 2))
    return np.asarray(wider)


def within(
    ground: Ground, rim_um: NDArray[np.float64], points_um: NDArray[np.float64], scale: float = 1.0
) -> NDArray[np.bool_]:
    """(P,) whether points (row, col) lie within `scale` times a tabulated outline."""
    row, col = ground.anatomy.fovea_um
    reach = scale * float(rim_um.max())
    out = (np.abs(points_um[:, 0] - row) < reach) & (np.abs(points_um[:, 1] - col) < reach)
    near = np.flatnonzero(out)
    distance = np.hypot(points_um[near, 0] - row, points_um[near, 1] - col)
    out[near] = distance < scale * float(rim_um.min())
    unsure = ~out[near] & (distance < reach)
    _, angle = ground.polar(points_um[near[unsure]])
    out[near[unsure]] = distance[unsure] < scale * np.interp(angle, ANGLES, rim_um)
    return np.asarray(out)


def plan(ground: Ground, params: FazParams) -> NDArray[np.bool_]:
    """(E,) the capillaries inside the new outline, in every layer in proportion to that layer's FAZ."""
    removed = np.zeros(ground.graph.n_edges, np.bool_)
    if params.growth_mm2 == 0.0 and not params.notches:
        return removed
    rim = planned_rim_um(ground, params)
    for sheet in SHEETS:
        tissue = ground.anatomy.tissue[sheet.layer]
        scale = ground.anatomy.params.deep_faz_factor**sheet.faz_power
        lost = tissue_lost(ground, sheet.layer, within(ground, rim, tissue.points_um, scale))
        removed[interior(ground, sheet.layer, lost | (tissue.label == LABEL_FAZ))] = True
    return ground.settled(removed, within(ground, rim, ground.middle))


def apply(removed: NDArray[np.bool_]) -> Change:
    """Carry the plan out. The FAZ is anatomy: what it became is its outline, not a lesion."""
    return Change("faz", (), removed)


def outline_um(ground: Ground, params: FazParams, removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(K, 2) outline of the superficial FAZ after a loss, at its present place [um].

    It is the border of the tissue that is reached from the fovea without crossing a superficial vessel. Beside an artery,
    where no capillary closes it, it ends at the planned rim.
    """
    anatomy = ground.anatomy
    if not removed.any():
        shift = 0.0 if ground.warp is None else ground.warp.at(anatomy.faz_outline_um)
        return np.asarray(anatomy.faz_outline_um + shift)
    fovea = np.array(anatomy.fovea_um)
    reach = planned_rim_um(ground, params) + SLACK_UM
    half = float(reach.max()) + 3.0 * OUTLINE_STEP_UM
    n = int(np.ceil(2.0 * half / OUTLINE_STEP_UM))
    ends = ground.now[ground.edges, :2] - fovea
    kept = ~removed & (ground.graph.layer == Layer.SVC) & (np.abs(ends) < half + 50.0).all(axis=(1, 2))
    walls = np.zeros((n, n), np.bool_)
    width = np.full(int(kept.sum()), 0.8 * OUTLINE_STEP_UM)
    paint(walls, ends[kept, 0] + half, ends[kept, 1] + half, width, OUTLINE_STEP_UM)
    centre = (np.arange(n) + 0.5) * OUTLINE_STEP_UM - half
    points = fovea + np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = within(ground, reach, points).reshape(n, n)
    number, _ = ndimage.label(inside & ~walls)
    zone = ndimage.binary_dilation(number == number[n // 2, n // 2])
    smooth = ndimage.gaussian_filter(zone.astype(np.float32), 1.0)
    line = max(find_contours(smooth, 0.5), key=len)[:-1]
    return np.asarray((line + 0.5) * OUTLINE_STEP_UM - half + fovea)


def _room_mm2(anatomy: AnatomyParams) -> float:
    """Area at which the deep FAZ would reach the border of the field [mm2]."""
    offset = max(abs(anatomy.fixation_row_um), abs(anatomy.fixation_nasal_um))
    return anatomy.effective_faz_area_mm2 * ((anatomy.fov_mm * 500.0 - offset) / anatomy.faz_reach_um) ** 2 * 0.9
