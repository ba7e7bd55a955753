"""Numbers in free text: signs, decimal points and commas, thousands separators, exponents, units, ranges and bounds.

Digits that belong to a word ("T2", "3D", "OCTA-500") or to a size such as "3 x 3 mm" are not numbers. A comma between digits
separates thousands where exactly three digits follow each and the first group does not start with 0; else it is a decimal comma.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal, NamedTuple

Shape = Literal["value", "range", "bound", "ratio"]


class Reading(NamedTuple):
    """One number found in a text."""

    value: float
    """The value; of a range its lower end, of a ratio its first part."""
    unit: str | None
    """Canonical unit, or None where none was written."""
    shape: Shape
    start: int
    end: int


class _Unit(NamedTuple):
    dimension: str
    factor: float


_UNITS: Final[dict[str, _Unit]] = {
    "1": _Unit("ratio", 1.0),
    "%": _Unit("ratio", 0.01),
    "nm": _Unit("length", 1e-6),
    "um": _Unit("length", 1e-3),
    "mm": _Unit("length", 1.0),
    "cm": _Unit("length", 10.0),
    "m": _Unit("length", 1000.0),
    "inch": _Unit("length", 25.4),
    "um2": _Unit("area", 1e-6),
    "mm2": _Unit("area", 1.0),
    "cm2": _Unit("area", 100.0),
    "mm3": _Unit("volume", 1.0),
    "cm3": _Unit("volume", 1000.0),
    "1/mm": _Unit("density", 1.0),
    "1/cm": _Unit("density", 0.1),
    "mm/s": _Unit("speed", 1.0),
    "px": _Unit("px", 1.0),
    "deg": _Unit("angle", 1.0),
    "years": _Unit("years", 1.0),
    "HU": _Unit("HU", 1.0),
    "dB": _Unit("dB", 1.0),
    "s": _Unit("s", 1.0),
    "count": _Unit("count", 1.0),
}

_METRE: Final = {
    "nm": r"nm|nano-?met(?:er|re)s?",
    "um": r"um|µm|μm|microns?|micro-?met(?:er|re)s?|mikrometer",
    "mm": r"mm|milli-?met(?:er|re)s?|millimeter",
    "cm": r"cm|centi-?met(?:er|re)s?",
}
_SPELLED: Final[tuple[tuple[str, str], ...]] = (
    ("mm3", r"mm\^?3|cubic (?:mm|millimet(?:er|re)s?)"),
    ("cm3", r"cm\^?3|cc|ml|cubic (?:cm|centimet(?:er|re)s?)"),
    *(
        (f"{u}2", rf"(?:{m})\^?2|sq(?:uare|\.)?[ -](?:{m})|quadrat(?:{m})|(?:{m}) squared")
        for u, m in _METRE.items()
        if u != "nm"
    ),
    ("1/mm", r"1?/ ?mm|mm\^?-1|per (?:mm|millimet(?:er|re))"),
    ("mm/s", r"mm/s|mm per second"),
    *_METRE.items(),
    ("m", r"m|met(?:er|re)s?"),
    ("inch", r"inch(?:es)?"),
    ("%", r"%|per ?cent|percentage points?|prozent"),
    ("px", r"px|pixels?"),
    ("deg", r"deg(?:rees?)?|°"),
    ("years", r"years?(?: old)?|yrs?|jahre?"),
    ("HU", r"hu|hounsfield units?"),
    ("dB", r"db|decibels?"),
)
_UNIT_PATTERN: Final = re.compile(
    "|".join(f"(?P<u{i}>{pattern})(?![a-z0-9])" for i, (_, pattern) in enumerate(_SPELLED)), re.IGNORECASE
)
_NUMBER: Final = re.compile(
    r"(?P<sign>[-−+])?"
    r"(?P<body>[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d{1,3}(?:\.\d{3})+,\d+|\d+,\d+|\d+(?:\.\d+)?|\.\d+)"
    r"(?P<exp>e[-−+]?\d{1,3}(?![\w])| ?[x×*·] ?10 ?(?:\^ ?|\*\* ?)?[-−+]?\d{1,2}(?!\w))?",
    re.IGNORECASE,
)
_SIZE: Final = re.compile(
    r"(?<!\d)\d{1,9}(?:\.\d{1,9})?\s?(?:mm|um|px)?\s?[x×]\s?(?!10 ?\^|10 ?\*\*|10[-−])\d+(?:\.\d+)?", re.IGNORECASE
)
_JOIN: Final = re.compile(r"\s?(?:-|–|—|\bto\b|\bbis\b|\.\.+|…)\s?(?=[.\d])")
_OF: Final = re.compile(r"\s?(?:/|\bout of\b|\bof\b|\bvon\b)\s?(?=\d)")
_PLUS_MINUS: Final = re.compile(r"\s?(?:±|\+/-|\+-)\s?[\d.,]+")
_OPEN_ENDED: Final = re.compile(r"\s?\+(?![/\d-])|\s(?:or|and) (?:more|above|less|fewer|below)\b", re.IGNORECASE)
BOUND: Final = re.compile(
    r"(?:\b(?:more than|greater than|larger than|less than|fewer than|smaller than|at least|at most|no more than|up to|"
    r"over|above|under|below|exceed(?:s|ing|ed)?|mindestens|höchstens|mehr als|weniger als)|[<>≥≤])\s*=?\s*$",
    re.IGNORECASE,
)
_COUNTED: Final = (
    "zero none null keine",
    "one single ein eine",
    "two couple zwei",
    "three drei",
    "four vier",
    "five fünf",
    "six sechs",
    "seven sieben",
    "eight acht",
    "nine neun",
    "ten zehn",
    "eleven elf",
    "twelve dozen zwölf",
    "thirteen dreizehn",
    "fourteen vierzehn",
    "fifteen fünfzehn",
    "sixteen sechzehn",
    "seventeen siebzehn",
    "eighteen achtzehn",
    "nineteen neunzehn",
    "twenty zwanzig",
)
_WORDS: Final = {word: value for value, words in enumerate(_COUNTED) for word in words.split()} | {"half a dozen": 6}
_TENS: Final = {
    w: 10 * n for n, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_WORD_NUMBER: Final = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<ones>{'|'.join(_COUNTED[n].split()[0] for n in range(1, 10))}))?"
    rf"|(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})|(?P<one>an?(?= (?:hundred|thousand|million))))"
    r"(?: (?P<scale>hundred|thousand|million))?\b",
    re.IGNORECASE,
)


def read_numbers(text: str) -> list[Reading]:
    """Every number in a text, in order; ranges, bounds and ratios are one reading each, marked as such."""
    sizes = [m.span() for m in _SIZE.finditer(text)]
    readings: list[Reading] = []
    position = 0
    while (match := _NUMBER.search(text, position)) is not None:
        start, position = match.start("body"), match.end()
        if any(a <= start < b for a, b in sizes) or _belongs_to_word(text, match):
            continue
        shape: Shape = "bound" if BOUND.search(text, max(0, match.start() - 20), match.start()) else "value"
        joined = _JOIN.match(text, position)
        parts = _OF.match(text, position)
        if joined or parts:
            shape = "range" if joined else "ratio"
            second = _NUMBER.match(text, (joined or parts).end())  # type: ignore[union-attr]  # one of them matched
            position = second.end() if second else position
        elif (spread := _PLUS_MINUS.match(text, position)) is not None:
            position = spread.end()
        unit, position = _unit_at(text, position)
        shape = "bound" if shape == "value" and _OPEN_ENDED.match(text, position) else shape
        readings.append(Reading(_value(text, match), unit, shape, match.start(), position))
    return readings


def read_number_words(text: str) -> list[Reading]:
    """Numbers written as words, English to a hundred, or so many hundreds, thousands or millions, and German to twenty."""
    return [
        Reading(_word_value(m), unit, "value", m.start(), end)
        for m in _WORD_NUMBER.finditer(text)
        for unit, end in [_unit_at(text, m.end())]
    ]


def _word_value(match: re.Match[str]) -> float:
    scale = {"hundred": 100.0, "thousand": 1e3, "million": 1e6}.get((match["scale"] or "").lower(), 1.0)
    if match["word"]:
        return scale * _WORDS[match["word"].lower()]
    if match["one"]:
        return scale
    return scale * (_TENS[match["tens"].lower()] + (_WORDS[match["ones"].lower()] if match["ones"] else 0))


def convert(value: float, unit: str, to: str) -> float | None:
    """The value in another unit, or None where the units measure different things."""
    if unit == to:
        return value
    a, b = _UNITS.get(unit), _UNITS.get(to)
    if a is None or b is None or a.dimension != b.dimension:
        return None
    return value * a.factor / b.factor


def _belongs_to_word(text: str, match: re.Match[str]) -> bool:
    start = match.start("body")
    before = text[max(0, start - 2) : start]
    if before and (before[-1].isalpha() or before[-1] in "_.^" or before[-1].isdigit()):
        return True
    if len(before) == 2 and before[-1] in "-−" and before[0].isalpha():
        return True
    after = text[match.end() : match.end() + 1]
    return (after.isalpha() or after == "_") and _UNIT_PATTERN.match(text, match.end()) is None


def _unit_at(text: str, position: int) -> tuple[str | None, int]:
    gap = position + 1 if text[position : position + 1] in (" ", "-") else position
    match = _UNIT_PATTERN.match(text, gap)
    if match is None or match.lastgroup is None:
        return None, position
    return _SPELLED[int(match.lastgroup[1:])][0], match.end()


def _value(text: str, match: re.Match[str]) -> float:
    body = match["body"]
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", body):
        body = body.replace(",", "")
    elif "," in body:
        body = body.replace(".", "").replace(",", ".")
    value = float(body)
    if match["exp"]:
        digits = match["exp"].replace("−", "-").lower()
        power = re.search(
            r"[-+]?\d+$", digits.removeprefix("e") if digits[0] == "e" else re.sub(r"^.*?10[ ^*]*", "", digits)
        )
        exponent = int(power.group()) if power else 0
        value = value * 10.0**exponent if abs(exponent) < 300 else math.inf
    negative = match["sign"] is not None and match["sign"] in "-−" and not _is_dash(text, match.start())
    return -value if negative else value


def _is_dash(text: str, at: int) -> bool:
    """A minus after a word or number and no space is a hyphen, not a sign."""
    return at > 0 and (text[at - 1].isalnum() or text[at - 1] == ")")
