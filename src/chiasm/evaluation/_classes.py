"""Which answers are classes: from a key to the classes, the options to score, and the right class."""

from __future__ import annotations

from typing import NamedTuple

from chiasm.questions import (
    LETTERS,
    Answer,
    CategoryAnswer,
    ChoiceAnswer,
    Key,
    Unjudged,
    YesNoAnswer,
    write_answer,
)

UNJUDGED = write_answer(Unjudged())


class Classes(NamedTuple):
    """A key seen as a classification; all empty where its answer is not one of a few."""

    names: tuple[str, ...] = ()
    truth: str = ""
    options: tuple[str, ...] = ()
    """Canonical answers, in the order of `names`."""
    ordinal: bool = False


def classes_of_key(key: Key) -> Classes:
    """Yes/no, category and choice keys as classifications; choices by their text, for letters mean nothing across items.

    "Cannot be judged" is a class of its own where it is the right answer.
    """
    names: tuple[str, ...] = ("no", "yes") if key.expects == "yesno" else key.options
    if key.expects not in ("yesno", "category", "choice"):
        return Classes()
    options = tuple(LETTERS[: len(names)]) if key.expects == "choice" else names
    truth = class_of_answer(key.answer, key)
    if truth == UNJUDGED:
        names, options = (*names, UNJUDGED), (*options, UNJUDGED)
    return Classes(names, truth, options, key.ordinal)


def class_of_answer(answer: Answer, key: Key) -> str:
    """The class that an answer names."""
    match answer:
        case ChoiceAnswer():
            place = LETTERS.index(answer.letter)
            return key.options[place] if place < len(key.options) else answer.letter
        case CategoryAnswer():
            return answer.value
        case YesNoAnswer():
            return "yes" if answer.yes else "no"
        case _:
            return write_answer(answer)
