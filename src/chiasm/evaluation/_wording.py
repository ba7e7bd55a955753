"""What the wording of questions tells without the picture: an n-gram model and the nearest neighbour against the majority answer.

A set of questions leaks where a model that reads only the text beats the most frequent answer. Both models are cross-validated
by case; the p-value is that of permuting the answers among the questions of one group and context.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from chiasm.evaluation.statistics import holm
from chiasm.questions import LETTERS, Item

FOLDS: Final = 4
LEAST: Final = 40
"""Groups of fewer questions, or of one answer, are left out."""
NEIGHBOURS: Final = 15
LEVEL: Final = 0.05
POWER: Final = 0.8
PLACE_GRID: Final = 250
"""Places are told apart by quarters of the image's thousandths."""


class Worded(NamedTuple):
    """One question as text."""

    case_id: str
    group: str
    """Program and form: what is judged together."""
    context: str
    """What the header rightly tells, such as the field: the majority answer is taken, and answers are permuted, within it."""
    prompt: str
    answer: str
    """The answer as a class."""


class TextOnly(NamedTuple):
    """What a text-only model reaches on one group."""

    group: str
    model: str
    n: int
    majority: float
    """Share of the most frequent answer of each context."""
    right: float
    """Share that the model answers rightly."""
    p: float
    """After Holm's correction over every group and model; 1 where the majority is not beaten."""
    detectable: float
    """Excess over the majority that would be found with a power of 80 % at Holm's first step."""


def worded(item: Item, context: str = "") -> Worded:
    """A question as text; the answer's class is an option's text for a letter, coarse for numbers and places."""
    return Worded(item.case_id, f"{item.program}/{item.form}", context, item.prompt, _answer_class(item))


def text_only(
    questions: Sequence[Worded], rng: np.random.Generator, *, n_permutations: int = 10_000
) -> tuple[TextOnly, ...]:
    """Judge every group of enough questions.

    Args:
        questions: Of `worded`; at most one of a group and case makes the permutation exact.
        rng: Draws the permutations.
        n_permutations: Must be well above the number of groups over the level, for Holm's correction.
    """
    groups: dict[str, list[Worded]] = defaultdict(list)
    for question in questions:
        groups[question.group].append(question)
    raw = [
        result
        for group in groups.values()
        if len(group) >= LEAST and len({q.answer for q in group}) > 1
        for result in _group(group, rng, n_permutations)
    ]
    adjusted = holm([r.p for r in raw])
    z = float(norm.ppf(1 - LEVEL / max(len(raw), 1)) + norm.ppf(POWER))
    return tuple(
        r._replace(p=p, detectable=z * float(np.sqrt(r.majority * (1 - r.majority) / r.n)))
        for r, p in zip(raw, adjusted, strict=True)
    )


def _group(group: list[Worded], rng: np.random.Generator, n_permutations: int) -> list[TextOnly]:
    names = {name: k for k, name in enumerate(sorted({q.answer for q in group}))}
    truth = np.array([names[q.answer] for q in group])
    cases = {case: k for k, case in enumerate(dict.fromkeys(q.case_id for q in group))}
    folds = np.array([cases[q.case_id] % FOLDS for q in group])
    places = defaultdict(list)
    for k, question in enumerate(group):
        places[question.context].append(k)
    contexts = [np.array(where) for where in places.values()]
    most = sum(Counter(truth[where].tolist()).most_common(1)[0][1] for where in contexts)
    results = []
    for model, guess in _predictions([q.prompt.lower() for q in group], truth, folds).items():
        right = int((guess == truth).sum())
        p = _permuted(guess, truth, contexts, rng, n_permutations) if right > most else 1.0
        results.append(TextOnly(group[0].group, model, len(group), most / len(group), right / len(group), p, 0.0))
    return results


def _predictions(texts: list[str], truth: NDArray[np.int64], folds: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    found = {"n-gram": np.empty(len(texts), np.int64), "nearest": np.empty(len(texts), np.int64)}
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(train):
            continue
        counts = CountVectorizer(ngram_range=(1, 3), token_pattern=r"\S+", binary=True)
        x = counts.fit_transform([texts[k] for k in train])
        new: Any = counts.transform([texts[k] for k in test])
        neighbours = KNeighborsClassifier(n_neighbors=min(NEIGHBOURS, len(train)), metric="cosine")
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "The number of unique classes"
            )  # many classes of few samples are the point
            found["n-gram"][test] = MultinomialNB(alpha=1.0).fit(x, truth[train]).predict(new)
            found["nearest"][test] = neighbours.fit(normalize(x), truth[train]).predict(normalize(new))
    return found


def _permuted(
    guess: NDArray[np.int64],
    truth: NDArray[np.int64],
    contexts: list[NDArray[np.int64]],
    rng: np.random.Generator,
    rounds: int,
) -> float:
    observed = int((guess == truth).sum())
    reached = 0
    for _ in range(rounds):
        reached += sum(int((guess[where] == rng.permutation(truth[where])).sum()) for where in contexts) >= observed
    return (1 + reached) / (rounds + 1)


def _answer_class(item: Item) -> str:
    answer = item.key.answer.model_dump()
    if item.key.expects == "choice" and "letter" in answer:
        return item.options[LETTERS.index(answer["letter"])]
    if "value" in answer and not isinstance(answer["value"], str):
        return f"{float(answer['value']):.1g}"
    if "boxes" in answer or "points" in answer:
        places = answer["boxes"] if "boxes" in answer else answer["points"]
        return f"{len(places)} {[round(v / PLACE_GRID) for v in places[0][:2]] if places else ''}"
    return item.answer_text
