"""The words of a question tell nothing about its answer."""

from collections import defaultdict

import numpy as np
import pytest

from chiasm.case import Case
from chiasm.evaluation import TextOnly, Worded, text_only, worded
from chiasm.questions import Chart, Item, ask, programs

PER_PROGRAM = 48


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
    return found


@pytest.fixture(scope="module")
def judged(by_program: dict[str, list[Item]]) -> tuple[TextOnly, ...]:
    """Programs of one form, and the two forms of the others together: a letter's class is the text of its option."""
    rows = [
        worded(item)._replace(group=name, context=item.form)
        for name, items in by_program.items()
        if name not in ("describe", "report")
        for item in items
    ]
    return text_only(rows, np.random.default_rng(9), n_permutations=10_000)


def test_text_alone_stays_within_two_points_of_the_majority_answer(judged: tuple[TextOnly, ...]) -> None:
    for model in ("n-gram", "nearest"):
        rows = [r for r in judged if r.model == model]
        assert len(rows) >= 50
        total = sum(r.n for r in rows)
        right = sum(r.right * r.n for r in rows) / total
        assert right <= sum(r.majority * r.n for r in rows) / total + 0.02, model


def test_no_program_beats_its_majority_answer_after_holm(judged: tuple[TextOnly, ...]) -> None:
    assert all(r.p > 0.05 for r in judged), [r for r in judged if r.p <= 0.05]


def test_a_word_that_tells_the_answer_is_found() -> None:
    rng = np.random.default_rng(3)
    answers = [str(a) for a in rng.choice(["yes", "no"], 200)]
    fair = [Worded(str(k), "fair", "", f"is there any {rng.integers(9)}", a) for k, a in enumerate(answers)]
    told = [
        row._replace(
            group="told", prompt=row.prompt + (" surely" if row.answer == "yes" and rng.random() < 0.5 else "")
        )
        for row in fair
    ]
    found = {(r.group, r.model): r for r in text_only(fair + told, rng, n_permutations=1000)}
    assert found["fair", "n-gram"].p > 0.05
    assert found["told", "n-gram"].p < 0.05
    assert found["told", "n-gram"].right > found["told", "n-gram"].majority + 0.1
    assert 0.05 < found["fair", "nearest"].detectable < 0.15


def test_options_are_always_the_whole_answer_space(by_program: dict[str, list[Item]]) -> None:
    for name, items in by_program.items():
        spaces = {frozenset(i.options) for i in items if i.form == "choice"}
        assert len(spaces) <= 1, name


def test_the_header_and_the_hint_do_not_depend_on_the_answer(by_program: dict[str, list[Item]]) -> None:
    for name, items in by_program.items():
        hints = {i.prompt.split("\n")[-1] for i in items if i.form == "free"}
        assert len(hints) <= 2, (name, hints)
