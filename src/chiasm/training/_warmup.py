"""Vision warm-up: the vision tower and the projector learn dense truth before any language.

1. Each language token of an image (32 x 32 px) must tell, through one linear head, what lies in each of its cells, and the
   mean of all tokens must tell the whole-image numbers; with `everywhere` each token alone must tell them too. So what the
   language model will read is what a line can read out, and it need not add up the image itself.
2. Images are turned and mirrored at random (8 symmetries), which leaves all targets true.
3. The heads are thrown away, and the tokens are centred and scaled for fresh language layers. Language is connected
   afterwards by the ordinary training.

A run can be stopped and continued; it gives the same weights as an unbroken one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from chiasm.errors import InvalidInput
from chiasm.models import Bundle, budget_of, fast_bf16, grey_pixels, quicken, save
from chiasm.training._config import WarmupTable
from chiasm.training._dense import DenseSample, DenseSource, cell_shares, turned, with_places
from chiasm.training._guards import check_finite
from chiasm.training._photometry import rephotographed

STATE: Final = "state.pt"
MODEL: Final = "model"
SPREAD: Final = 1.0
"""Standard deviation of an image token's values after the warm-up, over tokens and dimensions."""


@dataclass(frozen=True)
class WarmupResult:
    """What a warm-up left behind.

    Attributes:
        model: Folder of the model with the warmed tower; None where it stopped early.
        step: Optimiser steps made.
    """

    model: Path | None
    step: int


def warm_up(
    table: WarmupTable,
    bundle: Bundle,
    source: DenseSource,
    folder: Path,
    *,
    say: Callable[[str], None],
    stop_at: int | None = None,
    max_minutes: float | None = None,
) -> WarmupResult:
    """Teach the vision tower dense truth, or go on teaching it.

    Args:
        table: Length, rate and targets.
        bundle: A Qwen3-VL model; its vision tower and projector are changed in place.
        source: Images with truth.
        folder: Where the state is kept, and `model/` in the end.
        say: Takes the lines for people.
        stop_at: Stop with a state after this step.
        max_minutes: Stop with a state when this much time has passed [min].
    """
    if (folder / MODEL).is_dir():
        return WarmupResult(folder / MODEL, table.steps)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Warmup(table, bundle, source)
    run.restore(folder / STATE)
    begun = time.perf_counter()
    while run.step < table.steps:
        loss = run.advance()
        late = max_minutes is not None and time.perf_counter() - begun > 60 * max_minutes
        if late or run.step == stop_at or run.step % table.save_steps == 0:
            run.keep(folder / STATE)
        if run.step % table.log_steps == 0:
            rate = table.log_steps * table.batch / run.lap()
            say(f"warm-up step {run.step}/{table.steps}  loss {loss:.4f}  {rate:.1f} images/s")
        if (late or run.step == stop_at) and run.step < table.steps:
            return WarmupResult(None, run.step)
    run.settle()
    save(bundle, folder / MODEL)
    (folder / STATE).unlink(missing_ok=True)
    return WarmupResult(folder / MODEL, run.step)


class DenseHeads(torch.nn.Module):  # type: ignore[misc]  # torch carries no types here
    """Linear read-outs of language tokens: cells of maps, and whole-image numbers.

    Args:
        hidden: Width of a language token.
        n_maps: Maps.
        n_scalars: Whole-image numbers.
        cells: Cells along one side of a token's square.
        everywhere: Whether each token tells the numbers too.
    """

    def __init__(self, hidden: int, n_maps: int, n_scalars: int, cells: int, *, everywhere: bool = False) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(hidden)
        self.maps = torch.nn.Linear(hidden, n_maps * cells * cells)
        self.scalars = torch.nn.Linear(2 * hidden, max(n_scalars, 1))
        self.everywhere = torch.nn.Linear(hidden, max(n_scalars, 1)) if everywhere else None

    def forward(self, tokens: torch.Tensor, counts: Sequence[int]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Read tokens (n, hidden) of images with `counts` tokens each.

        Returns:
            Map logits (n, n_maps * cells * cells), and of each image every reading of its numbers: (1, n_scalars) from all
            tokens together, with `everywhere` (1 + count, n_scalars).
        """
        normed = self.norm(tokens)
        numbers = []
        for part in normed.split(list(counts)):
            readings = [self.scalars(torch.cat([part.mean(0), part.amax(0)]))[None]]
            if self.everywhere is not None:
                readings.append(self.everywhere(part))
            numbers.append(torch.cat(readings))
        return self.maps(normed), numbers


class _Warmup:
    """The state of a warm-up: model, heads, optimiser, place in the data."""

    def __init__(self, table: WarmupTable, bundle: Bundle, source: DenseSource) -> None:
        budget = budget_of(bundle.processor)
        if budget is None or not hasattr(bundle.model.model, "visual"):
            msg = f"the warm-up knows Qwen3-VL towers only, not {type(bundle.model).__name__}; set no warm-up for this model"
            raise InvalidInput(msg)
        if len(source) < table.batch:
            msg = f"a warm-up batch of {table.batch} needs as many images, got {len(source)}"
            raise InvalidInput(msg)
        self.table, self.bundle, self.source, self.budget = table, bundle, source, budget
        self.cells = budget.factor_px // table.cell_px
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            quicken(bundle.model)
        self.tower = bundle.model.to(self.device).model.visual.train().requires_grad_(True)
        torch.manual_seed(table.seed)
        hidden = bundle.model.config.vision_config.out_hidden_size
        self.names, self.maps = table.numbers(), table.all_maps()
        self.heads = DenseHeads(hidden, len(self.maps), len(self.names), self.cells, everywhere=table.everywhere).to(
            self.device
        )
        self.centre, self.spread, self.rarity = self._statistics()
        self.optimiser = torch.optim.AdamW(
            [*self.tower.parameters(), *self.heads.parameters()],
            lr=table.lr,
            betas=(0.9, 0.98),
            weight_decay=table.weight_decay,
        )
        self._orders = lru_cache(maxsize=2)(self._order)
        self.step = 0
        self._mark = time.perf_counter()

    def advance(self) -> float:
        """One optimiser step; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.table.lr * _course(self.step, self.table.steps, self.table.warmup)
        loss = self._loss([self._sample(number) for number in self._indices()])
        check_finite(float(loss.detach()), self.step)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.optimiser.param_groups[0]["params"], 1.0)
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def keep(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        state = {"tower": self.tower.state_dict(), "heads": self.heads.state_dict(), "step": self.step}
        torch.save({**state, "optimiser": self.optimiser.state_dict()}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Take up a state where there is one."""
        if path.is_file():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.tower.load_state_dict(state["tower"])
            self.heads.load_state_dict(state["heads"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = int(state["step"])

    def settle(self) -> None:
        """Centre what the language model will be given, and bring its spread to `SPREAD`.

        The heads do not feel a common vector or a factor, so both grow freely (4.5 root mean square, 3.6 of it common, where fresh
        text embeddings have 0.02; docs/log.md).
        """
        samples = [self.source[index] for index in range(min(64, len(self.source)))]
        with torch.no_grad():
            found = [self._branches(self._pixels([sample])) for sample in samples]
            branches = [torch.cat(parts) for parts in zip(*found, strict=True)]
            means = [branch.mean(0) for branch in branches]
            spread = float(torch.stack([b - m for b, m in zip(branches, means, strict=True)]).sum(0).std())
            mergers = (self.tower.merger, *self.tower.deepstack_merger_list)
            for merger, mean in zip(mergers, means, strict=True):
                merger.linear_fc2.bias.sub_(mean).mul_(SPREAD / spread)
                merger.linear_fc2.weight.mul_(SPREAD / spread)

    def lap(self) -> float:
        """Seconds since the last call."""
        now = time.perf_counter()
        passed, self._mark = now - self._mark, now
        return passed

    def _indices(self) -> list[int]:
        """The images of this step: every pass goes through all of them in an order of its own."""
        start = self.step * self.table.batch
        chosen = []
        for place in range(start, start + self.table.batch):
            number, position = divmod(place, len(self.source))
            chosen.append(int(self._orders(number)[position]))
        return chosen

    def _order(self, number: int) -> Any:
        rng = np.random.default_rng(np.random.SeedSequence(self.table.seed, spawn_key=(1, number)))
        return self.source.shuffled(rng)

    def _sample(self, index: int) -> DenseSample:
        root = np.random.SeedSequence(self.table.seed, spawn_key=(2, self.step, index))
        sample = with_places(turned(self.source[index], root), self.table)
        if self.table.photometry is None:
            return sample
        rng = np.random.default_rng(root.spawn(1)[0])
        image = np.asarray(rephotographed(Image.fromarray(sample.image), self.table.photometry, rng))
        return DenseSample(image, sample.maps, sample.scalars)

    def _loss(self, samples: Sequence[DenseSample]) -> torch.Tensor:
        pixels = self._pixels(samples)
        counts = [self.budget.tokens(*sample.image.shape) for sample in samples]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.table.bf16 and fast_bf16()):
            logits, numbers = self.heads(torch.stack(self._branches(pixels)).sum(0), counts)
        targets, known = self._targets(samples)
        return self._map_loss(logits.float(), targets, known, counts) + self._scalar_loss(numbers, samples)

    def _pixels(self, samples: Sequence[DenseSample]) -> dict[str, torch.Tensor]:
        images = [Image.fromarray(sample.image) for sample in samples]
        read = grey_pixels(self.bundle.processor.image_processor, images)
        return {name: torch.from_numpy(value).to(self.device) for name, value in read.items()}

    def _branches(self, pixels: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """What the language model adds up for each token: the projector's output and the deepstack branches, (n, hidden) each."""
        out = self.bundle.model.model.get_image_features(pixels["pixel_values"], pixels["image_grid_thw"])
        return [torch.cat(list(branch)) for branch in (out.pooler_output, *out.deepstack_features)]

    def _map_loss(
        self, logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor, counts: Sequence[int]
    ) -> torch.Tensor:
        shaped = logits.view(len(logits), len(self.maps), -1)
        weight = 1 + targets * (self.rarity[None, :, None] - 1)
        raw = functional.binary_cross_entropy_with_logits(shaped, targets, weight=weight, reduction="none").mean(-1)
        which = known.repeat_interleave(torch.tensor(counts, device=self.device), dim=0)
        return (raw * which).sum() / which.sum().clamp(min=1)

    def _scalar_loss(self, numbers: Sequence[torch.Tensor], samples: Sequence[DenseSample]) -> torch.Tensor:
        """Mean over the images' known numbers; all tokens together and each alone weigh the same."""
        if not self.names:
            return numbers[0].sum() * 0
        losses = []
        for readings, sample in zip(numbers, samples, strict=True):
            known = [k for k, name in enumerate(self.names) if name in sample.scalars]
            values = torch.tensor([sample.scalars[self.names[k]] for k in known], device=self.device)
            wanted = (values - self.centre[known]) / self.spread[known]
            told = readings.float()[:, known]
            raw = functional.smooth_l1_loss(told, wanted.expand_as(told), reduction="none")
            losses.append(raw[0] if len(raw) == 1 else (raw[0] + raw[1:].mean(0)) / 2)
        every = torch.cat(losses)
        return self.table.scalar_weight * every.sum() / max(1, len(every))

    def _targets(self, samples: Sequence[DenseSample]) -> tuple[torch.Tensor, torch.Tensor]:
        """Share of each cell that each map covers (tokens, maps, cells²), and which maps are known (images, maps)."""
        parts = [
            cell_shares(s, self.maps, self.budget.resized(*s.image.shape), self.budget.factor_px, self.cells)
            for s in samples
        ]
        known = torch.tensor([[float(name in s.maps) for name in self.maps] for s in samples])
        return torch.cat(parts).to(self.device), known.to(self.device)

    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean and spread of the numbers, and the weight of a covered cell of each map, from the first 256 images."""
        values: dict[str, list[float]] = {name: [] for name in self.names}
        shares: dict[str, list[float]] = {name: [] for name in self.maps}
        for index in range(min(256, len(self.source))):
            sample = with_places(self.source[index], self.table)
            for name in values.keys() & sample.scalars.keys():
                values[name].append(sample.scalars[name])
            for name in shares.keys() & sample.maps.keys():
                shares[name].append(float(np.mean(sample.maps[name])))
        missing = [name for name, found in (values | shares).items() if not found]
        if missing:
            msg = f"no image knows {', '.join(sorted(missing))}; take them out of the warm-up's table"
            raise InvalidInput(msg)
        centre = [float(np.mean(values[name])) for name in self.names]
        spread = [max(float(np.std(values[name])), 1e-6) for name in self.names]
        mean = [max(float(np.mean(shares[name])), 1e-5) for name in self.maps]
        rarity = [min(math.sqrt((1 - share) / share), 10.0) for share in mean]
        return tuple(torch.tensor(row, device=self.device) for row in (centre, spread, rarity))


def _course(step: int, steps: int, warmup: float) -> float:
    """Cosine learning rate after a linear rise, as a share of the highest."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
