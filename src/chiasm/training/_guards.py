"""What is refused before the first step, and the blind check that asks whether the model looks at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from scipy.stats import wilcoxon

from chiasm.errors import InvalidInput, TrainingFailed
from chiasm.models import PixelBudget, budget_of
from chiasm.training._plan import Plan
from chiasm.training._rows import Row, RowIndex, RowStore

CHANCE: Final = 0.01
"""Largest probability, by a signed-rank test, that swapped images raise the loss by chance alone."""


def check_lengths(index: RowIndex, plan: Plan, store: RowStore, processor: Any, max_tokens: int) -> None:
    """Refuse conversations that exceed the token limit, before any step.

    A quick upper bound from the length of the text clears most rows; only the rest are turned into tokens.

    Raises:
        InvalidInput: With the row, its length and what to do.
    """
    budget = budget_of(processor)
    if budget is None:
        return
    longest: dict[tuple[int, ...], int] = {}
    for rows in plan.conversations:
        pixels = sum(budget.tokens(*size) for size in index.sizes[rows[0]])
        bound = pixels + int(index.characters[list(rows)].sum()) + 16 * len(rows)
        if bound > max_tokens:
            longest[tuple(sorted(rows))] = pixels
    for rows, pixels in longest.items():
        texts = [_plain(store[row]["messages"]) for row in rows]
        length = pixels + sum(len(processor.tokenizer(text).input_ids) + 8 for text in texts)
        if length > max_tokens:
            msg = (
                f"rows {list(rows)} make a conversation of about {length} tokens ({pixels} of them image), over data.max_tokens = "
                f"{max_tokens}, and cutting it would lose image tokens or the answer; raise it or lower data.turns"
            )
            raise InvalidInput(msg)


def check_sizes(index: RowIndex, budget: PixelBudget | None) -> None:
    """Refuse images that the processor would shrink past the limit."""
    if budget is None:
        return
    for row, sizes in enumerate(index.sizes):
        for height, width in sizes:
            budget.check_size(height, width, f"row {row}")


def check_finite(loss: float, step: int) -> None:
    """Stop at a loss that is not a number.

    Raises:
        TrainingFailed: With the step and what to try.
    """
    if not math.isfinite(loss):
        msg = f"the loss became {loss} at step {step}: lower optim.lr, raise optim.warmup, or switch off optim.bf16"
        raise TrainingFailed(msg)


@dataclass(frozen=True)
class BlindCheck:
    """What swapping the images did.

    Attributes:
        seeing: Mean loss per answer token with each row's own images [nats].
        blind: The same with another row's images [nats].
        p: Probability of such a rise, row by row, were the images of no use (one-sided Wilcoxon signed-rank test).
        rows: Rows compared.
    """

    seeing: float
    blind: float
    p: float
    rows: int

    @property
    def looks(self) -> bool:
        """Whether swapped images raise the loss beyond chance."""
        return self.blind > self.seeing and self.p <= CHANCE


def blind_check(
    model: Any, collate: Callable[[Sequence[Row]], dict[str, torch.Tensor]], rows: Sequence[Row], *, batch: int
) -> BlindCheck:
    """Compare the loss with true and with swapped images.

    Args:
        model: In any mode; left as it was.
        collate: Rows to tensors with labels.
        rows: At least 8, with different images; each is also shown with the images of a row with another answer.
        batch: Rows per forward pass.

    Raises:
        InvalidInput: Too few rows.
    """
    if len(rows) < 8:
        msg = f"the blind check needs at least 8 rows with different images, got {len(rows)}; or set checks.blind_rows = 0"
        raise InvalidInput(msg)
    swapped = [{**row, "images": _others(rows, number)} for number, row in enumerate(rows)]
    seeing = _losses(model, collate, rows, batch)
    blind = _losses(model, collate, swapped, batch)
    rise = blind - seeing
    p = float(wilcoxon(rise, alternative="greater").pvalue) if np.any(rise) else 1.0
    return BlindCheck(float(seeing.mean()), float(blind.mean()), p, len(rows))


def _others(rows: Sequence[Row], number: int) -> Any:
    """The images of the next row with another answer and as many images; of the next row at all if there is none."""
    row = rows[number]
    following = [rows[(number + step) % len(rows)] for step in range(1, len(rows))]
    fitting = [other for other in following if len(other["images"]) == len(row["images"])] or following
    different = [other for other in fitting if _plain(other["messages"][-1:]) != _plain(row["messages"][-1:])]
    return (different or fitting)[0]["images"]


def require_looking(check: BlindCheck, step: int) -> None:
    """Stop a run whose model does not look.

    Raises:
        TrainingFailed: With both losses and what to try.
    """
    if not check.looks:
        msg = (
            f"the model does not look: at step {step} another row's images give a loss of {check.blind:.4f} against "
            f"{check.seeing:.4f} with the right ones (p {check.p:.2g}, {CHANCE} needed, {check.rows} rows). "
            "Train the vision tower first (warm-up), raise its learning rate, or check that the answers depend on the images"
        )
        raise TrainingFailed(msg)


def _losses(
    model: Any, collate: Callable[[Sequence[Row]], dict[str, torch.Tensor]], rows: Sequence[Row], batch: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(n,) mean loss per answer token of each row [nats]."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    out: list[float] = []
    for start in range(0, len(rows), batch):
        tensors = {key: value.to(device) for key, value in collate(rows[start : start + batch]).items()}
        labels = tensors.pop("labels")[:, 1:]
        with torch.no_grad():
            logits = model(**tensors, use_cache=False).logits[:, :-1].float()
        chosen = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
        bearing = labels >= 0
        out.extend((-(chosen * bearing).sum(1) / bearing.sum(1)).tolist())
    model.train(was_training)
    return np.asarray(out, dtype=np.float64)


def _plain(messages: Sequence[Any]) -> str:
    return "".join(
        turn["content"]
        if isinstance(turn["content"], str)
        else "".join(item.get("text") or "" for item in turn["content"])
        for turn in messages
    )
