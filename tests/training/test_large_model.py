"""The published large-model recipe, run on its own architecture shrunk by configuration."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from chiasm.errors import InvalidInput
from chiasm.models import Bundle, Decoding, ask, load_bundle, load_chat, merge_adapter, save
from chiasm.training import load_recipe, part_of, train_sft


def quiet(line: str) -> None:
    """Take a line and say nothing."""


@pytest.fixture(scope="module")
def published(make_tiny: Callable[[int], Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like Qwen/Qwen3-VL-8B-Instruct: its file names, its processors, untied output head."""
    bundle = make_tiny(4)
    bundle.model.config.tie_word_embeddings = False
    bundle.model.config.text_config.tie_word_embeddings = False
    bundle.model.lm_head.weight = torch.nn.Parameter(bundle.model.lm_head.weight.detach().clone())
    folder = save(bundle, tmp_path_factory.mktemp("hub") / "Qwen3-VL-tiny-Instruct")
    (folder / "processor_config.json").unlink()
    images = {"size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2}
    images |= {"merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "processor_class": "Qwen3VLProcessor"}
    image_kind, video_kind = "Qwen2VLImageProcessorFast", "Qwen3VLVideoProcessor"
    (folder / "preprocessor_config.json").write_text(json.dumps({**images, "image_processor_type": image_kind}))
    (folder / "video_preprocessor_config.json").write_text(json.dumps({**images, "video_processor_type": video_kind}))
    return folder


def recipe_for(folder: Path, **changes: Any) -> Any:
    small = {
        "model.base": str(folder),
        "model.dtype": "float32",
        "optim.steps": 2,
        "optim.epochs": None,
        "optim.batch": 2,
    }
    small |= {"optim.bf16": False, "optim.lr": 1e-3, "optim.warmup": 0.0, "checks.blind_rows": 0}
    return load_recipe("svr-qwen3vl-8b", small | {key.replace("__", "."): value for key, value in changes.items()})


def test_two_steps_leave_the_language_model_bit_equal_and_move_vision_and_projector(
    published: Path, spots: Path, tmp_path: Path
) -> None:
    result = train_sft(recipe_for(published), spots, tmp_path / "run", say=quiet)
    assert result.model is not None
    before, after = (load_file(folder / "model.safetensors") for folder in (published, result.model))
    assert before.keys() == after.keys()
    moved: dict[str, set[bool]] = {}
    for name, weight in before.items():
        moved.setdefault(part_of(name), set()).add(not torch.equal(weight, after[name]))
    assert moved["language"] == {False}
    assert moved["vision"] == {True}
    assert moved["projector"] == {True}
    reply = load_chat(result.model).reply([ask("Is there a dark spot?")], Decoding(max_tokens=4))[0]
    assert len(reply.tokens) <= 4


@pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)  # peft asks by the old name
def test_adapters_train_by_themselves_and_merge_into_the_model(published: Path, spots: Path, tmp_path: Path) -> None:
    base = shutil.copytree(published, tmp_path / "base")
    result = train_sft(
        recipe_for(base, model__lora={"rank": 4}, model__train=["language"]), spots, tmp_path / "run", say=quiet
    )
    assert result.model is not None
    untouched = load_file(base / "model.safetensors")
    merged = load_file(result.model / "model.safetensors")
    moved = {name for name, weight in untouched.items() if not torch.equal(weight, merged[name])}
    assert moved
    assert {part_of(name) for name in moved} == {"language"}
    adapter = tmp_path / "run" / "adapter"
    again = merge_adapter(adapter).model.state_dict()
    assert all(
        torch.allclose(again[name], weight, atol=1e-6)
        for name, weight in load_bundle(result.model).model.state_dict().items()
    )
    prompts = [ask("Is there a dark spot?")]
    answers = [load_chat(folder).reply(prompts, Decoding(max_tokens=6))[0] for folder in (adapter, result.model)]
    assert answers[0].text == answers[1].text


def test_adapters_on_fresh_weights_are_refused(spots: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="starts from fresh ones"):
        train_sft(load_recipe("nano", {"model.lora": {"rank": 4}}), spots, tmp_path / "run", say=quiet)
