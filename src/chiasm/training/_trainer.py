"""TRL's SFTTrainer, with an order of our own and checkpoints that are complete or absent."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl import SFTTrainer

from chiasm.training._guards import check_finite

PARTIAL = ".partial"
PREFIX = "checkpoint-"


class PlannedTrainer(SFTTrainer):  # type: ignore[misc]  # trl carries no types here
    """Train along a plan; see the module's docstring.

    Args:
        checkpoints: Folder of the checkpoints.
        keep: Checkpoints kept.
        kwargs: Everything that SFTTrainer takes.
    """

    def __init__(self, *, checkpoints: Path, keep: int, **kwargs: Any) -> None:
        self._checkpoints, self._keep = checkpoints, keep
        self._saving = False
        super().__init__(**kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """One forward and backward pass, refused when the loss is not a number."""
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        check_finite(float(loss), int(self.state.global_step))
        return loss

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: the card of a trained model is written from its evaluation, not from its trainer."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._checkpoints / PARTIAL if self._saving else self._checkpoints)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write into a hidden folder and rename it when it is whole."""
        name = f"{PREFIX}{self.state.global_step}"
        partial = self._checkpoints / PARTIAL
        if self.is_world_process_zero():
            shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self._saving = True
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._saving = False
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            target = self._checkpoints / name
            if target.exists():
                shutil.rmtree(target)
            (partial / name).replace(target)
            shutil.rmtree(partial)
            for old in checkpoints_in(self._checkpoints)[: -self._keep]:
                shutil.rmtree(old)


class Progress(TrainerCallback):  # type: ignore[misc]
    """Print the loss and the speed, write them to a log file, and stop where asked.

    Args:
        log: File of one JSON object per line; appended to.
        rows_per_step: Conversations per optimiser step.
        say: Takes the lines for people.
        stop_at: Step after which the run stops with a checkpoint; None runs to the end.
        max_minutes: Stops with a checkpoint when this much time has passed [min].
        at_step: Called with the step after each one.
    """

    def __init__(
        self,
        log: Path,
        rows_per_step: int,
        say: Callable[[str], None],
        *,
        stop_at: int | None,
        max_minutes: float | None,
        at_step: Callable[[int], None],
    ) -> None:
        self._log, self._rows_per_step, self._say = log, rows_per_step, say
        self._stop_at, self._max_minutes, self._at_step = stop_at, max_minutes, at_step
        self._begun = self._last = time.perf_counter()
        self._last_step = 0
        self._ended: float | None = None
        self._waited = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note how long the step waited for its data."""
        if self._ended is not None:
            self._waited += time.perf_counter() - self._ended

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._begun = self._last = time.perf_counter()
        self._last_step = state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Call the step's checks, and stop with a checkpoint where asked."""
        self._at_step(state.global_step)
        late = self._max_minutes is not None and time.perf_counter() - self._begun > 60 * self._max_minutes
        if late or (self._stop_at is not None and state.global_step >= self._stop_at):
            control.should_save = True
            control.should_training_stop = True
        self._ended = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """One line for people, one for machines."""
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return
        now = time.perf_counter()
        steps = max(state.global_step - self._last_step, 1)
        speed = steps * self._rows_per_step / (now - self._last)
        waiting = self._waited / (now - self._last)
        self._last, self._last_step, self._waited = now, state.global_step, 0.0
        record = {"step": state.global_step, "samples_per_s": round(speed, 2), "data_share": round(waiting, 4)}
        record |= {
            key: logs[key] for key in ("loss", "learning_rate", "grad_norm", "mean_token_accuracy") if key in logs
        }
        with self._log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        accuracy = logs.get("mean_token_accuracy", float("nan"))
        self._say(
            f"step {state.global_step}/{state.max_steps}  loss {logs['loss']:.4f}  token accuracy {accuracy:.3f}  "
            f"{speed:.1f} conversations/s  {waiting:.1%} waiting for data"
        )


def checkpoints_in(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)))
