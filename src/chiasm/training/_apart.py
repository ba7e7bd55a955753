"""Questions that share one reading of their images and do not see each other.

Asked one after the other, a question may be answered from the answers before it instead of from the image, and only the first one
is asked as it will be in use. Laid apart, each question attends to the shared beginning (all up to the last image) and to its own
words, at the positions they would have alone: every answer is computed as if its question were the only one, for the price of one
reading of the images. The collator says which question each token belongs to; here that becomes positions, and blocks of
attention: a question's tokens meet the beginning and each other only, so their cost does not grow with the other questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional
from transformers import AttentionInterface, Qwen3VLForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from chiasm.errors import InvalidInput

BRANCH: Final = "branch"
"""Key of a batch: (rows, tokens) int64, 0 for the shared beginning, 1, 2, ... for the questions."""
_LAYOUT: Final = "apart_layout"
_NAME: Final = "apart"
_GROUP: Final = 16
"""Blocks that are computed together, of similar length."""


@dataclass(frozen=True, eq=False)
class Group:
    """Blocks of one attention call; places count through the batch's tokens, row after row.

    Attributes:
        asking: (blocks, longest) places of the tokens that attend, the last one repeated at the end.
        real: (blocks, longest) False for these repetitions.
        seen: (blocks, longest beginning + longest) places that they attend to.
        mask: (blocks, 1, longest, longest beginning + longest) True where one attends to the other.
    """

    asking: torch.Tensor
    real: torch.Tensor
    seen: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, eq=False)
class Layout:
    """All blocks of a batch.

    Attributes:
        groups: Every token attends in one of them.
        place: (rows * tokens,) where each token's result lies in all results, one group after the other.
    """

    groups: tuple[Group, ...]
    place: torch.Tensor


def install_apart(model: Any) -> None:
    """Let a model take batches with `BRANCH`; others it takes as before.

    Raises:
        InvalidInput: A model of another family: its positions are not known here.
    """
    if not isinstance(model, Qwen3VLForConditionalGeneration):
        msg = f"data.apart needs a model of the Qwen3-VL family, got {type(model).__name__}; set data.apart = false"
        raise InvalidInput(msg)
    AttentionInterface.register(_NAME, attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    model.set_attn_implementation({"text_config": _NAME})
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
    kwargs[_LAYOUT] = layout_of(branch.masked_fill(real == 0, -1))
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


def layout_of(branch: torch.Tensor) -> Layout:
    """Sort a batch's blocks by length and pack them.

    Args:
        branch: (rows, tokens) int64 question of each token, 0 for the shared beginning, -1 for padding.
    """
    blocks = sorted(_blocks(branch), key=lambda block: len(block[1]))
    groups = tuple(_group(blocks[first : first + _GROUP]) for first in range(0, len(blocks), _GROUP))
    place = torch.zeros(branch.numel(), dtype=torch.int64)
    before = 0
    for group in groups:
        place[group.asking[group.real]] = before + torch.nonzero(group.real.flatten())[:, 0]
        before += group.asking.numel()
    moved = (Group(*(part.to(branch.device) for part in (g.asking, g.real, g.seen, g.mask))) for g in groups)
    return Layout(tuple(moved), place.to(branch.device))


def _blocks(branch: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(places of the beginning that is seen, places of the own tokens) of every block: the beginning first, then each question."""
    tokens = branch.shape[1]
    for row, names in enumerate(branch.cpu()):
        beginning = row * tokens + torch.nonzero(names == 0)[:, 0]
        if len(beginning):
            yield beginning[:0], beginning
        for name in names.unique().tolist():
            if name > 0:
                yield beginning, row * tokens + torch.nonzero(names == name)[:, 0]


def _group(blocks: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> Group:
    before, longest = (max(len(block[part]) for block in blocks) for part in (0, 1))
    asking = torch.zeros(len(blocks), longest, dtype=torch.int64)
    real = torch.arange(longest) < torch.tensor([[len(own)] for _, own in blocks])
    seen = torch.zeros(len(blocks), before + longest, dtype=torch.int64)
    mask = torch.zeros(len(blocks), 1, longest, before + longest, dtype=torch.bool)
    mask[..., before:] = torch.ones(longest, longest, dtype=torch.bool).tril()
    for number, (beginning, own) in enumerate(blocks):
        asking[number] = torch.cat([own, own[-1:].expand(longest - len(own))])
        seen[number, : len(beginning)] = beginning
        seen[number, before:] = asking[number]
        mask[number, :, :, : len(beginning)] = True
    return Group(asking, real, seen, mask)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within blocks, in the signature of `transformers`; the usual one where the batch has none.

    Args:
        module: The attention layer.
        query: (rows, heads, tokens, width).
        key: (rows, key heads, tokens, width).
        value: As key.
        attention_mask: Of the usual attention.
        kwargs: With the layout where questions are apart.

    Returns:
        (rows, tokens, heads, width).
    """
    layout: Layout | None = kwargs.pop(_LAYOUT, None)
    if layout is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    rows, heads, tokens, width = query.shape
    share = heads // key.shape[1]
    flat = [part.transpose(1, 2).reshape(rows * tokens, -1) for part in (query, key, value)]
    results = []
    for group in layout.groups:
        q, k, v = (
            _taken(part, places, width)
            for part, places in zip(flat, (group.asking, group.seen, group.seen), strict=True)
        )
        k, v = (part.repeat_interleave(share, dim=1) for part in (k, v))
        done = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=group.mask, dropout_p=kwargs.get("dropout", 0.0), scale=kwargs.get("scaling")
        )
        results.append(done.transpose(1, 2).reshape(-1, heads * width))
    return torch.cat(results).index_select(0, layout.place).view(rows, tokens, heads, width), None


def _taken(flat: torch.Tensor, places: torch.Tensor, width: int) -> torch.Tensor:
    """(blocks, heads, tokens, width) of the tokens at these places."""
    return flat.index_select(0, places.flatten()).view(*places.shape, -1, width).transpose(1, 2)
