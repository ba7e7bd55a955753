"""Loss of capillaries as the merging of tissue cells, shared by every process that takes capillaries away.

A sheet's capillaries are the borders between cells (see `anatomy._sheet`), so taking borders away by merging cells
leaves loops and hardly any dead ends: non-perfused tissue is bounded by living capillaries, as in real eyes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer
from chiasm.worlds.octa.anatomy._sheet import LABEL_ARTERY, LABEL_VEIN, unite
from chiasm.worlds.octa.pathology._ground import Ground


def layer_capillaries(ground: Ground, layer: Layer) -> NDArray[np.int64]:
    """Indices of the capillaries of one sheet (feeders and links between sheets are none of it)."""
    return np.flatnonzero((ground.graph.layer == layer) & (ground.anatomy.edge_cells[:, 0] >= 0))


def whole_cells(ground: Ground, layer: Layer, points: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(P,) `points` of a layer's tissue, completed so that it holds every cell wholly or not at all (by area)."""
    tissue = ground.anatomy.tissue[layer]
    own = tissue.label >= 0
    label = np.where(own, tissue.label, 0)
    total = np.bincount(label[own], tissue.area_um2[own], minlength=len(label))
    inside = np.bincount(label[own], (tissue.area_um2 * points)[own], minlength=len(label))
    return np.asarray(np.where(own, inside[label] > 0.5 * total[label], points))


def tissue_lost(ground: Ground, layer: Layer, points: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(P,) tissue of a layer that loses its capillaries when `points` (P,) are struck.

    Whole cells, and the struck part of the free zones along arteries and veins, so that the capillaries that bound the
    zones go too.
    """
    label = ground.anatomy.tissue[layer].label
    zone = np.isin(label, (LABEL_ARTERY, LABEL_VEIN)) & points
    return np.asarray((whole_cells(ground, layer, points & (label >= 0)) & (label >= 0)) | zone)


def interior(ground: Ground, layer: Layer, lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Capillaries of a layer with lost tissue on both sides."""
    index = layer_capillaries(ground, layer)
    return index[lost[ground.anatomy.edge_cells[index]].all(axis=1)]


def thin_out(
    ground: Ground, layer: Layer, candidates: NDArray[np.int64], rank: NDArray[np.float64], share: float
) -> NDArray[np.bool_]:
    """Choose capillaries to lose: in order of rank, until their length is a share of that of all candidates.

    Args:
        ground: The eye.
        layer: The sheet.
        candidates: (C,) edge indices.
        rank: (C,) those with low rank go first.
        share: 0-1.

    Returns:
        (E,) the edges lost.
    """
    lost = np.zeros(ground.graph.n_edges, np.bool_)
    if len(candidates) == 0 or share <= 0.0:
        return lost
    if share >= 1.0:
        lost[candidates] = True
        return lost
    sides = ground.anatomy.edge_cells[candidates].astype(np.int64)
    length = ground.graph.length_um[candidates].astype(np.float64)
    label = ground.anatomy.tissue[layer].label
    order = np.argsort(rank, kind="stable")
    low, high = 0, len(candidates)
    while low < high:
        half = (low + high) // 2
        gone = _merged(label, sides, order[:half])
        if length[gone].sum() < share * length.sum():
            low = half + 1
        else:
            high = half
    lost[candidates[_merged(label, sides, order[:low])]] = True
    return lost


def _merged(label: NDArray[np.int64], sides: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    joined = unite(label, sides[chosen])
    gone = joined[sides[:, 0]] == joined[sides[:, 1]]
    gone[chosen] = True
    return np.asarray(gone)
