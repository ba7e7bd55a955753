"""The Case and its parts: what a perfect annotator would know about one patient's images.

Records are frozen, validated when made, and plain JSON but for the pixels. Image coordinates are continuous, in the order of
the view's axes: pixel (0, 0) spans [0, 1) x [0, 1) and its centre is (0.5, 0.5); row 0 is the top.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from chiasm.case._rle import check_counts, counts_to_mask, counts_to_text, mask_to_counts, text_to_counts
from chiasm.case._vocabulary import term
from chiasm.errors import Unanswerable

CASE_SCHEMA_VERSION: Final = 1
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Scalar = bool | int | FiniteFloat | str


class Record(BaseModel):
    """Base of everything on disk: frozen, no unknown keys, no silent conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, arbitrary_types_allowed=True)


class Laterality(StrEnum):
    """Which eye: OD (right), OS (left); `unknown` is a value, `none` is for what has no side."""

    OD = "OD"
    OS = "OS"
    UNKNOWN = "unknown"
    NONE = "none"


UNITS = frozenset(
    {"1", "%", "px", "um", "mm", "mm2", "mm3", "1/mm", "mm/s", "deg", "years", "count", "HU", "cm3", "dB", "s"}
)


class Quantity(Record):
    """A measured value."""

    name: Name
    value: FiniteFloat
    unit: str
    """One of `UNITS`; "1" is a pure number."""
    tolerance: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """Absolute, in `unit`: an answer within it is right. None: not stated."""
    exact: bool = True
    """True when computed from the drawn truth; False when estimated from pixels."""

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        if unit not in UNITS:
            msg = f"unit must be one of {sorted(UNITS)}, got {unit!r}"
            raise ValueError(msg)
        return unit


class Mask(Record):
    """A binary mask as COCO-compatible RLE."""

    size: tuple[int, ...]
    counts: str

    @model_validator(mode="after")
    def _sums(self) -> Self:
        check_counts(text_to_counts(self.counts), self.size)
        return self

    @classmethod
    def from_array(cls, mask: NDArray[np.bool_]) -> Mask:
        """Encode a boolean array of any dimension."""
        # what was just encoded needs no proof: decoding it again would double the cost
        return cls.model_construct(size=mask.shape, counts=counts_to_text(mask_to_counts(mask)))

    def to_array(self) -> NDArray[np.bool_]:
        """The boolean array of shape `size`."""
        return counts_to_mask(text_to_counts(self.counts), self.size)

    @property
    def area(self) -> int:
        """Number of set pixels."""
        return sum(text_to_counts(self.counts)[1::2])


class Region(Record):
    """Where something is in one view; at least one of mask, box, points, polyline."""

    view_id: Name
    mask: Mask | None = None
    box: tuple[tuple[FiniteFloat, ...], tuple[FiniteFloat, ...]] | None = None
    """(start, stop) corners in axis order, stop exclusive."""
    points: tuple[tuple[FiniteFloat, ...], ...] = ()
    polyline: tuple[tuple[FiniteFloat, ...], ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.mask is None and self.box is None and not self.points and not self.polyline:
            msg = f"a Region needs a mask, box, points or polyline (view {self.view_id})"
            raise ValueError(msg)
        if self.box is not None and (
            len(self.box[0]) != len(self.box[1]) or any(a > b for a, b in zip(*self.box, strict=True))
        ):
            msg = f"Region.box must be (start, stop) with start <= stop on every axis, got {self.box}"
            raise ValueError(msg)
        return self

    def dimensions(self) -> set[int]:
        """Every number of axes that the parts use; one for a consistent region."""
        parts = [*self.points, *self.polyline, *(self.box or ())]
        return {len(p) for p in parts} | ({len(self.mask.size)} if self.mask else set())


class Visibility(Record):
    """Whether a finding can be seen in one view."""

    visible: bool
    contrast_to_noise: FiniteFloat | None = None
    """Root mean square difference to the twin without it, over the noise; None: not measured."""
    detectability: FiniteFloat | None = None
    """d' of an observer who looks for it, by the rule of its kind; None: not measured."""
    reason: str = ""
    """Why not visible: "outside the field", "below the contrast threshold", "under an artefact: shadow"."""
    hidden_by: tuple[Name, ...] = ()
    """Kinds of artefact that hide it; none where it is visible, or hidden by something else."""


class Finding(Record):
    """One thing an annotator would mark: a lesion, an anatomical structure or an artefact."""

    finding_id: Name
    term: Name
    """A name of the vocabulary (`chiasm.case.term`)."""
    laterality: Laterality = Laterality.NONE
    visit: int = Field(default=0, ge=0)
    regions: tuple[Region, ...] = ()
    attributes: dict[str, Scalar] = {}
    quantities: tuple[Quantity, ...] = ()
    visibility: dict[str, Visibility] = {}
    """By view id; a view that is not named here was not judged."""

    @field_validator("term")
    @classmethod
    def _known_term(cls, name: str) -> str:
        return term(name).name

    def quantity(self, name: str) -> Quantity | None:
        """The quantity of that name, or None."""
        return next((q for q in self.quantities if q.name == name), None)

    def region(self, view_id: str) -> Region | None:
        """Where it lies in one view, or None."""
        return next((r for r in self.regions if r.view_id == view_id), None)

    def visible_in(self, view_id: str) -> bool:
        """Whether it was judged visible there."""
        seen = self.visibility.get(view_id)
        return seen is not None and seen.visible


class Fact(Record):
    """One statement about the whole case, an eye at a visit, or a view: a grade, an age, a biomarker."""

    name: Name
    value: Scalar
    unit: str | None = None
    laterality: Laterality = Laterality.NONE
    visit: int | None = None
    view_id: str | None = None
    tolerance: Annotated[FiniteFloat, Field(ge=0)] | None = None

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            msg = f"unit must be one of {sorted(UNITS)}, got {unit!r}"
            raise ValueError(msg)
        return unit


class View(Record):
    """One image: pixels and what is needed to read them."""

    view_id: Name
    modality: Name
    """"OCTA en face", "CT", "colour fundus" ..."""
    pixels: NDArray[Any]
    """Any shape that matches `axes`; integers or floats, finite. Made read-only."""
    axes: tuple[str, ...] = ("row", "col")
    """One name per dimension: row, col, slice, time, channel."""
    spacing_mm: tuple[FiniteFloat | None, ...] | None = None
    """Pixel pitch per axis [mm]; None where there is none (time, channel) or where it is unknown: lengths are then refused."""
    laterality: Laterality = Laterality.NONE
    visit: int = Field(default=0, ge=0)
    attributes: dict[str, Scalar] = {}
    """Slab, device, profile and the like."""

    @field_validator("pixels", mode="before")
    @classmethod
    def _array(cls, pixels: Any) -> NDArray[Any]:
        array = np.array(pixels)  # a copy: nobody else may write to it
        if array.dtype.kind not in "uif" or array.size == 0:
            msg = f"View.pixels must be a non-empty array of numbers, got dtype {array.dtype}, shape {array.shape}"
            raise ValueError(msg)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            msg = "View.pixels must be finite"
            raise ValueError(msg)
        array.flags.writeable = False
        return array

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.axes) != self.pixels.ndim or len(set(self.axes)) != len(self.axes):
            msg = f"View.axes must name each of the {self.pixels.ndim} dimensions once, got {self.axes} (view {self.view_id})"
            raise ValueError(msg)
        if self.spacing_mm is not None and len(self.spacing_mm) != self.pixels.ndim:
            msg = f"View.spacing_mm needs {self.pixels.ndim} entries, got {self.spacing_mm} (view {self.view_id})"
            raise ValueError(msg)
        if any(s is not None and s <= 0 for s in self.spacing_mm or ()):
            msg = f"View.spacing_mm must be > 0, got {self.spacing_mm} (view {self.view_id})"
            raise ValueError(msg)
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels."""
        return self.pixels.shape

    def axis_spacing_mm(self, axis: str) -> float:
        """Pixel pitch along a named axis [mm].

        Raises:
            Unanswerable: It is unknown; lengths are refused, never guessed.
        """
        known = self.spacing_mm[self.axes.index(axis)] if self.spacing_mm and axis in self.axes else None
        if known is None:
            msg = f"view {self.view_id} has no pixel spacing along {axis!r}: lengths in mm cannot be given; state the field of view"
            raise Unanswerable(msg)
        return known

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View):
            return NotImplemented
        mine, theirs = self.model_dump(exclude={"pixels"}), other.model_dump(exclude={"pixels"})
        same = self.pixels.dtype == other.pixels.dtype and np.array_equal(self.pixels, other.pixels)
        return mine == theirs and same

    __hash__ = None  # type: ignore[assignment]  # holds an array


class Origin(Record):
    """Where a case came from: a world and its drawn parameters, or a file and its licence."""

    kind: Literal["world", "source"]
    name: Name
    """World ("octa") or source ("octa500")."""
    version: Name
    params: dict[str, Any] | None = None
    """World: the drawn parameters, plain JSON; rendering them again gives the same case."""
    file: str | None = None
    """Source: file name, relative to the data set's root."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    licence: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "world" and self.params is None:
            msg = "Origin of a world needs its params"
            raise ValueError(msg)
        if self.kind == "source" and (self.file is None or self.sha256 is None or self.licence is None):
            msg = "Origin of a source needs file, sha256 and licence"
            raise ValueError(msg)
        return self


def check_region(region: Region, view: View, where: str) -> None:
    """Refuse a region that does not fit its view."""
    ndim = sum(axis != "channel" for axis in view.axes)
    shape = tuple(n for n, axis in zip(view.shape, view.axes, strict=True) if axis != "channel")
    if region.dimensions() - {ndim}:
        msg = f"{where}: coordinates need {ndim} numbers in view {view.view_id}, got {sorted(region.dimensions())}"
        raise ValueError(msg)
    if region.mask is not None and region.mask.size != shape:
        msg = f"{where}: mask of {region.mask.size} on view {view.view_id} of {shape}"
        raise ValueError(msg)
    spots = [*region.points, *region.polyline, *(region.box or ())]
    if any(not (0 <= x <= n) for spot in spots for x, n in zip(spot, shape, strict=True)):
        msg = f"{where}: coordinates must lie in [0, {shape}] of view {view.view_id}; clip or drop the region"
        raise ValueError(msg)


def finite_json(value: Any, where: str) -> None:
    """Refuse what JSON cannot hold: non-finite numbers and foreign types."""
    if isinstance(value, dict):
        for key, item in value.items():
            finite_json(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            finite_json(item, f"{where}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        msg = f"{where} must be finite, got {value}"
        raise ValueError(msg)
    elif value is not None and not isinstance(value, bool | int | float | str):
        msg = f"{where} must be plain JSON, got {type(value).__name__}"
        raise ValueError(msg)
