"""The same question in other words, and the same options in another order."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np

from chiasm.evaluation._classes import classes_of_key
from chiasm.evaluation._question import ExamItem
from chiasm.questions import LETTERS, ChoiceAnswer, language

WORDINGS: Final = (
    "Look closely at the picture before you answer.\n{}",
    "You are reading an examination. {}",
    "{}\nKeep to the answer format.",
    "Question: {}\nAnswer:",
)
"""Frames that add no information; the question's own words stay, so that its meaning and format cannot change."""


def reworded(item: ExamItem, wording: int) -> ExamItem:
    """The item with its prompt in the frame of that number."""
    prompt = WORDINGS[wording].format(item.question.prompt)
    return replace(item, question=replace(item.question, prompt=prompt))


def paraphrased(item: ExamItem, rng: np.random.Generator) -> ExamItem | None:
    """The item asked by another sentence of the grammar; header, options and answer format stay.

    None where no line of the prompt is a question of the grammar.
    """
    lines = item.question.prompt.splitlines()
    for place, line in enumerate(lines):
        other = language("en").ask_again(line, rng)
        if other is not None:
            lines[place] = other
            return replace(item, question=replace(item.question, prompt="\n".join(lines)))
    return None


def reordered(item: ExamItem, rng: np.random.Generator) -> ExamItem | None:
    """A multiple-choice item with its options in another order, letters and key moved along.

    None where the item has no options, or its prompt does not list them as "A) text".
    """
    key = item.key
    if key.expects != "choice" or len(key.options) < 2 or not isinstance(key.answer, ChoiceAnswer):
        return None
    lines = item.question.prompt.splitlines()
    places = [i for i, line in enumerate(lines) if re.fullmatch(r"[A-J]\) .+", line)]
    if [lines[i][3:] for i in places] != list(key.options):
        return None
    n = len(key.options)
    order = rng.permutation(n)
    while (order == np.arange(n)).all():
        order = rng.permutation(n)
    options = tuple(key.options[int(k)] for k in order)
    for letter, place, text in zip(LETTERS, places, options, strict=False):
        lines[place] = f"{letter}) {text}"
    right = options.index(key.options[LETTERS.index(key.answer.letter)])
    moved = key.model_copy(update={"options": options, "answer": ChoiceAnswer(letter=LETTERS[right])})
    classes = classes_of_key(moved)
    question = replace(item.question, prompt="\n".join(lines), options=classes.options)
    return replace(item, question=question, key=moved, classes=classes.names)
