"""One training run: from a checked plan to a model folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback
from trl import SFTConfig

from chiasm.errors import InvalidInput
from chiasm.models import Bundle, budget_of, fast_bf16, quicken, quiet_transformers, save
from chiasm.training._apart import install_apart
from chiasm.training._collate import AnswerCollator, split_answers
from chiasm.training._config import DataTable, Recipe
from chiasm.training._guards import blind_check, check_lengths, check_sizes, require_looking
from chiasm.training._parts import adapter_targets, train_only
from chiasm.training._photometry import rephotographed
from chiasm.training._plan import Plan, make_plan
from chiasm.training._rows import Row, RowIndex, RowStore, join_turns, without_reasoning
from chiasm.training._sft import ADAPTER, CHECKPOINTS, LOG, MODEL, SftResult, starting_model
from chiasm.training._trainer import PlannedTrainer, Progress, checkpoints_in


class Run:
    """A run; see `train_sft` for the arguments."""

    def __init__(
        self,
        recipe: Recipe,
        bundle: Bundle,
        store: RowStore,
        index: RowIndex,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.recipe, self.bundle, self.store, self.index = recipe, bundle, store, index
        self.folder, self.say = folder, say
        self._apply_pixels()
        self.collate = AnswerCollator(bundle.processor, max_tokens=recipe.data.max_tokens)
        self.plan = make_plan(index, recipe.data, recipe.optim, devices=_devices())
        if self.plan.left_out:
            say(f"the dataset has no row of {', '.join(self.plan.left_out)}: left out of the mixture")

    @property
    def done(self) -> bool:
        """Whether the trained model lies in the folder."""
        return (self.folder / MODEL).is_dir()

    def go(self, *, stop_at: int | None, max_minutes: float | None) -> SftResult:
        """Train to the end or to where it is told to stop; `check` comes first."""
        if self.done:
            self.say(f"{self.folder / MODEL} is already trained by this recipe on these rows")
            return SftResult(self.folder / MODEL, self.plan.steps, self.plan.steps)
        checkpoints = self.folder / CHECKPOINTS
        done = checkpoints_in(checkpoints)
        trainer = self._trainer(checkpoints, stop_at=stop_at, max_minutes=max_minutes)
        with quiet_transformers():
            trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
        step = int(trainer.state.global_step)
        if step < self.plan.steps:
            self.say(f"stopped at step {step} of {self.plan.steps}; the same command goes on from there")
            return SftResult(None, step, self.plan.steps)
        if trainer.is_world_process_zero():
            self._save(trainer.accelerator.unwrap_model(trainer.model))
            shutil.rmtree(checkpoints)
        return SftResult(self.folder / MODEL, step, self.plan.steps)

    def _save(self, model: Any) -> None:
        """Write the trained model; with adapters, them by themselves and then folded into the model."""
        if self.recipe.model.lora is not None:
            model.save_pretrained(self.folder / ADAPTER)
            model = model.merge_and_unload()
        if self.recipe.model.start_share:
            _mix_in(model, starting_model(self.recipe).model, self.recipe.model.start_share)
        save(Bundle(model, self.bundle.processor, str(self.folder)), self.folder / MODEL)

    def check(self) -> None:
        """Refuse what could not train well, before the first step."""
        split_answers(self.bundle.processor, join_turns([self.store[0]])["messages"])
        check_sizes(self.index, budget_of(self.bundle.processor))
        check_lengths(self.index, self.plan, self.store, self.bundle.processor, self.recipe.data.max_tokens)
        if self.recipe.checks.blind_rows:
            self._blind_rows()

    def _trainer(self, checkpoints: Path, *, stop_at: int | None, max_minutes: float | None) -> PlannedTrainer:
        recipe = self.recipe
        if not torch.cuda.is_available():
            quicken(self.bundle.model)
        if recipe.data.apart:
            install_apart(self.bundle.model)
        adapters = None
        if recipe.model.lora is None:
            counts = train_only(self.bundle.model, recipe.model.train)
            self.say(
                "  ".join(f"{part}: {moving:,} of {total:,} weights move" for part, (moving, total) in counts.items())
            )
        else:
            adapters = LoraConfig(
                r=recipe.model.lora.rank,
                lora_alpha=recipe.model.lora.alpha,
                lora_dropout=recipe.model.lora.dropout,
                target_modules=adapter_targets(self.bundle.model, recipe.model.train),
            )
        progress = Progress(
            self.folder / LOG,
            recipe.optim.batch * recipe.optim.accumulate * _devices(),
            self.say,
            stop_at=stop_at,
            max_minutes=max_minutes,
            at_step=self._at_step,
        )
        trainer = PlannedTrainer(
            checkpoints=checkpoints,
            keep=recipe.save.keep,
            model=self.bundle.model,
            args=self._arguments(checkpoints),
            train_dataset=planned_rows(self.store, self.plan, recipe.data, recipe.optim.seed),
            processing_class=self.bundle.processor,
            data_collator=self.collate,
            peft_config=adapters,
            callbacks=[progress],
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def _arguments(self, checkpoints: Path) -> Any:
        recipe, optim = self.recipe, self.recipe.optim
        gpu = torch.cuda.is_available()
        return SFTConfig(
            output_dir=str(checkpoints),
            max_steps=self.plan.steps,
            per_device_train_batch_size=optim.batch,
            gradient_accumulation_steps=optim.accumulate,
            learning_rate=optim.lr,
            lr_scheduler_type=optim.schedule,
            warmup_steps=round(optim.warmup * self.plan.steps),
            weight_decay=optim.weight_decay,
            adam_beta2=optim.beta2,
            max_grad_norm=optim.clip,
            bf16=optim.bf16 and fast_bf16(),
            use_cpu=not gpu,
            activation_checkpointing=optim.recompute,
            seed=optim.seed,
            train_sampling_strategy="sequential",
            dataloader_num_workers=recipe.data.workers,
            dataloader_pin_memory=gpu,
            remove_unused_columns=False,
            max_length=None,
            completion_only_loss=False,
            save_strategy="steps",
            save_steps=recipe.save.every_steps,
            logging_steps=recipe.save.log_steps,
            logging_nan_inf_filter=False,
            report_to=list(recipe.save.report_to) or "none",
            disable_tqdm=True,
        )

    def _at_step(self, step: int) -> None:
        checks = self.recipe.checks
        first = max(1, round(checks.blind_from * self.plan.steps))
        if checks.blind_rows and step in (first, self.plan.steps):
            found = blind_check(self.bundle.model, self.collate, self._blind_rows(), batch=self.recipe.optim.batch)
            self.say(
                f"blind check at step {step}: loss {found.seeing:.4f} seeing, {found.blind:.4f} blind (p {found.p:.2g})"
            )
            require_looking(found, step)

    def _blind_rows(self) -> list[Row]:
        """Rows with different images, in the order of training, with or without reasoning as there."""
        _, first = np.unique(self.index.group[[rows[0] for rows in self.plan.conversations]], return_index=True)
        chosen = sorted(first.tolist())[: self.recipe.checks.blind_rows]
        if len(chosen) < 8:
            msg = f"the blind check needs rows with 8 different images, and the plan has {len(chosen)}; set checks.blind_rows = 0"
            raise InvalidInput(msg)
        seed = self.recipe.optim.seed
        firsts = ((place, self.plan.conversations[place][:1]) for place in chosen)
        return [
            row for place, rows in firsts for row in _taught(self.store, rows, place, self.plan.direct[place], seed)
        ]

    def _apply_pixels(self) -> None:
        budget = self.recipe.model.max_pixels
        if budget is not None:
            images = self.bundle.processor.image_processor
            images.size = type(images.size)(shortest_edge=images.size["shortest_edge"], longest_edge=budget)


def _mix_in(model: torch.nn.Module, start: torch.nn.Module, share: float) -> None:
    """Move every weight of `model` by `share` of the way to that of `start`; equal ones stay bit-equal."""
    begun = dict(start.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.lerp(weight, begun[name].to(weight), share))


def planned_rows(store: RowStore, plan: Plan, data: DataTable, seed: int) -> Any:
    """The plan as a `datasets.Dataset` whose rows are conversations, read when asked for."""

    def conversation(place: int, rows: list[int]) -> dict[str, Any]:
        taught = _taught(store, rows, place, plan.direct[place], seed)
        joined = join_turns(taught)
        if data.apart:
            joined["apart"] = [join_turns([row])["messages"] for row in taught]
        if data.photometry is not None:
            light = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(8, place)))
            joined["images"] = [rephotographed(image, data.photometry, light) for image in joined["images"]]
        return joined

    def conversations(batch: dict[str, Any]) -> dict[str, Any]:
        made = [conversation(place, rows) for place, rows in zip(batch["place"], batch["rows"], strict=True)]
        return {key: [row[key] for row in made] for key in made[0]}

    columns = {"place": list(range(len(plan.conversations))), "rows": [list(rows) for rows in plan.conversations]}
    return Dataset.from_dict(columns).with_transform(conversations)


def _taught(store: RowStore, rows: Sequence[int], place: int, direct: float, seed: int) -> list[Row]:
    """The rows of a conversation as they are taught there: a share of `direct` of them without reasoning."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9, place)))
    bare = rng.random(len(rows)) < direct
    return [without_reasoning(store[row]) if cut else store[row] for row, cut in zip(rows, bare, strict=True)]


def _devices() -> int:
    """Processes that train together."""
    from accelerate import PartialState

    return int(PartialState().num_processes)
