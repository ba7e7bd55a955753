"""The words of a question tell nothing about its answer."""

import warnings
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from chiasm.case import Case
from chiasm.questions import Chart, Item, ask, programs

PER_PROGRAM = 48
FOLDS = 4
ROUNDS = 1000


def content(item: Item) -> str:
    """The answer as a class: the option's text for a letter, a coarse value for numbers and places."""
    answer = item.key.answer.model_dump()
    if item.key.expects == "choice" and "letter" in answer:
        return item.options["ABCDEFGHIJ".index(answer["letter"])]
    if "value" in answer and not isinstance(answer["value"], str):
        return f"{float(answer['value']):.1g}"
    if "boxes" in answer or "points" in answer:
        places = answer["boxes"] if "boxes" in answer else answer["points"]
        return f"{len(places)} {[round(v / 250) for v in places[0][:2]] if places else ''}"
    return item.answer_text


def predictions(texts: list[str], answers: list[str], folds: np.ndarray) -> dict[str, np.ndarray]:
    """What an n-gram model and the nearest neighbour predict from the text alone, cross-validated."""
    warnings.filterwarnings(
        "ignore", "The number of unique classes"
    )  # many classes of few samples: exactly what is being tested
    found = {"n-gram": np.empty(len(texts), object), "nearest": np.empty(len(texts), object)}
    for fold in range(FOLDS):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        counts = CountVectorizer(ngram_range=(1, 3), token_pattern=r"\S+", binary=True)
        x = counts.fit_transform([texts[k] for k in train])
        y = [answers[k] for k in train]
        new = counts.transform([texts[k] for k in test])
        found["n-gram"][test] = MultinomialNB(alpha=1.0).fit(x, y).predict(new)
        neighbours = KNeighborsClassifier(n_neighbors=15, metric="cosine").fit(normalize(x), y)
        found["nearest"][test] = neighbours.predict(normalize(new))
    return found


@pytest.fixture(scope="module")
def by_program(cases: list[Case]) -> dict[str, list[Item]]:
    """Items by program; a case is asked several times, with other words, arguments and orders."""
    found: dict[str, list[Item]] = defaultdict(list)
    charts = [Chart(case) for case in cases]
    for name in programs():
        for n, chart in enumerate(charts * 2):
            if len(found[name]) >= PER_PROGRAM:
                break
            item = ask(chart, name, np.random.default_rng([n, len(name)]))
            if isinstance(item, Item):
                found[name].append(item)
    return {name: items for name, items in found.items() if len(items) >= 40 and len({content(i) for i in items}) > 1}


@pytest.fixture(scope="module")
def scored(by_program: dict[str, list[Item]]) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray], float]]:
    """Per program: the true answers, the predictions, and the share of the majority answer."""
    found = {}
    for name, items in by_program.items():
        groups = {case: k for k, case in enumerate(dict.fromkeys(i.case_id for i in items))}
        folds = np.array([groups[i.case_id] % FOLDS for i in items])  # by case: no case on both sides
        answers = [content(i) for i in items]
        predicted = predictions([i.prompt.lower() for i in items], answers, folds)
        majority = Counter(answers).most_common(1)[0][1] / len(answers)
        found[name] = (np.array(answers, object), predicted, majority)
    return found


def test_text_alone_stays_within_two_points_of_the_majority_answer(
    scored: dict[str, tuple[np.ndarray, dict[str, np.ndarray], float]],
) -> None:
    assert len(scored) >= 50
    total = sum(len(answers) for answers, _, _ in scored.values())
    majority = sum(share * len(answers) for answers, _, share in scored.values()) / total
    for model in ("n-gram", "nearest"):
        right = sum(int((predicted[model] == answers).sum()) for answers, predicted, _ in scored.values())
        assert right / total <= majority + 0.02, (model, right / total, majority)


def test_no_program_beats_its_majority_answer_after_holm(
    scored: dict[str, tuple[np.ndarray, dict[str, np.ndarray], float]],
) -> None:
    rng = np.random.default_rng(9)
    p_values = {}
    for name, (answers, predicted, majority) in scored.items():
        for model, guess in predicted.items():
            observed = float((guess == answers).mean())
            shuffled = [float((guess == rng.permutation(answers)).mean()) for _ in range(ROUNDS)]
            beats = observed > majority
            p_values[name, model] = (1 + sum(s >= observed for s in shuffled)) / (ROUNDS + 1) if beats else 1.0
    ordered = sorted(p_values.items(), key=lambda pair: pair[1])
    for rank, (name, p) in enumerate(ordered):
        assert p * (len(ordered) - rank) > 0.05, (name, p)


def test_options_are_always_the_whole_answer_space(by_program: dict[str, list[Item]]) -> None:
    for name, items in by_program.items():
        spaces = {frozenset(i.options) for i in items if i.form == "choice"}
        assert len(spaces) <= 1, name


def test_the_header_and_the_hint_do_not_depend_on_the_answer(by_program: dict[str, list[Item]]) -> None:
    for name, items in by_program.items():
        hints = {i.prompt.split("\n")[-1] for i in items if i.form == "free"}
        assert len(hints) <= 2, (name, hints)
