"""Which stretch of a sentence speaks of which finding, and whether it affirms or denies it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chiasm.questions.reading._attributes import FAZ, adjectives, counts
from chiasm.questions.reading._marks import Mark, Sentence
from chiasm.questions.reading._syntax import (
    BARE_NO,
    FINITE,
    FROM_FAZ,
    HEADED,
    RELATIONAL,
    SEPARATOR,
    WEAK_RELATION,
)

ALTERNATIVE: Final = ("or", "nor", ",or", ",nor", "/")
LISTING: Final = (*ALTERNATIVE, ",", "and", ",and", "as well as")
CONTRAST: Final = ("but", "however", "whereas", "while", "though", "although", "yet", "with", ":")
MOST: Final = 40
"""A sentence that names more findings is not read."""


@dataclass(slots=True)
class Window:
    """The part of a sentence that speaks of one finding."""

    subject: Mark
    start: int
    end: int
    connector: str
    """What joins it to the window before: ",", "and", "or" ..."""
    negative: bool | None = None
    """None: it is asked about, not told."""


@dataclass(slots=True, frozen=True)
class _Said:
    """What a window says of its finding."""

    denied_before: bool
    denied_after: bool
    number: float | None
    amount: bool
    graded: bool
    verb: bool
    """"Seen", "present" after the finding."""
    finite: bool
    """... with "is" or "are"."""
    asked: bool
    told: bool
    """A number, direction or the like follows the finding."""


def windows_of(sentence: Sentence) -> list[Window]:
    """One window for each finding that the sentence is about, decided."""
    subjects = [m for m in sentence.of("subject") if not relational(sentence, m)]
    if len(subjects) > MOST:
        return []
    windows: list[Window] = []
    for mark in subjects:
        start, connector = 0, ""
        if windows:
            start, connector, windows[-1].end = _cut(sentence.text, windows[-1].subject.end, mark.start)
        windows.append(Window(mark, start, len(sentence.text), connector))
    _decide(sentence, windows)
    return windows


def relational(sentence: Sentence, mark: Mark) -> bool:
    """Said only to place something else: "at the border of the dropout"."""
    match = RELATIONAL.search(sentence.text[: mark.start])
    if match is None:
        return False
    others = any(s is not mark for s in sentence.of("subject"))
    if mark.value == FAZ:
        return others or FROM_FAZ.match(match.group()) is not None
    return others or WEAK_RELATION.search(match.group()) is None


def _cut(text: str, start: int, end: int) -> tuple[int, str, int]:
    """(where the next window starts, what joins it, where the last one ends): at the last separator between."""
    cuts = list(SEPARATOR.finditer(text, start, end))
    if not cuts:
        return start, "", start
    cut = cuts[-1]
    connector = cut.group().strip()
    beside = len(cuts) > 1 and cuts[-2].group() == "," and cuts[-2].end() + 1 >= cut.start()
    return cut.end(), f",{connector}" if beside and connector in ("and", "") else connector, cut.start()


def _decide(sentence: Sentence, windows: list[Window]) -> None:
    """Affirmed, denied or neither for each window; a denial carries over a list until something is affirmed."""
    scope = False
    for i, window in enumerate(windows):
        said, broken = _said(sentence, window)
        joined = window.connector
        scope = scope and not broken and joined not in CONTRAST
        affirmed = (
            bool(said.number)
            or (said.amount and (said.finite or not scope))
            or (said.graded and "or" not in joined)
            or (said.verb and not (scope and joined in ALTERNATIVE))
        )
        if said.number == 0 or said.denied_before:
            more = i + 1 < len(windows) and windows[i + 1].connector in ALTERNATIVE
            window.negative, scope = True, more or not (said.verb and said.finite)
        elif said.denied_after:
            window.negative, scope = True, False
            _reach_back(sentence.text, windows, i)
        elif affirmed:
            only_seen = said.verb and not (said.number or said.graded or said.finite)
            window.negative = scope = scope and only_seen and joined in (",", "/", "or", ",or")
        elif scope and (joined in LISTING or said.verb):
            window.negative = True
        else:
            window.negative = None if said.asked and not said.amount else False
            window.negative = False if said.told and not said.asked else window.negative
            scope = False


def _said(sentence: Sentence, window: Window) -> tuple[_Said, bool]:
    """What the window says, and whether a word of contrast opens it."""
    before = [m for m in sentence.marks if window.start <= m.start < window.subject.start]
    after = [m for m in sentence.marks if window.subject.end <= m.start < window.end]
    cut = max((m.end for m in before if m.kind == "break"), default=-1)
    breaks = [
        m for m in after if m.kind == "break" and not sentence.text.startswith(" none", m.end)
    ]  # "but none is seen"
    stop = min((m.start for m in breaks), default=window.end)
    denied_after = any(m.kind == "postneg" and m.start < stop for m in after)
    bare_no = BARE_NO.match(sentence.text[window.subject.end : window.end + 12]) is not None
    adjective = adjectives(sentence, window.subject, window.start, window.end)
    said = _Said(
        denied_before=_denied_before(sentence, window, before, cut),
        denied_after=denied_after or bare_no,
        number=next((n.number for n, _ in counts(sentence, window.subject, window.start, window.end)), None),
        amount=any(s.attribute == "amount" for s in adjective),
        graded=_graded_before(sentence, window),
        verb=any(m.kind == "pos" and m.start < stop for m in after),
        finite=FINITE.search(sentence.text[window.subject.end : stop]) is not None,
        asked=sentence.asks or any(m.kind == "query" and m.start >= cut for m in before),
        told=any(m.kind in ("number", "sector", "cue", "hedge") for m in after),
    )
    return said, cut >= 0


def _graded_before(sentence: Sentence, window: Window) -> bool:
    """An adjective of extent or grade stands before the finding: "mild tortuosity"."""
    lead = Mark("subject", window.subject.value, window.subject.start, window.subject.start)
    said = adjectives(sentence, lead, window.start, window.subject.start)
    return any(s.attribute in ("extent", "grade") for s in said)


def _denied_before(sentence: Sentence, window: Window, before: list[Mark], cut: int) -> bool:
    """Denied by what stands before it, or, for a course of vessels, within it."""
    text, subject = sentence.text, window.subject
    if any(m.kind == "neg" and m.start >= cut for m in before) or window.connector.lstrip(",") in ("nor", "neither"):
        return True
    if HEADED.match(text) and ":" not in text[window.start : subject.start].partition(":")[2]:
        return True
    if re.search(r"\b(?:not|hardly|barely)\b", text[subject.start : subject.end]):
        return True
    lead = text[max(0, subject.start - 24) : subject.start]
    return subject.value == "vascular tortuosity" and re.search(r"(?:\bnot|n't) (?:[a-z]+ ){0,2}$", lead) is not None


def _reach_back(text: str, windows: list[Window], i: int) -> None:
    """In "A, B and C are absent" all three are denied, as far back as nothing else was said."""
    for j in range(i, 0, -1):
        previous = windows[j - 1]
        told = text[previous.subject.end : previous.end].strip()
        if windows[j].connector not in LISTING or previous.negative is True or told:
            return
        previous.negative = True
