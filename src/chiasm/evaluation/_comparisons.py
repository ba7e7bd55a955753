"""Models against each other on the same items: differences with intervals, tests, and the count of wins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.evaluation._class_figures import positive_score
from chiasm.evaluation._figures import Cell, cells, main_estimate, main_metric
from chiasm.evaluation._marking import Marked
from chiasm.evaluation.statistics import Difference, Estimate, auc, difference, holm, mcnemar, swap_test


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One metric of two models over the items that both answered."""

    a: str
    b: str
    data: str
    fov_mm: float | None
    task: str
    metric: str
    difference: float | None
    """A minus B."""
    lo: float | None
    hi: float | None
    p_value: float | None
    p_adjusted: float | None
    """Holm's, over all comparisons of this table."""
    n: int
    n_left_out: int
    """Items that one of the two left unscored."""
    only_a: int
    """Right by A alone."""
    only_b: int
    p_mcnemar: float | None
    """Mid-p, items taken as independent."""
    p_swap: float | None
    """Swapping the two models' names patient by patient; keeps its level with several items a patient."""
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare_all(
    marks: Mapping[str, Sequence[Marked]], data: str, *, rng: np.random.Generator, pairs: Sequence[tuple[str, str]] = ()
) -> list[Pair]:
    """Compare models on whole tasks and their fields of view.

    Args:
        marks: By model, over the same items in the same order.
        data: Name of the data, for the rows.
        rng: For swap tests.
        pairs: (A, B) to compare; none: every pair.
    """
    wanted = list(pairs) or list(combinations(marks, 2))
    found: list[Pair] = []
    for a, b in wanted:
        for ours, theirs in zip(_whole_cells(marks[a]), _whole_cells(marks[b]), strict=True):
            found.extend(_compare(a, b, data, ours, theirs, rng))
    adjusted = holm([math.nan if p.p_value is None else p.p_value for p in found])
    return [replace(p, p_adjusted=_plain(q)) for p, q in zip(found, adjusted, strict=True)]


def win_tie_loss(pairs: Sequence[Pair], *, alpha: float = 0.05) -> list[dict[str, Any]]:
    """For each pair of models: on how many tasks A is better, worse, or not told apart, after correction.

    Only main metrics over whole tasks count, so that no task counts twice.
    """
    table: dict[tuple[str, str], dict[str, int]] = {}
    for pair in pairs:
        if pair.metric == "auc" or pair.difference is None:
            continue
        row = table.setdefault((pair.a, pair.b), {"win": 0, "tie": 0, "loss": 0})
        sure = pair.p_adjusted is not None and pair.p_adjusted < alpha
        row["tie" if not sure else "win" if pair.difference > 0 else "loss"] += 1
    return [{"a": a, "b": b, **counts} for (a, b), counts in table.items()]


def _whole_cells(marked: Sequence[Marked]) -> list[Cell]:
    return [c for c in cells(marked) if c.group == "all" and not c.task.startswith("[")]


def _compare(a: str, b: str, data: str, ours: Cell, theirs: Cell, rng: np.random.Generator) -> list[Pair]:
    both = [(x, y) for x, y in zip(ours.marked, theirs.marked, strict=True) if x.scored and y.scored]
    left_out = len(ours.marked) - len(both)
    mine, others = [x for x, _ in both], [y for _, y in both]
    patients = [m.item.patient_id for m in mine]
    hits_a, hits_b = [m.tolerant.exact for m in mine], [m.tolerant.exact for m in others]
    test = mcnemar(hits_a, hits_b)
    p_swap = swap_test(
        [m.tolerant.graded for m in mine], [m.tolerant.graded for m in others], rng=rng, clusters=patients
    )
    figures: list[tuple[str, Difference]] = []
    if both:
        figures.append((main_metric(mine), difference(main_estimate(mine), main_estimate(others))))
        name = _positive_class(mine, others)
        if name is not None:
            figures.append(("auc", difference(_auc(mine, name, patients), _auc(others, name, patients))))
    return [
        Pair(
            a=a,
            b=b,
            data=data,
            fov_mm=ours.fov_mm,
            task=ours.task,
            metric=metric,
            difference=_plain(d.value),
            lo=_plain(d.lo),
            hi=_plain(d.hi),
            p_value=_plain(d.p_value),
            p_adjusted=None,
            n=d.n,
            n_left_out=left_out,
            only_a=test.only_a,
            only_b=test.only_b,
            p_mcnemar=_plain(test.p_mid) if both else None,
            p_swap=_plain(p_swap) if both else None,
            note=d.note,
        )
        for metric, d in figures
    ]


def _positive_class(mine: Sequence[Marked], others: Sequence[Marked]) -> str | None:
    """The second of two classes, where both models scored every item."""
    names = mine[0].item.classes
    if len(names) != 2 or any(m.probabilities is None for m in (*mine, *others)):
        return None
    return names[1]


def _auc(marked: Sequence[Marked], name: str, patients: list[str]) -> Estimate:
    return auc([m.item.truth == name for m in marked], [positive_score(m, name) for m in marked], clusters=patients)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
