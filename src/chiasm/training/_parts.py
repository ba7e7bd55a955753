"""The three parts of a vision-language model, told apart by the names of their weights, and what is frozen."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from chiasm.errors import InvalidInput

_PROJECTOR: Final = re.compile(
    r"(^|\.)(merger|deepstack_merger_list|multi_modal_projector|mm_projector|projector|connector|aligner)(\.|\d|$)"
)
_VISION: Final = re.compile(r"(^|\.)(visual|vision_tower|vision_model|vision_encoder|image_encoder)(\.|$)")


def part_of(name: str) -> str:
    """The part that a weight belongs to: projector, vision or language.

    What joins the two towers is the projector (Qwen3-VL: the merger and the deepstack mergers), also where its name lies
    inside the vision tower.
    """
    if _PROJECTOR.search(name):
        return "projector"
    return "vision" if _VISION.search(name) else "language"


def train_only(model: Any, parts: Collection[str]) -> dict[str, tuple[int, int]]:
    """Let the named parts move and freeze all else.

    Args:
        model: A `transformers` image-text-to-text model.
        parts: Among vision, projector, language.

    Returns:
        For each part (weights that move, weights in all).

    Raises:
        InvalidInput: A named part has no weights in this model, or nothing would move.
    """
    counts = {"vision": (0, 0), "projector": (0, 0), "language": (0, 0)}
    for name, weight in model.named_parameters():
        part = part_of(name)
        weight.requires_grad_(part in parts)
        moving, total = counts[part]
        size = int(weight.numel())
        counts[part] = (moving + size * (part in parts), total + size)
    for part in parts:
        if counts[part][1] == 0:
            msg = (
                f"no weight of {type(model).__name__} was recognised as {part}; parts found: "
                f"{', '.join(name for name, (_, total) in counts.items() if total)}"
            )
            raise InvalidInput(msg)
    return counts


def adapter_targets(model: Any, parts: Collection[str]) -> str:
    """A pattern of the linear layers of some parts, for low-rank adapters.

    The output head is left out: trainers compute log-probabilities from its bare weight.
    """
    import torch

    head = model.get_output_embeddings()
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and part_of(name) in parts
    ]
    if not names:
        msg = f"no linear layer in {', '.join(parts)} of {type(model).__name__}: adapters have nowhere to go"
        raise InvalidInput(msg)
    return "|".join(re.escape(name) for name in sorted(names))
