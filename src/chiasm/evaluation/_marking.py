"""From replies to marks: each item read strictly and tolerantly, or unscored with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chiasm.evaluation._classes import UNJUDGED, class_of_answer
from chiasm.evaluation._question import ExamItem, Reply
from chiasm.questions import Answer, Mark, parse_answer, score

UNREADABLE = "(unreadable)"
"""The class of a reply that no reader could make out: a wrong answer, not a missing one."""


class Reading(NamedTuple):
    """One reader's result; NaN and None where the item is unscored."""

    exact: float
    graded: float
    answer: str | None
    """The class answered, or `UNREADABLE`; None where unscored or not a classification."""
    parsed: Answer | None
    reason: str


_UNSCORED = Reading(math.nan, math.nan, None, None, "unscored")


@dataclass(frozen=True, eq=False, kw_only=True)
class Marked:
    """One item with its reply and marks."""

    item: ExamItem
    reply: Reply
    strict: Reading
    tolerant: Reading
    probabilities: Mapping[str, float] | None
    """By class, summing to 1, where the model scored the options."""

    @property
    def scored(self) -> bool:
        """Whether there was a reply to mark."""
        return self.reply.text is not None

    @property
    def abstained(self) -> bool:
        """Whether the model said that it cannot be judged."""
        return self.tolerant.parsed is not None and self.tolerant.parsed.kind == "unjudged"


def mark_all(items: Sequence[ExamItem], replies: Sequence[Reply]) -> list[Marked]:
    """Mark each reply against its item."""
    return [mark(item, reply) for item, reply in zip(items, replies, strict=True)]


def mark(item: ExamItem, reply: Reply) -> Marked:
    """Mark one reply."""
    probabilities = None if reply.scores is None else _by_class(item, reply.scores)
    if reply.text is None:
        return Marked(item=item, reply=reply, strict=_UNSCORED, tolerant=_UNSCORED, probabilities=None)
    if not item.classes:
        both = score(reply.text, item.key)
        return Marked(
            item=item,
            reply=reply,
            strict=_plain(both.strict),
            tolerant=_plain(both.tolerant),
            probabilities=probabilities,
        )
    parsing = parse_answer(reply.text, item.key)
    strict = _classified(item, parsing.strict.answer, parsing.strict.reason)
    tolerant = _classified(item, parsing.tolerant.answer, parsing.tolerant.reason)
    return Marked(item=item, reply=reply, strict=strict, tolerant=tolerant, probabilities=probabilities)


def _plain(marked: Mark) -> Reading:
    return Reading(marked.exact, marked.graded, None, marked.parsed, marked.reason)


def _classified(item: ExamItem, answer: Answer | None, reason: str) -> Reading:
    if answer is None:
        return Reading(0.0, 0.0, UNREADABLE, None, f"not read: {reason}")
    said = class_of_answer(answer, item.key)
    said = item.merge.get(said, said)
    right = said == item.truth
    graded = float(right)
    if item.ordinal and said in item.classes and item.truth in item.classes and UNJUDGED not in (said, item.truth):
        apart = abs(item.classes.index(said) - item.classes.index(item.truth))
        graded = 1 - apart / max(len(item.classes) - 1, 1)
    return Reading(float(right), graded, said, answer, "right" if right else f"{said} for {item.truth}")


def _by_class(item: ExamItem, scores: Mapping[str, float]) -> dict[str, float] | None:
    """Option scores summed into classes; scores that are no probabilities (a pixel share) pass as they are."""
    if not item.classes:
        return None
    names = item.classes
    totals = dict.fromkeys(names, 0.0)
    place = dict(zip(item.question.options, item.key.options or names, strict=False))
    for option, value in scores.items():
        said = item.merge.get(option) or (place.get(option, option) if item.key.expects == "choice" else option)
        if said in totals:
            totals[said] += float(value)
    return totals
