"""Qwen3-VL's processor without its video half.

The published processor insists on a video part, which exists only for torchvision; images need none of it. This one
takes the same folders (ours and the published ones), reads images through PIL, and always returns tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoProcessor,
    ProcessorMixin,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLProcessor,
)

from chiasm.models._pixels import budget_of_images
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

    def _process_images(self, images: Any, **kwargs: Any) -> Any:
        """As the published processor; a fifth of the time where all images are grey."""
        flat = [image for group in images for image in (group if isinstance(group, list | tuple) else [group])]
        if not (flat and all(isinstance(image, Image.Image) and image.mode == "L" for image in flat)):
            return super()._process_images(images, **kwargs)
        pixels = grey_pixels(self.image_processor, flat)
        return pixels, [self.replace_image_token(pixels, image_idx=index) for index in range(len(flat))]


def grey_pixels(images: Any, pictures: Sequence[Image.Image]) -> dict[str, Any]:
    """What a Qwen image processor makes of grey pictures, bit by bit, without computing every channel.

    Args:
        images: The image processor.
        pictures: Of PIL mode L.

    Returns:
        pixel_values (patches, channels * frames * side * side) float32 and image_grid_thw (n, 3) int64.
    """
    side, merge, frames = images.patch_size, images.merge_size, images.temporal_patch_size
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, None], 3, axis=0)
    table = images.normalize(images.rescale(ramp, images.rescale_factor), images.image_mean, images.image_std)
    if not (np.array_equal(table[0], table[1]) and np.array_equal(table[0], table[2])):
        rows = images([picture.convert("RGB") for picture in pictures])
        return {key: np.asarray(rows[key]) for key in ("pixel_values", "image_grid_thw")}
    budget = budget_of_images(images)
    patches, grids = [], []
    for picture in pictures:
        height, width = budget.resized(picture.height, picture.width)
        resized = picture.resize((width, height), resample=images.resample) if images.do_resize else picture
        values = table[0, 0][np.asarray(resized)]
        rows, columns = height // side, width // side
        blocks = values.reshape(rows // merge, merge, side, columns // merge, merge, side).transpose(0, 3, 1, 4, 2, 5)
        patches.append(blocks.reshape(rows * columns, 1, side * side))
        grids.append([1, rows, columns])
    stacked = np.concatenate(patches)
    full = np.broadcast_to(stacked, (len(stacked), 3 * frames, side * side)).reshape(len(stacked), -1)
    return {"pixel_values": full, "image_grid_thw": np.asarray(grids, dtype=np.int64)}


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
