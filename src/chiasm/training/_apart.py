"""Questions that share one reading of their images and do not see each other.

Asked one after the other, a question may be answered from the answers before it instead of from the image, and only the first one
is asked as it will be in use. Laid apart, each question attends to the shared beginning (all up to the last image) and to its own
words, at the positions they would have alone: every answer is computed as if its question were the only one, for the price of one
reading of the images. The collator says which question each token belongs to; here that becomes a mask and positions.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from transformers import Qwen3VLForConditionalGeneration

from chiasm.errors import InvalidInput

BRANCH: Final = "branch"
"""Key of a batch: (rows, tokens) int64, 0 for the shared beginning, 1, 2, ... for the questions."""


def install_apart(model: Any) -> None:
    """Let a model take batches with `BRANCH`.

    Raises:
        InvalidInput: A model of another family: its positions and masks are not known here.
    """
    if not isinstance(model, Qwen3VLForConditionalGeneration):
        msg = f"data.apart needs a model of the Qwen3-VL family, got {type(model).__name__}; set data.apart = false"
        raise InvalidInput(msg)
    model.register_forward_pre_hook(_lay_apart, with_kwargs=True)


def _lay_apart(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    if BRANCH not in kwargs:
        return None
    branch, real = kwargs.pop(BRANCH), kwargs["attention_mask"]
    names = ("mm_token_type_ids", "image_grid_thw")
    positions, _ = model.model.get_rope_index(
        kwargs["input_ids"], **{name: kwargs[name] for name in names}, attention_mask=real
    )
    kwargs["position_ids"] = restarted(positions, branch)
    kwargs["attention_mask"] = additive_mask(branch, real)
    return args, kwargs


def restarted(positions: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """Let every question begin where the first one does.

    Args:
        positions: (axes, rows, tokens) of the tokens one after the other.
        branch: (rows, tokens), questions in order.
    """
    out = positions.clone()
    for row, names in enumerate(branch):
        starts = {int(name): int(torch.nonzero(names == name)[0]) for name in names.unique() if name > 0}
        for name, start in starts.items():
            here = names == name
            out[:, row, here] -= positions[:, row, start, None] - positions[:, row, starts[min(starts)], None]
    return out


def additive_mask(branch: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """(rows, 1, tokens, tokens) float32, 0 where a token attends to another and minus infinity elsewhere.

    Args:
        branch: (rows, tokens) 0 for the shared beginning, else the question.
        real: (rows, tokens) 1 for tokens, 0 for padding at the end. Padding attends to itself only.
    """
    tokens = branch.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool, device=branch.device).tril()
    seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    seen = seen & earlier & real.bool()[:, None, :]
    seen = seen | torch.eye(tokens, dtype=torch.bool, device=branch.device)
    return torch.zeros(seen.shape, device=branch.device).masked_fill(~seen, float("-inf"))[:, None]
