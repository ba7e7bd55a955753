"""Typed answers, and the key that says what is right and how near an answer must come.

Boxes and points in answers are in thousandths of the image's width and height, (x, y) from the top-left corner: the form that
vision-language models read and write. `Region`s in a Case stay (row, col) in pixels; `Frame` converts.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import Field, FiniteFloat, model_validator

from chiasm.case import UNITS, Record

GRID: Final = 1000
"""Box and point coordinates run from 0 to this."""
LETTERS: Final = "ABCDEFGHIJ"
BOX_IOU: Final = 0.5
"""A box is right at this intersection over union (the field's accuracy at 0.5)."""

Kind = Literal[
    "choice", "yesno", "number", "count", "category", "set", "boxes", "points", "ordered", "report", "unjudged"
]
Thousandth = Annotated[FiniteFloat, Field(ge=0, le=GRID)]
BoxValue = tuple[Thousandth, Thousandth, Thousandth, Thousandth]
"""(x1, y1, x2, y2) in thousandths."""


class ChoiceAnswer(Record):
    """One option of a multiple-choice question."""

    kind: Literal["choice"] = "choice"
    letter: Annotated[str, Field(pattern=r"^[A-J]$")]


class YesNoAnswer(Record):
    """Yes or no."""

    kind: Literal["yesno"] = "yesno"
    yes: bool


class NumberAnswer(Record):
    """A measured number."""

    kind: Literal["number"] = "number"
    value: FiniteFloat
    unit: str = "1"


class CountAnswer(Record):
    """How many."""

    kind: Literal["count"] = "count"
    value: FiniteFloat
    """Whole in every key; a reply may hold any number."""


class CategoryAnswer(Record):
    """One word of a vocabulary."""

    kind: Literal["category"] = "category"
    value: str


class SetAnswer(Record):
    """Several words of a vocabulary, in no order; empty for "none"."""

    kind: Literal["set"] = "set"
    values: frozenset[str]


class BoxesAnswer(Record):
    """Boxes, in no order; empty for "none"."""

    kind: Literal["boxes"] = "boxes"
    boxes: tuple[BoxValue, ...]


class PointsAnswer(Record):
    """Points, in no order; empty for "none"."""

    kind: Literal["points"] = "points"
    points: tuple[tuple[Thousandth, Thousandth], ...]


class OrderedAnswer(Record):
    """Words of a vocabulary, in order."""

    kind: Literal["ordered"] = "ordered"
    values: tuple[str, ...]


class ReportAnswer(Record):
    """Free text, judged by the claims in it."""

    kind: Literal["report"] = "report"
    text: str


class Unjudged(Record):
    """The statement that it cannot be judged: the image does not show enough."""

    kind: Literal["unjudged"] = "unjudged"


Answer = Annotated[
    ChoiceAnswer
    | YesNoAnswer
    | NumberAnswer
    | CountAnswer
    | CategoryAnswer
    | SetAnswer
    | BoxesAnswer
    | PointsAnswer
    | OrderedAnswer
    | ReportAnswer
    | Unjudged,
    Field(discriminator="kind"),
]


class FactClaim(Record):
    """One statement of a report's key."""

    subject: str
    attribute: str
    value: bool | int | FiniteFloat | str
    core: bool = False
    """A report that leaves it out is incomplete."""


class Key(Record):
    """The right answer and how answers are scored against it."""

    expects: Kind
    """The kind of answer that was asked for; the right one may still be "cannot be judged"."""
    answer: Answer
    options: tuple[str, ...] = ()
    """Choice: the texts in letter order. Category, set, ordered: the vocabulary, in order where `ordinal`."""
    ordinal: bool = False
    """Neighbouring categories are nearly right."""
    tolerance: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """Number: absolute, in its unit. Points: radius in thousandths. Otherwise unused."""
    facts: tuple[FactClaim, ...] = ()
    """Report: what is true of the image."""
    laterality: Literal["OD", "OS", "unknown", "none"] = "none"
    """Report: the eye, so that "nasal" can be read."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        answer = self.answer
        if answer.kind not in (self.expects, "unjudged"):
            msg = f"a key that expects {self.expects} cannot hold an answer of kind {answer.kind}"
            raise ValueError(msg)
        if isinstance(answer, NumberAnswer) and (answer.unit not in UNITS or self.tolerance is None):
            msg = f"a number key needs a tolerance and a known unit, got {self.tolerance} and {answer.unit!r}"
            raise ValueError(msg)
        if isinstance(answer, CountAnswer) and (answer.value < 0 or answer.value != math.floor(answer.value)):
            msg = f"a count key must be a whole number >= 0, got {answer.value}"
            raise ValueError(msg)
        if isinstance(answer, PointsAnswer) and not self.tolerance:
            msg = "a points key needs a tolerance > 0 [thousandths]"
            raise ValueError(msg)
        if isinstance(answer, ChoiceAnswer) and LETTERS.index(answer.letter) >= len(self.options):
            msg = f"the right letter {answer.letter} has no option among {len(self.options)}"
            raise ValueError(msg)
        self._vocabulary_holds()
        return self

    def _vocabulary_holds(self) -> None:
        answer = self.answer
        words: tuple[str, ...] = ()
        if isinstance(answer, CategoryAnswer):
            words = (answer.value,)
        elif isinstance(answer, OrderedAnswer):
            words = answer.values
        elif isinstance(answer, SetAnswer):
            words = tuple(sorted(answer.values))
        strangers = [w for w in words if w not in self.options]
        if strangers:
            msg = f"the key's answer {strangers} must be in its vocabulary {self.options}"
            raise ValueError(msg)
        if len(set(self.options)) != len(self.options):
            msg = f"options must differ, got {self.options}"
            raise ValueError(msg)


class Frame(NamedTuple):
    """The size of an image [px], to convert between its (row, col) and thousandths."""

    height: int
    width: int

    def point(self, row: float, col: float) -> tuple[float, float]:
        """(x, y) in thousandths of a point in continuous pixel coordinates, rounded to whole thousandths."""
        return float(round(col / self.width * GRID)), float(round(row / self.height * GRID))

    def box(self, start: tuple[float, ...], stop: tuple[float, ...]) -> BoxValue:
        """(x1, y1, x2, y2) in thousandths of a (start, stop) box in pixels, rounded to whole thousandths."""
        x1, y1 = self.point(start[0], start[1])
        x2, y2 = self.point(stop[0], stop[1])
        return x1, y1, x2, y2

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """(row, col) in pixels of a point in thousandths."""
        return y / GRID * self.height, x / GRID * self.width


def write_answer(answer: Answer) -> str:
    """The canonical text of an answer: what stands between <answer> tags, and what the strict parser reads."""
    match answer:
        case ChoiceAnswer():
            return answer.letter
        case YesNoAnswer():
            return "yes" if answer.yes else "no"
        case NumberAnswer():
            number = plain_number(answer.value)
            return number if answer.unit == "1" else f"{number} {answer.unit}"
        case CountAnswer():
            return plain_number(answer.value)
        case CategoryAnswer():
            return answer.value
        case SetAnswer():
            return ", ".join(sorted(answer.values)) or "none"
        case BoxesAnswer():
            return _lists([[plain_number(v) for v in box] for box in answer.boxes])
        case PointsAnswer():
            return _lists([[plain_number(v) for v in point] for point in answer.points])
        case OrderedAnswer():
            return " > ".join(answer.values)
        case ReportAnswer():
            return answer.text
        case Unjudged():
            return "cannot be judged"


def plain_number(value: float) -> str:
    """A number without exponent or needless zeros: 5, 0.35, 1240."""
    return str(int(value)) if value == int(value) else format(value, ".6f").rstrip("0")


def _lists(rows: list[list[str]]) -> str:
    return " ".join("[" + ", ".join(row) + "]" for row in rows) or "none"
