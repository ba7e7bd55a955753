"""Questions laid apart: every answer is computed as if its question were asked alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from chiasm.errors import InvalidInput
from chiasm.models import build
from chiasm.training import join_turns
from chiasm.training._apart import BRANCH, attend, install_apart, layout_of
from chiasm.training._collate import AnswerCollator

QUESTIONS = [
    ("Any retinopathy?", "no"),
    ("Name the stage of retinopathy in one word.", "healthy"),
    ("FAZ area?", "0.31"),
]


def asked(question: str, answer: str) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]


def image(shade: int, side: int) -> Image.Image:
    return Image.linear_gradient("L").resize((side, side)).point(lambda value: (value * shade) % 251)


@pytest.fixture(scope="module")
def bundle() -> Any:
    made = build("nano", seed=3)
    made.model.eval()
    install_apart(made.model)
    return made


def answer_losses(bundle: Any, rows: list[dict[str, Any]]) -> tuple[list[list[float]], dict[str, torch.Tensor]]:
    batch = AnswerCollator(bundle.processor, max_tokens=2048)(rows)
    tensors = dict(batch)
    labels = tensors.pop("labels")[:, 1:]
    with torch.no_grad():
        logits = bundle.model(**tensors, use_cache=False).logits[:, :-1].float()
    chosen = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return [losses[bearing].tolist() for losses, bearing in zip(-chosen, labels >= 0, strict=True)], batch


def test_each_answer_has_the_loss_that_it_has_alone(bundle: Any) -> None:
    pictures = [image(3, 128), image(5, 96)]  # of two sizes, so that the shorter row is padded
    conversations = [[asked(*pair) for pair in QUESTIONS], [asked(*pair) for pair in QUESTIONS[:2]]]
    together = [{"images": [p], "apart": c} for p, c in zip(pictures, conversations, strict=True)]
    found, batch = answer_losses(bundle, together)
    assert batch[BRANCH].max() == 3
    for row, picture, of_row in zip(found, pictures, conversations, strict=True):
        alone, _ = answer_losses(bundle, [{"images": [picture], "messages": one} for one in of_row])
        assert row == pytest.approx([loss for losses in alone for loss in losses], rel=1e-4, abs=1e-5)


def test_one_after_the_other_the_later_answers_differ(bundle: Any) -> None:
    rows = [{"images": [image(3, 128)], "messages": one} for one in (asked(*pair) for pair in QUESTIONS)]
    (joined,), _ = answer_losses(bundle, [join_turns(rows)])
    alone, _ = answer_losses(bundle, rows)
    flat = [loss for losses in alone for loss in losses]
    first = len(alone[0])
    assert joined[:first] == pytest.approx(flat[:first], rel=1e-4, abs=1e-5)
    assert joined[first:] != pytest.approx(flat[first:], rel=1e-3)


def test_every_token_attends_to_the_beginning_and_to_its_own_question_only() -> None:
    branch = torch.tensor([[0, 0, 1, 1, 2, -1], [0, 1, 1, 1, 1, 1]])  # -1 is padding
    tokens = branch.numel()
    value = torch.eye(tokens).view(2, 6, 1, tokens).transpose(1, 2)  # a token's result tells whom it attended to
    key = torch.zeros(2, 1, 6, tokens)
    out, _ = attend(None, key, key, value, None, apart_layout=layout_of(branch))
    seen = (out.reshape(tokens, tokens) > 0).int()
    assert seen[:5, :6].tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
    ]
    assert torch.equal(seen[6:, 6:], torch.ones(6, 6).tril().int())
    assert not seen[:5, 6:].any()
    assert not seen[6:, :6].any()


def test_other_words_before_the_image_are_refused(bundle: Any) -> None:
    spoken = asked(*QUESTIONS[0])
    spoken[0]["content"].insert(0, {"type": "text", "text": "Left eye."})
    collate = AnswerCollator(bundle.processor, max_tokens=2048)
    with pytest.raises(InvalidInput, match="different words before"):
        collate([{"images": [image(3, 96)], "apart": [spoken, asked(*QUESTIONS[1])]}])


def test_other_families_are_refused() -> None:
    with pytest.raises(InvalidInput, match="Qwen3-VL"):
        install_apart(SimpleNamespace())
