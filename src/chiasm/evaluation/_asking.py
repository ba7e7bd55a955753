"""Ask a model every question of a exam: in batches, from the cache where it knows, and with progress."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tqdm import tqdm

from chiasm.errors import InvalidInput
from chiasm.evaluation._cache import AnswerCache, cache_key
from chiasm.evaluation._model import Fingerprinted, Model, SavedAnswers, checked_reply
from chiasm.evaluation._question import ExamItem, Question, Reply


class Answers(NamedTuple):
    """A model's replies to the items, in their order."""

    replies: tuple[Reply, ...]
    n_cached: int
    """Replies that were not asked for again."""
    seconds: float
    """Spent inside the model."""
    problems: Counter[str]
    """Why items are unscored, counted."""
    unknown_ids: tuple[str, ...] = ()
    """Saved answers to items that this set does not hold."""


def ask_all_items(
    model: Model,
    items: Sequence[ExamItem],
    *,
    cache: AnswerCache | None = None,
    batch_size: int = 16,
    quiet: bool = False,
    label: str = "",
) -> Answers:
    """Ask, batch by batch, and keep each batch before the next.

    Args:
        model: Who answers.
        items: What is asked; the model sees only their questions.
        cache: Where replies are kept; used only for a model with a fingerprint.
        batch_size: Questions handed to the model at once.
        quiet: No progress bar.
        label: What the bar says.

    Raises:
        InvalidInput: The model returned another number of replies than questions, or a reply that breaks the protocol.
    """
    questions = [item.question for item in items]
    keys: list[str | None] = [None] * len(questions)
    if cache is not None and isinstance(model, Fingerprinted):
        keys = [cache_key(model.fingerprint, q) for q in questions]
    replies: dict[int, Reply] = {}
    for i, key in enumerate(keys):
        known = cache.get(key) if cache is not None and key is not None else None
        if known is not None:
            replies[i] = known
    n_cached = len(replies)
    todo = [i for i in range(len(questions)) if i not in replies]
    seconds = 0.0
    with tqdm(total=len(todo), desc=label or model.name, disable=quiet or not todo, file=sys.stderr, unit="q") as bar:
        for start in range(0, len(todo), batch_size):
            batch = todo[start : start + batch_size]
            began = time.perf_counter()
            got = _one_batch(model, [questions[i] for i in batch])
            seconds += time.perf_counter() - began
            replies.update(zip(batch, got, strict=True))
            if cache is not None:
                cache.put((key, r) for i, r in zip(batch, got, strict=True) if (key := keys[i]) is not None)
            bar.update(len(batch))
    ordered = tuple(replies[i] for i in range(len(questions)))
    problems = Counter(r.problem for r in ordered if r.text is None)
    unknown: tuple[str, ...] = ()
    if isinstance(model, SavedAnswers):
        unknown = tuple(sorted(model.ids - {q.question_id for q in questions}))
    return Answers(ordered, n_cached, seconds, problems, unknown)


def _one_batch(model: Model, questions: list[Question]) -> list[Reply]:
    got = model.answer(questions)
    if len(got) != len(questions):
        msg = (
            f"model {model.name} returned {len(got)} replies to {len(questions)} questions; it must return one for each"
        )
        raise InvalidInput(msg)
    return [checked_reply(r, q) for r, q in zip(got, questions, strict=True)]
