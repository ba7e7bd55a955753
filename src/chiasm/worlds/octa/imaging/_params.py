"""Every number that one imaging needs, as plain JSON: what is drawn once is kept, so that a render can be repeated.

The per-pixel micro-structure (speckle, grain, flicker) is not stored but grown from `noise_seed`; all else is here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.imaging._transfer import Transfer

IMAGING_SCHEMA_VERSION = 5

Slab = Literal["inner", "svc", "dvc", "vri"]
"""inner: ILM to OPL; svc: superficial; dvc: intermediate and deep; vri: vitreoretinal interface."""

ArtefactKind = Literal[
    "motion artefact", "projection artefact", "shadow", "defocus", "low signal", "decentration", "segmentation error"
]
Severity = Literal["mild", "moderate", "severe"]


class Artefact(BaseModel):
    """One artefact to put into an image; positions are fractions of the field, so that they fit any size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ArtefactKind
    form: str
    """What kind of it: "blink line", "displacement", "stretch", "doubling", "quilting", "lost rim", or the kind itself."""
    severity: Severity
    axis: Literal[0, 1] = 0
    """Scan direction it follows: 0 runs along rows (horizontal lines), 1 along columns."""
    position: tuple[float, float] = (0.5, 0.5)
    """(row, col) of its centre [fraction of the field]."""
    extent: Annotated[float, Field(ge=0, le=2)] = 0.1
    """Radius, or half-width of a band [fraction of the field]."""
    amount: Annotated[float, Field(ge=-1, le=2)] = 0.5
    """Strength; its meaning belongs to the form (see docs/imaging.md)."""
    seed: NonNegativeInt = 0
    """Shape of its irregular outline or jitter."""


def number(low: float, high: float, unit: str, text: str) -> object:
    """A field of `ImagingParams`: range, unit and meaning, from which the table of the documentation is made."""
    return Field(ge=low, le=high, description=text, json_schema_extra={"unit": unit})


class ImagingParams(BaseModel):
    """One imaging of one eye. Ranges are those of the model's validity, wider than any device's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[5] = 5
    profile: str
    """Name of the device profile the numbers were drawn from."""
    fov_mm: Annotated[float, Field(ge=1, le=20)]
    size_px: Annotated[int, Field(ge=16, le=4096)]
    slab: Slab = "inner"
    projection: Literal["max", "mean"] = "max"
    noise_seed: NonNegativeInt

    saturation_mm_s: Annotated[
        float, number(0.01, 10, "mm/s", "speed at which decorrelation reaches 63 % of its limit")
    ]
    large_gain: Annotated[float, number(0.1, 20, "1", "decorrelation gain of arteries, veins and lesions")]
    capillary_gain: Annotated[float, number(0.05, 20, "1", "decorrelation gain of superficial capillaries")]
    deep_gain: Annotated[float, number(0.0, 20, "1", "decorrelation gain of intermediate and deep capillaries")]
    vitreous_leak: Annotated[
        float, number(0, 1, "1", "share of vitreous vessels' signal inside slabs that begin at the ILM")
    ]
    bead_sd: Annotated[float, number(0, 2, "1", "log-sd of beading along capillaries (erythrocytes pass in trains)")]
    bead_um: Annotated[float, number(5, 80, "um", "correlation length of beading")]
    missing_share: Annotated[
        float, number(0, 0.6, "1", "share of capillary length below the flow threshold at scan time")
    ]
    missing_um: Annotated[float, number(15, 200, "um", "correlation length of missing stretches")]
    lobule_sd: Annotated[float, number(0, 1, "1", "log-sd of slow variation of capillary signal")]
    lobule_um: Annotated[float, number(80, 1000, "um", "correlation length of that variation")]
    tissue_level: Annotated[
        float, number(0, 0.8, "1", "even decorrelation of unresolved blood where perfused, in a full-thickness slab")
    ]
    deeper_share: Annotated[
        float,
        number(0, 1, "1", "share of that even glow that remains where no vessel is near, from blood of deeper layers"),
    ]
    pit_floor: Annotated[
        float, number(0, 1, "1", "unresolved signal at the foveola as a share of the full slab's, were it perfused")
    ]
    pit_scale: Annotated[float, number(0.3, 6, "1", "radius of the foveal pit in FAZ radii (Gaussian sd)")]
    texture_gain: Annotated[float, number(0, 5, "1", "decorrelation strength of unresolved capillaries where perfused")]
    texture_sd: Annotated[float, number(0, 2, "1", "log-sd of that texture: how far its streaks stand out")]
    texture_um: Annotated[float, number(2, 60, "um", "half-width of its streaks (Gaussian sd)")]
    streak_um: Annotated[float, number(5, 200, "um", "half-length of its streaks")]
    wander: Annotated[float, number(0, 2, "1", "random part of the streaks' direction over that of the eye's vessels")]
    wander_um: Annotated[float, number(30, 1000, "um", "correlation length of that random part")]
    psf_um: Annotated[float, number(1, 60, "um", "standard deviation of the lateral point spread")]
    anisotropy: Annotated[float, number(0.6, 1.7, "1", "point spread along rows (fast axis) over that along columns")]
    illumination_sd: Annotated[float, number(0, 1, "1", "log-sd of the slow change of signal over the field")]
    illumination_mm: Annotated[float, number(0.3, 8, "mm", "correlation length of that change")]
    vignette: Annotated[float, number(0, 1, "1", "loss of signal at the corners of the field")]
    nasal_gain: Annotated[float, number(-0.5, 0.5, "1/mm", "log gain of signal per mm towards the nose")]
    temporal_loss: Annotated[
        float,
        number(0, 2, "1/mm2", "log loss of signal temporally, by the square of the distance beyond 2 mm of the fovea"),
    ]
    speckle_sd: Annotated[float, number(0, 2, "1", "log-sd of speckle on the strength before it saturates")]
    shot_sd: Annotated[float, number(0, 1, "1", "log-sd of multiplicative noise after saturation")]
    pixel_sd: Annotated[
        float, number(0, 1, "1", "log-sd of noise without correlation between pixels, after resampling")
    ]
    floor_level: Annotated[float, number(0, 0.5, "1", "mean of the additive noise floor")]
    floor_pit: Annotated[float, number(0, 1, "1", "noise floor at the foveola as a share of that elsewhere")]
    floor_sd: Annotated[float, number(0, 2, "1", "log-sd of the noise floor")]
    grain_px: Annotated[float, number(0, 3, "px", "Gaussian sd of the correlation of noise (raster and resampling)")]
    noise_skew: Annotated[
        float, number(0, 1.2, "1", "log-sd of noise as it is born, before raster and resampling blur it")
    ]
    row_drift: Annotated[float, number(0, 3, "px", "sd of slow drift between raster lines and rows of the image")]
    col_drift: Annotated[float, number(0, 3, "px", "the same between crossed scan lines and columns")]
    drift_px: Annotated[float, number(1, 60, "px", "lines over which that drift changes")]
    row_sd: Annotated[float, number(0, 0.5, "1", "log-sd of gain from row to row")]
    col_sd: Annotated[float, number(0, 0.5, "1", "log-sd of gain from column to column (crossed scans)")]
    peak_share: Annotated[
        float, number(0, 0.5, "1", "share of the brightest of a pixel and its four neighbours in what is recorded")
    ]
    gamma: Annotated[float, number(0.3, 3, "1", "exponent of the contrast curve")]
    black_share: Annotated[float, number(0, 0.2, "1", "share of pixels that the export sends to black")]
    saturated_share: Annotated[float, number(0, 0.1, "1", "share of pixels that the export saturates")]
    levels: Annotated[float, number(8, 255, "1", "grey levels before the export stretched them to 8 bits")]
    transfer: Transfer = Transfer.identity()
    """The device's processing, as drawn for this image."""
    artefacts: tuple[Artefact, ...] = ()

    @property
    def pixel_um(self) -> float:
        """Side of a pixel [um]."""
        return self.fov_mm * 1000 / self.size_px

    def without_artefacts(self) -> ImagingParams:
        """The same imaging with nothing gone wrong."""
        return self.model_copy(update={"artefacts": ()})


def tunable() -> dict[str, tuple[float, float]]:
    """Name -> (low, high) of every number a profile describes."""
    ranges = {}
    for name, info in ImagingParams.model_fields.items():
        if isinstance(info.json_schema_extra, dict) and "unit" in info.json_schema_extra:
            bounds = {type(m).__name__: m for m in info.metadata}
            ranges[name] = (float(bounds["Ge"].ge), float(bounds["Le"].le))
    if not ranges:
        msg = "ImagingParams lost its units"
        raise InvalidInput(msg)
    return ranges
