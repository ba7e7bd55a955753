"""One line of the table of robustness, and how it is filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chiasm.evaluation._marking import Marked
from chiasm.evaluation.statistics import difference, finite_or_none, mean_score, proportion


@dataclass(frozen=True, kw_only=True)
class StressRow:
    """One line: a model before and after a change."""

    model: str
    data: str
    test: str
    level: str
    metric: str
    """"score": mean graded score; else a share: "same answer" as before, "answer changed", "both right", "cannot be judged"."""
    before: float | None
    after: float | None
    """The score after the change, or the share."""
    difference: float | None
    """After minus before; None for a share."""
    lo: float | None
    hi: float | None
    """Of the difference, or of the share."""
    n: int
    n_unscored: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def score_row(
    model: str, data: str, test: str, level: str, before: Sequence[Marked], after: Sequence[Marked], *, lost: int
) -> StressRow:
    """The mean score of scored items before and after, paired by patient; `lost` items had no answer on one side."""
    patients = [m.item.patient_id for m in before]
    old = mean_score([m.tolerant.graded for m in before], clusters=patients)
    new = mean_score([m.tolerant.graded for m in after], clusters=patients)
    d = difference(new, old)
    return StressRow(
        model=model,
        data=data,
        test=test,
        level=level,
        metric="score",
        before=finite_or_none(old.value),
        after=finite_or_none(new.value),
        difference=finite_or_none(d.value),
        lo=finite_or_none(d.lo),
        hi=finite_or_none(d.hi),
        n=len(before),
        n_unscored=lost,
    )


def share_row(
    model: str, data: str, test: str, level: str, metric: str, hits: Sequence[float], patients: Sequence[str]
) -> StressRow:
    """A share of 0 and 1, with NaN for unscored."""
    share = proportion(hits, clusters=patients)
    return StressRow(
        model=model,
        data=data,
        test=test,
        level=level,
        metric=metric,
        before=None,
        after=finite_or_none(share.value),
        difference=None,
        lo=finite_or_none(share.lo),
        hi=finite_or_none(share.hi),
        n=share.n,
        n_unscored=share.n_unscored,
    )
