"""Figures of one classification task: from the answers, and from the probabilities where the model gave some."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from chiasm.evaluation._marking import Marked
from chiasm.evaluation.metrics import (
    ClassAnswers,
    area_under_risk_coverage,
    brier,
    expected_calibration_error,
    sensitivity_at_specificity,
)
from chiasm.evaluation.statistics import Estimate, auc, kappa

SPECIFICITY: Final = 0.9
FEWEST: Final = 10
"""Items below which no threshold is chosen and no calibration computed."""


def class_figures(
    marked: Sequence[Marked], patients: list[str], rng: np.random.Generator, *, brief: bool, resample: bool
) -> Iterator[tuple[str, Estimate]]:
    """Balanced accuracy and its parts; AUC, calibration and abstention from probabilities; kappa where ordered.

    Args:
        marked: Items over one set of classes.
        patients: Of each item.
        rng: For bootstraps.
        brief: Only balanced accuracy and AUC.
        resample: Whether to add the figures of probabilities, most of which need a bootstrap.
    """
    answers = class_answers(marked, patients)
    names = answers.classes
    yield "balanced_accuracy", answers.balanced_accuracy()
    known = any(m.probabilities is not None for m in marked)
    if known and len(names) == 2:
        yield "auc", auc_of(marked, patients, names[1])
    if brief:
        return
    yield "macro_f1", answers.macro_f1()
    for figures in answers.per_class():
        yield f"precision[{figures.name}]", figures.precision
        yield f"recall[{figures.name}]", figures.recall
        yield f"f1[{figures.name}]", figures.f1
    if all(m.item.ordinal for m in marked):
        yield "quadratic_kappa", _kappa(marked, names, patients)
    if known and resample:
        yield from _probability_figures(marked, names, patients, rng)


def class_answers(marked: Sequence[Marked], patients: Sequence[str]) -> ClassAnswers:
    """The tolerant answers as a classification."""
    names = tuple(dict.fromkeys(name for m in marked for name in m.item.classes))
    return ClassAnswers(
        [m.item.truth for m in marked], [m.tolerant.answer for m in marked], classes=names, clusters=list(patients)
    )


def positive_score(m: Marked, name: str) -> float:
    """The score of one class; NaN where unscored or no option was scored."""
    return m.probabilities[name] if m.scored and m.probabilities is not None else math.nan


def confidence(m: Marked) -> float:
    """Probability of the answer given; NaN where there is none, or the scores are no probabilities."""
    p, said = m.probabilities, m.tolerant.answer
    if not m.scored or p is None or said is None or said not in p or not _is_distribution(p.values()):
        return math.nan
    return min(1.0, p[said])


def auc_of(marked: Sequence[Marked], patients: list[str], name: str | None = None) -> Estimate:
    """AUC of one class against the rest; by default of the last of all classes."""
    name = name or marked[0].item.classes[-1]
    return auc([m.item.truth == name for m in marked], [positive_score(m, name) for m in marked], clusters=patients)


def _kappa(marked: Sequence[Marked], names: tuple[str, ...], patients: list[str]) -> Estimate:
    """Over answers that are a grade; others count as unscored here, and as wrong everywhere else."""
    place = {name: float(i) for i, name in enumerate(names)}
    answers = [place.get(m.tolerant.answer or "", math.nan) for m in marked]
    return kappa([place[m.item.truth] for m in marked], answers, n_grades=len(names), clusters=patients)


def _probability_figures(
    marked: Sequence[Marked], names: tuple[str, ...], patients: list[str], rng: np.random.Generator
) -> Iterator[tuple[str, Estimate]]:
    if len(names) > 2:
        for name in names:
            if any(m.item.truth == name for m in marked) and any(m.item.truth != name for m in marked):
                yield f"auc[{name}]", auc_of(marked, patients, name)
    elif len(marked) >= FEWEST:
        scores = [positive_score(m, names[1]) for m in marked]
        truth = [m.item.truth == names[1] for m in marked]
        figure = sensitivity_at_specificity(truth, scores, specificity=SPECIFICITY, rng=rng, clusters=patients)
        yield f"sensitivity_at_specificity_{SPECIFICITY:g}", figure
        if all(m.probabilities is None or _is_distribution(m.probabilities.values()) for m in marked):
            yield "brier", brier([min(max(s, 0.0), 1.0) for s in scores], truth, clusters=patients)
    sure = [confidence(m) for m in marked]
    if len(marked) >= FEWEST and not all(map(math.isnan, sure)):
        right = [m.tolerant.exact for m in marked]
        yield "calibration_error", expected_calibration_error(sure, right, rng=rng, clusters=patients)
        yield "area_under_risk_coverage", area_under_risk_coverage(sure, right, clusters=patients)


def _is_distribution(values: Iterable[float]) -> bool:
    known = list(values)
    return abs(sum(known) - 1) < 1e-3 and min(known) > -1e-9
