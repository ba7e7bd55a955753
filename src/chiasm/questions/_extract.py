"""From a completion to the span that holds the answer.

1. Reasoning is removed: closed think blocks, everything before a lone closing tag, everything after a tag that never closes.
2. The last <answer> tag counts; failing that the last explicit marker ("final answer:", "the answer is", a JSON field, a
   LaTeX box).
3. Otherwise the text itself is offered, at most its last `TAIL` characters.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final, Literal, NamedTuple

TAIL: Final = 4000
"""Without a tag, only so many characters at the end are read: answers stand there, and a megabyte of text must stay cheap."""

WINDOW: Final = 65_536
"""Characters that are searched at a time for the last tag."""

LONGEST_TAG: Final = len("</reasoning>")

UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
"""Characters without width: soft hyphens, joiners, marks of writing direction."""

Source = Literal["tag", "marker", "text", "nothing"]


class Span(NamedTuple):
    """Where an answer was looked for, and what stood there."""

    text: str
    source: Source
    clean: bool
    """True when the completion, without its reasoning, is exactly one answer tag."""


_NAMES: Final = r"(?:think|thinking|thought|reasoning)>"
_THINK: Final = re.compile(rf"<(/?){_NAMES}", re.IGNORECASE)
_THINK_OPEN: Final = re.compile(f"<{_NAMES}", re.IGNORECASE)
_THINK_CLOSE: Final = re.compile(f"</{_NAMES}", re.IGNORECASE)
_BLOCK: Final = re.compile(f"<{_NAMES}.*?</{_NAMES}", re.IGNORECASE | re.DOTALL)
_OPEN: Final = re.compile(r"<answer>", re.IGNORECASE)
_CLOSE: Final = re.compile(r"</answer>", re.IGNORECASE)
_MARKERS: Final = (
    re.compile(
        r"(?:\b(?:final answer|correct (?:answer|option|choice)|answer|antwort|prediction)\b['\"*_ ]*(?:is|ist|:|=)[*_: ]*)"
        r"(?P<a>[^\n]{1,400})",
        re.IGNORECASE,
    ),
    re.compile(r"\\boxed\{(?:\\text\{)?(?P<a>[^{}\n]{1,200})\}"),
)


def extract(completion: str) -> Span:
    """The answer's span in a completion; `source` is "nothing" where none is left after the reasoning."""
    rest = without_reasoning(completion).strip()
    if not rest:
        return Span("", "nothing", clean=False)
    openings = _last_spans(_OPEN, rest)
    if openings:
        return _last_tag(rest, openings)
    tail = rest[-TAIL:]
    field = _json_answer(tail)
    if field is not None:
        return Span(field, "marker", clean=False)
    found = [m for pattern in _MARKERS for m in pattern.finditer(tail)]
    if found:
        last = max(found, key=lambda m: m.start("a"))
        return Span(last["a"].strip(), "marker", clean=False)
    return Span(tail.strip(), "text", clean=False)


def without_reasoning(completion: str) -> str:
    """The completion without think blocks: closed, never closed, or closed without having been opened."""
    closed = _last_end(_THINK_CLOSE, completion)
    # Up to the last closing tag every opened block closes, so that no search for its end runs through the whole text.
    outside = _BLOCK.sub(" ", completion[:closed])
    after = outside[_last_end(_THINK_CLOSE, outside) :]
    return after + _THINK_OPEN.split(completion[closed:], maxsplit=1)[0]


def reasoning_of(completion: str) -> str:
    """The text inside the think blocks, closed or not; empty where there are none."""
    kept: list[str] = []
    position, inside = 0, False
    for tag in _THINK.finditer(completion):
        if tag[1] and (inside or not kept):
            kept.append(completion[position : tag.start()].strip())
            inside = False
        elif not tag[1] and not inside:
            inside, position = True, tag.end()
    return "\n".join(kept) if not inside else "\n".join([*kept, completion[position:].strip()])


def fold(text: str) -> str:
    """Lower case, compatibility forms joined, markdown, quotes and what has no width dropped, spaces collapsed."""
    plain = UNSEEN.sub("", unicodedata.normalize("NFKC", text)).lower()
    plain = re.sub(r"[*`\"“”„«»$]|(?<![a-z])_|_(?![a-z])", "", plain)
    return re.sub(r"[\s_]+", " ", plain).strip()


def _last_spans(tag: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    """Places of the last tags of a kind, looked for from the end so that a megabyte of tags stays cheap."""
    start = len(text)
    while start > 0:
        start = max(0, start - WINDOW)
        found = [m.span() for m in tag.finditer(text, start, min(len(text), start + WINDOW + LONGEST_TAG))]
        if found:
            return found[-8:]
    return []


def _last_end(tag: re.Pattern[str], text: str) -> int:
    """Where the last tag of a kind ends; 0 where there is none."""
    found = _last_spans(tag, text)
    return found[-1][1] if found else 0


def _last_tag(rest: str, openings: list[tuple[int, int]]) -> Span:
    """The last closed answer tag, or the last one that never closes where none does."""
    stops = [start for start, _ in openings[1:]] + [len(rest)]
    for (start, end), stop in reversed(list(zip(openings, stops, strict=True))):
        closing = _CLOSE.search(rest, end, stop)
        if closing is not None:
            clean = start == 0 and closing.end() == len(rest)
            return Span(rest[end : closing.start()].strip(), "tag", clean=clean)
    return Span(rest[openings[-1][1] :].strip(), "tag", clean=False)


def _json_answer(text: str) -> str | None:
    """The last "answer" field of a JSON object, as text."""
    position = len(text)
    while (position := text.rfind("{", 0, position)) >= 0:
        end = text.find("}", position)
        if end < 0:
            continue
        try:
            data = json.loads(text[position : end + 1])
        except (ValueError, RecursionError):
            continue
        for name in ("answer", "final_answer", "prediction"):
            if isinstance(data, dict) and name in data:
                value = data[name]
                return value if isinstance(value, str) else json.dumps(value)
    return None
