"""The words that free text uses for findings, places, sizes and stages, compiled from `lexicon.json`; and typing errors mended.

The lexicon is independent of the grammar that writes sentences: it lists how clinicians, models and lay people say things.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, Final, NamedTuple


class Lexicon(NamedTuple):
    """Compiled patterns; each list keeps its order, and longer matches are preferred by the reader."""

    subjects: list[tuple[str, re.Pattern[str]]]
    absent: list[tuple[str, re.Pattern[str]]]
    negators: re.Pattern[str]
    postnegators: re.Pattern[str]
    positives: re.Pattern[str]
    hedges: re.Pattern[str]
    queries: re.Pattern[str]
    breaks: re.Pattern[str]
    sectors: list[tuple[str, re.Pattern[str]]]
    cues: list[tuple[str, re.Pattern[str]]]
    adjectives: dict[str, list[tuple[str, str, re.Pattern[str]]]]
    """Subject -> (attribute, value, pattern)."""
    quality: list[tuple[str, re.Pattern[str]]]
    stages: list[tuple[str, re.Pattern[str]]]
    disease: re.Pattern[str]
    abbreviations: list[tuple[str, re.Pattern[str]]]
    """What is written for short, in full."""
    vocabulary: frozenset[str]
    """Every word of the patterns, to mend typing errors to."""


@functools.cache
def lexicon() -> Lexicon:
    """The English lexicon."""
    text = resources.files("chiasm.questions.reading").joinpath("lexicon.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return Lexicon(
        subjects=_named(data["subjects"]),
        absent=_named(data["absent"]),
        negators=_any(data["negators"]),
        postnegators=_any(data["postnegators"]),
        positives=_any(data["positives"]),
        hedges=_any(data["hedges"]),
        queries=_any(data["queries"]),
        breaks=_any(data["breaks"]),
        sectors=_named(data["sectors"]),
        cues=_named(data["cues"]),
        adjectives={
            subject: [(attribute, value, _any(p)) for attribute, values in kinds.items() for value, p in values.items()]
            for subject, kinds in data["adjectives"].items()
        },
        quality=_named(data["quality"]),
        stages=_named(data["stages"]),
        disease=_any(data["disease"]),
        abbreviations=[
            (full, re.compile(rf"(?<![\w-]){short}(?![\w-])")) for short, full in data["abbreviations"].items()
        ],
        vocabulary=frozenset(word for pattern in _strings(data) for word in _words(pattern)),
    )


TYPO: Final = 6
"""Shorter words are not mended, except for two letters swapped in five."""
MOST_TYPOS: Final = 30
"""So many unknown words of a text are looked up; a text with more is not about the field."""


def normalise(text: str) -> str:
    """Lower case, compatibility forms joined, tags and markdown dropped, dashes and quotes plain, typing errors mended."""
    plain = unicodedata.normalize("NFKC", text).lower()
    plain = re.sub(r"</?(?:think|answer|thinking)>", ". ", plain)
    plain = re.sub(r"[‐‑‒–—−]", "-", plain).replace("’", "'").replace("µ", "u").replace("μ", "u")
    plain = re.sub(r"[*_`#|\"“”]|^\s*>", " ", plain)
    plain = re.sub(r"(?:^|(?<=[.;\n]\s))\(?\d{1,2}[).](?=\s)", " ", plain, flags=re.MULTILINE)  # numbers of a list
    plain = re.sub(r"\b[x×](?=\d)", "x ", plain)
    plain = re.sub(r"(?<=\d)[x×](?![\w ]*\d)", " ", plain)
    plain = re.sub(r"\bno doubt\b|\bno question\b|\bnot only\b|\bnothing but\b", " ", plain)
    plain = re.sub(r"\b(?:it|there) (?:does|do) not exist(?: any)? (?=[a-z])", "there is no ", plain)
    for full, short in lexicon().abbreviations:
        plain = short.sub(full, plain)
    return _mend(plain)


def _strings(data: Any) -> Iterator[str]:
    """Every text of the lexicon, keys and patterns."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _strings(value)
    else:
        for value in data:
            yield from _strings(value)


def _words(pattern: str) -> Iterator[str]:
    """The words that a pattern spells out in full: none of "arter(?:y|ies)" and "possibl[ey]"."""
    yield from re.findall(r"(?<![\\\])a-z])[a-z]{4,}(?![a-z(\[]|\?[a-z])", pattern.lower())


def _mend(text: str) -> str:
    """Replace words that are one or two edits from a word of the field by it."""
    unknown = [w for w in dict.fromkeys(re.findall(r"[a-z]{5,}", text)) if not _known(w)][:MOST_TYPOS]
    for word in unknown:
        mended = _mended(word)
        if mended != word:
            text = re.sub(rf"\b{word}\b", mended, text)
    return text


def _known(word: str) -> bool:
    words = lexicon().vocabulary
    return word in words or any(word.removesuffix(end) in words for end in ("s", "ed", "ly"))


@functools.lru_cache(maxsize=20000)
def _mended(word: str) -> str:
    """The nearest word of the field with the same first letter, or with the first two swapped; else the word."""
    if len(word) < TYPO:
        swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1)}
        found = sorted(swapped & lexicon().vocabulary)
        return found[0] if len(found) == 1 else word
    most = 2 if len(word) >= 9 else 1
    near = [
        w for w in (*_initials().get(word[0], ()), *_initials().get(word[1], ())) if abs(len(w) - len(word)) <= most
    ]
    pairs = sorted({(_distance(word, w, most), w) for w in near if w[0] == word[0] or w[:2] == word[1::-1]})
    best = [w for d, w in pairs if d <= most]
    return best[0] if len(best) == 1 or (best and len(word) >= 9) else word


@functools.cache
def _initials() -> dict[str, tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for word in sorted(lexicon().vocabulary):
        if len(word) >= TYPO - 1:
            grouped.setdefault(word[0], []).append(word)
    return {initial: tuple(group) for initial, group in grouped.items()}


def _distance(a: str, b: str, most: int) -> int:
    """Edits (insert, delete, change, swap neighbours) between two words; `most` + 1 where more."""
    previous: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, previous, row = previous, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def _named(groups: dict[str, list[str]]) -> list[tuple[str, re.Pattern[str]]]:
    return [(name, _any(patterns)) for name, patterns in groups.items()]


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    ordered = sorted(patterns, key=len, reverse=True)
    body = "|".join(p if p.startswith("\\") else rf"\b(?:{p})(?![\w])" for p in ordered)
    return re.compile(body)
