"""Proving items right without a model: gold scores full, every wrong answer scores less, the text reads back to its facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chiasm.case import Case
from chiasm.questions._answers import (
    GRID,
    LETTERS,
    Answer,
    BoxesAnswer,
    CategoryAnswer,
    ChoiceAnswer,
    CountAnswer,
    Key,
    NumberAnswer,
    OrderedAnswer,
    PointsAnswer,
    ReportAnswer,
    SetAnswer,
    Unjudged,
    YesNoAnswer,
    write_answer,
)
from chiasm.questions._item import REWRITTEN, Item, Statement
from chiasm.questions._score import score
from chiasm.questions.language import language
from chiasm.questions.reading import claims, differing, judge_text


class Problem(NamedTuple):
    """One broken promise of one item."""

    item_id: str
    rule: str
    detail: str


class Checked(NamedTuple):
    """What was checked and what was wrong."""

    n_items: int
    n_wrong_answers: int
    problems: tuple[Problem, ...]


def check_items(items: Iterable[Item], cases: dict[str, Case] | None = None) -> Checked:
    """Check items, one by one.

    Rules: gold-strict, gold-tolerant (gold scores 1.0 exactly and graded), wrong-exact, wrong-graded (every other option and
    every made-up wrong answer scores 0 exactly and less than 1 graded), read-back (the reasoning reads back to the trace's
    statements), report (a report's claims are all true and complete), messages (one image slot per picture, content items own
    no other key), evidence (it exists in the case; only with `cases`).

    Args:
        items: Items of `ask`.
        cases: By case id, to check the evidence; None: not checked.
    """
    problems: list[Problem] = []
    n_items = n_wrong = 0
    for item in items:
        n_items += 1
        wrong = list(wrong_answers(item.key))
        n_wrong += len(wrong)
        found = [*_gold(item), *_wrong(item, wrong), *_text(item), *_messages(item)]
        if cases is not None:
            found += _evidence(item, cases[item.case_id])
        problems += [Problem(item.item_id, rule, detail) for rule, detail in found]
    return Checked(n_items, n_wrong, tuple(problems))


def wrong_answers(key: Key) -> Iterator[Answer]:
    """Answers that are wrong: every other option or category, and typical mistakes of the other kinds."""
    gold = key.answer
    if not isinstance(gold, Unjudged):
        yield Unjudged()
    match gold:
        case ChoiceAnswer():
            yield from (ChoiceAnswer(letter=c) for c in LETTERS[: len(key.options)] if c != gold.letter)
        case YesNoAnswer():
            yield YesNoAnswer(yes=not gold.yes)
        case NumberAnswer():
            step = 1.2 * (key.tolerance or 0) + 0.1 * abs(gold.value)
            yield from (gold.model_copy(update={"value": gold.value + sign * step}) for sign in (-1, 1))
        case CountAnswer():
            yield CountAnswer(value=gold.value + 1)
            if gold.value:
                yield CountAnswer(value=gold.value - 1)
        case CategoryAnswer():
            yield from (CategoryAnswer(value=v) for v in key.options if v != gold.value)
        case SetAnswer():
            yield from (SetAnswer(values=gold.values ^ {v}) for v in key.options)
        case BoxesAnswer():
            yield from _wrong_boxes(gold)
        case PointsAnswer():
            yield from _wrong_points(gold, key.tolerance or 0)
        case OrderedAnswer():
            yield OrderedAnswer(values=gold.values[::-1])
            yield OrderedAnswer(values=gold.values[1:])
        case ReportAnswer():
            yield ReportAnswer(text="Nothing can be said about this.")
        case Unjudged():
            yield from _answers_anyway(key)


def _wrong_boxes(gold: BoxesAnswer) -> Iterator[Answer]:
    far = (0.0, 0.0, 20.0, 20.0) if not gold.boxes or gold.boxes[0][0] > 500 else (GRID - 20.0, 0.0, float(GRID), 20.0)
    yield BoxesAnswer(boxes=(*gold.boxes, far))
    if gold.boxes:
        yield BoxesAnswer(boxes=())
        yield BoxesAnswer(boxes=(*gold.boxes[1:], far))


def _wrong_points(gold: PointsAnswer, radius: float) -> Iterator[Answer]:
    far = (0.0, 0.0) if not gold.points or gold.points[0][0] > 500 else (float(GRID), 0.0)
    yield PointsAnswer(points=(*gold.points, far))
    if gold.points:
        x, y = gold.points[0]
        aside = x - 1.5 * radius if x > 500 else x + 1.5 * radius
        yield PointsAnswer(points=((aside, y), *gold.points[1:]))


def _answers_anyway(key: Key) -> Iterator[Answer]:
    if key.expects == "yesno":
        yield from (YesNoAnswer(yes=yes) for yes in (True, False))
    elif key.expects == "category":
        yield from (CategoryAnswer(value=v) for v in key.options)


def _gold(item: Item) -> Iterator[tuple[str, str]]:
    found = score(item.completion, item.key)
    for rule, mark in (("gold-strict", found.strict), ("gold-tolerant", found.tolerant)):
        if mark.exact != 1.0 or abs(mark.graded - 1.0) > 1e-9:
            yield rule, f"{item.answer_text!r}: {mark.reason}"


def _wrong(item: Item, wrong: list[Answer]) -> Iterator[tuple[str, str]]:
    for answer in wrong:
        text = f"<answer>{write_answer(answer)}</answer>"
        found = score(text, item.key)
        for mark in found:
            if mark.exact != 0.0:
                yield "wrong-exact", f"{text} for {item.answer_text!r}"
            if mark.graded >= 1.0:
                yield "wrong-graded", f"{text} for {item.answer_text!r}"


def other_claims(text: str, statements: Sequence[Statement]) -> str:
    """How the claims of an English paraphrase differ from those of the statements; nothing where they agree."""
    plain = language("en").reasoning(statements, "findings", np.random.default_rng(0))
    return differing(claims(plain), claims(text))


def _text(item: Item) -> Iterator[tuple[str, str]]:
    grammar = language(item.language)
    texts = [] if item.style == REWRITTEN else [item.reasoning]
    if item.style == REWRITTEN and (other := other_claims(item.reasoning, item.trace.statements)):
        yield "read-back", f"the paraphrase {item.reasoning!r} says something else: {other}"
    if isinstance(item.key.answer, ReportAnswer):
        headings = "|".join(re.escape(h) for h in grammar.words.tables["heading"].values())
        texts.append(re.sub(rf"(?:^|\n)(?:{headings}): ", " ", item.answer_text))
    for text in texts:
        try:
            statements = tuple(grammar.read_back(text))
        except ValueError as error:
            yield "read-back", str(error)
            continue
        if statements != item.trace.statements:
            yield "read-back", f"{text!r} reads as {statements}, the trace says {item.trace.statements}"
    if isinstance(item.key.answer, ReportAnswer) and item.language == "en":
        judged = judge_text(item.answer_text, item.key.facts, item.key.laterality)
        if judged.contradicted or judged.missed or judged.unread:
            yield "report", f"{judged.contradicted} {judged.missed} {judged.unread}"


def _messages(item: Item) -> Iterator[tuple[str, str]]:
    content = [part for message in item.messages() for part in message["content"]]
    slots = sum(part["type"] == "image" for part in content)
    if slots != len(item.images) or not item.images:
        yield "messages", f"{slots} image slots for {len(item.images)} pictures"
    if any(set(part) != ({"type"} if part["type"] == "image" else {"type", "text"}) for part in content):
        yield "messages", "a content item owns another key than type and text"


def _evidence(item: Item, case: Case) -> Iterator[tuple[str, str]]:
    known = {finding.finding_id for finding in case.findings}
    views = {view.view_id for view in case.views}
    for evidence in item.evidence:
        if evidence.finding_id not in known or evidence.view_id not in views:
            yield "evidence", f"{evidence.finding_id} in {evidence.view_id}"
