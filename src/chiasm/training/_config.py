"""Recipes: every choice of a training run as one frozen, typed record, read from a TOML file.

A recipe has the tables `model` (what is trained and which parts of it), `data` (mixture, curriculum, length), `optim`
(the optimiser), `checks` (what stops a run), `save` (checkpoints and logs) and, if wished, `warmup` (dense truth first).
Unknown keys are refused with the nearest valid one. Shipped recipes are named (`nano`, `svr-qwen3vl-8b`); any other is a
path.
"""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chiasm.errors import InvalidInput, UnknownName

Part = Literal["vision", "projector", "language"]
Schedule = Literal["cosine", "linear", "constant", "constant_with_warmup"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraTable(_Table):
    """Low-rank adapters instead of full weights (peft)."""

    rank: int = Field(default=16, ge=1)
    """Width of an adapter."""
    alpha: float = Field(default=32.0, gt=0)
    """Scale: the adapter's output is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's input dropped while training."""


class ModelTable(_Table):
    """What is trained."""

    base: str
    """A build preset (nano, small: fresh weights), `embedded` (the trained nano in the package), a model folder, or a hub id."""
    train: tuple[Part, ...] = ("vision", "projector", "language")
    """Parts whose weights move; the others stay bit-equal. With `lora`, the parts that get adapters."""
    lora: LoraTable | None = None
    """Adapters instead of full weights; None trains the weights themselves."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of a loaded model's weights. bfloat16 only where the engine keeps float32 copies to update (DeepSpeed)."""
    max_pixels: int | None = Field(default=None, ge=1024)
    """Pixel budget of an image [px]; None keeps the model's own. SVR: 262144 (512 x 512)."""
    start_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the weights begun from in the weights that are saved: 0.5 averages both (WiSE-FT, Wortsman et al. 2022), which
    keeps more of what was learned before. Needs a trained `base`."""

    @model_validator(mode="after")
    def _something_moves(self) -> Self:
        if not self.train:
            msg = "train names no part, so nothing would move: name vision, projector, language or several"
            raise ValueError(msg)
        if len(set(self.train)) != len(self.train):
            msg = f"train names a part twice: {list(self.train)}"
            raise ValueError(msg)
        return self


class StageTable(_Table):
    """One stage of a curriculum."""

    share: float = Field(gt=0, le=1)
    """Share of all steps; the shares of all stages sum to 1."""
    mixture: dict[str, float]
    """Weight of each program (a name, or a pattern with *) or level of programs (recognition); others are left out."""
    direct: float | None = Field(default=None, ge=0, le=1)
    """`data.direct` in this stage; None takes that one."""
    forms: tuple[str, ...] = ()
    """Forms of questions (free, choice) that are taken; none named: all. Letters for options are learned late, after words."""


class PhotometryTable(_Table):
    """Random changes of exposure while training; each 0 changes nothing."""

    gamma: float = Field(default=0.0, ge=0, le=1)
    """Largest natural logarithm of the exponent of the contrast curve, either way."""
    gain: float = Field(default=0.0, ge=0, le=1)
    """Largest natural logarithm of the factor on brightness, either way."""
    offset: float = Field(default=0.0, ge=0, le=0.5)
    """Largest addition to brightness, either way [share of the full range]."""
    blur_px: float = Field(default=0.0, ge=0, le=5)
    """Largest standard deviation of a blur [px]."""
    noise: float = Field(default=0.0, ge=0, le=0.5)
    """Largest standard deviation of added noise [share of the full range]."""
    speckle: float = Field(default=0.0, ge=0, le=1)
    """Largest standard deviation of a factor on each pixel, around 1."""
    spectrum: float = Field(default=0.0, ge=0, le=1)
    """Standard deviation of the natural logarithm of the gain of each octave of spatial frequency, the mean left alone."""
    shading: float = Field(default=0.0, ge=0, le=1)
    """Largest standard deviation of the natural logarithm of a gain that changes slowly over the field."""


class DataTable(_Table):
    """What is read, in which order."""

    split: str = "train"
    """Name of the split."""
    mixture: dict[str, float] | None = None
    """Weight above 0 of each program (a name, or a pattern with *) or level; None takes every row equally often."""
    curriculum: tuple[StageTable, ...] = ()
    """Stages in order, instead of one mixture."""
    balance: dict[str, float] = {}
    """Shares of the conversations by the stage that the image shows (the eye's where that is unknown), of every stage of the
    dataset, among images of each size that has them all; empty: as they come. It needs a mixture or a curriculum, and leaves
    some images of stages that are too frequent out of a pass, others out of the next."""
    missing: Literal["refuse", "leave out"] = "refuse"
    """What to do with a program of the mixture that the dataset has no row of; what is left out is said."""
    turns: int = Field(default=1, ge=1, le=32)
    """Questions about the same images that are joined to one conversation: the image is read once for all of them."""
    apart: bool = False
    """The questions of a conversation do not see each other: each is learned as if it were asked alone, at the price of one
    reading of the image (models of the Qwen3-VL family). Otherwise they are asked one after the other."""
    max_tokens: int = Field(default=2048, ge=16)
    """Longest conversation, image tokens included. Longer rows are refused, never cut."""
    direct: float = Field(default=0.0, ge=0, le=1)
    """Share of the answers that are taught without their reasoning, so that a model can also be asked directly."""
    photometry: PhotometryTable | None = None
    """Random changes of exposure; None shows the images as they are."""
    workers: int = Field(default=0, ge=0)
    """Processes that prepare batches ahead."""

    @model_validator(mode="after")
    def _one_plan(self) -> Self:
        if self.mixture is not None and self.curriculum:
            msg = "give a mixture or a curriculum, not both"
            raise ValueError(msg)
        if self.curriculum and abs(sum(stage.share for stage in self.curriculum) - 1) > 1e-6:
            msg = f"the shares of the curriculum sum to {sum(stage.share for stage in self.curriculum)}, not to 1"
            raise ValueError(msg)
        for mixture in (self.mixture, *(stage.mixture for stage in self.curriculum)):
            if mixture is not None and (not mixture or min(mixture.values()) <= 0):
                msg = f"a mixture names at least one program, each with a weight above 0, got {mixture}"
                raise ValueError(msg)
        if self.balance and (min(self.balance.values()) <= 0 or not (self.mixture or self.curriculum)):
            msg = f"balance gives each stage a share above 0, beside a mixture or a curriculum, got {self.balance}"
            raise ValueError(msg)
        return self


class OptimTable(_Table):
    """The optimiser (AdamW)."""

    lr: float = Field(gt=0, lt=1)
    """Highest learning rate."""
    schedule: Schedule = "cosine"
    """Course of the learning rate after its warm-up."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the rate rises from 0."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the data; exactly one of epochs and steps is given."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=8, ge=1)
    """Conversations per device and forward pass."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes per optimiser step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    beta2: float = Field(default=0.999, gt=0, lt=1)
    """Memory of the squared gradient."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    bf16: bool = True
    """Compute in bfloat16 where the device is fast at it; weights of small models stay float32."""
    recompute: bool = False
    """Recompute activations on the way back: slower, and needed for large models."""
    seed: int = Field(default=0, ge=0)
    """Of fresh weights, of the order and of adapters."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            msg = "give exactly one of epochs and steps"
            raise ValueError(msg)
        return self


class ChecksTable(_Table):
    """What stops a run."""

    blind_rows: int = Field(default=64, ge=0)
    """Rows of the blind check: swapping their images must raise the loss. 0 switches it off."""
    blind_from: float = Field(default=0.5, gt=0, le=1)
    """Share of the steps after which the check is first made; it is made again at the end."""


class SaveTable(_Table):
    """Checkpoints and logs."""

    every_steps: int = Field(default=500, ge=1)
    """Optimiser steps between checkpoints."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints kept."""
    log_steps: int = Field(default=20, ge=1)
    """Optimiser steps between lines of the log."""
    report_to: tuple[Literal["tensorboard", "trackio"], ...] = ()
    """Where the log also goes."""


class WarmupTable(_Table):
    """Dense truth for the vision tower before any language; needs a dataset with masks and facts in its rows."""

    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch: int = Field(default=16, ge=1)
    """Images per step."""
    lr: float = Field(default=1e-3, gt=0, lt=1)
    """Highest learning rate; cosine after the rise."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps over which the rate rises."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Decoupled weight decay."""
    cell_px: Literal[2, 4, 8, 16] = 4
    """Side of a target cell, in the processed image [px]."""
    maps: tuple[str, ...] = Field(min_length=1)
    """Terms of findings to be drawn."""
    scalars: tuple[str, ...] = ()
    """Names of numeric facts to be told from the whole image."""
    counts: tuple[str, ...] = ()
    """Terms whose visible findings are to be counted from the whole image."""
    classes: dict[str, tuple[str, ...]] = {}
    """Facts in words with the values that are to be told apart from the whole image."""
    octants: tuple[str, ...] = ()
    """Terms, each one of `maps`, that are to be told apart by eighth of the image around its centre: eight more maps, each
    empty outside its eighth, and the share of the field in each.

    Language tokens are read by what they hold, so a place must be in what they hold to be said later."""
    axes: bool = False
    """Whether each token must also tell where it lies: two more maps, which rise from 0 to 1 from left to right and from
    above to below. Tokens that were never asked held their row (R2 0.82) and not their column (0.08; docs/log.md)."""
    everywhere: bool = False
    """Whether each token alone is to tell the scalars, counts, classes and octants too, as all of them together do."""
    scalar_weight: float = Field(default=0.1, ge=0)
    """Weight of the loss of scalars, counts, classes and octants together, beside the maps'."""
    photometry: PhotometryTable | None = None
    """Random changes of exposure; None shows the images as they are."""
    bf16: bool = True
    """As in `optim`."""
    seed: int = Field(default=0, ge=0)
    """Of the heads, the order and the turns."""
    save_steps: int = Field(default=200, ge=1)
    """Steps between states."""
    log_steps: int = Field(default=20, ge=1)
    """Steps between lines of the log."""

    @model_validator(mode="after")
    def _octants_are_maps(self) -> Self:
        if stray := sorted(set(self.octants) - set(self.maps)):
            msg = f"octants are shares of maps, but {', '.join(stray)} is not in maps"
            raise ValueError(msg)
        return self

    def all_maps(self) -> tuple[str, ...]:
        """Names of all maps, in the order of their read-outs."""
        octants = (octant_name(term, octant) for term in self.octants for octant in range(8))
        return (*self.maps, *octants, *(AXES if self.axes else ()))

    def numbers(self) -> tuple[str, ...]:
        """Names of all whole-image numbers, in the order of their read-outs."""
        return (
            *self.scalars,
            *(count_name(term) for term in self.counts),
            *(class_name(fact, value) for fact, values in self.classes.items() for value in values),
            *(octant_name(term, octant) for term in self.octants for octant in range(8)),
        )


AXES: Final = ("place from left to right", "place from above to below")
"""Names of the two maps of `WarmupTable.axes`."""


def count_name(term: str) -> str:
    """Of the number of visible findings of a term."""
    return f"count of {term}"


def class_name(fact: str, value: str) -> str:
    """Of the number that is 1 where a fact has this value, and 0 elsewhere."""
    return f"{fact} = {value}"


def octant_name(term: str, octant: int) -> str:
    """Of a term in one eighth of the image, map and share; eighths lie around the axes and diagonals, from the right clockwise."""
    return f"{term} in octant {octant}"


class Recipe(_Table):
    """A whole training run. See the module's docstring for the tables."""

    model: ModelTable
    optim: OptimTable
    data: DataTable = DataTable()
    checks: ChecksTable = ChecksTable()
    save: SaveTable = SaveTable()
    warmup: WarmupTable | None = None


def shipped_recipes() -> list[str]:
    """Names of the recipes inside the package."""
    folder = files("chiasm.training").joinpath("recipes")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(source: str | Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        source: A shipped name, or a path ending in .toml.
        changes: Values to replace, by dotted key ("optim.steps": 100).

    Raises:
        InvalidInput: No such file, not TOML, an unknown key or a value out of range, with the key and the rule.
    """
    if str(source).endswith(".toml"):
        path = Path(source)
        if not path.is_file():
            msg = f"no recipe at {path}; shipped recipes are named without .toml: {', '.join(shipped_recipes())}"
            raise InvalidInput(msg)
        text = path.read_text(encoding="utf-8")
    elif str(source) in shipped_recipes():
        text = files("chiasm.training").joinpath("recipes", f"{source}.toml").read_text(encoding="utf-8")
    else:
        raise UnknownName("recipe", str(source), shipped_recipes())
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"recipe {source} is not TOML: {error}"
        raise InvalidInput(msg) from error
    for key, value in (changes or {}).items():
        _set(tables, key, value)
    return parse_recipe(tables, str(source))


def parse_recipe(tables: dict[str, Any], where: str) -> Recipe:
    """Check a recipe given as nested tables; `where` names it in messages."""
    try:
        return Recipe.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UnknownName(f"key in {where}", key, _known_keys(Recipe)) from error
        msg = f"{key or 'recipe'}: {first['msg'].removeprefix('Value error, ')} (got {first['input']!r}, in {where})"
        raise InvalidInput(msg) from error


def recipe_json(recipe: Recipe) -> str:
    """A recipe as stable text: equal recipes give equal text."""
    return json.dumps(recipe.model_dump(mode="json"), sort_keys=True, indent=2)


def _set(tables: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for name in path:
        tables = tables.setdefault(name, {})
    tables[last] = value


def _known_keys(table: type[BaseModel], before: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in table.model_fields.items():
        keys.append(before + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys.extend(_known_keys(field.annotation, f"{before}{name}."))
    return keys
