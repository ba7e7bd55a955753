"""A language: its words, its questions and its sentences, read from one file (`en.json`, `de.json`).

A file holds `words` (tables), `asks` (questions), `hints` (how to answer) and `says` (sentences); each ask and say is a list of
forms, or lists by style. A sentence is one form with its alternatives drawn; `read_back` is the inverse.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final, Literal, get_args

import numpy as np

from chiasm.case import Scalar
from chiasm.errors import UnknownName
from chiasm.questions._item import Statement
from chiasm.questions.language._template import NUMBERS, Slots, Template, Words, kind_of, rounded

Style = Literal["short", "findings", "teaching", "structured"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)
LANGUAGES: Final = ("en", "de")
JOINED: Final[dict[Style, float]] = {"short": 0.8, "findings": 0.6, "teaching": 0.4, "structured": 0.0}
"""How often findings that are absent one after the other share a sentence."""


class Language:
    """One language's grammar."""

    def __init__(self, name: str) -> None:
        if name not in LANGUAGES:
            raise UnknownName("language", name, LANGUAGES)
        text = resources.files("chiasm.questions.language").joinpath(f"{name}.json").read_text(encoding="utf-8")
        data = json.loads(text)
        self.name: str = name
        self.reviewed: bool = data["reviewed"]
        """Whether a fluent speaker has read every form. No file, English included, has been reviewed by a clinician."""
        self.words = Words(
            decimal=data["decimal"],
            numbers=tuple(data["numbers"]),
            tables=data["words"],
            pairs={key: (one, many) for key, (one, many) in data["pairs"].items()},
            plural=frozenset(data["plural"]),
            last=data["last"],
            either=data["either"],
            none=data["none"],
        )
        self._asks = self._compile(data["asks"])
        self._hints = self._compile(data["hints"])
        self._says = self._compile(data["says"])

    def _compile(
        self, section: dict[str, Sequence[str] | dict[str, Sequence[str]]]
    ) -> dict[str, dict[str, list[Template]]]:
        compiled: dict[str, dict[str, list[Template]]] = {}
        for key, forms in section.items():
            by_style = forms if isinstance(forms, dict) else {"findings": forms}
            compiled[key] = {name: [Template(f, self.words) for f in body] for name, body in by_style.items()}
        return compiled

    def ask(self, key: str, slots: Slots, rng: np.random.Generator) -> str:
        """A question."""
        return _draw(self._find(self._asks, key, "findings"), slots, rng)

    def ask_again(self, question: str, rng: np.random.Generator) -> str | None:
        """A question of this grammar in other words; None where it is none of the grammar's, or has one form only."""
        for pattern, form, forms in self._question_patterns:
            match = pattern.fullmatch(question)
            slots = None if match is None else form.read(match)
            if slots is not None:
                others = [other for other in forms if other is not form and other.slots() <= slots.keys()]
                return _draw(others, slots, rng) if others else None
        return None

    def hint(self, key: str, slots: Slots, rng: np.random.Generator) -> str:
        """How to answer it."""
        return _draw(self._find(self._hints, key, "findings"), slots, rng)

    def say(self, statement: Statement, style: Style, rng: np.random.Generator) -> str:
        """A sentence for a statement."""
        return _draw(self._find(self._says, statement.key, style), statement.slots, rng)

    def reasoning(self, statements: Sequence[Statement], style: Style, rng: np.random.Generator) -> str:
        """Sentences for statements, in order.

        Findings that are absent one after the other may share a sentence; among the forms, those are drawn that were used
        least in this text, by themselves and by their first word.
        """
        used: Counter[str] = Counter()
        sentences = []
        for statement in _joined(statements, style, rng):
            forms = self._find(self._says, statement.key, style)
            worn = [used[form.source] + used[form.opening] for form in forms]
            fresh = [form for form, times in zip(forms, worn, strict=True) if times == min(worn)]
            form = fresh[int(rng.random() * len(fresh))]
            used.update((form.source, form.opening))
            sentences.append(form.render(statement.slots, rng))
        return " ".join(sentences)

    def word(self, table: str, value: str) -> str:
        """The word for a value."""
        return self.words.tables[table][value]

    def forms(self) -> dict[str, dict[str, list[Template]]]:
        """Every sentence's forms by key and style."""
        return self._says

    def questions(self) -> dict[str, dict[str, list[Template]]]:
        """Every question's forms."""
        return self._asks

    def read_back(self, text: str) -> list[Statement]:
        """The statements of a text that this grammar wrote.

        Raises:
            ValueError: A sentence is none of this grammar's, or could be two different statements.
        """
        return [statement for sentence in split_sentences(text) for statement in self._read_sentence(sentence)]

    def _read_sentence(self, sentence: str) -> list[Statement]:
        readings: list[list[Statement]] = []
        for key, pattern, template in self._patterns:
            match = pattern.fullmatch(sentence)
            slots = template.read(match) if match is not None else None
            reading = [] if slots is None else _apart(Statement(key=key, slots=slots))
            if reading and reading not in readings:
                readings.append(reading)
        if len(readings) != 1:
            msg = f"{len(readings)} readings of {sentence!r}: {readings}"
            raise ValueError(msg)
        return readings[0]

    @functools.cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str], Template]]:
        return [
            (key, template.pattern(), template)
            for key, styles in self._says.items()
            for forms in styles.values()
            for template in forms
        ]

    @functools.cached_property
    def _question_patterns(self) -> list[tuple[re.Pattern[str], Template, list[Template]]]:
        return [
            (template.pattern(), template, forms)
            for styles in self._asks.values()
            for forms in styles.values()
            for template in forms
        ]

    @staticmethod
    def _find(section: dict[str, dict[str, list[Template]]], key: str, style: str) -> list[Template]:
        if key not in section:
            raise UnknownName("sentence", key, section)
        styles = section[key]
        return styles.get(style) or styles["findings"]


@functools.cache
def language(name: str = "en") -> Language:
    """The grammar of a language."""
    return Language(name)


def shown_slots(slots: Slots) -> dict[str, Scalar | tuple[str, ...]]:
    """Slots with numbers rounded as they are shown."""
    return {
        name: rounded(name, value) if kind_of(name) in NUMBERS and not isinstance(value, str | tuple) else value
        for name, value in slots.items()
    }


def split_sentences(text: str) -> list[str]:
    """Sentences of a text of the grammar: they end with a full stop, and no decimal point is followed by a space."""
    return [s for s in re.split(r"(?<=[.!?]) +", text.strip()) if s]


def _joined(statements: Sequence[Statement], style: Style, rng: np.random.Generator) -> Iterator[Statement]:
    """The statements, some runs of absent findings as one statement."""
    for key, run in itertools.groupby(statements, key=lambda s: s.key):
        same = list(run)
        if key == "absent" and len(same) > 1 and rng.random() < JOINED[style]:
            yield Statement(key="absent.several", slots={"kinds": tuple(str(s.slots["term"]) for s in same)})
        else:
            yield from same


def _apart(statement: Statement) -> list[Statement]:
    """The inverse: one statement for each absent finding."""
    if statement.key != "absent.several":
        return [statement]
    return [Statement(key="absent", slots={"term": term}) for term in tuple(statement.slots["kinds"])]  # type: ignore[arg-type]


def _draw(forms: list[Template], slots: Slots, rng: np.random.Generator) -> str:
    return forms[int(rng.random() * len(forms))].render(slots, rng)
