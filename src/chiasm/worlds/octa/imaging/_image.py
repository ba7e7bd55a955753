"""The imaging chain: from an eye to 8-bit pixels, one small pure step after another.

1. project: coverage of each pixel by perfused vessels of the slab, weighted by flow (`_flow`).
2. modulate: gains; capillaries bead, and some stretches are empty (`_flow`).
3. spread: lateral point spread, wider along the fast axis; defocus where it occurs.
4. decorrelate: unresolved capillaries (`_streaks`) and tissue add to the strength, speckle, illumination and vignette
   multiply it, and 1 - exp(-strength) saturates: wide vessels are bright and even, capillaries grainy.
5. shade: shadows and low signal.
6. noise: s * speckle + floor, both log-normal and correlated as raster and resampling make them; line gains; peaks kept.
7. process: the device's transfer of each scale of detail (`_transfer`).
8. move: the raster breaks where the eye moved (`_artefacts`); last, so that a mask holds all that moved.
9. export: black point, white point, contrast and grey curves, grey levels, 8 bits.

Random fields do not depend on the vessels. The last ones are kept: an eye is imaged, and then its healthy twin by the same
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chiasm.case import VesselGraph
from chiasm.errors import InvalidInput
from chiasm.worlds.octa.imaging._artefacts import (
    ArtefactTruth,
    SignalEffects,
    break_raster,
    decentration_truths,
    project_through,
    signal_effects,
)
from chiasm.worlds.octa.imaging._eye import Eye
from chiasm.worlds.octa.imaging._flow import Flow, beads, modulate, project, supply
from chiasm.worlds.octa.imaging._noise import (
    Field,
    Raster,
    Stream,
    blur,
    generator,
    keep_peaks,
    line_phases,
    smooth_field,
)
from chiasm.worlds.octa.imaging._params import ImagingParams
from chiasm.worlds.octa.imaging._streaks import streaks
from chiasm.worlds.octa.imaging._transfer import apply_detail, apply_grey

_MACULA_MM = 2.0
"""Radius around the fovea within which `temporal_loss` has no say [mm]."""
_PERFUSION_UM = 40.0
"""Reach of a vessel's influence on what is unresolved about it: half an intercapillary distance [um]."""
_HALF_PERFUSED = 0.05
"""Mean strength nearby at which half of what is unresolved glows."""


@dataclass(frozen=True)
class Exposure:
    """The signal values that the export sends to black and to white. Twins share one, so that only the lesion differs."""

    black: float
    white: float


@dataclass(frozen=True, eq=False)
class Imaged:
    """What came out of the scanner.

    Attributes:
        pixels: (size, size) uint8.
        artefacts: Every artefact with the mask of the pixels it touched.
        signal: (size, size) float32 in [0, 1], decorrelation before noise.
        exposure: Pass it to `image` for a twin.
    """

    pixels: NDArray[np.uint8]
    artefacts: tuple[ArtefactTruth, ...]
    signal: Field
    exposure: Exposure

    def touched(self, *kinds: str) -> NDArray[np.bool_]:
        """True where an artefact of those kinds (any kind without arguments) touched the image."""
        out = np.zeros(self.pixels.shape, bool)
        for truth in self.artefacts:
            if not kinds or truth.artefact.kind in kinds:
                out |= truth.mask
        return out


class Developed(NamedTuple):
    """What the scanner recorded, before its processing."""

    noisy: Field
    """(size, size) decorrelation with noise."""
    signal: Field
    """(size, size) decorrelation before noise."""
    artefacts: tuple[ArtefactTruth, ...]


def image(eye: Eye, params: ImagingParams, exposure: Exposure | None = None, flow: Flow | None = None) -> Imaged:
    """Image an eye. Pure: equal arguments give equal bytes.

    Args:
        eye: What the scanner meets; its field must be the one of `params`.
        params: Every number of this imaging.
        exposure: Black and white of an earlier image (a twin's); None sets them from this image, as devices do.
        flow: `project(eye, params)` where it is known already (it depends on slab, size and `saturation_mm_s` alone).
    """
    return finish(develop(eye, params, flow), params, exposure)


def develop(eye: Eye, params: ImagingParams, flow: Flow | None = None) -> Developed:
    """Everything before the device's own processing; arguments as for `image`."""
    if abs(eye.graph.fov_um - params.fov_mm * 1000) > 0.5:
        msg = f"params.fov_mm is {params.fov_mm:g} mm, but the eye was grown for {eye.graph.fov_um / 1000:g} mm; sample anew"
        raise InvalidInput(msg)
    effects = signal_effects(params)
    flow = _misplaced(flow or project(eye, params), effects)
    strength = modulate(flow, params)
    projected: tuple[ArtefactTruth, ...] = ()
    if params.slab == "dvc":
        superficial = project(eye, params.model_copy(update={"slab": "svc"}))
        strength, projected = project_through(strength, superficial.wide * np.float32(params.large_gain), params)
    signal = decorrelate(spread(strength, params, effects), flow, eye, params)
    signal = shade(signal, effects)
    truths = (*effects.truths, *projected, *decentration_truths(eye, params))
    noisy = add_noise(signal, pit(eye, params, params.floor_pit), params)
    return Developed(keep_peaks(noisy, params.peak_share), signal, truths)


def finish(developed: Developed, params: ImagingParams, exposure: Exposure | None = None) -> Imaged:
    """Process and export what was developed."""
    processed, moved = break_raster(apply_detail(developed.noisy, params.transfer), params)
    exposure = exposure or expose(processed, params)
    truths = (*developed.artefacts, *moved)
    return Imaged(export(processed, exposure, params), truths, developed.signal, exposure)


def spread(strength: Field, params: ImagingParams, effects: SignalEffects) -> Field:
    """Blur by the lateral point spread, and further where the image is out of focus."""
    sd = params.psf_um / params.pixel_um
    wide, narrow = sd * np.sqrt(params.anisotropy), sd / np.sqrt(params.anisotropy)
    out = blur(strength, narrow, wide)
    if effects.defocus is not None:
        extra = effects.defocus_um / params.pixel_um
        out = out + effects.defocus * (blur(out, extra, extra) - out)
    return out


def decorrelate(strength: Field, flow: Flow, eye: Eye, params: ImagingParams) -> Field:
    """Saturating decorrelation of blood, resolved and unresolved; the slab thins out in the foveal pit.

    Static tissue does not decorrelate: what glows between capillaries is blood too small to be resolved, and light that blood
    nearby has scattered, so it goes where perfusion goes, in the FAZ and in dropout alike; but for a share of the even glow that
    comes from blood of deeper layers. Healthy images cannot tell how large that share is, so it differs from image to image.
    """
    reach = _PERFUSION_UM / params.pixel_um
    nearby = blur(supply(flow, params), reach, reach)
    perfused = nearby / (nearby + np.float32(_HALF_PERFUSED))
    streaks = np.float32(params.texture_gain) * _texture(flow.bed, params) * perfused
    glow = np.float32(params.tissue_level) * (perfused + np.float32(params.deeper_share) * (1 - perfused))
    unresolved = pit(eye, params, params.pit_floor) * (streaks + glow)
    # Light varies before decorrelation saturates: wide vessels stay bright where capillaries sink into the dark.
    whole = (strength + unresolved) * _speckle(params) * _illumination(params) * thinning(eye, params)
    return np.asarray(-np.expm1(-whole), dtype=np.float32)


@lru_cache(maxsize=1)
def _texture(bed: VesselGraph, params: ImagingParams) -> Field:
    """Streaks of unresolved capillaries, beaded."""
    return np.asarray(_log_normal(streaks(bed, params), params.texture_sd) * beads(params), dtype=np.float32)


@lru_cache(maxsize=1)
def _speckle(params: ImagingParams) -> Field:
    born = raster(params)
    return _log_normal(born.noise(generator(params.noise_seed, Stream.SPECKLE)), params.speckle_sd, born.variance())


def pit(eye: Eye, params: ImagingParams, floor: float) -> Field:
    """The foveal pit, where the slab is thin: `floor` at the foveola, 1 far away (size, size)."""
    centre = (np.arange(params.size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(params.pixel_um)
    width = params.pit_scale * eye.faz_radius_um
    row, col = (np.exp(-0.5 * ((centre - f) / width) ** 2) for f in eye.fovea_um)
    return np.asarray(1 - (1 - floor) * row[:, None] * col[None], dtype=np.float32)


def thinning(eye: Eye, params: ImagingParams) -> Field:
    """What the retina's thickness makes of the signal (size, size).

    Inner layers are thick towards the nose and thin temporally, so healthy eyes are dark in the temporal corners of a wide field.
    """
    centre = (np.arange(params.size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(params.pixel_um / 1000)
    down, across = (centre - np.float32(f / 1000) for f in eye.fovea_um)
    nasal = np.float32(eye.nasal) * across[None]
    distance = np.hypot(down[:, None], nasal)
    temporal = np.float32(0.5) * (1 - nasal / np.maximum(distance, np.float32(1e-3)))
    beyond = np.maximum(distance - np.float32(_MACULA_MM), 0)
    log_gain = np.float32(params.nasal_gain) * nasal - np.float32(params.temporal_loss) * temporal * beyond**2
    return np.asarray(np.exp(log_gain), dtype=np.float32)


def raster(params: ImagingParams) -> Raster:
    """Where this imaging's scan lines lie under the rows and columns of the image."""
    size, seed = params.size_px, params.noise_seed
    rows = line_phases(generator(seed, Stream.ROW_DRIFT), size, params.row_drift, params.drift_px)
    cols = line_phases(generator(seed, Stream.COL_DRIFT), size, params.col_drift, params.drift_px)
    return Raster(params.grain_px, rows[:, None], cols[None], params.noise_skew)


def shade(signal: Field, effects: SignalEffects) -> Field:
    """Cast shadows: what lies before the retina takes signal away, wherever the blood is."""
    return signal if effects.attenuation is None else np.asarray(signal * effects.attenuation, dtype=np.float32)


@lru_cache(maxsize=1)
def _illumination(params: ImagingParams) -> Field:
    """Light that varies over the field and falls to its corners, about one."""
    scale = params.illumination_mm * 1000 / params.pixel_um
    slow = smooth_field(generator(params.noise_seed, Stream.ILLUMINATION), params.size_px, scale)
    factor = np.exp(np.float32(params.illumination_sd) * slow)
    if params.vignette > 0:
        across = np.linspace(-1, 1, params.size_px, dtype=np.float32) ** 2
        factor = factor * (1 - np.float32(params.vignette / 2) * (across[:, None] + across[None]))
    return np.asarray(factor, dtype=np.float32)


def add_noise(signal: Field, thickness: Field, params: ImagingParams) -> Field:
    """Noise in proportion to the signal, beside it a noise floor by the slab's thickness, gains from line to line."""
    noise = _noise(params)
    out = signal * noise.shot
    out += noise.floor * thickness
    out *= noise.gain
    return out


class _Noise(NamedTuple):
    """Each (size, size)."""

    shot: Field
    floor: Field
    gain: Field


@lru_cache(maxsize=1)
def _noise(params: ImagingParams) -> _Noise:
    n, seed = params.size_px, params.noise_seed
    born = raster(params)
    shot = born.noise(generator(seed, Stream.SHOT))
    # Where hardly any light returns, decorrelation is that of averaged detector noise, without the sparse peaks of speckle.
    floor = born._replace(skew=0.0).noise(generator(seed, Stream.FLOOR))
    rows = generator(seed, Stream.ROWS).standard_normal((n, 1), dtype=np.float32)
    cols = generator(seed, Stream.COLS).standard_normal((1, n), dtype=np.float32)
    pixel = generator(seed, Stream.PIXEL).standard_normal((n, n), dtype=np.float32)
    lines = np.float32(params.row_sd) * rows + np.float32(params.col_sd) * cols + np.float32(params.pixel_sd) * pixel
    return _Noise(
        _log_normal(shot, params.shot_sd, born.variance()),
        np.float32(params.floor_level) * _log_normal(floor, params.floor_sd, born.variance()),
        np.exp(lines),
    )


def expose(processed: Field, params: ImagingParams) -> Exposure:
    """Black and white points by the shares of pixels that the device clips."""
    black, white = np.quantile(processed, [params.black_share, 1 - params.saturated_share])
    return Exposure(float(black), float(max(white, black + 1e-6)))


def export(processed: Field, exposure: Exposure, params: ImagingParams) -> NDArray[np.uint8]:
    """Contrast curve, grey curve, the device's grey levels, and their stretch to 0..255."""
    unit = np.clip((processed - exposure.black) / np.float32(exposure.white - exposure.black), 0, 1)
    levels = np.float32(round(params.levels))
    grey = apply_grey(unit ** np.float32(params.gamma), params.transfer)
    coarse = np.rint(grey * levels) / levels
    return np.asarray(np.rint(coarse * 255), dtype=np.uint8)


def _misplaced(flow: Flow, effects: SignalEffects) -> Flow:
    """Where a layer boundary was drawn wrongly, superficial capillaries leave the slab."""
    if effects.displaced is None:
        return flow
    keep = 1 - effects.displaced
    wide = flow.wide * (1 - np.float32(0.6) * effects.displaced)
    return Flow(wide, flow.superficial * keep, flow.deep * keep, flow.bed)


def _log_normal(field: Field, sd: float, variance: Field | float = 1.0) -> Field:
    """exp(sd z - sd^2 / 2 variance of z): positive, mean one wherever it is."""
    return np.asarray(np.exp(np.float32(sd) * field - np.float32(sd * sd / 2) * variance), dtype=np.float32)
