"""A byte-level BPE tokenizer that needs no network: trained on given texts, or the one shipped with the package.

Byte-level means that every string has tokens, whatever the language. Digits are split one by one, so that a count or a
length is read digit by digit and not as an arbitrary piece. The marks of a conversation carry Qwen3-VL's names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Final

from chiasm.errors import InvalidInput, require

MARKS: Final = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Special tokens: never part of a reply's text."""
VISIBLE_MARKS: Final = (
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
)
"""Whole tokens that stay in a reply's text."""

SPLIT: Final = r"'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Where words end before merging: Qwen's rule, with single digits."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Train a tokenizer on texts.

    Args:
        texts: Whatever the model will read and write; order matters only between pairs of equal frequency.
        vocabulary: Upper bound on the number of tokens, marks included; at least 280 (256 bytes and the marks).

    Returns:
        A `transformers` fast tokenizer that pads on the left.
    """
    fixed = 256 + len(MARKS) + len(VISIBLE_MARKS)
    if vocabulary < fixed + 8:
        msg = f"vocabulary must be >= {fixed + 8} (256 bytes, {fixed - 256} marks and some merges), got {vocabulary}"
        raise InvalidInput(msg)
    library = require("tokenizers", "train")
    raw = library.Tokenizer(library.models.BPE())
    raw.pre_tokenizer = library.pre_tokenizers.Sequence(
        [
            library.pre_tokenizers.Split(library.Regex(SPLIT), "isolated"),
            library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary - len(MARKS) - len(VISIBLE_MARKS),
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    return _dressed(raw)


def shipped_tokenizer() -> Any:
    """The tokenizer inside the package, trained on the questions and explanations of the OCTA programs."""
    library = require("tokenizers", "train")
    text = files("chiasm.models").joinpath("vocabulary.json").read_text(encoding="utf-8")
    return _dressed(library.Tokenizer.from_str(text))


def vocabulary_text(tokenizer: Any) -> str:
    """What `shipped_tokenizer` reads: the tokenizer without its marks, as JSON."""
    body = json.loads(tokenizer.backend_tokenizer.to_str())
    body["added_tokens"] = []
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"


def _dressed(raw: Any) -> Any:
    """Add the marks and the conversation's habits to a bare BPE."""
    transformers = require("transformers", "train")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(MARKS[1:]),
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens(list(VISIBLE_MARKS))
    return tokenizer
