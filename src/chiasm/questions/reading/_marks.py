"""From a text to marks: what each stretch of a sentence is (a finding, a number, a direction, a negation ...)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, Literal

from chiasm.questions._numbers import BOUND, Reading, Shape, read_number_words, read_numbers
from chiasm.questions.reading._lexicon import Lexicon, lexicon

MarkKind = Literal[
    "subject",
    "absent",
    "stage",
    "disease",
    "quality",
    "number",
    "sector",
    "cue",
    "neg",
    "postneg",
    "pos",
    "hedge",
    "query",
    "break",
]
LONGEST: Final = 5000
"""Characters of a text that are read."""
LONGEST_SENTENCE: Final = 600
"""A longer sentence is left unread."""
_ABBREVIATIONS: Final = re.compile(
    r"\b(approx|ca|e\.g|i\.e|vs|incl|resp|max|min|fig|dia|diam|sup|inf|temp|nas)\.(?=\s?[a-z0-9(])"
)
_SENTENCE: Final = re.compile(r"[.;!?]+(?=[\s)\]]|$)|\n+|(?<=[a-z)])\.(?=[a-z])")
_CLOCK: Final = re.compile(r"\b(1[0-2]|[1-9])(?::30)? ?o'? ?clock\b")
_LONE: Final = re.compile(r"\b(?:solitary|isolated|lone|sole)\b(?! from)")
_FRACTION: Final = re.compile(
    r"\b(?:(?:an?|one) (third|quarter|fifth|sixth|eighth|tenth|half)|(?<!upper )(?<!lower )(?<!left )(?<!right )(half))"
    r"(?= (?:of )?(?:the|this) (?:[a-z]+ )?(?:field|image|scan|scanned|macula|retina|area)\b)"
)
_PARTS: Final = {"third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10, "half": 2}
_SHAPES: Final = re.compile(r"\b(?:stage|grade|level|step|image|panel|figure|quadrant|sector|ring|type|visit) ?$")


@dataclass(slots=True, frozen=True)
class Mark:
    """One stretch of a sentence."""

    kind: MarkKind
    value: str
    start: int
    end: int
    number: float = 0.0
    unit: str | None = None
    shape: Shape = "value"


@dataclass(slots=True, frozen=True)
class Sentence:
    """A sentence and its marks, in order."""

    text: str
    marks: tuple[Mark, ...]
    asks: bool = False
    """Ends with a question mark."""

    def of(self, *kinds: MarkKind) -> list[Mark]:
        """Marks of some kinds."""
        return [m for m in self.marks if m.kind in kinds]


def read_sentences(normalised: str) -> list[Sentence]:
    """Sentences of a normalised text, marked."""
    text = _ABBREVIATIONS.sub(r"\1", normalised)
    found = []
    position = 0
    for end in (*_SENTENCE.finditer(text), None):
        piece = text[position : end.start() if end else len(text)].strip(" ,\t").removeprefix("- ")
        position = end.end() if end else len(text)
        if piece:
            marks = _marks(piece) if len(piece) <= LONGEST_SENTENCE else (_unread(piece),)
            found.append(Sentence(piece, marks, asks=end is not None and "?" in end.group()))
    return found


def _unread(piece: str) -> Mark:
    """A mark that makes an overlong sentence count as unread."""
    return Mark("disease", "diabetic retinopathy", 0, len(piece))


# Texts that grow, and the sentences that every reply opens with, are read many times.
@functools.lru_cache(maxsize=4096)
def _marks(text: str) -> tuple[Mark, ...]:
    words = lexicon()
    marks: list[Mark] = []
    taken = bytearray(len(text) + 1)

    def add(kind: MarkKind, value: str, start: int, end: int) -> None:
        if not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            marks.append(Mark(kind, value, start, end))

    for m in _CLOCK.finditer(text):
        add("sector", _clock_sector(int(m[1]), half=":30" in m[0]), m.start(), m.end())
    for name, pattern in words.stages:
        for m in pattern.finditer(text):
            if not (name == "healthy" and _other_healthy(text, m)):
                add("stage", name, m.start(), m.end())
    _add_longest(text, words, add)
    for m in words.disease.finditer(text):
        add("disease", "diabetic retinopathy", m.start(), m.end())
    _add_numbers(text, marks, taken)
    places = [(name, *m.span()) for name, pattern in words.sectors for m in pattern.finditer(text)]
    for name, start, end in sorted(places, key=lambda p: (p[1] - p[2], p[1])):
        add("sector", name, start, end)
    for name, pattern in words.cues:
        for m in pattern.finditer(text):
            add("cue", name, m.start(), m.end())
    kinds: tuple[tuple[MarkKind, re.Pattern[str]], ...] = (
        ("hedge", words.hedges),
        ("postneg", words.postnegators),
        ("query", words.queries),
        ("neg", words.negators),
        ("break", words.breaks),
        ("pos", words.positives),
    )
    for kind, pattern in kinds:
        for m in pattern.finditer(text):
            if not (
                kind == "neg"
                and re.match(
                    r",| (?:it|this|that|them|more|fewer|less|larger|longer|smaller|later|farther|further)\b",
                    text[m.end() :],
                )
            ):
                add(kind, m.group(), m.start(), m.end())
    return tuple(sorted(marks, key=lambda m: m.start))


def _add_longest(text: str, words: Lexicon, add: object) -> None:
    """Findings, absent phrases and qualities; where patterns overlap, the longest match wins."""
    found: list[tuple[MarkKind, str, int, int]] = []
    for kind, named in (("absent", words.absent), ("quality", words.quality), ("subject", words.subjects)):
        for name, pattern in named:
            found += [(kind, name, m.start(), m.end()) for m in pattern.finditer(text)]  # type: ignore[misc]  # literal kinds
    assert callable(add)
    for entry in sorted(found, key=lambda f: (f[2] - f[3], f[2])):
        add(*entry)


def _add_numbers(text: str, marks: list[Mark], taken: bytearray) -> None:
    lone = [Reading(1.0, None, "value", m.start(), m.end()) for m in _LONE.finditer(text)]
    parts = [
        Reading(100 / _PARTS[m[1] or m[2]], "%", "bound" if BOUND.search(text[: m.start()]) else "value", *m.span())
        for m in _FRACTION.finditer(text)
    ]
    words = [r._replace(shape="bound") if _bounded(text, r) else r for r in read_number_words(text)]
    readings = [r for r in (*parts, *read_numbers(text), *words, *lone) if not any(taken[r.start : r.end])]
    for r in readings:
        if any(taken[r.start : r.end]) or _SHAPES.search(text[: r.start]):
            continue
        word = text[r.start : r.end]
        if word in ("one", "none", "null", "single", "couple", "zero") and _not_a_number(text, r.start, r.end, word):
            continue
        taken[r.start : r.end] = b"\x01" * (r.end - r.start)
        marks.append(Mark("number", word, r.start, r.end, r.value, r.unit, r.shape))


def _bounded(text: str, r: Reading) -> bool:
    """Whether "at least" or the like stands before a number word; "over four regions" is no bound."""
    bound = BOUND.search(text[: r.start])
    if re.match(r" (?:at least|or more|or so|plus)\b", text[r.end :]):
        return True
    return bound is not None and not (
        bound.group().startswith("over")
        and text.startswith((" areas", " regions", " sites", " places", " patches", " foci", " zones", " spots"), r.end)
    )


_ONE_BEFORE: Final = re.compile(r"(?:est|this|that|other|each|the|which|no|any|every|main) $")
_ONE_AFTER: Final = re.compile(
    r" (?:(?:of|another|is|lies|that|which|can|would|in|at|to|near|above|below|on|upper|lower|left|right|about)\b|\d)|[,;)]|$"
)


def _not_a_number(text: str, start: int, end: int, word: str) -> bool:
    """Whether "one" is a pronoun ("the largest one", "one of them"), or "none" and "zero" deny."""
    if word in ("none", "null", "zero"):
        return True
    if word == "one":
        before, after = text[:start], text[end:]
        if re.search(r"[:=] *$|\b(?:irma|mas?|microaneurysms?|nv|dropout) $", before):
            return False
        return _ONE_BEFORE.search(before) is not None or _ONE_AFTER.match(after) is not None
    return word == "single" and re.search(r"(?:every|not a) $", text[:start]) is not None


def _clock_sector(hour: int, *, half: bool) -> str:
    """The 45-degree sector of an hour on a clock face laid over the image."""
    angle = (90 - 30 * (hour + 0.5 * half)) % 360
    names = ("right", "upper right", "upper", "upper left", "left", "lower left", "lower", "lower right")
    return names[int(angle / 45 + 0.5) % 8]


def _other_healthy(text: str, m: re.Match[str]) -> bool:
    """Whether "healthy" or "no abnormality" is said of a part, not of the eye."""
    after = text[m.end() :]
    if re.search(
        r"(?:compared (?:with|to)|than in|unlike|as in|like|than|versus|vs) (?:an? |the )?$", text[: m.start()]
    ):
        return True
    if m.group().startswith("no abnormal"):
        return bool(re.match(r" (?:of|in|at|is seen in) the (?:foveal|faz|vessel|course)", after))
    return bool(
        re.match(
            r"[ -](?:capillar|vessel|tissue|border|part|surround|network|area|bed|looking cap|individual|range|mesh)",
            after,
        )
    )
