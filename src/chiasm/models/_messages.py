"""What goes into a model and what comes out: prompts with images, replies with token log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from chiasm.errors import InvalidInput

Picture = Image.Image | npt.NDArray[np.uint8]
"""An image as PIL, or as an array: (H, W) or (H, W, 3) uint8."""

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: system, user, assistant or tool.
        parts: Text and images in reading order.
    """

    role: str
    parts: tuple[str | Image.Image, ...]

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            msg = f"a role is one of {', '.join(ROLES)}, got {self.role!r}"
            raise InvalidInput(msg)

    @property
    def images(self) -> tuple[Image.Image, ...]:
        """The images of this turn."""
        return tuple(part for part in self.parts if isinstance(part, Image.Image))

    @property
    def text(self) -> str:
        """The words of this turn, images left out."""
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True)
class Prompt:
    """A conversation to continue.

    Attributes:
        messages: The turns so far; the last is not the assistant's.
        prefix: Words the reply must start with, such as "<think>" or a whole chain of reasoning.
    """

    messages: tuple[Message, ...]
    prefix: str = ""

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1].role == "assistant":
            msg = "a prompt ends with a turn of the user or a tool; give the start of the reply as prefix"
            raise InvalidInput(msg)

    @property
    def images(self) -> tuple[Image.Image, ...]:
        """Every image, in reading order."""
        return tuple(image for message in self.messages for image in message.images)


@dataclass(frozen=True)
class Decoding:
    """How a reply is drawn.

    Attributes:
        max_tokens: A longer reply is cut there and marked as not finished; >= 1.
        temperature: 0 takes the likeliest token each time; above 0 samples.
        top_p: Share of probability to sample from, (0, 1]; 1 keeps all.
        seed: Of the sampling; needed when temperature is above 0.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1:
            msg = f"need max_tokens >= 1, temperature >= 0 and 0 < top_p <= 1, got {self}"
            raise InvalidInput(msg)
        if self.temperature > 0 and self.seed is None:
            msg = f"sampling at temperature {self.temperature} needs a seed; give one, or use temperature 0"
            raise InvalidInput(msg)


GREEDY = Decoding()


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        text: The reply without its prefix and without the end mark.
        tokens: Its tokens as text.
        logprobs: Natural logarithm of each token's probability, <= 0; empty where a server gives none.
        finished: The model stopped by itself; False when it was cut at max_tokens.
    """

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    finished: bool


class Chat(Protocol):
    """Anything that answers about images: a folder, a hub model, a server, a scripted stand-in."""

    @property
    def name(self) -> str:
        """What to call it in a report."""
        ...

    def reply(self, prompts: Sequence[Prompt], decoding: Decoding = GREEDY) -> list[Reply]:
        """Answer each prompt; the answers do not depend on what else is in the batch."""
        ...

    def choice_scores(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], *, closing: str = "</answer>"
    ) -> list[npt.NDArray[np.float64]]:
        """Probability of each option as the continuation of its prompt's prefix, among that prompt's options.

        Args:
            prompts: With a prefix that leads up to the answer, such as "<answer>".
            options: For each prompt at least two different answers.
            closing: What ends an answer, so that one option may begin like another.

        Returns:
            For each prompt (n options) in [0, 1], summing to 1.
        """
        ...


def ask(text: str, images: Sequence[Picture] = (), *, system: str | None = None, prefix: str = "") -> Prompt:
    """A single question about images: the images first, then the words.

    Args:
        text: The question.
        images: Any number of pictures.
        system: An instruction that stands above the conversation.
        prefix: How the reply must start.
    """
    before = (Message("system", (system,)),) if system is not None else ()
    pictures = tuple(picture(image) for image in images)
    return Prompt((*before, Message("user", (*pictures, text))), prefix)


def prompt_of_row(row: Mapping[str, Any], *, prefix: str = "") -> Prompt:
    """The prompt of a dataset's row: its messages up to the last answer, its images at their placeholders.

    Args:
        row: With `messages` (content as text or as items of type text or image) and `images`.
        prefix: How the reply must start.
    """
    turns = list(row["messages"])
    while turns and turns[-1]["role"] == "assistant":
        turns.pop()
    pending = [picture(image) for image in row["images"]]
    messages = []
    for turn in turns:
        content = turn["content"]
        items = [{"type": "text", "text": content}] if isinstance(content, str) else content
        parts: list[str | Image.Image] = []
        for item in items:
            if item["type"] != "image":
                parts.append(item["text"])
            elif pending:
                parts.append(pending.pop(0))
            else:
                msg = f"more image placeholders than images ({len(row['images'])}) in row {row.get('case_id', '?')!r}"
                raise InvalidInput(msg)
        messages.append(Message(turn["role"], tuple(parts)))
    if pending:
        msg = f"{len(pending)} images without a placeholder in row {row.get('case_id', '?')!r}"
        raise InvalidInput(msg)
    return Prompt(tuple(messages), prefix)


def picture(image: Picture) -> Image.Image:
    """Take an 8-bit grey or colour picture; other depths are refused, for PIL would clip them without a word.

    Raises:
        InvalidInput: 16-bit, floating point, empty or oddly shaped pixels.
    """
    if isinstance(image, Image.Image):
        if image.mode in ("L", "RGB"):
            return image
        if image.mode in ("1", "P", "LA", "RGBA"):
            return image.convert("RGB")
        msg = f"pictures are 8-bit grey or RGB, got PIL mode {image.mode!r}; window the values to 0..255 first"
        raise InvalidInput(msg)
    array = np.asarray(image)
    if (
        array.dtype != np.uint8
        or array.ndim not in (2, 3)
        or array.size == 0
        or (array.ndim == 3 and len(array[0, 0]) != 3)
    ):
        msg = f"a picture is (H, W) or (H, W, 3) uint8, got shape {array.shape}, dtype {array.dtype}"
        raise InvalidInput(msg)
    return Image.fromarray(array)
