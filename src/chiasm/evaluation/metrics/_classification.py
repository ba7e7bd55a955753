"""Figures for answers that are one of several classes, and for scores of one class.

An answer of None is unscored: the model gave none that could be read because the request failed. An answer outside the
classes is a wrong answer, counted as such, and named in the confusion matrix's last column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation.statistics import (
    Clusters,
    Estimate,
    bootstrap,
    cluster_index,
    combine,
    jackknife,
    proportion,
    undefined,
)

OTHER: Final = "(none of these)"
"""Column of answers that are no class."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Confusion:
    """Counts of truth against answer.

    Attributes:
        classes: Names of the rows, and of all columns but the last.
        counts: (K, K + 1) int; the last column counts answers that are no class.
        n_unscored: Items without an answer.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    n_unscored: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassFigures:
    """Precision, recall and F1 of one class, against all others."""

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate


class ClassAnswers:
    """Truth and answers over a fixed set of classes, checked once.

    Args:
        truth: (N,) class of each item.
        answers: (N,) what was answered; None is unscored.
        classes: Every class, in order; each must be a possible truth.
        clusters: (N,) patient of each item; None: each its own.

    Raises:
        UnknownName: A truth outside the classes.
    """

    def __init__(
        self,
        truth: Sequence[str],
        answers: Sequence[str | None],
        *,
        classes: Sequence[str],
        clusters: Clusters | None = None,
    ) -> None:
        if len(truth) != len(answers):
            msg = f"truth and answers must be of one length, got {len(truth)} and {len(answers)}"
            raise InvalidInput(msg)
        if len(set(classes)) != len(classes) or len(classes) < 2:
            msg = f"classes must be at least two different names, got {list(classes)}"
            raise InvalidInput(msg)
        place = {name: i for i, name in enumerate(classes)}
        for name in truth:
            if name not in place:
                raise UnknownName("class", name, classes)
        self.classes: Final = tuple(classes)
        self.truth: Final = np.array([place[name] for name in truth], dtype=np.intp)
        self.answer: Final = np.array(
            [place.get(a, len(classes)) if a is not None else -1 for a in answers], dtype=np.intp
        )
        self.scored: Final = self.answer >= 0
        self.clusters: Final = cluster_index(clusters, len(truth))

    def confusion(self) -> Confusion:
        """The table of counts."""
        k = len(self.classes)
        flat = self.truth[self.scored] * (k + 1) + self.answer[self.scored]
        counts = np.bincount(flat, minlength=k * (k + 1)).reshape(k, k + 1)
        return Confusion(classes=self.classes, counts=counts, n_unscored=int((~self.scored).sum()))

    def accuracy(self) -> Estimate:
        """Share of right answers."""
        return proportion(self._hits(np.ones_like(self.scored)), clusters=self.clusters)

    def recall(self, name: str) -> Estimate:
        """Share of the items of a class that were answered so; sensitivity, for the positive class."""
        estimate = proportion(self._hits(self.truth == self._place(name)), clusters=self.clusters)
        if not estimate.defined:
            return self._empty(f"no scored item is {name}")
        return replace(estimate, n_unscored=int((~self.scored & (self.truth == self._place(name))).sum()))

    def precision(self, name: str) -> Estimate:
        """Share of the answers of a class that are right."""
        estimate = proportion(self._hits(self.answer == self._place(name)), clusters=self.clusters)
        if not estimate.defined:
            return self._empty(f"{name} was never answered")
        return replace(estimate, n_unscored=int((~self.scored).sum()))

    def f1(self, name: str) -> Estimate:
        """Harmonic mean of precision and recall: 2 j / (1 + j) of the share j = TP / (TP + FP + FN), and so its interval."""
        k = self._place(name)
        share = proportion(self._hits((self.truth == k) | (self.answer == k)), clusters=self.clusters)
        if not share.defined:
            return self._empty(f"no scored item is {name} or was called so")

        def lift(j: float) -> float:
            return 2 * j / (1 + j)

        return replace(
            share,
            value=lift(share.value),
            limits=lambda level: (lift(share.interval(level)[0]), lift(share.interval(level)[1])),
            effect=share.effect * 2 / (1 + share.value) ** 2,
            n_unscored=int((~self.scored).sum()),
            method=f"{share.method}, on TP / (TP + FP + FN)",
        )

    def per_class(self) -> tuple[ClassFigures, ...]:
        """Precision, recall and F1 of each class."""
        return tuple(
            ClassFigures(name=c, precision=self.precision(c), recall=self.recall(c), f1=self.f1(c))
            for c in self.classes
        )

    def balanced_accuracy(self) -> Estimate:
        """Mean recall over the classes; undefined where one has no scored item."""
        recalls = [
            proportion(self._hits(self.truth == k), clusters=self.clusters, part=True) for k in range(len(self.classes))
        ]
        lacking = [name for name, r in zip(self.classes, recalls, strict=True) if not r.defined]
        n = int(self.scored.sum())
        if lacking:
            return undefined(
                f"balanced accuracy needs every class; there is no scored {', '.join(lacking)}", self.clusters, n=n
            )
        counts = [int(((self.truth == k) & self.scored).sum()) for k in range(len(self.classes))]
        whole = combine(recalls, [1 / len(recalls)] * len(recalls), n=n, n_unscored=len(self.truth) - n)
        note = ", ".join(f"{c} {name}" for c, name in zip(counts, self.classes, strict=True))
        return replace(
            whole,
            n_clusters=len(np.unique(self.clusters[self.scored])),
            note=note + ("; fewer than 10 in a class" if min(counts) < 10 else ""),
        )

    def macro_f1(self) -> Estimate:
        """Mean F1 over the classes, 0 for a class that was neither met nor answered rightly (as scikit-learn)."""
        k = len(self.classes)

        def statistic(chosen: NDArray[np.intp]) -> float:
            table = np.bincount(self.truth[chosen] * (k + 1) + self.answer[chosen], minlength=k * (k + 1))
            table = table.reshape(k, k + 1)
            both = table.sum(axis=1) + table[:, :k].sum(axis=0)
            return float(np.mean(2 * np.diag(table) / np.maximum(both, 1)))

        estimate = jackknife(statistic, self.scored, clusters=self.clusters, scale="logit")
        if estimate.defined and not 0 < estimate.value < 1:
            # on a bound the jackknife has no width; balanced accuracy is on the same bound and has one
            other = self.balanced_accuracy()
            return (
                replace(estimate, limits=other.limits, method=f"{other.method}, at the bound")
                if other.defined
                else estimate
            )
        return estimate

    def _empty(self, note: str) -> Estimate:
        """A share of no items: those scored are none of it, and not unscored either."""
        return replace(undefined(note, self.clusters), n_unscored=int((~self.scored).sum()))

    def _place(self, name: str) -> int:
        if name not in self.classes:
            raise UnknownName("class", name, self.classes)
        return self.classes.index(name)

    def _hits(self, among: NDArray[np.bool_]) -> NDArray[np.float64]:
        hits = np.asarray(self.truth == self.answer, dtype=np.float64)
        return np.where(self.scored & among, hits, math.nan)


def sensitivity_at_specificity(
    positive: Sequence[bool] | NDArray[np.bool_],
    score: Sequence[float] | NDArray[np.float64],
    *,
    specificity: float,
    rng: np.random.Generator,
    clusters: Clusters | None = None,
) -> Estimate:
    """Sensitivity at the lowest threshold that keeps at least `specificity` on these negatives.

    The threshold is chosen on the same items, so the figure is optimistic for a threshold fixed beforehand; the note says so.
    A positive must score above the threshold, a negative at it is kept.

    Args:
        positive: (N,) truth.
        score: (N,) higher for positive; NaN is unscored.
        specificity: In (0, 1).
        rng: For the bootstrap over patients.
        clusters: (N,) patient of each item; None: each its own.
    """
    truth, values = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    if not 0 < specificity < 1:
        msg = f"specificity must lie in (0, 1), got {specificity}"
        raise InvalidInput(msg)

    def statistic(chosen: NDArray[np.intp]) -> float:
        pos, neg = values[chosen][truth[chosen]], np.sort(values[chosen][~truth[chosen]])
        if len(pos) == 0 or len(neg) == 0:
            return math.nan
        threshold = neg[math.ceil(specificity * len(neg) - 1e-9) - 1]
        return float((pos > threshold).mean())

    kept = ~np.isnan(values)
    estimate = bootstrap(statistic, kept, rng=rng, clusters=clusters)
    if not estimate.defined:
        return estimate
    index = cluster_index(clusters, len(truth))
    hits = np.where(kept & truth, 0.0, math.nan)
    neg = np.sort(values[kept & ~truth])
    hits[kept & truth] = values[kept & truth] > neg[math.ceil(specificity * len(neg) - 1e-9) - 1]
    fixed = proportion(hits, clusters=index)

    def limits(level: float) -> tuple[float, float]:
        # the bootstrap sees the threshold move but collapses at 0 and 1; Wilson's is the other way round
        pairs = estimate.interval(level), fixed.interval(level)
        return min(p[0] for p in pairs), max(p[1] for p in pairs)

    return replace(
        estimate,
        limits=limits,
        method=f"union of {estimate.method} and {fixed.method}",
        note=f"threshold chosen on these {len(neg)} negatives",
    )
