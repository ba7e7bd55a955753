"""What any model must beat: the most common answer, the nearest question text, itself without the right image.

The first two are given the truth of the exam itself (the nearest text that of other patients), which makes them harder to
beat than if they had learned from training data. The last two are the model itself, asked over other pictures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low

import numpy as np

from chiasm.evaluation._question import ExamItem, Picture, Reply
from chiasm.questions import LETTERS, CountAnswer, NumberAnswer, write_answer

MAJORITY = "majority answer"
NEAREST = "nearest text"
BLIND = "(image-blind)"
SHUFFLED = "(image-shuffled)"
_GREY = 128
_MOST_TEXTS = 4000


def majority_replies(items: Sequence[ExamItem]) -> list[Reply]:
    """For each task its most common right answer (for numbers their median), given to every item."""
    by_task: dict[str, list[ExamItem]] = defaultdict(list)
    for item in items:
        by_task[item.task].append(item)
    common = {task: _common([_label(i) for i in own], own) for task, own in by_task.items()}
    return [_reply(item, common[item.task]) for item in items]


def nearest_text_replies(items: Sequence[ExamItem]) -> list[Reply]:
    """The commonest right answer of the other patients' questions whose words are nearest (TF-IDF of words, cosine).

    A score above the majority's says that the words of the question give the answer away.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    replies: list[Reply | None] = [None] * len(items)
    by_task: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        by_task[item.task].append(place)
    for places in by_task.values():
        own = [items[i] for i in places]
        pool = own[:_MOST_TEXTS]
        texts = TfidfVectorizer(token_pattern=r"[^\s]+", sublinear_tf=True).fit_transform(
            [i.question.prompt for i in own]
        )
        labels = [_label(i) for i in pool]
        owners = np.array([i.patient_id for i in pool])
        for row, (place, item) in enumerate(zip(places, own, strict=True)):
            near = np.asarray((texts[row] @ texts[: len(pool)].T).todense()).ravel()
            near[owners == item.patient_id] = -1
            best = np.flatnonzero(near >= near.max() - 1e-9)
            if near.max() < 0:
                replies[place] = Reply(None, problem="no other patient was asked this")
                continue
            replies[place] = _reply(item, _common([labels[b] for b in best], [pool[b] for b in best]))
    return [r for r in replies if r is not None]


def blind_items(items: Sequence[ExamItem]) -> list[ExamItem]:
    """The same questions over uniform grey pictures of the same sizes."""
    grey: dict[str, Picture] = {}

    def blank(picture: Picture) -> Picture:
        if picture.sha256 not in grey:  # many items share a picture
            grey[picture.sha256] = Picture.from_array(np.full(picture.array().shape, _GREY, np.uint8))
        return grey[picture.sha256]

    return [_with_pictures(i, tuple(blank(p) for p in i.question.pictures)) for i in items]


def shuffled_items(items: Sequence[ExamItem], rng: np.random.Generator) -> list[ExamItem | None]:
    """The same questions over another patient's pictures of the same task and field of view; None where there is no other."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        groups[item.task, item.fov_mm, len(item.question.pictures)].append(place)
    out: list[ExamItem | None] = [None] * len(items)
    for places in groups.values():
        for place in places:
            others = [p for p in places if items[p].patient_id != items[place].patient_id]
            if others:
                giver = items[others[int(rng.integers(len(others)))]]
                out[place] = _with_pictures(items[place], giver.question.pictures)
    return out


def answer_for_class(item: ExamItem, name: str) -> str:
    """A canonical answer of an item that names a class; the class itself where none of the item's answers does."""
    if item.merge:
        return next((answer for answer, merged in item.merge.items() if merged == name), name)
    if item.key.expects == "choice" and name in item.key.options:
        return LETTERS[item.key.options.index(name)]
    return name


def _with_pictures(item: ExamItem, pictures: tuple[Picture, ...]) -> ExamItem:
    return replace(item, question=item.question.with_pictures(pictures))


def _label(item: ExamItem) -> str:
    return item.truth if item.classes else write_answer(item.key.answer)


def _common(labels: Sequence[str], items: Sequence[ExamItem]) -> str:
    """The most common label, the first of equals; for numbers the median."""
    answers = [i.key.answer for i in items]
    numbers = [a for a in answers if isinstance(a, NumberAnswer | CountAnswer)]
    if numbers and len(numbers) == len(answers):
        middle = median_low(a.value for a in numbers)
        return write_answer(next(a for a in numbers if a.value == middle))
    return Counter(labels).most_common(1)[0][0]


def _reply(item: ExamItem, label: str) -> Reply:
    return Reply(f"<answer>{answer_for_class(item, label) if item.classes else label}</answer>")
