"""What a device does, as numbers: how each imaging parameter is spread over examinations, and how often things go wrong.

A profile is a TOML file::

    schema_version = 5
    name = "rtvue-xr-3mm"
    fov_mm = 3.0
    size_px = 304
    slabs = ["inner"]
    [parameters]
    psf_um = {mean = 7.1, sd = 0.6}       # truncated normal within the model's range
    [transfer]                            # the device's processing; see `_transfer.Transfer`
    scale = [...]
    curves = [[...], ...]
    share = [...]
    grey = [...]
    modes = [[...], ...]                  # how the shares vary together from image to image
    [artefacts]
    shadow = 0.03                         # chance that an image carries it
    [card]
    text = "what it was fitted on, and its limits"
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chiasm.errors import InvalidInput, UnknownName
from chiasm.worlds.octa.imaging._params import ArtefactKind, Slab, tunable
from chiasm.worlds.octa.imaging._transfer import Shares, Transfer

PROFILE_SCHEMA_VERSION = 5


class Spread(BaseModel):
    """A truncated normal distribution; sd 0 is a constant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    sd: Annotated[float, Field(ge=0)] = 0.0


class DeviceTransfer(Transfer):
    """The processing of a device, and how it varies from image to image."""

    modes: Annotated[tuple[Shares, ...], Field(max_length=8)] = ()
    """Changes of `share` per standard normal draw, -2 to 2: principal components."""

    @model_validator(mode="after")
    def _small(self) -> DeviceTransfer:
        if any(abs(v) > 2 for mode in self.modes for v in mode):
            msg = "transfer.modes must be in -2..2"
            raise ValueError(msg)
        return self


class Profile(BaseModel):
    """One device, field and export as distributions of imaging parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[5] = 5
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    fov_mm: Annotated[float, Field(ge=1, le=20)]
    size_px: Annotated[int, Field(ge=16, le=4096)]
    slabs: tuple[Slab, ...] = ("inner",)
    """Slabs this device exports; the first is the default."""
    parameters: dict[str, Spread]
    transfer: DeviceTransfer = DeviceTransfer(**Transfer.identity().model_dump())
    artefacts: dict[ArtefactKind, Annotated[float, Field(ge=0, le=1)]] = {}
    """Chance per image of each kind; the kinds left out do not occur."""
    severity: tuple[float, float, float] = (0.5, 0.35, 0.15)
    """Shares of mild, moderate and severe among artefacts."""
    card: dict[str, Any] = {}
    """Where the numbers come from: data, n, seed, scores, limits."""

    @model_validator(mode="after")
    def _complete(self) -> Profile:
        ranges = tunable()
        for name, spread in self.parameters.items():
            if name not in ranges:
                raise UnknownName("imaging parameter", name, ranges)
            low, high = ranges[name]
            if not low <= spread.mean <= high:
                msg = f"parameters.{name}.mean must be in {low:g}..{high:g}, got {spread.mean:g}"
                raise ValueError(msg)
        missing = sorted(set(ranges) - set(self.parameters))
        if missing:
            msg = f"parameters lack {', '.join(missing)}"
            raise ValueError(msg)
        if abs(sum(self.severity) - 1) > 1e-6:
            msg = f"severity shares must sum to 1, got {sum(self.severity):g}"
            raise ValueError(msg)
        return self

    def mean(self, name: str) -> float:
        """Mean of one parameter."""
        return self.parameters[name].mean

    def evolve(self, **means: float) -> Profile:
        """A profile with other means; spreads stay."""
        changed = {k: Spread(mean=v, sd=self.parameters[k].sd) for k, v in means.items()}
        return Profile.model_validate({**self.model_dump(), "parameters": {**self.parameters, **changed}})

    def to_toml(self) -> str:
        """The file's text."""
        quoted = ", ".join(f'"{s}"' for s in self.slabs)
        lines = [
            f"schema_version = {self.schema_version}",
            f'name = "{self.name}"',
            f"fov_mm = {self.fov_mm!r}",
            f"size_px = {self.size_px}",
            f"slabs = [{quoted}]",
            f"severity = [{', '.join(repr(float(s)) for s in self.severity)}]",
            "",
            "[parameters]",
        ]
        lines += [f"{k} = {{mean = {s.mean:.6g}, sd = {s.sd:.6g}}}" for k, s in self.parameters.items()]
        lines += ["", "[transfer]"]
        lines += [f"{k} = {_toml_value(v)}" for k, v in self.transfer.model_dump().items()]
        lines += ["", "[artefacts]", *(f'"{k}" = {v:g}' for k, v in self.artefacts.items()), "", "[card]"]
        lines += [f"{k} = {_toml_value(v)}" for k, v in self.card.items()]
        return "\n".join(lines) + "\n"


def load_profile(name: str | Path) -> Profile:
    """A profile that ships with the package, by its name, or one in a TOML file, by its path.

    Raises:
        UnknownName: No shipped profile has that name.
        InvalidInput: The file is missing, no TOML, of another schema, or out of range; the message names the entry.
    """
    text = str(name)
    if not text.endswith(".toml"):
        if text not in profile_names():
            raise UnknownName("device profile", text, profile_names())
        content = (resources.files(__package__) / "profiles" / f"{text}.toml").read_text(encoding="utf-8")
        return parse_profile(content, f"{text} (shipped)")
    path = Path(name)
    if not path.is_file():
        msg = f"no profile at {path}; give the path of a .toml file or one of: {', '.join(profile_names())}"
        raise InvalidInput(msg)
    return parse_profile(path.read_text(encoding="utf-8"), str(path))


def parse_profile(text: str, where: str) -> Profile:
    """A profile from the text of its file; `where` is named in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{where} is not TOML: {error}"
        raise InvalidInput(msg) from error
    if data.get("schema_version") != PROFILE_SCHEMA_VERSION:
        msg = f"{where}: schema_version must be {PROFILE_SCHEMA_VERSION}, got {data.get('schema_version')!r}; calibrate again"
        raise InvalidInput(msg)
    return profile_of(data, where)


def profile_of(data: dict[str, Any], where: str) -> Profile:
    """A profile from its entries; `where` is named in errors."""
    try:
        return Profile.model_validate(data)
    except UnknownName as error:
        msg = f"{where}: {error}"
        raise InvalidInput(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"]) or "parameters"
        given = first["input"]
        got = f", got {given!r}" if isinstance(given, str | float) else ""
        msg = f"{where}: {entry}: {first['msg']}{got}"
        raise InvalidInput(msg) from error


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that ship with the package."""
    folder = resources.files(__package__) / "profiles"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def artefact_kinds() -> tuple[ArtefactKind, ...]:
    """Every kind of artefact."""
    return get_args(ArtefactKind)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
