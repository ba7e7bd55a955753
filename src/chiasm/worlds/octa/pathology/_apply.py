"""Carry a disease out on a grown eye."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy import Anatomy, polygon_area_mm2
from chiasm.worlds.octa.imaging import Blobs
from chiasm.worlds.octa.pathology import _dropout, _faz, _irma, _microaneurysm, _neovascularization, _tortuosity
from chiasm.worlds.octa.pathology._ground import Change, Ground, combine
from chiasm.worlds.octa.pathology._lesion import FAMILIES, DiseasedEye
from chiasm.worlds.octa.pathology._params import PathologyParams


def apply_pathology(anatomy: Anatomy, params: PathologyParams) -> DiseasedEye:
    """The eye with its disease. Pure: equal arguments give equal bits.

    Every family is planned on the healthy eye, in the order of `FAMILIES`; those in `params.hidden` are not carried out.

    Raises:
        InvalidInput: A lesion is impossible in this eye, such as more dropout than there is tissue.
    """
    pit = _radius_um(anatomy.faz_outline_um)
    if not any(params.has(family) for family in FAMILIES):
        graph, outline = anatomy.graph, np.asarray(anatomy.faz_outline_um, dtype=np.float64)
        return DiseasedEye(graph, graph, Blobs.none(), anatomy.fovea_um, pit, pit, outline, ())
    warp = _tortuosity.warp(anatomy, params.tortuosity) if params.has("tortuosity") else None
    ground = Ground.of(anatomy, warp)
    changes, faz_loss = _changes(ground, params)
    shown = [change for change in changes if params.has(change.family)]
    graph = combine(ground, shown)
    none = np.zeros(ground.graph.n_edges, np.bool_)
    outline = _faz.outline_um(ground, params.faz, faz_loss if params.has("faz") else none)
    blobs = next((c.blobs for c in shown if c.blobs is not None), Blobs.none())
    return DiseasedEye(
        graph=graph,
        healthy=anatomy.graph,
        blobs=blobs,
        fovea_um=anatomy.fovea_um,
        faz_radius_um=_radius_um(outline),
        pit_radius_um=pit,
        faz_outline_um=outline,
        lesions=tuple(lesion for change in shown for lesion in change.lesions),
        unplaced=tuple(u for change in shown for u in change.unplaced),
    )


def _changes(ground: Ground, params: PathologyParams) -> tuple[list[Change], NDArray[np.bool_]]:
    """What each family does, and the capillaries that the FAZ loses."""
    faz_loss = _faz.plan(ground, params.faz)
    dropout = _dropout.plan(ground, params.dropout, params.faz, faz_loss)
    shunts, no_shunt = _irma.plan(ground, params.irma, dropout)
    dropout = _dropout.spare(dropout, [shunt.edges for shunt in shunts])
    lost = faz_loss | dropout.removed
    for shunt in shunts:
        lost[shunt.edges] = True  # no microaneurysm sits on a shunt
    sites, no_site = _microaneurysm.plan(ground, params.microaneurysm, dropout, lost)
    roots, no_root = _neovascularization.plan(ground, params.neovascularization, dropout)
    return [
        _dropout.apply(ground, dropout),
        _faz.apply(faz_loss),
        _microaneurysm.apply(ground, params.microaneurysm, sites, no_site),
        _irma.apply(ground, params.irma, shunts, no_shunt),
        _neovascularization.apply(ground, params.neovascularization, roots, no_root),
        _tortuosity.apply(ground, params.tortuosity, _microaneurysm.moved(params.microaneurysm, sites, ground)),
    ], faz_loss


def _radius_um(outline_um: NDArray[np.floating]) -> float:
    """Radius of the disc of equal area [um]."""
    return float(1000.0 * np.sqrt(polygon_area_mm2(outline_um) / np.pi))
