"""Sentence templates: alternatives, slots, and the regular expression that reads a rendered sentence back.

Syntax: `[one|other]` is a choice, `{slot}` or `{slot.form}` a slot; neither nests in itself. A slot's kind follows from its
name up to the first underscore (`area_2` is an area); `KINDS` lists them. Forms:
    number slots   value with its unit: "0.35 mm2"
    n              digits;  n.of  "3 microaneurysms" of the slot `term`;  n.words  the same in words up to ten
                   n.is  "is" or "are", and the other pairs that the language lists
    term           term.one, term.many, term.any;  term.is  agrees with term.any
    word slots     the language's word for a value of the table of that name; word.x from the table "name.x"
    lists          words of a table, joined by "and"; list.or  by "or"
    x.text         the value as it is; only in questions and hints
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from chiasm.case import Scalar

Slots = Mapping[str, Scalar | tuple[str, ...]]


class NumberKind(NamedTuple):
    """How a number slot is shown."""

    decimals: int
    unit: str


NUMBERS: Final = {
    "area": NumberKind(2, "mm2"),
    "share": NumberKind(1, "%"),
    "distance": NumberKind(2, "mm"),
    "diameter": NumberKind(0, "um"),
    "ratio": NumberKind(2, ""),
    "times": NumberKind(1, ""),
    "density": NumberKind(1, "1/mm"),
    "limit": NumberKind(0, "%"),
    "age": NumberKind(0, "years"),
}
LISTS: Final = {
    "sectors": "sector",
    "quadrants": "quadrant",
    "terms": "term.many",
    "kinds": "term.any",
    "artefacts": "artefact",
}


def kind_of(slot: str) -> str:
    """The kind of a slot: its name up to the first underscore."""
    return slot.partition("_")[0]


def rounded(slot: str, value: float) -> float:
    """A number as its slot shows it."""
    shown = NUMBERS[kind_of(slot)]
    return round(float(value), shown.decimals) + 0.0


class Words(NamedTuple):
    """What a template needs of a language."""

    decimal: str
    numbers: tuple[str, ...]
    tables: dict[str, dict[str, str]]
    """"sector", "stage" ... and "term.one", "term.many", "term.an"."""
    pairs: dict[str, tuple[str, str]]
    """"is" -> ("is", "are"), by number."""
    plural: frozenset[str]
    """Terms whose `any` form is a plural."""
    last: str
    """Between the last two items of a list: " and "."""
    either: str
    """The same where one of them is meant: " or "."""
    none: str
    """An empty list."""


class Template:
    """One form of a sentence."""

    def __init__(self, source: str, words: Words) -> None:
        self.source, self.opening, self._words = source, source.split()[0], words
        self._parts = _parse(source)

    def render(self, slots: Slots, rng: np.random.Generator) -> str:
        """The sentence, its first letter a capital."""
        text = "".join(self._show(part, slots, rng) for part in self._parts)
        return text[:1].upper() + text[1:]

    def pattern(self) -> re.Pattern[str]:
        """Matches exactly what `render` can write; groups are numbered slots."""
        counter = iter(range(1000))
        return re.compile("".join(self._expect(part, counter) for part in self._parts), re.IGNORECASE)

    def read(self, match: re.Match[str]) -> dict[str, Scalar | tuple[str, ...]] | None:
        """The slots of a matched sentence; None where two mentions of one slot disagree."""
        slots: dict[str, Scalar | tuple[str, ...]] = {}
        for group, text in match.groupdict().items():
            if text is None:
                continue
            slot, form = group.rsplit("__", 1)[0].split("___")
            for name, value in self._meaning(slot, form, text):
                if slots.setdefault(name, value) != value:
                    return None
        return slots

    def slots(self) -> set[str]:
        """Names of the slots."""
        return {slot for part in self._parts for slot, _ in _slots_of(part)}

    def _show(self, part: Any, slots: Slots, rng: np.random.Generator) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, list):
            chosen = part[int(rng.random() * len(part))]
            return "".join(self._show(p, slots, rng) for p in chosen)
        slot, form = part
        return self._shown(slot, form, slots)

    def _shown(self, slot: str, form: str, slots: Slots) -> str:
        words, kind, value = self._words, kind_of(slot), slots[slot]
        if kind in NUMBERS:
            shown = NUMBERS[kind]
            text = format(float(value), f".{shown.decimals}f").replace(".", words.decimal)  # type: ignore[arg-type]
            return f"{text} {shown.unit}" if shown.unit else text
        if kind == "n":
            return self._counted(form, int(value), slots)  # type: ignore[arg-type]
        if kind in LISTS:
            table = words.tables[LISTS[kind]]
            return _join([table[str(v)] for v in value], words, form)  # type: ignore[union-attr]
        if form == "text":
            return str(value)
        if form in words.pairs:
            return words.pairs[form][str(value) in words.plural]
        return words.tables[f"{kind}.{form}" if form else kind][str(value)]

    def _counted(self, form: str, n: int, slots: Slots) -> str:
        words = self._words
        if form in words.pairs:
            return words.pairs[form][n != 1]
        if not form:
            return str(n)
        noun = words.tables["term.one" if n == 1 else "term.many"][str(slots["term"])]
        number = words.numbers[n] if form == "words" and n < len(words.numbers) else str(n)
        return f"{number} {noun}"

    def _expect(self, part: Any, counter: Iterator[int]) -> str:
        if isinstance(part, str):
            return re.escape(part)
        if isinstance(part, list):
            return "(?:" + "|".join("".join(self._expect(p, counter) for p in option) for option in part) + ")"
        slot, form = part
        return f"(?P<{slot}___{form}__{next(counter)}>{self._body(slot, form)})"

    def _body(self, slot: str, form: str) -> str:
        words, kind = self._words, kind_of(slot)
        if form in words.pairs:
            return _either(words.pairs[form])
        if form == "text":
            return ".+?"
        if kind in NUMBERS:
            shown = NUMBERS[kind]
            digits = r"-?\d+" + (re.escape(words.decimal) + rf"\d{{{shown.decimals}}}" if shown.decimals else "")
            return digits + (f" {re.escape(shown.unit)}" if shown.unit else "")
        if kind == "n":
            number = r"\d+|" + _either(words.numbers)
            nouns = (*words.tables["term.one"].values(), *words.tables["term.many"].values())
            return rf"(?:{number}) {_either(nouns)}" if form else r"\d+"
        if kind in LISTS:
            item = _either(tuple(words.tables[LISTS[kind]].values()))
            return rf"{re.escape(words.none)}|{item}(?:, {item})*(?:{re.escape(_last(words, form))}{item})?"
        return _either(tuple(words.tables[f"{kind}.{form}" if form else kind].values()))

    def _meaning(self, slot: str, form: str, text: str) -> Iterator[tuple[str, Scalar | tuple[str, ...]]]:
        if form == "text":
            yield slot, text
            return
        words, kind, text = self._words, kind_of(slot), text.lower()
        if form in words.pairs:
            return
        if kind in NUMBERS:
            yield slot, float(text.removesuffix(NUMBERS[kind].unit.lower()).strip().replace(words.decimal, "."))
        elif kind == "n":
            number, _, noun = text.partition(" ")
            yield slot, int(number) if number.isdigit() else [w.lower() for w in words.numbers].index(number)
            if form:
                yield "term", _value(noun, words.tables["term.one"], words.tables["term.many"])
        elif kind in LISTS:
            table = words.tables[LISTS[kind]]
            items = [] if text == words.none.lower() else re.split(rf", |{re.escape(_last(words, form))}", text)
            yield slot, tuple(_value(item, table) for item in items)
        else:
            yield slot, _value(text, words.tables[f"{kind}.{form}" if form else kind])


def _parse(source: str) -> list[Any]:
    """Literals as str, choices as lists of part lists, slots as (name, form)."""
    parts: list[Any] = []
    for piece in re.split(r"(\[[^\]]*\]|\{[^}]*\})", source):
        if piece.startswith("["):
            parts.append([_parse(option) for option in piece[1:-1].split("|")])
        elif piece.startswith("{"):
            name, _, form = piece[1:-1].partition(".")
            parts.append((name, form))
        elif piece:
            parts.append(piece)
    return parts


def _slots_of(part: Any) -> Iterator[tuple[str, str]]:
    if isinstance(part, tuple):
        yield part
    elif isinstance(part, list):
        for option in part:
            for inner in option:
                yield from _slots_of(inner)


def _either(texts: tuple[str, ...]) -> str:
    return "(?:" + "|".join(re.escape(t) for t in sorted(set(texts), key=len, reverse=True)) + ")"


def _join(items: list[str], words: Words, form: str) -> str:
    if not items:
        return words.none
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + _last(words, form) + items[-1]


def _last(words: Words, form: str) -> str:
    return words.either if form == "or" else words.last


def _value(text: str, *tables: dict[str, str]) -> str:
    for table in tables:
        for value, shown in table.items():
            if shown.lower() == text:
                return value
    msg = f"no table holds {text!r}"
    raise KeyError(msg)
