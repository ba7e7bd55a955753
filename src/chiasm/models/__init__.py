"""Vision-language models: building small ones, loading any, and one way to talk to all of them.

`build_nano` and `build` make Qwen3-VL models from a configuration, with nothing downloaded; `save` writes a folder that
plain `transformers` loads; `load_chat` takes a folder, a hub id or a server and gives a `Chat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from chiasm.models._build import (
    Bundle,
    build,
    build_nano,
    chat_template,
    save,
)
from chiasm.models._environment import (
    fast_bf16,
    prepare_torch,
    quiet_transformers,
)
from chiasm.models._load import (
    load_bundle,
    load_chat,
    local_folder,
    merge_adapter,
)
from chiasm.models._messages import (
    GREEDY,
    Chat,
    Decoding,
    Message,
    Picture,
    Prompt,
    Reply,
    ask,
    picture,
    prompt_of_row,
)
from chiasm.models._pixels import (
    PixelBudget,
    budget_of,
)
from chiasm.models._presets import (
    NANO,
    PRESETS,
    SMALL,
    ModelPreset,
    TextShape,
    VisionShape,
)
from chiasm.models._tokenizer import (
    shipped_tokenizer,
    train_tokenizer,
)

__all__ = [
    "GREEDY",
    "NANO",
    "PRESETS",
    "SMALL",
    "Bundle",
    "Chat",
    "Decoding",
    "Message",
    "ModelPreset",
    "Picture",
    "PixelBudget",
    "Prompt",
    "Reply",
    "TextShape",
    "VisionShape",
    "ask",
    "budget_of",
    "build",
    "build_nano",
    "chat_template",
    "fast_bf16",
    "grey_pixels",
    "load_bundle",
    "load_chat",
    "local_folder",
    "merge_adapter",
    "picture",
    "prepare_torch",
    "prompt_of_row",
    "quicken",
    "quiet_transformers",
    "save",
    "shipped_tokenizer",
    "train_tokenizer",
]


def grey_pixels(images: Any, pictures: Sequence[Image.Image]) -> dict[str, Any]:
    """What a Qwen image processor makes of pictures of PIL mode L, bit by bit, in a fifth of its time.

    Returns:
        pixel_values (patches, channels * frames * side * side) float32 and image_grid_thw (n, 3) int64.
    """
    prepare_torch()
    from chiasm.models._processor import grey_pixels as make

    return make(images, pictures)


def quicken(model: Any) -> None:
    """Make a Qwen3-VL model fast on a processor, without changing what it computes; others are left alone.

    Grey images go through the patch embedding at a sixth of the products, and attention takes the faster of two kernels.
    """
    prepare_torch()
    from chiasm.models._quick import install_quick

    install_quick(model)
