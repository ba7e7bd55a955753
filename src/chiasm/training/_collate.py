"""Rows to tensors: conversations laid out by the model's own template, with the loss on what the assistant says.

Each stretch of text between two assistant turns, and each assistant turn, is turned into tokens by itself. So the tokens
before an answer are exactly those that a model sees when it is asked, and the answer's are those it must then produce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from chiasm.errors import InvalidInput
from chiasm.models import PixelBudget, budget_of, picture
from chiasm.training._apart import BRANCH
from chiasm.training._rows import Row, check_row, join_turns

IGNORED: Final = -100
"""Label of a token that bears no loss."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a conversation's text.

    Attributes:
        text: With one placeholder per image.
        answer: The assistant says it: it bears the loss.
        branch: The question that it belongs to, from 1 on, where questions are laid apart; 0 for what all of them see.
    """

    text: str
    answer: bool
    branch: int = 0


class AnswerCollator:
    """Make a batch in which only answers bear loss.

    Args:
        processor: The model's processor, with its chat template.
        max_tokens: Longest conversation, image tokens included; longer ones are refused, never cut.
    """

    def __init__(self, processor: Any, *, max_tokens: int) -> None:
        self.processor = processor
        self.max_tokens = max_tokens
        self.budget: PixelBudget | None = budget_of(processor)
        pad = processor.tokenizer.pad_token_id
        self._pad = pad if pad is not None else processor.tokenizer.eos_token_id

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Rows with `images` and `messages` to input_ids, attention_mask, labels and pixels.

        A row may hold `apart` instead of `messages`: conversations about the same images that do not see each other.
        """
        segments: list[list[Segment]] = []
        images: list[Any] = []
        for row in rows:
            where = str(row.get("case_id", "a row"))
            for messages in row.get("apart", [row.get("messages")]):
                check_row({**row, "messages": messages}, where)
            pictures = [picture(image) for image in row["images"]]
            if self.budget is not None:
                self.budget.check(pictures, where)
            images.extend(image if self.budget is not None else image.convert("RGB") for image in pictures)
            segments.append(self._laid_out(row, where))
        out = self.processor(
            text=[segment.text for parts in segments for segment in parts], images=images, add_special_tokens=False
        )
        per_token = {key: out.pop(key) for key in ("input_ids", "mm_token_type_ids", "token_type_ids") if key in out}
        out.pop("attention_mask")
        batch = {key: torch.as_tensor(value) for key, value in out.items()}
        batch.update(self._padded(segments, per_token))
        return batch

    def _laid_out(self, row: Row, where: str) -> list[Segment]:
        if "apart" not in row:
            return split_answers(self.processor, join_turns([row])["messages"])
        parts = [
            split_answers(self.processor, join_turns([{**row, "messages": one}])["messages"]) for one in row["apart"]
        ]
        return laid_apart(parts, str(self.processor.image_token), where)

    def _padded(self, segments: list[list[Segment]], per_token: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        apart = any(part.branch for parts in segments for part in parts)
        rows: dict[str, list[list[int]]] = {key: [] for key in (*per_token, "labels", *([BRANCH] if apart else []))}
        start = 0
        for parts in segments:
            spans = range(start, start + len(parts))
            start += len(parts)
            for key, values in per_token.items():
                rows[key].append([int(token) for span in spans for token in values[span]])
            ids = [(part, per_token["input_ids"][span]) for part, span in zip(parts, spans, strict=True)]
            rows["labels"].append([int(t) if part.answer else IGNORED for part, tokens in ids for t in tokens])
            if apart:
                rows[BRANCH].append([part.branch for part, tokens in ids for _ in tokens])
        lengths = [len(row) for row in rows["labels"]]
        if max(lengths) > self.max_tokens:
            msg = f"a conversation of {max(lengths)} tokens exceeds data.max_tokens = {self.max_tokens}; raise it or lower turns"
            raise InvalidInput(msg)
        fill = {"input_ids": self._pad, "labels": IGNORED}
        width = max(lengths)
        out = {
            key: torch.tensor([row + [fill.get(key, 0)] * (width - len(row)) for row in values])
            for key, values in rows.items()
        }
        out["attention_mask"] = torch.tensor([[1] * length + [0] * (width - length) for length in lengths])
        return out


def split_answers(processor: Any, messages: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Lay a conversation out and cut it where the assistant starts and stops speaking.

    Raises:
        InvalidInput: The template does not start a reply the way it later prints it, so that what is trained would not
            be what is asked for.
    """
    segments: list[Segment] = []
    printed = ""
    for number, turn in enumerate(messages):
        if turn["role"] != "assistant":
            continue
        before = str(processor.apply_chat_template(messages[:number], add_generation_prompt=True, tokenize=False))
        after = str(processor.apply_chat_template(messages[: number + 1], tokenize=False))
        if not (after.startswith(before) and before.startswith(printed)):
            msg = (
                "the chat template prints an answered conversation differently from the one it asks with, so the loss cannot be "
                f"put on the answer alone: {before[-60:]!r} is not how {after[:80]!r}... goes on; use another template"
            )
            raise InvalidInput(msg)
        segments.append(Segment(before[len(printed) :], answer=False))
        printed = after.rstrip("\n")
        segments.append(Segment(printed[len(before) :], answer=True))
    return segments


def laid_apart(conversations: Sequence[Sequence[Segment]], image_token: str, where: str) -> list[Segment]:
    """One row of several conversations that begin alike: what stands up to the last image once, then the rest of each.

    Args:
        conversations: Of the same images, each as `split_answers` cuts it.
        image_token: Placeholder of an image in the text.
        where: The row, for messages.

    Raises:
        InvalidInput: Their beginnings differ, so that they cannot share one reading.
    """
    cuts = [parts[0].text.rfind(image_token) + len(image_token) for parts in conversations]
    beginnings = {parts[0].text[:cut] for parts, cut in zip(conversations, cuts, strict=True)}
    if len(beginnings) > 1:
        first, second = sorted(beginnings)[:2]
        msg = (
            f"{where} asks about its images with different words before them ({first[:60]!r}, {second[:60]!r}), so its questions "
            "cannot share one reading; set data.apart = false"
        )
        raise InvalidInput(msg)
    out = [Segment(beginnings.pop(), answer=False)]
    for number, (parts, cut) in enumerate(zip(conversations, cuts, strict=True), start=1):
        out.append(Segment(parts[0].text[cut:], answer=False, branch=number))
        out.extend(Segment(part.text, part.answer, number) for part in parts[1:])
    return out
