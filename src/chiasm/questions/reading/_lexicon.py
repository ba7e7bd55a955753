"""The words that free text uses for findings, places, sizes and stages, compiled from `lexicon.json`; and typing errors mended.

The lexicon is independent of the grammar that writes sentences: it lists how clinicians, models and lay people say things.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable
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
        vocabulary=frozenset(re.findall(r"[a-z]{4,}", re.sub(r"\(\?[:!=<]+|\\[a-z]|\[[^\]]*\]", " ", text.lower()))),
    )


TYPO: Final = 6
"""Shorter words are not mended."""
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
    return _mend(plain)


def _mend(text: str) -> str:
    """Replace words that are one or two edits from a word of the field by it."""
    unknown = [w for w in dict.fromkeys(re.findall(r"[a-z]{6,}", text)) if not _known(w)][:MOST_TYPOS]
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
