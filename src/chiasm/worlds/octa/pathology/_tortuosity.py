"""Tortuosity: arteries and veins wind more; what lies beside them moves along, so that nothing tears or crosses.

Weak and noisy on purpose: it rises through NPDR, falls in PDR, and healthy eyes have some (Lee 2018, n = 151, p = 0.033;
another cohort finds no difference, PMC8107511, p = 0.22).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from chiasm.case import Layer, Quantity, Record, Vessel
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import Anatomy
from chiasm.worlds.octa.anatomy._lattice import hash01
from chiasm.worlds.octa.imaging import Blobs
from chiasm.worlds.octa.pathology._ground import ANGLES, Change, Ground, draw_segments
from chiasm.worlds.octa.pathology._lesion import Lesion, Patch
from chiasm.worlds.octa.pathology._severity import Severity
from chiasm.worlds.octa.pathology._warp import Warp

TERM: Final = "vascular tortuosity"
GAIN: Final[dict[Stage, tuple[float, float]]] = {
    Stage.HEALTHY: (0.0, 0.2),
    Stage.EARLY_NPDR: (0.1, 0.5),
    Stage.LATE_NPDR: (0.3, 1.0),
    Stage.PDR: (0.1, 0.7),
}
"""Lowest and highest gain."""
AMPLITUDE_UM: Final = 13.0
"""Root mean square displacement at gain 1 [um]."""
WAVELENGTH_UM: Final = 230.0
REACH_UM: Final = 80.0
"""Tissue moves along up to this distance from a vessel's wall [um]."""
GRID_UM: Final = 20.0
REACH_STEP_UM: Final = 10.0
"""Grid on which the surroundings are recorded [um]."""
LEAST_RADIUS_UM: Final = 7.0
"""Arteries and veins from this radius on wind [um]."""
STATED_GAIN: Final = 0.4
"""From this gain on, tortuosity is recorded as a finding; below, it is within what healthy eyes show."""
GRADES: Final = ((0.85, "marked"), (0.7, "moderate"), (0.0, "mild"))
"""Least gain of each grade; a gain below 0.6 is seldom visible, so the borders divide what lies above it."""


class TortuosityParams(Record):
    """How much the large vessels wind."""

    gain: float = Field(default=0.0, ge=0.0, le=1.0, allow_inf_nan=False)
    """0-1; 1 moves vessels by 13 um in the mean."""
    seed: int = Field(default=0, ge=0, lt=2**53)


def sample(rng: np.random.Generator, severity: Severity) -> TortuosityParams:
    """Draw the tortuosity of an eye."""
    low, high = GAIN[severity.stage]
    return TortuosityParams(gain=float(rng.uniform(low, high)), seed=int(rng.integers(2**53)))


def warp(anatomy: Anatomy, params: TortuosityParams) -> Warp | None:
    """The displacement; None when there is none."""
    if params.gain == 0.0:
        return None
    graph = anatomy.graph
    low = float(np.floor(graph.position_um[:, :2].min()))
    n = int(np.ceil((float(graph.position_um[:, :2].max()) - low) / GRID_UM)) + 2
    white = hash01(params.seed, 1, np.arange(2 * n * n)).reshape(2, n, n) - 0.5
    sigma = WAVELENGTH_UM / GRID_UM / 5.0
    band = np.stack([ndimage.gaussian_filter(w, sigma) - ndimage.gaussian_filter(w, 1.6 * sigma) for w in white])
    band /= band.std()
    band = 2.0 * np.tanh(0.5 * band)  # no point moves by more than two amplitudes, so that the plane does not fold
    shift = band * (params.gain * AMPLITUDE_UM) * _weight(anatomy, low, n)
    return Warp((low, low), GRID_UM, shift)


def apply(ground: Ground, params: TortuosityParams, moved: Blobs | None) -> Change:
    """The finding, when it is strong enough to be one.

    Args:
        ground: The eye.
        params: How much.
        moved: The microaneurysms that moved along, at both places.
    """
    if params.gain < STATED_GAIN or ground.warp is None:
        return Change("tortuosity")
    winding = ~ground.capillary & (ground.graph.radius_um >= LEAST_RADIUS_UM) & _in_field(ground)
    if not winding.any():
        return Change("tortuosity")
    place = ground.middle_now[winding].mean(axis=0)
    lesion = Lesion(
        lesion_id="tortuosity-1",
        term=TERM,
        layers=frozenset((Layer.SVC,)),
        center_um=(float(place[0]), float(place[1]), float(ground.now[ground.edges[winding].ravel(), 2].mean())),
        polyline_um=None,
        attributes={"grade": next(word for least, word in GRADES if params.gain >= least)},
        quantities=(Quantity(name="tortuosity", value=round(mean_tortuosity(ground), 4), unit="1"),),
        fov_um=ground.fov_um,
        vessels=ground.vessels(winding),
        blob=moved,
        surroundings=_surroundings(ground),
    )
    return Change("tortuosity", (lesion,))


def _in_field(ground: Ground) -> NDArray[np.bool_]:
    return np.asarray(((ground.middle_now >= 0) & (ground.middle_now <= ground.fov_um)).all(axis=1))


def mean_tortuosity(ground: Ground) -> float:
    """Arc over chord of the large vessels' segments between branchings, weighted by length."""
    large = np.flatnonzero(~ground.capillary & (ground.graph.radius_um >= LEAST_RADIUS_UM))
    ends = ground.edges[large]
    degree = np.bincount(ends.ravel(), minlength=len(ground.pos))
    arcs, chords = _branches(ends, degree, ground.now)
    return float(arcs.sum() / chords.sum())


def _branches(
    ends: NDArray[np.int64], degree: NDArray[np.int64], pos: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Arc and chord of every chain between nodes that are no mere joints; trees only, so each chain has two ends."""
    joint = degree == 2
    order = np.argsort(ends.ravel(), kind="stable")
    node, edge = ends.ravel()[order], np.repeat(np.arange(len(ends)), 2)[order]
    same = (node[:-1] == node[1:]) & joint[node[:-1]]  # two edges that share a joint are of one chain
    net = coo_matrix((np.ones(int(same.sum())), (edge[:-1][same], edge[1:][same])), shape=(len(ends), len(ends)))
    count, label = connected_components(net, directed=False)
    arcs = np.bincount(label, np.hypot(*(pos[ends[:, 1], :2] - pos[ends[:, 0], :2]).T), minlength=count)
    outer = ~joint[ends].ravel()
    which, where = np.repeat(label, 2)[outer], pos[ends.ravel()[outer], :2]
    order = np.argsort(which, kind="stable")
    which, where = which[order], where[order]
    start = np.searchsorted(which, np.arange(count))[np.bincount(which, minlength=count) == 2]
    chords = np.hypot(*(where[start] - where[start + 1]).T)
    return arcs[which[start]], chords


def _weight(anatomy: Anatomy, low: float, n: int) -> NDArray[np.float64]:
    """(n, n) 1 on large vessels, 0 beyond their reach and in the FAZ and the ring around it."""
    graph = anatomy.graph
    large = np.isin(graph.vessel, (Vessel.ARTERY, Vessel.VEIN)) & (graph.radius_um >= LEAST_RADIUS_UM)
    ends = graph.position_um[graph.edges[large], :2].astype(np.float64)
    drawn = draw_segments(ends[:, 0] - low, ends[:, 1] - low, graph.radius_um[large].astype(np.float64) + 10.0, GRID_UM)
    on = drawn.mask(n * GRID_UM, n)
    away = ndimage.distance_transform_edt(~on) * GRID_UM
    at = low + np.arange(n) * GRID_UM
    row, col = anatomy.fovea_um
    sign = float(anatomy.params.nasal)
    dr, dc = at[:, None] - row, sign * (at[None] - col)
    rim = np.interp(np.arctan2(dc, dr), ANGLES, anatomy.params.faz_radius_um(ANGLES))
    outside = ((np.hypot(dr, dc) - rim - 60.0) / 120.0).clip(0.0, 1.0)
    return np.asarray(_smooth((1.0 - away / REACH_UM).clip(0.0, 1.0)) * _smooth(outside))


def _smooth(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return t * t * (3.0 - 2.0 * t)


def _surroundings(ground: Ground) -> Patch:
    """Every vessel of which an end moved, at both places."""
    moved = (ground.pos != ground.now).any(axis=1)[ground.edges].any(axis=1)
    ends = np.concatenate([ground.pos[ground.edges[moved], :2], ground.now[ground.edges[moved], :2]])
    radius = np.concatenate([ground.graph.radius_um[moved]] * 2)
    return draw_segments(ends[:, 0], ends[:, 1], radius + 2.5 * REACH_STEP_UM, REACH_STEP_UM)
