"""What a data set shall hold: a typed plan, and how to change one by name.

A plan is everything that decides the bytes of a data set besides the versions of the code: the same plan gives the same
files on any number of workers, in any order, killed and resumed. It is kept in the manifest and compared on every run.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator

from chiasm.errors import InvalidInput, UnknownName

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Weights = dict[str, Annotated[FiniteFloat, Field(ge=0)]]
MAX_PATIENTS = 10_000_000
ALL_PROGRAMS = "all"


class Plan(BaseModel):
    """How many patients, eyes, visits and images, of what kind, with which questions, in which splits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    world: str = "octa"
    """The world that makes the cases."""
    world_config: dict[str, Any] = {}
    """Settings handed to the world as they are; plain JSON. Empty: the world's defaults."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Root of every random choice; patient k is seeded by (seed, world, k) alone."""
    patients: int = Field(default=1000, ge=1, le=MAX_PATIENTS)
    """Number of patients [1 to 10 million]."""
    eyes: int = Field(default=1, ge=1, le=2)
    """Eyes of each patient [1 or 2]; one eye is the right or the left with equal chance."""
    visits: int = Field(default=1, ge=1, le=8)
    """Visits of each patient [1 to 8]; disease progresses between them."""
    years_between_visits: float = Field(default=1.0, gt=0, le=20)
    """Time between two visits [years]."""
    images: int = Field(default=1, ge=1, le=32)
    """Images of each eye at each visit [1 to 32]: growth is dear and imaging cheap, so several devices see one eye."""
    stages: Weights = {"healthy": 1.0, "early-npdr": 1.0, "late-npdr": 1.0, "pdr": 1.0}
    """Relative weight of each stage of disease at the first visit; kept exactly along the patients, not by chance."""
    age_years: tuple[FiniteFloat, FiniteFloat] = (20.0, 80.0)
    """Youngest and oldest age at the first visit [years, 0 to 120]; uniform between."""
    fov_mm: dict[Annotated[FiniteFloat, Field(gt=0)], Annotated[FiniteFloat, Field(ge=0)]] = {3.0: 1.0}
    """Relative weight of each side of the square field [mm]."""
    profiles: Weights = {}
    """Relative weight of each device or profile; a device ("mixed") takes its profile of the patient's field. Empty: the world's
    default device."""
    slabs: Weights = {"inner": 1.0}
    """Relative weight of each slab that an image may show."""
    artefacts: Share = 1.0
    """Share of the images taken with the device's own rates of artefacts [0 to 1]; the others are clean."""
    twins: tuple[str, ...] = ()
    """Families of findings to take out, each giving a twin case that is the same but for them, where the patient has any."""
    every_image: tuple[str, ...] = ("explain-stage",)
    """Question programs asked of every image, so that each has a reasoning text."""
    programs: tuple[str, ...] = (ALL_PROGRAMS,)
    """Further programs, of which some are drawn for each image; "all": every other one that can be asked."""
    questions: int = Field(default=2, ge=0, le=100)
    """How many of `programs` are answered per image, where as many can be [0 to 100]."""
    language: str = "en"
    """Language of questions and reasoning."""
    styles: Weights = {"short": 1.0}
    """Relative weight of each length and tone of the reasoning."""
    splits: Weights = {"train": 0.9, "validation": 0.05, "test": 0.05}
    """Share of the patients in each split; a patient keeps its split when the plan grows."""
    graphs: bool = True
    """Whether the vessel graphs are written beside the images."""
    shard_mb: float = Field(default=256.0, ge=0.01, le=4096)
    """Size at which a shard is closed [MB]."""
    patients_per_part: int = Field(default=16, ge=1, le=1000)
    """Patients made in one go [1 to 1000]: what a kill can cost each worker."""

    @field_validator("stages", "profiles", "slabs", "splits", "styles", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return {value: 1.0} if isinstance(value, str) else value

    @field_validator("fov_mm", mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        return {float(value): 1.0} if isinstance(value, int | float) else value

    @field_validator("twins", "every_image", "programs", mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        youngest, oldest = self.age_years
        if not 0 <= youngest <= oldest <= 120:
            msg = f"age_years must be (youngest, oldest) within 0 to 120 years, got {self.age_years}"
            raise ValueError(msg)
        for name in ("stages", "fov_mm", "slabs", "splits", "styles"):
            weights = getattr(self, name)
            if not weights or sum(weights.values()) <= 0:
                msg = f"{name} needs at least one weight > 0, got {weights}"
                raise ValueError(msg)
        if self.profiles and sum(self.profiles.values()) <= 0:
            msg = f"profiles needs at least one weight > 0, or to be empty, got {self.profiles}"
            raise ValueError(msg)
        bad = [s for s in self.splits if not (s.isidentifier() and s.isascii())]
        if bad:
            msg = f"split names must be plain words, as they become file names, got {bad}"
            raise ValueError(msg)
        if not self.every_image and (not self.programs or self.questions == 0):
            msg = "a plan needs questions: name programs in every_image, or programs with questions >= 1"
            raise ValueError(msg)
        twice = sorted(set(self.every_image) & set(self.programs))
        if twice:
            msg = f"programs of every_image are asked anyway; take {twice} out of programs"
            raise ValueError(msg)
        return self

    @property
    def n_images(self) -> int:
        """Images that the plan asks for, twins included."""
        return self.patients * self.eyes * self.visits * self.images * (1 + len(self.twins))

    def canonical(self) -> str:
        """The plan as canonical JSON."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, allow_nan=False)

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON: the identity of the plan."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def change(self, **fields: Any) -> Plan:
        """A copy with some fields replaced, checked as a new plan is.

        Raises:
            UnknownName: No such field; the nearest is named.
            InvalidInput: A value breaks a rule.
        """
        for name in fields:
            if name not in type(self).model_fields:
                raise UnknownName("plan setting", name, type(self).model_fields)
        return make_plan({**self.model_dump(mode="json"), **fields})

    def override(self, settings: Iterable[str]) -> Plan:
        """A copy changed by `key=value` texts; a dotted key reaches into a mapping (`stages.pdr=2`).

        Values are read as JSON where they are JSON, and as text otherwise. Setting a weight to 0 removes nothing: the
        name stays, and is never drawn.
        """
        changed: dict[str, Any] = self.model_dump(mode="json")
        for setting in settings:
            key, found, text = setting.partition("=")
            if not found or not key:
                msg = f"a setting must be key=value, got {setting!r}"
                raise InvalidInput(msg)
            _set_at(changed, key.strip(), _read_value(text.strip()))
        return make_plan(changed)


def make_plan(data: dict[str, Any]) -> Plan:
    """A plan from plain data.

    Raises:
        UnknownName: A key is no setting; the nearest is named.
        InvalidInput: A value breaks a rule; every broken rule is named.
    """
    for name in data:
        if name not in Plan.model_fields:
            raise UnknownName("plan setting", name, Plan.model_fields)
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'plan'}: {e['msg']}, got {_short(e['input'])}" for e in error.errors()
        )
        msg = f"this plan cannot be built: {told}"
        raise InvalidInput(msg) from error


def _set_at(data: dict[str, Any], key: str, value: Any) -> None:
    name, _, rest = key.partition(".")
    if name not in Plan.model_fields:
        raise UnknownName("plan setting", name, Plan.model_fields)
    if not rest:
        data[name] = value
        return
    if not isinstance(data[name], dict):
        msg = f"{name} is a single value, so {key!r} names nothing; write {name}=VALUE"
        raise InvalidInput(msg)
    data[name] = {**data[name], rest: value}


def _read_value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"a setting must be finite, got {text}"
        raise InvalidInput(msg)
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
