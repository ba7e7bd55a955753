"""What a model is asked, and, kept apart from it, what would be right.

A model sees a `Question`: words, pictures, and the answers whose probability is wanted. It never sees the `ExamItem` around
it, which holds the key.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from chiasm.errors import InvalidInput
from chiasm.questions import Key, Trace


class Overlay(NamedTuple):
    """Where the evidence for an answer lies, to draw over a picture."""

    picture: int
    """Index into the question's pictures."""
    box: tuple[float, float, float, float]
    """(top, left, bottom, right) as shares of the picture's height and width."""
    label: str


class Pairing(NamedTuple):
    """Two items that ask the same in the same words, about pictures that differ in one thing."""

    test: str
    """"twins", "device shift", "confusing pair" or "semi-real"."""
    level: str
    """What differs: "dropout", "rtvue-xr to mixed"."""
    number: str
    """Name of the pair within its test and level."""
    changed: bool
    """Whether this is the second of the two."""


class Picture(NamedTuple):
    """One image as PNG."""

    png: bytes
    sha256: str
    """Of the PNG's bytes: the image's identity in caches and reports."""

    @classmethod
    def from_png(cls, png: bytes) -> Picture:
        """Keep the bytes of a PNG file; they are decoded when asked for."""
        return cls(png, hashlib.sha256(png).hexdigest())

    @classmethod
    def from_array(cls, pixels: NDArray[Any]) -> Picture:
        """Encode (H, W) or (H, W, 3) uint8 pixels."""
        if pixels.dtype != np.uint8:
            msg = f"a picture holds uint8 pixels, got {pixels.dtype}; window the values to 0..255 first"
            raise InvalidInput(msg)
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "PNG", compress_level=3)
        return cls.from_png(sink.getvalue())

    def check(self) -> None:
        """Refuse bytes that are no whole PNG.

        Raises:
            InvalidInput: Damaged, cut, or of another format.
        """
        try:
            with Image.open(io.BytesIO(self.png), formats=("PNG",)) as image:
                image.load()
        except UnidentifiedImageError as error:
            msg = f"an image of the row is no readable PNG: it begins with {self.png[:8]!r}"
            raise InvalidInput(msg) from error
        except (OSError, SyntaxError, ValueError) as error:
            msg = f"an image of the row is a damaged PNG: {error}"
            raise InvalidInput(msg) from error

    def size(self) -> tuple[int, int]:
        """(height, width), from the PNG's header."""
        width, height = struct.unpack(">II", self.png[16:24])
        return height, width

    def array(self) -> NDArray[np.uint8]:
        """(H, W) or (H, W, 3) uint8 pixels."""
        with Image.open(io.BytesIO(self.png), formats=("PNG",)) as image:
            return np.asarray(image.convert("L" if image.mode in ("L", "1", "I;16") else "RGB"))


@dataclass(frozen=True, eq=False, kw_only=True)
class Question:
    """All that a model may know."""

    question_id: str
    prompt: str
    pictures: tuple[Picture, ...]
    options: tuple[str, ...] = ()
    """Canonical answers whose probability is wanted; empty where the answer is not one of a few."""

    def with_pictures(self, pictures: tuple[Picture, ...]) -> Question:
        """The same words over other pictures."""
        return replace(self, pictures=pictures)


class Reply(NamedTuple):
    """What a model said. Without text it is unscored, for the reason in `problem`."""

    text: str | None
    """Everything the model wrote; the answer is read from it."""
    scores: Mapping[str, float] | None = None
    """Probability, or any score that grows with belief, of options of the question."""
    problem: str = ""
    """Why there is no text: "server: 400 ...", "empty", "cut at 512 tokens"."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ExamItem:
    """A question with its key and what it is grouped by."""

    question: Question
    case_id: str
    patient_id: str
    task: str
    """The program's name, "dr", or "label"."""
    level: str
    """Recognition, measurement, visual or medical reasoning."""
    key: Key
    """How replies are read and, where `classes` is empty, scored."""
    classes: tuple[str, ...] = ()
    """For a classification: every class, in order."""
    truth: str = ""
    """For a classification: the right class."""
    merge: Mapping[str, str] = field(default_factory=dict)
    """For a classification: from the canonical answer to its class; an answer that is missing here is its own class."""
    ordinal: bool = False
    """Whether the classes are in order of severity."""
    fov_mm: float | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    """Subgroups it belongs to: {"age": ">= 40", "sex": "F"}."""
    age: float | None = None
    """Of the patient [years], for the baseline that knows nothing else; no model sees it."""
    trace_json: str = ""
    """The item's trace, kept as text until someone asks for it."""

    reasoning: str = ""
    """What a perfect model would think aloud; empty where unknown."""
    laterality: str = "none"
    """Of the first view, so that "nasal" in a text can be read."""
    overlays: tuple[Overlay, ...] = ()
    pairings: tuple[Pairing, ...] = ()
    """The matched pairs that the item belongs to: an eye may have a twin for each family of lesions."""

    def trace(self) -> Trace | None:
        """The steps that prove the answer, where the data hold them."""
        return Trace.model_validate_json(self.trace_json) if self.trace_json else None

    @property
    def item_id(self) -> str:
        """The question's id."""
        return self.question.question_id


class Exam(NamedTuple):
    """Items of one source, and what could not be read."""

    name: str
    items: tuple[ExamItem, ...]
    sha256: str
    """Over the items' questions and keys: the data's identity in reports and leaderboards."""
    problems: tuple[str, ...] = ()
    """Entries that were left out, each with its reason."""


def canonical_key(key: Key) -> str:
    """A key as JSON that is the same in every process: sets sorted."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, set | frozenset):
            return sorted(value)
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return json.dumps(plain(key.model_dump()), sort_keys=True, ensure_ascii=False)


def make_exam(name: str, items: list[ExamItem], problems: list[str]) -> Exam:
    """Check ids and give the set its identity.

    An id that occurs twice is named among the problems and its first item kept.

    Raises:
        InvalidInput: Nothing is left to ask.
    """
    seen: dict[str, ExamItem] = {}
    for item in items:
        if item.item_id in seen:
            problems.append(f"item {item.item_id}: ids must be unique, this one occurs again; the first was kept")
        else:
            seen[item.item_id] = item
    if not seen:
        why = f"; {len(problems)} entries were unreadable, the first: {problems[0]}" if problems else ""
        msg = f"{name} holds nothing to ask{why}"
        raise InvalidInput(msg)
    digest = hashlib.sha256()
    for item in seen.values():
        parts = (item.item_id, item.question.prompt, canonical_key(item.key), item.truth, item.patient_id)
        for part in (*parts, *(p.sha256 for p in item.question.pictures)):
            digest.update(part.encode() + b"\0")
    return Exam(name, tuple(seen.values()), digest.hexdigest(), tuple(problems))
