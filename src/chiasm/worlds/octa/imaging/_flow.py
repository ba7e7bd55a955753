"""From vessels to decorrelation: which vessels a slab shows, and how bright their flow makes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from chiasm.case import Layer, Vessel, VesselGraph
from chiasm.worlds.octa.imaging._blobs import render_blobs
from chiasm.worlds.octa.imaging._eye import Eye
from chiasm.worlds.octa.imaging._noise import Field, Stream, generator, smooth_field
from chiasm.worlds.octa.imaging._params import ImagingParams, Slab
from chiasm.worlds.octa.imaging._raster import render_capsules, select_edges

SLAB_LAYERS: dict[Slab, tuple[Layer, ...]] = {
    "inner": (Layer.VITREOUS, Layer.SVC, Layer.ICP, Layer.DCP),
    "svc": (Layer.VITREOUS, Layer.SVC),
    "dvc": (Layer.ICP, Layer.DCP),
    "vri": (Layer.VITREOUS,),
}
"""Layers whose vessels a slab projects. Slabs that begin at the inner limiting membrane catch vitreous vessels in part, by
`ImagingParams.vitreous_leak`, as new vessels lie right on it."""

_WIDE = (Vessel.ARTERY, Vessel.VEIN, Vessel.IRMA, Vessel.NEOVESSEL)
_FULL = np.float32(0.5)
"""Strength beyond which a vessel perfuses its surroundings no further: wide vessels have no bed of their own."""
_MEAN_REFERENCE_UM = 20.0
"""Chord of vessel along the beam that a mean projection shows as brightly as a maximum projection shows full coverage [um]."""

_BEAM_RADIUS_UM = np.float32(11.0)
"""Radius from which a vessel fills the beam: 15 um of transverse resolution (RTVue-XR, PMC6232334) and half as much again
for what registration and drift blur, an assumption [um]."""


_DEPTH_GAIN = np.float32(0.2)
"""Power of the radius by which strength grows in vessels that fill the beam: an assumption, matched to grey levels of wide vessels
in real 6 mm images (docs/log.md)."""


@dataclass(frozen=True, eq=False)
class Flow:
    """Coverage by perfused vessels, weighted by their speed's contrast, each (size, size) float32."""

    wide: Field
    """Arteries, veins, IRMA, neovessels and blobs."""
    superficial: Field
    """Capillaries of the superficial complex (and of the vitreous)."""
    deep: Field
    """Capillaries of the intermediate and deep plexus."""
    bed: VesselGraph
    """The vessels whose course unresolved capillaries take."""


class Projector:
    """Projects one eye, once for all the images that share what a projection depends on."""

    def __init__(self, eye: Eye) -> None:
        self.eye = eye
        self._leaks = bool((eye.graph.layer == int(Layer.VITREOUS)).any())
        self._made: dict[tuple[object, ...], Flow] = {}

    def flow(self, params: ImagingParams) -> Flow:
        """What `project` gives."""
        leak = params.vitreous_leak if self._leaks else None
        key = (params.slab, params.size_px, params.projection, params.saturation_mm_s, leak)
        if key not in self._made:
            self._made[key] = project(self.eye, params)
        return self._made[key]


def project(eye: Eye, params: ImagingParams) -> Flow:
    """Project the slab's vessels onto the image."""
    layers = SLAB_LAYERS[params.slab]
    weight = speed_contrast(eye.graph, params.saturation_mm_s)
    if params.slab != "vri":
        weight = np.where(eye.graph.layer == int(Layer.VITREOUS), weight * np.float32(params.vitreous_leak), weight)
    shallow = tuple(layer for layer in layers if layer in (Layer.VITREOUS, Layer.SVC))
    deeper = tuple(layer for layer in layers if layer in (Layer.ICP, Layer.DCP))
    graph = eye.graph
    wide = _project_edges(graph, select_edges(graph, layers=layers, vessels=_WIDE), weight * _filling(graph), params)
    superficial = _project_edges(
        graph, select_edges(graph, layers=shallow, vessels=(Vessel.CAPILLARY,)), weight, params
    )
    deep = _project_edges(graph, select_edges(graph, layers=deeper, vessels=(Vessel.CAPILLARY,)), weight, params)
    blobs = eye.blobs.select(np.isin(eye.blobs.layer, [int(layer) for layer in layers]))
    if len(blobs):
        wide = np.maximum(wide, render_blobs(blobs, graph.fov_um, params.size_px))
    return Flow(wide, superficial, deep, eye.bed or graph)


def speed_contrast(graph: VesselGraph, saturation_mm_s: float) -> NDArray[np.float32]:
    """(E,) in [0, 1]: 1 - exp(-speed / saturation), as decorrelation saturates; 1 where flow was not solved."""
    contrast = -np.expm1(-graph.speed_mm_s / np.float32(saturation_mm_s))
    return np.asarray(np.where(np.isnan(contrast), np.float32(1), contrast), dtype=np.float32)


def _filling(graph: VesselGraph) -> NDArray[np.float32]:
    """(E,) > 0: how strongly an arteriole or venule shows for its width.

    It dims towards the capillaries that it feeds, as it fills less of the beam; a wider one has more blood along the beam.
    """
    tapering = np.isin(graph.vessel, [int(Vessel.ARTERY), int(Vessel.VEIN)])
    radii = graph.radius_um / _BEAM_RADIUS_UM
    return np.where(tapering, np.where(radii < 1, radii, radii**_DEPTH_GAIN), 1).astype(np.float32)


def modulate(flow: Flow, params: ImagingParams) -> Field:
    """Apply gains, beading, missing stretches and slow variation; combine by maximum.

    Returns:
        (size, size) float32 >= 0: signal before saturation and point spread.
    """
    lobule = _log_field(params, Stream.LOBULE, params.lobule_sd, params.lobule_um)
    superficial = flow.superficial * lobule * np.float32(params.capillary_gain)
    superficial *= beads(params) * _present(params, Stream.MISSING)
    out = np.maximum(flow.wide * np.float32(params.large_gain), superficial)
    if flow.deep.any():
        deep = flow.deep * lobule * np.float32(params.deep_gain)
        deep *= _log_field(params, Stream.DEEP_BEAD, params.bead_sd, params.bead_um) * _present(
            params, Stream.DEEP_MISSING
        )
        out = np.maximum(out, deep)
    return np.asarray(out, dtype=np.float32)


def supply(flow: Flow, params: ImagingParams) -> Field:
    """(size, size) float32 in [0, `_FULL`]: how strongly vessels perfuse the tissue about them.

    A capillary that is empty during the scan still feeds its surroundings, so nothing flickers here.
    """
    capillaries = np.maximum(
        flow.superficial * np.float32(params.capillary_gain), flow.deep * np.float32(params.deep_gain)
    )
    return np.asarray(
        np.minimum(np.maximum(flow.wide * np.float32(params.large_gain), capillaries), _FULL), dtype=np.float32
    )


def _project_edges(
    graph: VesselGraph, edges: NDArray[np.bool_], weight: NDArray[np.float32], params: ImagingParams
) -> Field:
    if params.projection == "max":
        return render_capsules(graph, params.size_px, edges=edges, weight=weight)
    return render_capsules(graph, params.size_px, edges=edges, weight=weight, mode="sum") / np.float32(
        _MEAN_REFERENCE_UM
    )


def beads(params: ImagingParams) -> Field:
    """Beading of superficial and unresolved capillaries: erythrocytes pass in trains."""
    return _log_field(params, Stream.BEAD, params.bead_sd, params.bead_um)


@lru_cache(maxsize=2)
def _present(params: ImagingParams, stream: Stream) -> Field:
    """Zero on the stretches of capillaries that are empty during the scan, one elsewhere."""
    field = smooth_field(generator(params.noise_seed, stream), params.size_px, params.missing_um / params.pixel_um)
    threshold = np.float32(ndtri(params.missing_share))
    # A logistic edge a tenth of an sd wide keeps stretches from ending in steps.
    return np.asarray(1 / (1 + np.exp(np.clip((threshold - field) * 10, -30, 30))), dtype=np.float32)


@lru_cache(maxsize=4)
def _log_field(params: ImagingParams, stream: Stream, sd: float, scale_um: float) -> Field:
    """A positive field of mean one: exp of a smooth Gaussian field of that sd."""
    field = smooth_field(generator(params.noise_seed, stream), params.size_px, scale_um / params.pixel_um)
    return np.asarray(np.exp(np.float32(sd) * field - np.float32(sd * sd / 2)), dtype=np.float32)
