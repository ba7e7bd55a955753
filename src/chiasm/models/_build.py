"""Build a model from a preset and write it as a folder that plain `transformers` reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from chiasm.errors import Conflict
from chiasm.models._environment import prepare_torch, quiet_transformers
from chiasm.models._presets import MERGE, PATCH_PX, ModelPreset, preset_named, rotary_sections
from chiasm.models._tokenizer import shipped_tokenizer, train_tokenizer


@dataclass(frozen=True)
class Bundle:
    """A model and what it reads through.

    Attributes:
        model: A `transformers` image-text-to-text model.
        processor: Its processor (images, tokenizer, chat template).
        name: Where it came from, for records and messages.
    """

    model: Any
    processor: Any
    name: str

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones counted once."""
        return sum(int(weight.numel()) for weight in self.model.parameters())


def chat_template() -> str:
    """The conversation layout of the models built here, Qwen3-VL's, as Jinja text."""
    return files("chiasm.models").joinpath("chat_template.jinja").read_text(encoding="utf-8")


def build(preset: str | ModelPreset, *, seed: int, texts: Iterable[str] | None = None) -> Bundle:
    """Make a model with fresh weights.

    Args:
        preset: A preset or its name: nano, small, tiny.
        seed: Of the weights; the same seed gives the same weights on the same version of torch.
        texts: What to train the tokenizer on; None takes the shipped vocabulary.

    Returns:
        The model in float32 with its processor.
    """
    shape = preset_named(preset) if isinstance(preset, str) else preset
    torch = prepare_torch()
    from transformers import Qwen3VLForConditionalGeneration

    from chiasm.models._processor import build_processor

    tokenizer = shipped_tokenizer() if texts is None else train_tokenizer(texts, shape.vocabulary)
    processor = build_processor(tokenizer, chat_template(), shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(_config(shape, tokenizer)).float()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return Bundle(model, processor, f"{shape.name}, fresh weights, seed {seed}")


def build_nano(*, seed: int, texts: Iterable[str] | None = None) -> Bundle:
    """Make the `nano` model, at most 6 million weights, with fresh weights."""
    return build("nano", seed=seed, texts=texts)


def save(bundle: Bundle, folder: str | Path, *, dtype: str = "float32") -> Path:
    """Write model, processor and chat template as one folder, complete or not at all.

    `AutoModelForImageTextToText.from_pretrained(folder)` reads the model; `AutoProcessor` reads the processor where
    torchvision is installed, and `chiasm.models.load_bundle` reads both with or without it.

    Args:
        bundle: What to write.
        folder: A new or empty folder.
        dtype: Of the stored weights: float32, or bfloat16 at half the size.

    Raises:
        Conflict: The folder exists and holds something.
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        msg = f"a model is written into a new folder, and {target} is not empty; choose another or remove it"
        raise Conflict(msg)
    torch = prepare_torch()
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    weights = {
        key: value.detach().to(getattr(torch, dtype)) if value.is_floating_point() else value
        for key, value in bundle.model.state_dict().items()
    }
    with quiet_transformers():
        bundle.model.save_pretrained(partial, state_dict=weights)
    config = partial / "config.json"  # it names the type in memory, not the type written
    config.write_text(
        config.read_text(encoding="utf-8").replace('"dtype": "float32"', f'"dtype": "{dtype}"'), encoding="utf-8"
    )
    save_processor(bundle.processor, partial)
    for path in partial.glob("*.safetensors"):
        path.chmod(0o644)  # the writer makes them private, unlike every other file of the folder
    if target.exists():
        target.rmdir()
    partial.replace(target)
    return target


def save_processor(processor: Any, folder: str | Path) -> None:
    """Write a processor so that other installations find the published class under its own name."""
    kept = type(processor).__name__
    type(processor).__name__ = "Qwen3VLProcessor" if kept == "ImageOnlyProcessor" else kept
    processor.save_pretrained(folder)
    type(processor).__name__ = kept


def _config(shape: ModelPreset, tokenizer: Any) -> Any:
    from transformers import Qwen3VLConfig

    ids = tokenizer.convert_tokens_to_ids
    text, vision = shape.text, shape.vision
    return Qwen3VLConfig(
        tie_word_embeddings=True,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": text.hidden,
            "intermediate_size": text.mlp,
            "num_hidden_layers": text.depth,
            "num_attention_heads": text.heads,
            "num_key_value_heads": text.kv_heads,
            "head_dim": text.head_dim,
            "max_position_embeddings": text.max_positions,
            "tie_word_embeddings": True,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": rotary_sections(text.head_dim),
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": vision.depth,
            "hidden_size": vision.hidden,
            "intermediate_size": vision.mlp,
            "num_heads": vision.heads,
            "patch_size": PATCH_PX,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": text.hidden,
            "num_position_embeddings": vision.grid_side**2,
            "deepstack_visual_indexes": list(vision.deepstack),
        },
    )
