"""Talking to a model in this process."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, BertConfig, BertModel

from chiasm.errors import InvalidInput
from chiasm.models import (
    Bundle,
    Chat,
    Decoding,
    Message,
    PixelBudget,
    Prompt,
    ask,
    budget_of,
    load_bundle,
    load_chat,
    picture,
    prompt_of_row,
    quicken,
)

SHORT = Decoding(max_tokens=6)


@pytest.fixture(scope="module")
def chat(tiny_folder: Path) -> Chat:
    return load_chat(tiny_folder, batch_size=3)


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, size, dtype=np.uint8) for size in ((64, 64), (96, 64), (64, 96, 3), (64, 64))]
    return [
        ask("Dropout?", images[:1]),
        ask("Is the image even, and how far is the largest dark region from its centre?", images[1:3]),
        ask("No image here.", prefix="<think>"),
        ask("Grade.", images[3:], system="Answer briefly.", prefix="<think>a</think><answer>"),
    ]


def test_answers_do_not_depend_on_the_batch(chat: Chat, prompts: list[Prompt]) -> None:
    together = chat.reply(prompts, SHORT)
    alone = [chat.reply([prompt], SHORT)[0] for prompt in prompts]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    for one, two in zip(together, alone, strict=True):
        assert np.allclose(one.logprobs, two.logprobs, atol=1e-5)
    assert all(max(reply.logprobs) <= 0 and len(reply.tokens) == len(reply.logprobs) for reply in together)


def test_log_probabilities_are_those_of_the_model(chat: Chat, tiny: Bundle, prompts: list[Prompt]) -> None:
    reply = chat.reply(prompts[:1], Decoding(max_tokens=1))[0]
    text = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Dropout?<|im_end|>\n<|im_start|>assistant\n"
    inputs = tiny.processor(text=text, images=[prompts[0].images[0].convert("RGB")], return_tensors="pt")
    with torch.no_grad():
        expected = tiny.model(**inputs).logits[0, -1].log_softmax(-1)
    assert reply.logprobs[0] == pytest.approx(float(expected.max()), abs=1e-5)
    assert tiny.processor.tokenizer.decode([int(expected.argmax())]) == reply.text
    assert not reply.finished


def test_choice_scores_are_probabilities_that_follow_the_model(chat: Chat, tiny: Bundle, prompts: list[Prompt]) -> None:
    leading = [Prompt(prompt.messages, "<answer>") for prompt in prompts]
    options = ["no", "early-npdr", "no idea"]
    scores = chat.choice_scores(leading, [options] * len(leading))
    turned = chat.choice_scores(leading[:1], [options[::-1]])
    assert all(row.shape == (3,) and row.sum() == pytest.approx(1) for row in scores)
    assert np.allclose(turned[0][::-1], scores[0], atol=1e-6)
    alone = chat.choice_scores(leading[1:2], [options])
    assert np.allclose(alone[0], scores[1], atol=1e-6)
    sums = [_log_likelihood(tiny, leading[0], option + "</answer>") for option in options]
    assert np.allclose(scores[0], np.exp(sums) / np.exp(sums).sum(), atol=1e-5)


def _log_likelihood(bundle: Bundle, prompt: Prompt, reply: str) -> float:
    text = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Dropout?<|im_end|>\n<|im_start|>assistant\n<answer>"
    images = [image.convert("RGB") for image in prompt.images]
    start = bundle.processor(text=text, images=images, return_tensors="pt")["input_ids"].shape[1]
    inputs = bundle.processor(text=text + reply, images=images, return_tensors="pt")
    with torch.no_grad():
        scores = bundle.model(**inputs).logits[0, start - 1 : -1].log_softmax(-1)
    return float(scores.gather(-1, inputs["input_ids"][0, start:, None]).sum())


def test_sampling_follows_its_seed(chat: Chat, prompts: list[Prompt]) -> None:
    def draw(seed: int) -> list[str]:
        return [reply.text for reply in chat.reply(prompts, Decoding(max_tokens=8, temperature=1.5, seed=seed))]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    with pytest.raises(InvalidInput, match="needs a seed"):
        Decoding(temperature=1.0)


def test_a_dataset_row_becomes_its_prompt() -> None:
    images = [Image.new("L", (64, 64), value) for value in (10, 20)]
    content = [{"type": "image", "text": None}, {"type": "text", "text": "a"}, {"type": "image", "text": None}]
    row = {
        "images": images,
        "messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "the answer"}],
    }
    assert prompt_of_row(row, prefix="<think>") == Prompt((Message("user", (images[0], "a", images[1])),), "<think>")
    with pytest.raises(InvalidInput, match="more image placeholders than images"):
        prompt_of_row({**row, "images": images[:1]})
    with pytest.raises(InvalidInput, match="1 images without a placeholder"):
        prompt_of_row({**row, "images": [*images, images[0]]})


def test_pixels_that_would_be_clipped_or_shrunk_are_refused(chat: Chat) -> None:
    for wrong in (
        np.zeros((8, 8), np.uint16),
        np.zeros((8, 8), np.float32),
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
    ):
        with pytest.raises(InvalidInput, match="uint8"):
            picture(wrong)
    with pytest.raises(InvalidInput, match="I;16"):
        picture(Image.new("I;16", (8, 8)))
    assert picture(Image.new("RGBA", (8, 8))).mode == "RGB"
    with pytest.raises(InvalidInput, match=r"304x304 px would be shrunk to 128x128 \(x0.42"):
        chat.reply([ask("?", [np.zeros((304, 304), np.uint8)])], SHORT)


def test_the_budget_says_what_the_processor_does(tiny: Bundle) -> None:
    budget = budget_of(tiny.processor)
    assert budget is not None
    for height, width in ((64, 64), (40, 100), (90, 33), (128, 128), (20, 20)):
        grid = tiny.processor.image_processor([np.zeros((height, width, 3), np.uint8)])["image_grid_thw"][0]
        assert (grid[1] * 16, grid[2] * 16) == budget.resized(height, width)
        assert grid[1] * grid[2] // 4 == budget.tokens(height, width)
    octa = PixelBudget(32, 32 * 32, 512 * 512)
    assert (octa.tokens(304, 304), octa.tokens(400, 400)) == (100, 144)
    octa.check_size(400, 400, "a 6 mm scan")


def test_what_is_no_vision_language_model_is_refused_by_name(tiny: Bundle, tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no model folder at '\./nowhere'"):
        load_chat("./nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="neither"):
        load_bundle(tmp_path / "empty")
    text_only = BertModel(
        BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=99)
    )
    text_only.save_pretrained(tmp_path / "bert")
    with pytest.raises(InvalidInput, match="is a bert model, which reads no images"):
        load_bundle(tmp_path / "bert")
    import shutil

    bare = shutil.copytree(tiny_folder, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    assert AutoTokenizer.from_pretrained(bare).chat_template is None
    with pytest.raises(InvalidInput, match="has no chat template"):
        load_bundle(bare)
    assert json.loads((bare / "config.json").read_text())["model_type"] == "qwen3_vl"


def test_grey_pictures_become_the_same_pixels_in_the_quick_way(tiny: Bundle) -> None:
    rng = np.random.default_rng(2)
    sizes = [(64, 64), (61, 90), (128, 100), (20, 40), (300, 300)]
    pictures = [Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)) for size in sizes]
    text = "<|vision_start|><|image_pad|><|vision_end|>" * len(sizes)
    quick = tiny.processor(text=text, images=pictures, return_tensors="pt")
    published = tiny.processor(text=text, images=[picture.convert("RGB") for picture in pictures], return_tensors="pt")
    assert quick.keys() == published.keys()
    assert all(
        torch.equal(quick[name], published[name]) and quick[name].dtype == published[name].dtype for name in quick
    )


def test_the_quick_way_computes_what_the_published_way_computes(tiny_folder: Path) -> None:
    rng = np.random.default_rng(1)
    grey = np.repeat(rng.integers(0, 255, (64, 64, 1), dtype=np.uint8), 3, axis=2)
    colour = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for images in ([grey], [colour], [grey, colour]):
        outputs = []
        for quick in (False, True):
            bundle = load_bundle(tiny_folder)
            if quick:
                quicken(bundle.model)
            text = "<|vision_start|><|image_pad|><|vision_end|>" * len(images)
            inputs = bundle.processor(text=text, images=images, return_tensors="pt")
            logits = bundle.model(**inputs).logits
            logits.pow(2).mean().backward()
            outputs.append((logits.detach(), bundle.model.model.visual.patch_embed.proj.weight.grad))
        for one, two in zip(*outputs, strict=True):
            assert torch.allclose(one, two, atol=1e-5 * float(one.abs().max()))
