"""Models against each other on the same items: differences with intervals, tests, and the count of wins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np

from chiasm.errors import InvalidInput
from chiasm.evaluation._marking import Marked
from chiasm.evaluation.metrics import ClassAnswers
from chiasm.evaluation.statistics import (
    Difference,
    Estimate,
    auc,
    cases_for_auc_difference,
    cases_for_paired_shares,
    detectable_paired_difference,
    difference,
    finite_or_none,
    holm,
    mcnemar,
    mean_score,
    swap_test,
)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a comparison needs to know of one marked item."""

    item_id: str
    patient_id: str
    task: str
    fov_mm: float | None
    classes: tuple[str, ...]
    truth: str
    answer: str | None
    exact: float
    """NaN where unscored."""
    graded: float
    positive: float
    """Score of the second class; NaN where there is none."""

    @classmethod
    def of(cls, m: Marked) -> Self:
        """From marks."""
        p, names = m.probabilities, m.item.classes
        return cls(
            item_id=m.item.item_id,
            patient_id=m.item.patient_id,
            task=m.item.task,
            fov_mm=m.item.fov_mm,
            classes=names,
            truth=m.item.truth,
            answer=m.tolerant.answer,
            exact=m.tolerant.exact,
            graded=m.tolerant.graded,
            positive=p[names[1]] if m.scored and p is not None and len(names) > 1 else math.nan,
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One metric of two models over the items that both answered."""

    a: str
    b: str
    data: str
    fov_mm: float | None
    task: str
    metric: str = ""
    difference: float | None = None
    """A minus B."""
    lo: float | None = None
    hi: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    """Holm's, over all comparisons of this table."""
    n: int = 0
    n_left_out: int = 0
    """Items that one of the two left unscored."""
    only_a: int = 0
    """Right by A alone."""
    only_b: int = 0
    p_mcnemar: float | None = None
    """Mid-p, items taken as independent."""
    p_swap: float | None = None
    """Swapping the two models' names patient by patient; keeps its level with several items a patient."""
    n_needed: int | None = None
    """Items to see the difference found here with 80 % power, if it is the true one: of right answers, or of AUCs."""
    detectable: float | None = None
    """The smallest difference in right answers that these items show with 80 % power; None for AUCs, or where none would do."""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare_all(
    marks: Mapping[str, Sequence[Answered]],
    data: str,
    *,
    rng: np.random.Generator,
    pairs: Sequence[tuple[str, str]] = (),
) -> list[Pair]:
    """Compare models on whole tasks and their fields of view.

    Args:
        marks: By model, over the same items in the same order.
        data: Name of the data, for the rows.
        rng: For swap tests.
        pairs: (A, B) to compare; none: every pair.

    Raises:
        InvalidInput: Two models were not asked the same items.
    """
    wanted = list(pairs) or list(combinations(marks, 2))
    found: list[Pair] = []
    for a, b in wanted:
        ours, theirs = marks[a], marks[b]
        if [x.item_id for x in ours] != [y.item_id for y in theirs]:
            msg = f"{a} and {b} must have been asked the same items of {data}, in the same order"
            raise InvalidInput(msg)
        for task, fov_mm, places in _cells(ours):
            both = ([ours[i] for i in places], [theirs[i] for i in places])
            found.extend(_compare(Pair(a=a, b=b, data=data, fov_mm=fov_mm, task=task), *both, rng))
    adjusted = holm([math.nan if p.p_value is None else p.p_value for p in found])
    return [replace(p, p_adjusted=finite_or_none(q)) for p, q in zip(found, adjusted, strict=True)]


def win_tie_loss(pairs: Sequence[Pair], *, alpha: float = 0.05) -> list[dict[str, Any]]:
    """For each pair of models: on how many tasks A is better, worse, or not told apart, after correction.

    Only main metrics count, of the fields of view where a task has several, so that no item counts twice.
    """
    split = {(p.a, p.b, p.data, p.task) for p in pairs if p.fov_mm is not None}
    table: dict[tuple[str, str], dict[str, int]] = {}
    for pair in pairs:
        doubled = pair.fov_mm is None and (pair.a, pair.b, pair.data, pair.task) in split
        if pair.metric == "auc" or pair.difference is None or doubled:
            continue
        row = table.setdefault((pair.a, pair.b), {"win": 0, "tie": 0, "loss": 0})
        sure = pair.p_adjusted is not None and pair.p_adjusted < alpha
        row["tie" if not sure else "win" if pair.difference > 0 else "loss"] += 1
    return [{"a": a, "b": b, **counts} for (a, b), counts in table.items()]


def _cells(answered: Sequence[Answered]) -> list[tuple[str, float | None, list[int]]]:
    """(task, field of view, places): the whole task, and each field where there are several."""
    out: list[tuple[str, float | None, list[int]]] = []
    for task in dict.fromkeys(x.task for x in answered):
        own = [i for i, x in enumerate(answered) if x.task == task]
        fields = list(dict.fromkeys(answered[i].fov_mm for i in own))
        if len(fields) == 1:
            out.append((task, fields[0], own))
            continue
        out.append((task, None, own))
        known = sorted(f for f in fields if f is not None)
        out.extend((task, f, [i for i in own if answered[i].fov_mm == f]) for f in known)
    return out


def _compare(base: Pair, ours: list[Answered], theirs: list[Answered], rng: np.random.Generator) -> list[Pair]:
    both = [(x, y) for x, y in zip(ours, theirs, strict=True) if not (math.isnan(x.exact) or math.isnan(y.exact))]
    base = replace(base, n_left_out=len(ours) - len(both), n=len(both))
    if not both:
        return []
    mine, others = [x for x, _ in both], [y for _, y in both]
    patients = [x.patient_id for x in mine]
    test = mcnemar([x.exact for x in mine], [y.exact for y in others])
    p_swap = swap_test([x.graded for x in mine], [y.graded for y in others], rng=rng, clusters=patients)
    base = replace(
        base,
        only_a=test.only_a,
        only_b=test.only_b,
        p_mcnemar=finite_or_none(test.p_mid),
        p_swap=finite_or_none(p_swap),
    )
    metric = "balanced_accuracy" if _one_set(mine) else "score"
    main = _filled(base, metric, difference(_main(mine, patients), _main(others, patients)))
    out = [replace(main, n_needed=_needed(base), detectable=_detectable(base))]
    if len(mine[0].classes) == 2 and _one_set(mine) and not any(math.isnan(x.positive) for x in (*mine, *others)):
        a, b = _auc(mine, patients), _auc(others, patients)
        d = difference(a, b)
        share = sum(x.truth == x.classes[1] for x in mine) / len(mine)
        out.append(replace(_filled(base, "auc", d), n_needed=_needed_for_auc(a.value, b.value, d.correlation, share)))
    return out


def _filled(base: Pair, metric: str, d: Difference) -> Pair:
    return replace(
        base,
        metric=metric,
        difference=finite_or_none(d.value),
        lo=finite_or_none(d.lo),
        hi=finite_or_none(d.hi),
        p_value=finite_or_none(d.p_value),
        note=d.note,
    )


def _needed(base: Pair) -> int | None:
    """At the share of items on which the two differ; None where they are equally often right."""
    found = abs(base.only_a - base.only_b) / base.n
    return cases_for_paired_shares(found, discordant=(base.only_a + base.only_b) / base.n) if found > 0 else None


def _detectable(base: Pair) -> float | None:
    discordant = (base.only_a + base.only_b) / base.n
    return finite_or_none(detectable_paired_difference(base.n, discordant=discordant)) if discordant > 0 else None


def _needed_for_auc(a: float, b: float, correlation: float, positive_share: float) -> int | None:
    """None where an AUC is undefined or on its bound, where no variance is known, or where the two are equal."""
    if not (0 < a < 1 and 0 < b < 1 and abs(a - b) > 1e-3 and abs(correlation) < 1):
        return None
    return cases_for_auc_difference(a, b, positive_share=positive_share, correlation=correlation)


def _one_set(answered: Sequence[Answered]) -> bool:
    return len({frozenset(x.classes) for x in answered}) == 1 and len(answered[0].classes) >= 2


def _main(answered: Sequence[Answered], patients: list[str]) -> Estimate:
    if not _one_set(answered):
        return mean_score([x.graded for x in answered], clusters=patients)
    names = tuple(dict.fromkeys(name for x in answered for name in x.classes))
    said = [x.answer for x in answered]
    return ClassAnswers([x.truth for x in answered], said, classes=names, clusters=patients).balanced_accuracy()


def _auc(answered: Sequence[Answered], patients: list[str]) -> Estimate:
    positive = [x.truth == x.classes[1] for x in answered]
    return auc(positive, [x.positive for x in answered], clusters=patients)
