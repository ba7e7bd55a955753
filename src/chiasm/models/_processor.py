"""Qwen3-VL's processor without its video half.

The published processor insists on a video part, which exists only for torchvision; images need none of it. This one
takes the same folders (ours and the published ones), reads images through PIL, and always returns tensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoProcessor,
    ProcessorMixin,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLProcessor,
)

from chiasm.models._presets import MERGE, PATCH_PX, ModelPreset

_SLOTS = ("image", "video", "vision_start", "vision_end")


class ImageOnlyProcessor(Qwen3VLProcessor):  # type: ignore[misc]  # transformers carries no types here
    """Images and text to model inputs, in Qwen3-VL's layout, with no video slot."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        tokens = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
        for slot in _SLOTS:
            token = tokens.get(slot, f"<|{slot}|>")
            setattr(self, f"{slot}_token", token)
            setattr(self, f"{slot}_token_id", tokenizer.convert_tokens_to_ids(token))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the published processor, but pixels are tensors even where none were asked for.

        Trainers that split a batch by image rely on tensors, which only the torchvision reader returned unasked.
        """
        out = super().__call__(*args, **kwargs)
        for key in ("pixel_values", "image_grid_thw"):
            value = out.get(key)
            if value is not None and not torch.is_tensor(value):
                stacked = np.concatenate(value) if isinstance(value, list) and np.ndim(value[0]) == 2 else value
                out[key] = torch.as_tensor(np.asarray(stacked))
        return out


def build_processor(tokenizer: Any, template: str, preset: ModelPreset) -> ImageOnlyProcessor:
    """Make the processor of a model built from a preset."""
    images = Qwen2VLImageProcessorPil(
        patch_size=PATCH_PX,
        temporal_patch_size=2,
        merge_size=MERGE,
        min_pixels=preset.min_pixels,
        max_pixels=preset.max_pixels,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return ImageOnlyProcessor(images, tokenizer, chat_template=template)


def load_processor(folder: str | Path, *, local: bool) -> Any:
    """Read the processor of a folder or hub id; any Qwen3-VL layout is read without torchvision."""
    config = AutoConfig.from_pretrained(folder, local_files_only=local)
    if isinstance(config, Qwen3VLConfig):
        return ImageOnlyProcessor.from_pretrained(folder, local_files_only=local)
    return AutoProcessor.from_pretrained(folder, local_files_only=local)
