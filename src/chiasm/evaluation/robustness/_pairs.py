"""Matched pairs: does the answer change when, and only when, the truth does?

The two items of a pair ask the same, in the same words, about pictures that differ in one thing: a lesion, the device, a lesion
and what is taken for it, capillaries erased. Where the truth differs, a model that sees answers both rightly; where it does
not, the answer stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from chiasm.evaluation._marking import Marked
from chiasm.evaluation.robustness._rows import StressRow, score_row, share_row


class _Pair(NamedTuple):
    first: Marked
    second: Marked

    @property
    def scored(self) -> bool:
        return self.first.scored and self.second.scored

    @property
    def truth_differs(self) -> bool:
        a, b = self.first.item, self.second.item
        return (a.truth or a.key.answer) != (b.truth or b.key.answer)

    @property
    def same_answer(self) -> bool:
        return answer_of(self.first) == answer_of(self.second)

    @property
    def both_right(self) -> bool:
        return self.first.tolerant.exact == 1 and self.second.tolerant.exact == 1


def pair_rows(model: str, data: str, marked: Sequence[Marked]) -> list[StressRow]:
    """The rows of every test and level that the items belong to; none where no item has its partner.

    Pairs whose truth differs: the share with both answers right, and with another answer at all. Pairs whose truth is one and
    the same: the share with one answer, and the change of score.
    """
    rows: list[StressRow] = []
    for (test, level), pairs in _grouped(marked).items():
        changing = [p for p in pairs if p.truth_differs]
        if changing:
            rows.append(_share(model, data, test, level, "both right", changing, [p.both_right for p in changing]))
            moved = [not p.same_answer for p in changing]
            rows.append(_share(model, data, test, level, "answer changed", changing, moved))
        constant = [p for p in pairs if not p.truth_differs]
        if constant:
            kept = [p.same_answer for p in constant]
            rows.append(_share(model, data, test, level, "same answer", constant, kept))
            scored = [p for p in constant if p.scored]
            if scored:
                before, after = [p.first for p in scored], [p.second for p in scored]
                rows.append(score_row(model, data, test, level, before, after, lost=len(constant) - len(scored)))
    return rows


def answer_of(m: Marked) -> object:
    """What was answered, comparable between two orders of options."""
    return m.tolerant.answer if m.item.classes else m.tolerant.parsed


def _grouped(marked: Sequence[Marked]) -> dict[tuple[str, str], list[_Pair]]:
    waiting: dict[tuple[str, str, str], Marked] = {}
    out: dict[tuple[str, str], list[_Pair]] = {}
    for m, pairing in [(one, pairing) for one in marked for pairing in one.item.pairings]:
        other = waiting.pop(pairing[:3], None)
        if other is None:
            waiting[pairing[:3]] = m
            continue
        pair = _Pair(other, m) if pairing.changed else _Pair(m, other)
        out.setdefault((pairing.test, pairing.level), []).append(pair)
    return out


def _share(
    model: str, data: str, test: str, level: str, metric: str, pairs: Sequence[_Pair], hits: Sequence[bool]
) -> StressRow:
    values = [float(hit) if p.scored else math.nan for p, hit in zip(pairs, hits, strict=True)]
    return share_row(model, data, test, level, metric, values, [p.first.item.patient_id for p in pairs])
