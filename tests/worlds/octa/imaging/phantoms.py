"""Eyes whose images are known by formula, or small enough to draw in a moment."""

from __future__ import annotations

import numpy as np

from chiasm.case import Layer, Node, Vessel, VesselGraph
from chiasm.worlds.octa.imaging import Blobs, Eye


def graph_of(
    segments: list[tuple[tuple[float, float], tuple[float, float], float]],
    fov_um: float = 3000.0,
    vessel: Vessel = Vessel.ARTERY,
    layer: Layer = Layer.SVC,
    speed_mm_s: float = np.nan,
) -> VesselGraph:
    """A graph of separate straight vessels ((row, col), (row, col), radius) [um]."""
    n = len(segments)
    ends = np.array([[a, b] for a, b, _ in segments], dtype=float).reshape(2 * n, 2)
    return VesselGraph(
        fov_um=fov_um,
        position_um=np.column_stack([ends, np.full(2 * n, 40.0)]),
        node=np.full(2 * n, int(Node.JOINT)),
        edges=np.arange(2 * n).reshape(n, 2),
        edge_id=np.arange(n),
        radius_um=np.array([r for *_, r in segments], dtype=float),
        vessel=np.full(n, int(vessel)),
        layer=np.full(n, int(layer)),
        order=np.ones(n),
        speed_mm_s=np.full(n, speed_mm_s),
        pressure_mmhg=np.full(2 * n, np.nan),
    )


def union(*graphs: VesselGraph) -> VesselGraph:
    """Several graphs in one, edge ids renumbered."""
    offsets = np.cumsum([0, *(g.n_nodes for g in graphs[:-1])])
    names = ("radius_um", "vessel", "layer", "order", "speed_mm_s")
    return VesselGraph(
        fov_um=graphs[0].fov_um,
        position_um=np.concatenate([g.position_um for g in graphs]),
        node=np.concatenate([g.node for g in graphs]),
        edges=np.concatenate([g.edges + o for g, o in zip(graphs, offsets, strict=True)]),
        edge_id=np.arange(sum(g.n_edges for g in graphs)),
        pressure_mmhg=np.concatenate([g.pressure_mmhg for g in graphs]),
        **{name: np.concatenate([getattr(g, name) for g in graphs]) for name in names},
    )


def lattice_eye(fov_um: float = 3000.0, spacing_um: float = 60.0, faz_um: float = 300.0, seed: int = 0) -> Eye:
    """A jittered mesh of capillaries in two layers around a round FAZ, crossed by four wide vessels."""
    rng = np.random.default_rng(seed)
    parts = []
    for layer in (Layer.SVC, Layer.DCP):
        n = int(fov_um / spacing_um) + 3
        nodes = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1) * spacing_um - spacing_um
        nodes = nodes + rng.normal(0, spacing_um / 5, nodes.shape)
        pairs = [(nodes[:-1], nodes[1:]), (nodes[:, :-1], nodes[:, 1:])]
        segments = []
        for a, b in pairs:
            for p, q in zip(a.reshape(-1, 2), b.reshape(-1, 2), strict=True):
                if min(np.hypot(*(p - fov_um / 2)), np.hypot(*(q - fov_um / 2))) > faz_um:
                    segments.append((tuple(p), tuple(q), 3.5))
        parts.append(graph_of(segments, fov_um, Vessel.CAPILLARY, layer, 0.8))
    wide = [((-50.0, f * fov_um), (fov_um + 50, f * fov_um + 60), 12.0) for f in (0.1, 0.25, 0.75, 0.9)]
    parts.append(graph_of(wide, fov_um, Vessel.ARTERY, Layer.SVC, 8.0))
    return Eye(graph=union(*parts), fovea_um=(fov_um / 2, fov_um / 2), faz_radius_um=faz_um)


def blob(
    row_um: float, col_um: float, semi_um: tuple[float, float], angle_rad: float = 0.0, flow: float = 1.0
) -> Blobs:
    """One superficial blob."""
    return Blobs(
        center_um=np.array([[row_um, col_um, 40.0]]),
        semi_um=np.array([semi_um]),
        angle_rad=np.array([angle_rad]),
        layer=np.array([int(Layer.SVC)]),
        flow=np.array([flow]),
    )
