"""Other ways to write the words of an answer: synonyms, abbreviations, German.

The table is data (`words.json`): canonical word -> other forms, all folded. A category's own text is always a form of itself.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import Final, NamedTuple

_NEGATION: Final = re.compile(
    r"(?:\b(?:not|no|nor|neither|without|excludes?|excluding|than|kein|keine|nicht|rule[sd]? out)\b|n't)[ a-z]{0,12}$"
)

_CONTRAST: Final = re.compile(r"\b(?:but|rather|instead|sondern)\b")


class Hit(NamedTuple):
    """A word of a vocabulary found in a text."""

    word: str
    start: int
    end: int
    negated: bool


@functools.lru_cache(maxsize=1)
def synonyms() -> dict[str, tuple[str, ...]]:
    """Canonical word -> its other forms, folded."""
    data = json.loads(resources.files("chiasm.questions").joinpath("words.json").read_text(encoding="utf-8"))
    return {word: tuple(forms) for word, forms in data.items()}


def find_words(folded: str, vocabulary: tuple[str, ...]) -> list[Hit]:
    """Where words of a vocabulary, or their synonyms, stand in a folded text; the longest match at a place wins."""
    pattern, meaning = _matcher(vocabulary)
    hits = []
    for match in pattern.finditer(folded):
        before = _CONTRAST.split(folded[max(0, match.start() - 24) : match.start()])[-1]
        negated = _NEGATION.search(before) is not None
        hits.append(Hit(meaning[_plain(match.group())], match.start(), match.end(), negated))
    return hits


@functools.lru_cache(maxsize=256)
def _matcher(vocabulary: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    meaning: dict[str, str] = {}
    forms: list[str] = []
    for word in vocabulary:
        meaning.setdefault(_plain(word), word)
        forms.append(word.lower())
    for word in vocabulary:  # a word's own text beats any synonym of another
        for form in synonyms().get(word, ()):
            meaning.setdefault(_plain(form), word)
            forms.append(form)
    forms.sort(key=len, reverse=True)
    body = "|".join(r"[ -]?".join(re.escape(part) for part in re.split(r"[ -]", form)) for form in forms)
    return re.compile(rf"(?<![\w-])(?:{body})(?![\w-])"), meaning


def _plain(form: str) -> str:
    return re.sub(r"[ -]", "", form.lower())
