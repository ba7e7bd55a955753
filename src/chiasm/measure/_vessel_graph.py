"""Biomarkers of the vessel graph itself: exact, in 3D, without an image."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from chiasm.case import Layer, Vessel, VesselGraph
from chiasm.measure._biomarkers import FIELD, Biomarker, Biomarkers, Missing
from chiasm.measure._network import MIN_BRANCH_UM

_NO_VESSEL: Final = "there is no such vessel in the field"


def measure_graph(graph: VesselGraph) -> Biomarkers:
    """Length density, mean radius and branch tortuosity: of the field, and of each kind of vessel and each layer in it.

    Vessels are clipped at the border of the field. Regions are "field", "artery", "vein", "capillary", "irma", "neovessel", and
    "vitreous", "svc", "icp", "dcp".
    """
    inside = length_inside_um(graph)
    groups = {FIELD: np.ones(graph.n_edges, dtype=bool)}
    groups |= {kind.name.lower(): graph.vessel == kind for kind in Vessel}
    groups |= {layer.name.lower(): graph.layer == layer for layer in Layer}
    values: list[Biomarker] = []
    missing: list[Missing] = []
    area_mm2 = (graph.fov_um / 1000) ** 2
    for region, chosen in groups.items():
        length = float(inside[chosen].sum())
        values.append(Biomarker(name="length_density", value=length / 1000 / area_mm2, unit="1/mm", region=region))
        if length == 0:
            missing += [Missing(name=n, region=region, reason=_NO_VESSEL) for n in ("mean_radius", "branch_tortuosity")]
            continue
        radius = float(inside[chosen] @ graph.radius_um[chosen]) / length
        values.append(Biomarker(name="mean_radius", value=radius, unit="um", region=region))
        bent = branch_tortuosity(graph.select(chosen & (inside > 0)))
        if math.isnan(bent):
            reason = f"no branch of at least {MIN_BRANCH_UM:g} um"
            missing.append(Missing(name="branch_tortuosity", region=region, reason=reason))
        else:
            values.append(Biomarker(name="branch_tortuosity", value=bent, unit="1", region=region))
    return Biomarkers(method="truth", values=tuple(values), missing=tuple(missing))


def length_inside_um(graph: VesselGraph) -> NDArray[np.float64]:
    """(E,) length of each edge inside the field's square [um], in 3D."""
    ends = graph.position_um[graph.edges].astype(np.float64)
    first, step = ends[:, 0, :2], ends[:, 1, :2] - ends[:, 0, :2]
    low, high = np.zeros(graph.n_edges), np.ones(graph.n_edges)
    for axis in range(2):
        flat = step[:, axis] == 0
        safe = np.where(flat, 1.0, step[:, axis])
        at = np.stack([-first[:, axis] / safe, (graph.fov_um - first[:, axis]) / safe])
        outside = flat & ((first[:, axis] < 0) | (first[:, axis] > graph.fov_um))
        low = np.where(flat, low, np.maximum(low, at.min(axis=0)))
        high = np.where(flat, high, np.minimum(high, at.max(axis=0)))
        high = np.where(outside, -1.0, high)
    return np.asarray(np.maximum(0.0, high - low) * graph.length_um, dtype=np.float64)


def branch_tortuosity(graph: VesselGraph) -> float:
    """Total arc / total chord in 3D over branches (chains between nodes of degree other than 2) of `MIN_BRANCH_UM` or more.

    Returns:
        The ratio, >= 1; NaN where no branch is long enough. Closed loops are left out.
    """
    label = _branches(graph)
    arc = np.bincount(label, weights=graph.length_um)
    ends = graph.degree[graph.edges] != 2
    owner = np.broadcast_to(label[:, None], ends.shape)[ends]
    place = graph.position_um[graph.edges[ends]].astype(np.float64)
    order = np.argsort(owner, kind="stable")
    owner, place = owner[order], place[order]
    # a branch has two ends, but one that closes on its own start or has none is a loop
    two = np.flatnonzero(np.bincount(owner, minlength=len(arc)) == 2)
    at = np.searchsorted(owner, two)
    chord = np.linalg.norm(place[at + 1] - place[at], axis=1) if len(two) else np.zeros(0)
    use = (arc[two] >= MIN_BRANCH_UM) & (chord > 0)
    return float(arc[two][use].sum() / chord[use].sum()) if use.any() else math.nan


def _branches(graph: VesselGraph) -> NDArray[np.intp]:
    """(E,) label of the branch of each edge: edges that meet at a node of degree 2 belong together."""
    n = graph.n_edges
    flat = graph.edges.ravel()
    through = np.flatnonzero(graph.degree[flat] == 2)
    through = through[np.argsort(flat[through], kind="stable")]
    pairs = (through // 2).reshape(-1, 2)
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels: NDArray[np.intp] = connected_components(links, directed=False)[1]
    return labels
