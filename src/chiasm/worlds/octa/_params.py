"""What the OCTA world is asked for, and what it draws: every random choice of a case as plain JSON."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, FiniteFloat, ValidationError, field_validator, model_validator

from chiasm.case import Laterality, Record
from chiasm.errors import InvalidInput
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import AnatomyParams
from chiasm.worlds.octa.imaging import ImagingParams, Slab, load_profile, profile_names
from chiasm.worlds.octa.pathology import PathologyParams

WORLD_VERSION: Final = "17"
"""Changes whenever the same parameters give other bytes."""

WIDE_FIELD_MM = 4.5
"""From this field on a device's 6 mm profile is used."""
DEFAULT_DEVICE: Final = "rtvue-xr"


def profile_for(name: str | None, fov_mm: float) -> str:
    """The profile that images a field of that side [mm].

    Args:
        name: A profile or the path of a TOML file, taken as it is; a device without its field ("mixed"), which gives the
            device's profile of the nearest field; None: the default device.
        fov_mm: Side of the field [mm].
    """
    device = name or DEFAULT_DEVICE
    profile = f"{device}-{'6mm' if fov_mm >= WIDE_FIELD_MM else '3mm'}"
    return profile if profile in profile_names() else device


class Shot(Record):
    """One image to take of one eye at one visit."""

    laterality: Literal["OD", "OS"] = "OD"
    visit: int = Field(default=0, ge=0, le=50)
    slab: Slab = "inner"
    profile: str | None = None
    """Name of a shipped device ("mixed") or of its profile for one field ("mixed-3mm"), or the path of a TOML file; None: the
    default device."""
    artefacts: Literal["profile", "none"] = "profile"
    """"profile": at the device's rates; "none": a clean image."""

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, name: str | None) -> str | None:
        if name is not None:
            load_profile(profile_for(name, fov_mm=3.0))
        return name


class OctaRequest(Record):
    """What is asked of the world for one patient; None means drawn."""

    case_id: str = "octa"
    patient_id: str = "octa"
    stage: Stage | None = None
    """Stage at visit 0; later visits progress from it."""
    age_years: Annotated[FiniteFloat, Field(ge=8, le=80)] | None = None
    """Age at visit 0 [years]."""
    fov_mm: Annotated[FiniteFloat, Field(ge=2, le=12)] = 3.0
    """Side of the square field [mm]."""
    size_px: Annotated[int, Field(ge=64, le=4096)] | None = None
    """Side of the image [px]; None is the profile's: 304 at 3 mm, 400 at 6 mm."""
    years_between_visits: Annotated[FiniteFloat, Field(gt=0, le=20)] = 1.0
    shots: Annotated[tuple[Shot, ...], Field(min_length=1)] = (Shot(),)
    """Grouped by eye and visit; several of one eye share its growth."""


class Scan(Record):
    """One image of one eye at one visit."""

    view_id: str
    imaging: ImagingParams
    exposure: tuple[FiniteFloat, FiniteFloat] | None = None
    """Black and white of the image this one is a twin of; None: set from this image, as devices do."""


class EyeVisit(Record):
    """One eye at one visit."""

    laterality: Literal["OD", "OS"]
    visit: Annotated[int, Field(ge=0)]
    years: FiniteFloat = 0.0
    """Time since visit 0 [years]."""
    stage_requested: Stage
    """For the record only: truth is what was realised."""
    anatomy: AnatomyParams
    pathology: PathologyParams
    scans: tuple[Scan, ...]
    without: str | None = None
    """The family of findings taken out, where this is a counterfactual twin."""


class OctaParams(Record):
    """One patient: everything that `render` needs."""

    world_version: Literal["17"] = WORLD_VERSION
    case_id: str
    patient_id: str
    age_years: FiniteFloat
    eyes: tuple[EyeVisit, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        views = [scan.view_id for eye in self.eyes for scan in eye.scans]
        keys = [(eye.laterality, eye.visit) for eye in self.eyes]
        if len(set(views)) != len(views) or len(set(keys)) != len(keys):
            msg = f"views and eye-visits must be distinct, got {views} and {keys}"
            raise ValueError(msg)
        for eye in self.eyes:
            if eye.laterality != eye.anatomy.laterality:
                msg = f"eye {eye.laterality} has the anatomy of an {eye.anatomy.laterality}"
                raise ValueError(msg)
        return self

    @classmethod
    def parse(cls, data: Any) -> OctaParams:
        """Params from plain JSON, such as `Origin.params`.

        Raises:
            InvalidInput: Another world version, or a value out of range; every broken rule is named.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {str(e['input'])[:60]}" for e in error.errors()
            )
            msg = f"these octa params cannot be rendered: {told}"
            raise InvalidInput(msg) from error


def view_name(laterality: Laterality | str, visit: int, slab: str, number: int = 0) -> str:
    """The id of a view: "od-v0-inner", and "od-v0-inner-1" for the second of its kind."""
    return f"{str(laterality).lower()}-v{visit}-{slab}" + (f"-{number}" if number else "")
