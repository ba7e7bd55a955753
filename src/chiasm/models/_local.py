"""Answering with a model held in this process: batched generation and scoring of given answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from chiasm.errors import InvalidInput
from chiasm.models._build import Bundle
from chiasm.models._messages import GREEDY, Decoding, Message, Prompt, Reply
from chiasm.models._pixels import PixelBudget, budget_of
from chiasm.models._quick import install_quick


class LocalChat:
    """A `transformers` image-text model as a `Chat`.

    Args:
        bundle: The model and its processor.
        device: Where to compute, such as cpu or cuda.
        batch_size: Prompts per forward pass; changes speed and memory, not answers.
    """

    def __init__(self, bundle: Bundle, *, device: str, batch_size: int = 8) -> None:
        if batch_size < 1:
            msg = f"batch_size must be >= 1, got {batch_size}"
            raise InvalidInput(msg)
        self.bundle = bundle
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.budget: PixelBudget | None = budget_of(bundle.processor)
        self._model = bundle.model.to(self.device).eval()
        if self.device.type == "cpu":
            install_quick(self._model)
        self._tokenizer = bundle.processor.tokenizer
        self._ends = _end_tokens(self._model, self._tokenizer)

    @property
    def name(self) -> str:
        """Folder, hub id or build of the model."""
        return self.bundle.name

    def reply(self, prompts: Sequence[Prompt], decoding: Decoding = GREEDY) -> list[Reply]:
        """Answer each prompt; see `Chat.reply`."""
        out: list[Reply] = []
        for batch in _batches(prompts, self.batch_size):
            out.extend(self._generate(batch, decoding))
        return out

    def choice_scores(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], *, closing: str = "</answer>"
    ) -> list[npt.NDArray[np.float64]]:
        """Probabilities of given answers; see `Chat.choice_scores`."""
        if len(prompts) != len(options):
            msg = f"one list of options per prompt, got {len(options)} for {len(prompts)} prompts"
            raise InvalidInput(msg)
        pairs: list[tuple[Prompt, list[int]]] = []
        skips: list[int] = []
        for prompt, answers in zip(prompts, options, strict=True):
            ids = [self._tokenizer(prompt.prefix + answer + closing).input_ids for answer in _checked(answers)]
            shared = _shared_start(ids)
            pairs.extend((prompt, reply) for reply in ids)
            skips.extend([shared] * len(ids))
        sums: list[float] = []
        for start in range(0, len(pairs), self.batch_size):
            stop = start + self.batch_size
            sums.extend(self._continuation_sums(pairs[start:stop], skips[start:stop]))
        return _normalised(sums, [len(answers) for answers in options])

    def text_of(self, prompt: Prompt) -> str:
        """The exact text a prompt becomes, placeholders included, up to where the reply starts."""
        messages = [_as_template(message) for message in prompt.messages]
        processor = self.bundle.processor
        return str(processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)) + prompt.prefix

    def _inputs(self, prompts: Sequence[Prompt], texts: list[str]) -> Any:
        if self.budget is not None:
            for index, prompt in enumerate(prompts):
                self.budget.check(prompt.images, f"prompt {index} of the batch")
        takes_grey = self.budget is not None  # Qwen's processors turn grey to colour by themselves
        images = [[image if takes_grey else image.convert("RGB") for image in prompt.images] for prompt in prompts]
        return self.bundle.processor(
            text=texts,
            images=images if any(images) else None,
            padding=True,
            padding_side="left",
            add_special_tokens=False,
            return_tensors="pt",
        ).to(self.device)

    def _generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Reply]:
        inputs = self._inputs(prompts, [self.text_of(prompt) for prompt in prompts])
        record = _LogProbabilities()
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if decoding.temperature > 0:
            sampling = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices=devices):
            if decoding.seed is not None:
                torch.manual_seed(decoding.seed)
            tokens = self._model.generate(
                **inputs,
                **sampling,
                max_new_tokens=decoding.max_tokens,
                logits_processor=LogitsProcessorList([record]),
                pad_token_id=self._tokenizer.pad_token_id,
            )
        start = inputs["input_ids"].shape[1]
        logprobs = record.finish(tokens).cpu()
        for row, scores in zip(tokens[:, start:].cpu().tolist(), logprobs.tolist(), strict=True):
            yield self._reply_of(row, scores)

    def _reply_of(self, row: list[int], scores: list[float]) -> Reply:
        length = next((index for index, token in enumerate(row) if token in self._ends), None)
        kept = row if length is None else row[:length]
        pieces = tuple(self._tokenizer.decode([token]) for token in kept)
        return Reply(
            text=self._tokenizer.decode(kept),
            tokens=pieces,
            logprobs=tuple(scores[: len(kept)]),
            finished=length is not None,
        )

    def _continuation_sums(self, pairs: Sequence[tuple[Prompt, list[int]]], skips: Sequence[int]) -> Iterator[float]:
        bare = [Prompt(prompt.messages) for prompt, _ in pairs]
        inputs = self._inputs(bare, [self.text_of(prompt) for prompt in bare])
        longest = max(len(reply) for _, reply in pairs)
        pad = self._tokenizer.pad_token_id
        rows = torch.tensor([reply + [pad] * (longest - len(reply)) for _, reply in pairs], device=self.device)
        real = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for _, r in pairs], device=self.device)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], rows], dim=1)
        inputs["attention_mask"] = torch.cat([inputs["attention_mask"], real], dim=1)
        if "mm_token_type_ids" in inputs:
            inputs["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(rows)], dim=1)
        with torch.inference_mode():
            logits = self._model(**inputs, use_cache=False, logits_to_keep=longest + 1).logits[:, :-1].float()
        chosen = logits.log_softmax(-1).gather(-1, rows[..., None])[..., 0].double()
        for index, skip in enumerate(skips):
            stop = int(real[index].sum())
            yield float(chosen[index, skip:stop].sum())


class _LogProbabilities(LogitsProcessor):  # type: ignore[misc]  # transformers carries no types here
    """Record the probability of each drawn token without keeping a vocabulary of numbers per step."""

    def __init__(self) -> None:
        self._previous: torch.Tensor | None = None
        self._drawn: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._settle(input_ids)
        self._previous = scores.float().log_softmax(-1)
        return scores

    def finish(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, steps): the natural logarithm of each drawn token's probability."""
        self._settle(tokens)
        return torch.stack(self._drawn, dim=1)

    def _settle(self, input_ids: torch.Tensor) -> None:
        if self._previous is not None:
            self._drawn.append(self._previous.gather(-1, input_ids[:, -1:])[:, 0])


def _batches(prompts: Sequence[Prompt], size: int) -> Iterator[Sequence[Prompt]]:
    for start in range(0, len(prompts), size):
        yield prompts[start : start + size]


def _as_template(message: Message) -> dict[str, Any]:
    parts = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in message.parts]
    return {"role": message.role, "content": parts}


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    given = model.generation_config.eos_token_id
    ends = given if isinstance(given, list) else [given]
    return frozenset(token for token in (*ends, tokenizer.eos_token_id) if token is not None)


def _checked(answers: Sequence[str]) -> Sequence[str]:
    if len(set(answers)) != len(answers) or len(answers) < 2 or not all(answers):
        msg = f"options are at least two different, non-empty answers, got {list(answers)}"
        raise InvalidInput(msg)
    return answers


def _shared_start(ids: Sequence[Sequence[int]]) -> int:
    """Number of leading tokens that all options share: they say nothing about which is right."""
    shared = 0
    while all(len(row) > shared for row in ids) and len({row[shared] for row in ids}) == 1:
        shared += 1
    return shared


def _normalised(sums: Sequence[float], counts: Sequence[int]) -> list[npt.NDArray[np.float64]]:
    out, start = [], 0
    for count in counts:
        values = np.asarray(sums[start : start + count], dtype=np.float64)
        weights = np.exp(values - values.max())
        out.append(weights / weights.sum())
        start += count
    return out
