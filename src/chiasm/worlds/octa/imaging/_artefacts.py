"""What goes wrong in a scan, each with the mask of the pixels it touches.

Before noise an artefact acts on the signal (shadow, low signal, defocus, segmentation error, projection); after noise the
raster itself breaks (motion). Every weight has compact support, so that a mask covers what was changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.worlds.octa.imaging._eye import Eye
from chiasm.worlds.octa.imaging._motion import Mask, move
from chiasm.worlds.octa.imaging._noise import Field, Stream, blur, generator, smooth_field
from chiasm.worlds.octa.imaging._params import Artefact, ImagingParams

_REACH_PX = 16
"""How far beyond an artefact on the signal the device's processing carries more than a few grey levels of it [px]."""


@dataclass(frozen=True, eq=False)
class ArtefactTruth:
    """One artefact as it was realised: its record and (size, size) bool mask of the pixels it may have changed."""

    artefact: Artefact
    mask: Mask


@dataclass(frozen=True, eq=False)
class SignalEffects:
    """What the artefacts before noise do, as maps (size, size) float32; None where nothing of the kind occurs."""

    attenuation: Field | None
    """Factor on the signal, in (0, 1]."""
    defocus: Field | None
    """Weight of the blurred signal, in [0, 1]."""
    defocus_um: float
    displaced: Field | None
    """Share of the slab that lies in the wrong layer, in [0, 1]."""
    truths: tuple[ArtefactTruth, ...]


def signal_effects(params: ImagingParams) -> SignalEffects:
    """The maps of every artefact that acts on the signal."""
    attenuation = defocus = displaced = None
    defocus_um = 0.0
    truths = []
    for number, artefact in enumerate(params.artefacts):
        if artefact.kind not in ("shadow", "low signal", "defocus", "segmentation error"):
            continue
        weight = region(artefact, params.size_px, number, params.noise_seed)
        truths.append(ArtefactTruth(artefact, ndimage.maximum_filter(weight > 0, 2 * _REACH_PX + 1)))
        if artefact.kind in ("shadow", "low signal"):
            factor = 1 - np.float32(artefact.amount) * weight
            attenuation = factor if attenuation is None else attenuation * factor
        elif artefact.kind == "defocus":
            defocus = weight if defocus is None else np.maximum(defocus, weight)
            defocus_um = max(defocus_um, artefact.amount * 40.0)
        else:
            change = np.float32(artefact.amount) * weight
            displaced = change if displaced is None else np.maximum(displaced, change)
    return SignalEffects(attenuation, defocus, defocus_um, displaced, tuple(truths))


def region(artefact: Artefact, size_px: int, number: int, noise_seed: int) -> Field:
    """Weight in [0, 1] of an artefact: one in its middle, falling to exactly zero at an irregular outline.

    `form` "field" covers the whole image, "edge" grows towards the border nearest to its position, "band" runs across
    the field along `axis`, anything else is a blob.
    """
    coordinate = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px
    rng = generator(artefact.seed, Stream.ARTEFACT, number)
    if artefact.form == "field":
        return np.ones((size_px, size_px), np.float32)
    row, col = coordinate[:, None] - artefact.position[0], coordinate[None] - artefact.position[1]
    wobble = smooth_field(rng, size_px, max(3.0, artefact.extent * size_px * 0.45))
    if artefact.form == "edge":
        toward = np.array(artefact.position) - 0.5
        toward = toward / max(float(np.hypot(*toward)), 1e-6)
        distance = 1 - (row * toward[0] + col * toward[1] + artefact.extent) / max(artefact.extent, 1e-3)
        reach = 1 - distance + 0.15 * wobble
        return _smoothstep(reach)
    if artefact.form == "band":
        across = row if artefact.axis == 0 else col
        ratio = np.broadcast_to(np.abs(across), (size_px, size_px)) / max(artefact.extent, 1e-3)
    else:
        stretch = 1.0 + float(rng.random())  # floaters' shadows are often far longer than wide
        angle = np.pi * float(rng.random())
        along = row * np.cos(angle) + col * np.sin(angle)
        aside = col * np.cos(angle) - row * np.sin(angle)
        ratio = np.hypot(along / stretch, aside * stretch) / max(artefact.extent, 1e-3)
    return _smoothstep((1.15 + 0.2 * wobble - ratio) / 0.55)


def break_raster(image: Field, params: ImagingParams) -> tuple[Field, tuple[ArtefactTruth, ...]]:
    """Apply the motion artefacts to the noisy image; axis 1 runs along columns."""
    truths = []
    for number, artefact in enumerate(params.artefacts):
        if artefact.kind != "motion artefact":
            continue
        rng = generator(artefact.seed, Stream.ARTEFACT, number)
        view = image if artefact.axis == 0 else image.T
        mask = np.zeros(view.shape, bool)
        changed = move(view.copy(), artefact, rng, mask)
        image = changed if artefact.axis == 0 else np.ascontiguousarray(changed.T)
        truths.append(ArtefactTruth(artefact, mask if artefact.axis == 0 else mask.T))
    return image, tuple(truths)


def project_through(deep: Field, wide: Field, params: ImagingParams) -> tuple[Field, tuple[ArtefactTruth, ...]]:
    """Add the tails of superficial vessels (`wide`, coverage) to a deep slab's signal."""
    truths = []
    for artefact in params.artefacts:
        if artefact.kind == "projection artefact":
            tail = np.float32(artefact.amount) * wide
            deep = np.maximum(deep, tail)
            truths.append(ArtefactTruth(artefact, blur(tail, 1.0, 1.0) > 0))
    return deep, tuple(truths)


def decentration_truths(eye: Eye, params: ImagingParams) -> tuple[ArtefactTruth, ...]:
    """Where a decentred field cannot be compared with its opposite: pixels whose mirror about the fovea lies outside it.

    The scanner did not change these pixels; the growth put the fovea there. The artefact must be among `params.artefacts`.
    """
    pixel_um = params.pixel_um
    truths = []
    for artefact in params.artefacts:
        if artefact.kind == "decentration":
            centre = (np.arange(params.size_px) + 0.5) * pixel_um
            mirrored = [2 * fovea - centre for fovea in eye.fovea_um]
            outside = [(m < 0) | (m > eye.graph.fov_um) for m in mirrored]
            truths.append(ArtefactTruth(artefact, outside[0][:, None] | outside[1][None]))
    return tuple(truths)


def _smoothstep(x: NDArray[np.floating]) -> Field:
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
