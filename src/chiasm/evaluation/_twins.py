"""Counterfactual twins inside a built data set, found again so that both sides of a pair can be judged together.

`chiasm build` keeps the twin of an eye in the patient's case, at a visit after the true ones, with the fact "twin" ("without
dropout"). An item about one view of a twin is paired with the item about the same view of the eye itself, of the same program and
form of answer. Their words may differ, as each item is worded by itself; pairs grown on the spot share theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chiasm.evaluation._question import ExamItem, Pairing


class Sight(NamedTuple):
    """What an item of one view looks at."""

    view_id: str
    visit: int
    without: str
    """Family that was taken out; empty for the eye itself."""


def sight_of(facts: Mapping[str, Any], views: Sequence[Mapping[str, Any]]) -> Sight | None:
    """What a row's views and facts say is looked at; None for several views."""
    if len(views) != 1:
        return None
    twin = str(facts.get("twin") or "")
    return Sight(views[0]["view_id"], views[0]["visit"], twin.removeprefix("without "))


def paired_twins(items: Sequence[ExamItem], sights: Sequence[Sight | None]) -> list[ExamItem]:
    """The items, those of twins and of their eyes with their pairings; a twin whose partner was not asked has none."""
    true_visits: dict[str, int] = {}
    for item, sight in zip(items, sights, strict=True):
        if sight is not None and not sight.without:
            true_visits[item.case_id] = max(true_visits.get(item.case_id, 0), sight.visit + 1)
    first: dict[str, int] = {}
    twins: dict[tuple[str, str], int] = {}
    for k, (item, sight) in enumerate(zip(items, sights, strict=True)):
        if sight is None or item.case_id not in true_visits:
            continue
        visit = sight.visit % true_visits[item.case_id]  # twins follow at as many visits as there were true ones
        view = sight.view_id.replace(f"-v{sight.visit}-", f"-v{visit}-", 1)
        number = f"{item.case_id} {view} {item.task} {item.key.expects}"
        if sight.without:
            twins.setdefault((sight.without, number), k)
        else:
            first.setdefault(number, k)
    out = list(items)
    for (family, number), k in twins.items():
        if number in first:
            for place, changed in ((first[number], False), (k, True)):
                pairing = Pairing("twins", family, number, changed)
                out[place] = replace(out[place], pairings=(*out[place].pairings, pairing))
    return out
