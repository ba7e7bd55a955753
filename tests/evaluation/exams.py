"""Small exams made by hand: pictures whose grey level is the truth, so that a model can really see the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.evaluation import Exam, ExamItem, Picture, Question, Reply, make_exam
from chiasm.questions import (
    BoxesAnswer,
    CategoryAnswer,
    CountAnswer,
    Key,
    NumberAnswer,
    SetAnswer,
    YesNoAnswer,
    write_answer,
)

STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")


def picture(level: int, mark: int) -> Picture:
    """A 32 x 32 picture of one grey level; `mark` makes it unlike all others."""
    pixels = np.full((32, 32), level, np.uint8)
    pixels[0, 0], pixels[0, 1] = mark % 256, mark // 256
    return Picture.from_array(pixels)


def item(
    number: int, task: str, key: Key, *, level: int = 128, patient: int | None = None, **fields: object
) -> ExamItem:
    """One item; its classes follow from the key unless given."""
    from chiasm.evaluation._classes import classes_of_key

    classes = classes_of_key(key)
    defaults = {"classes": classes.names, "truth": classes.truth, "ordinal": classes.ordinal, "fov_mm": 3.0}
    name = f"case-{number if patient is None else patient}"
    question = Question(
        question_id=f"{task}-{number}",
        prompt=f"{task}?",
        pictures=(picture(level, number),),
        options=classes.options,
    )
    return ExamItem(
        question=question,
        case_id=name,
        patient_id=name,
        task=task,
        level="recognition",
        key=key,
        **(defaults | fields),  # type: ignore[arg-type]
    )


def yes_no(number: int, yes: bool, **fields: object) -> ExamItem:
    """Is it bright?"""
    return item(number, "bright", Key(expects="yesno", answer=YesNoAnswer(yes=yes)), level=200 if yes else 40, **fields)


def stage(number: int, grade: int, **fields: object) -> ExamItem:
    """Which of four grades?"""
    key = Key(expects="category", answer=CategoryAnswer(value=STAGES[grade]), options=STAGES, ordinal=True)
    return item(number, "stage", key, level=40 + 50 * grade, **fields)


def mixed_exam(n: int = 20, name: str = "mixed") -> Exam:
    """Every kind of answer, `n` items each, from `n` patients."""
    items: list[ExamItem] = []
    for k in range(n):
        items.append(yes_no(k, k % 2 == 0))
        items.append(stage(k, k % 4))
        number = NumberAnswer(value=0.2 + 0.01 * k, unit="mm2")
        items.append(item(k, "area", Key(expects="number", answer=number, tolerance=0.005)))
        items.append(item(k, "count", Key(expects="count", answer=CountAnswer(value=k % 5))))
        boxes = BoxesAnswer(boxes=((10.0 * k, 100, 10.0 * k + 200, 300),) if k % 3 else ())
        items.append(item(k, "box", Key(expects="boxes", answer=boxes)))
        some = frozenset(STAGES[: k % 4])
        items.append(item(k, "which", Key(expects="set", answer=SetAnswer(values=some), options=STAGES)))
    return make_exam(name, items, [])


class Oracle:
    """Knows every answer; wrong on the items at `wrong`, with probabilities that say so less surely."""

    def __init__(self, exam: Exam, *, name: str = "oracle", wrong: Sequence[str] = (), sure: float = 0.97) -> None:
        self.name = name
        self._items = {i.item_id: i for i in exam.items}
        self._wrong, self._sure = set(wrong), sure

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        return [self._one(self._items[q.question_id]) for q in questions]

    def _one(self, item: ExamItem) -> Reply:
        if not item.classes:
            text = "none" if item.item_id in self._wrong else write_answer(item.key.answer)
            return Reply(f"<think>seen</think><answer>{text}</answer>")
        options = list(item.question.options)
        right = write_answer(item.key.answer)
        said = options[(options.index(right) + 1) % len(options)] if item.item_id in self._wrong else right
        rest = (1 - self._sure) / (len(options) - 1)
        return Reply(f"<answer>{said}</answer>", {o: self._sure if o == said else rest for o in options})


class Looker:
    """Really looks: tells bright from dark by the picture's level."""

    name = "looker"

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        out = []
        for q in questions:
            level = float(q.pictures[0].array()[1:].mean())
            yes = level > 120
            p = min(max(level / 255, 0.01), 0.99)
            out.append(Reply(f"<answer>{'yes' if yes else 'no'}</answer>", {"no": 1 - p, "yes": p}))
        return out


class Constant:
    """Says one thing."""

    def __init__(self, text: str, name: str = "constant") -> None:
        self.name, self._text = name, text

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        return [Reply(f"<answer>{self._text}</answer>") for _ in questions]
