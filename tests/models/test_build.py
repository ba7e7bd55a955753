"""Models made from a configuration, and the folders they become."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, Qwen3VLForConditionalGeneration

from chiasm.errors import Conflict, InvalidInput, UnknownName
from chiasm.models import NANO, SMALL, Bundle, budget_of, build, chat_template, load_bundle, save, train_tokenizer
from chiasm.models._presets import rotary_sections

TEXTS = ["early-npdr, 12 microaneurysms"] * 3


def test_nano_is_a_qwen3_vl_of_at_most_six_million_weights() -> None:
    bundle = build("nano", seed=0, texts=TEXTS)
    # the tokenizer trained here is small; the full vocabulary is counted on top
    missing = (NANO.vocabulary - len(bundle.processor.tokenizer)) * NANO.text.hidden
    assert isinstance(bundle.model, Qwen3VLForConditionalGeneration)
    assert bundle.parameters + missing <= 6_000_000


def test_small_has_sixty_to_a_hundred_and_twenty_million_weights() -> None:
    from chiasm.models._build import _config

    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(_config(SMALL, train_tokenizer(TEXTS, 320)))
    missing = (SMALL.vocabulary - 320) * SMALL.text.hidden
    assert 60e6 <= sum(weight.numel() for weight in model.parameters()) + missing <= 120e6


def test_equal_seeds_give_equal_weights_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, two, three = (build("tiny", seed=seed, texts=TEXTS).model.state_dict() for seed in (5, 5, 6))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


def test_a_saved_folder_loads_with_plain_transformers(tiny: Bundle, tiny_folder: Path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(tiny_folder)
    assert isinstance(model, Qwen3VLForConditionalGeneration)
    theirs, ours = model.state_dict(), tiny.model.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    assert tokenizer("<answer>3</answer>").input_ids == tiny.processor.tokenizer("<answer>3</answer>").input_ids
    assert '"processor_class": "Qwen3VLProcessor"' in (tiny_folder / "processor_config.json").read_text()


def test_half_precision_folders_are_half_as_large_and_say_so(tiny: Bundle, tiny_folder: Path, tmp_path: Path) -> None:
    folder = save(tiny, tmp_path / "half", dtype="bfloat16")
    sizes = [(path / "model.safetensors").stat().st_size for path in (folder, tiny_folder)]
    assert sizes[0] < 0.6 * sizes[1]
    assert AutoConfig.from_pretrained(folder).dtype == torch.bfloat16
    assert tiny.model.dtype == torch.float32


def test_a_folder_is_written_whole_and_never_over_another(tiny: Bundle, tiny_folder: Path) -> None:
    with pytest.raises(Conflict, match="not empty"):
        save(tiny, tiny_folder)
    assert [path.name for path in tiny_folder.parent.iterdir()] == ["tiny"]


def test_the_published_folder_layout_is_read_without_torchvision(
    tiny: Bundle, tiny_folder: Path, tmp_path: Path
) -> None:
    import json
    import shutil

    folder = tmp_path / "published"
    shutil.copytree(tiny_folder, folder)
    (folder / "processor_config.json").unlink()
    common = {"size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2}
    common |= {"merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    kinds = {
        "preprocessor_config.json": "image_processor_type",
        "video_preprocessor_config.json": "video_processor_type",
    }
    for name, key in kinds.items():
        kind = "Qwen2VLImageProcessorFast" if key.startswith("image") else "Qwen3VLVideoProcessor"
        (folder / name).write_text(json.dumps({**common, key: kind, "processor_class": "Qwen3VLProcessor"}))
    loaded = load_bundle(folder)
    budget = budget_of(loaded.processor)
    assert budget is not None
    assert (budget.factor_px, budget.min_pixels, budget.max_pixels) == (32, 65536, 16777216)
    inputs = loaded.processor(text="<|vision_start|><|image_pad|><|vision_end|>", images=[Image.new("RGB", (256, 256))])
    assert len(inputs["pixel_values"]) == 256


def test_the_template_lays_conversations_out_like_the_published_one(tiny: Bundle) -> None:
    published = files("trl").joinpath("chat_templates", "qwen3_vl.jinja").read_text()
    call = {"type": "function", "function": {"name": "count", "arguments": {"region": "all"}}}
    tool = {"type": "function", "function": {"name": "count", "parameters": {"type": "object", "properties": {}}}}
    talks = [
        [{"role": "user", "content": "plain"}],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}, {"type": "image"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "<think>a</think>b"}]},
            {"role": "user", "content": "And now?"},
        ],
        [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Count."}]},
            {"role": "assistant", "content": "", "tool_calls": [call, call]},
            {"role": "tool", "content": "2"},
            {"role": "tool", "content": [{"type": "image"}, {"type": "text", "text": "the crop"}]},
            {"role": "assistant", "content": "Two.", "tool_calls": [call]},
        ],
    ]
    for talk in talks:
        for tools in (None, [tool]):
            for asking in (True, False):
                options = {"tools": tools, "add_generation_prompt": asking, "tokenize": False}
                ours = tiny.processor.tokenizer.apply_chat_template(talk, chat_template=chat_template(), **options)
                theirs = tiny.processor.tokenizer.apply_chat_template(talk, chat_template=published, **options)
                assert ours == theirs


def test_every_string_survives_the_tokenizer_and_digits_stand_alone() -> None:
    tokenizer = train_tokenizer(["0.42 mm2 and 17 microaneurysms"] * 5, 320)
    for text in ("0.42 mm², ÄÖü 漢字 \n\t  two  spaces", "<think>a</think>\n<answer>pdr</answer>", "x" * 500):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    pieces = [tokenizer.decode([token]) for token in tokenizer("17 0.42").input_ids]
    assert [piece for piece in pieces if piece.strip().isdigit()] == ["1", "7", "0", "4", "2"]
    assert train_tokenizer(TEXTS, 320).get_vocab() == train_tokenizer(TEXTS, 320).get_vocab()


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'nano'"):
        build("nan", seed=0)
    with pytest.raises(InvalidInput, match="vocabulary must be >= 280"):
        train_tokenizer(TEXTS, 100)
    assert rotary_sections(128) == [24, 20, 20]
