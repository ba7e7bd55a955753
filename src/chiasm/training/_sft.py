"""Supervised fine-tuning: a dataset, a recipe and a folder in; a trained model in that folder out.

The folder holds `run.json` (recipe and data: what makes two runs the same run), `log.jsonl`, `warmup/` and `checkpoints/`
while the run goes on, and `model/` when it is done (with `adapter/` beside it where adapters were trained). Called again with
the same recipe and data it continues at the next step; with others it refuses.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chiasm.errors import Conflict, InvalidInput, require
from chiasm.models import PRESETS, Bundle, build, load_bundle, prepare_torch
from chiasm.training._config import Recipe, WarmupTable
from chiasm.training._dense import DenseRows
from chiasm.training._rows import RowStore, open_rows, scan_rows

RUN: Final = "run.json"
LOG: Final = "log.jsonl"
MODEL: Final = "model"
CHECKPOINTS: Final = "checkpoints"
ADAPTER: Final = "adapter"
WARMUP: Final = "warmup"


@dataclass(frozen=True)
class SftResult:
    """What a run left behind.

    Attributes:
        model: Folder of the trained model; None where the run stopped early and can go on.
        step: Optimiser steps made so far.
        steps: Optimiser steps in all.
    """

    model: Path | None
    step: int
    steps: int


def train_sft(
    recipe: Recipe,
    dataset: str | Path,
    out: str | Path,
    *,
    start: Bundle | None = None,
    stop_at: int | None = None,
    max_minutes: float | None = None,
    say: Callable[[str], None],
) -> SftResult:
    """Train a model, or go on training it.

    Args:
        recipe: See `load_recipe`.
        dataset: Folder of Parquet shards with at least `images` and `messages`.
        out: Folder of the run; new, or left by the same run.
        start: Begin from this model instead of building or loading `recipe.model.base`, such as one whose vision tower was
            warmed up. A resumed run takes its weights from the checkpoint.
        stop_at: Stop with a checkpoint after this optimiser step.
        max_minutes: Stop with a checkpoint when this much time has passed [min].
        say: Takes the lines for people, such as `print`.

    Raises:
        InvalidInput: Rows, images or recipe break a rule; with the row and the remedy, before the first step.
        Conflict: The folder belongs to another run.
        TrainingFailed: The loss is not a number, or the model does not look.
    """
    prepare_torch()
    require("trl", "train")
    folder = Path(out)
    store = open_rows(dataset, recipe.data.split)
    index = scan_rows(store)
    claim(folder, {"recipe": recipe.model_dump(mode="json"), "rows": index.fingerprint})
    if recipe.model.start_share and (start is not None or recipe.model.base in PRESETS):
        share = recipe.model.start_share
        msg = f"model.start_share {share:g} mixes in trained weights of model.base, and this run starts from others; take it out"
        raise InvalidInput(msg)
    bundle = start if start is not None else starting_model(recipe)
    if start is None:
        say(f"begins from {recipe.model.base}: {'fresh' if recipe.model.base in PRESETS else 'trained'} weights")
    from chiasm.training._run import Run

    begun = time.monotonic()
    run = Run(recipe, bundle, store, index, folder, say)
    run.check()
    if recipe.warmup is not None and not run.done:
        warmed = _warmed(recipe.warmup, bundle, store, folder / WARMUP, say, max_minutes)
        if warmed is None:
            say("stopped in the warm-up; the same command goes on from there")
            return SftResult(None, 0, run.plan.steps)
        run.bundle = warmed
    left = None if max_minutes is None else max_minutes - (time.monotonic() - begun) / 60
    return run.go(stop_at=stop_at, max_minutes=left)


def _warmed(
    table: WarmupTable,
    bundle: Bundle,
    store: RowStore,
    folder: Path,
    say: Callable[[str], None],
    max_minutes: float | None,
) -> Bundle | None:
    """The model with its vision tower warmed up on the rows' masks and facts; None if time ran out."""
    from chiasm.training._warmup import warm_up

    source = DenseRows(store.shards, table)
    result = warm_up(table, bundle, source, folder, say=say, max_minutes=max_minutes)
    return None if result.model is None else load_bundle(result.model, dtype="float32")


def starting_model(recipe: Recipe) -> Bundle:
    """The model that a recipe starts from: a fresh one of a preset, or one of a folder or the hub."""
    if recipe.model.base in PRESETS:
        if recipe.model.lora is not None:
            msg = f"model.lora puts adapters beside trained weights, and {recipe.model.base} starts from fresh ones; take out one"
            raise InvalidInput(msg)
        return build(recipe.model.base, seed=recipe.optim.seed)
    return load_bundle(recipe.model.base, dtype=recipe.model.dtype)


def claim(folder: Path, identity: dict[str, Any]) -> None:
    """Make a run's folder, or take up the one that the same run left.

    Args:
        folder: New, empty, or left by a run.
        identity: What makes two runs the same run.

    Raises:
        Conflict: Another run's folder; names what differs.
    """
    record = folder / RUN
    if record.is_file():
        theirs = dict(_leaves(json.loads(record.read_text(encoding="utf-8"))))
        ours = dict(_leaves(identity))
        differing = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
        if differing:
            shown = "; ".join(f"{key} was {theirs.get(key)!r}, is {ours.get(key)!r}" for key in differing[:4])
            msg = f"{folder} holds another run: {shown}. Choose another folder, or give that run's recipe and data"
            raise Conflict(msg)
        return
    if folder.is_dir() and any(folder.iterdir()):
        msg = f"{folder} is not empty and holds no {RUN}, so it is no run to go on with; choose another folder"
        raise Conflict(msg)
    folder.mkdir(parents=True, exist_ok=True)
    partial = record.with_suffix(".partial")
    partial.write_text(json.dumps(identity, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(record)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
