"""The same disease some years later."""

from __future__ import annotations

import numpy as np

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.pathology._microaneurysm import MicroaneurysmsParams, sample_one
from chiasm.worlds.octa.pathology._params import PathologyParams

GROWTH_PER_YEAR = 0.12
"""Relative growth of the non-perfused area and of the FAZ's enlargement while they are small."""
TURNOVER_PER_YEAR = 0.35
"""Share of microaneurysms that are gone after a year; as many and some more are new."""
LARGEST_SHARE = 0.45
"""The non-perfused share of the field that growth tends to: it slows as living tissue runs out."""
LARGEST_FAZ_GROWTH_MM2 = 0.9
"""The enlargement of the FAZ that growth tends to [mm2]."""


def progress_pathology(params: PathologyParams, years: float) -> PathologyParams:
    """The disease of the same eye at a later visit; the same arguments give the same visit.

    Regions of dropout grow (they contain the earlier ones), microaneurysms come and go, the FAZ widens; tufts and shunts
    stay. Areas grow logistically, towards `LARGEST_SHARE` and `LARGEST_FAZ_GROWTH_MM2`; one that is there already, or
    beyond, stays, and one that is zero stays zero. Twins stay twins.

    Args:
        params: The disease at the first visit.
        years: Time between the visits, 0-50 [years].

    Raises:
        InvalidInput: `years` is out of range.
    """
    if not (np.isfinite(years) and 0.0 <= years <= 50.0):
        msg = f"years must be 0-50, got {years}"
        raise InvalidInput(msg)
    if years == 0.0:
        return params
    rng = np.random.default_rng([params.dropout.seed, round(years * 1000)])
    dropout = params.dropout.model_copy(update={"share": _grown(params.dropout.share, LARGEST_SHARE, years)})
    growth = _grown(params.faz.growth_mm2, LARGEST_FAZ_GROWTH_MM2, years)
    faz = params.faz.model_copy(update={"growth_mm2": growth})
    update = {"dropout": dropout, "faz": faz, "microaneurysm": _turn_over(params.microaneurysm, years, rng)}
    return params.model_copy(update=update)


def _grown(area: float, limit: float, years: float) -> float:
    """The solution of the logistic equation da/dt = r a (1 - a / limit)."""
    if area == 0.0 or area >= limit:
        return area
    factor: float = (1.0 + GROWTH_PER_YEAR) ** years
    return area * factor / (1.0 + area / limit * (factor - 1.0))


def _turn_over(before: MicroaneurysmsParams, years: float, rng: np.random.Generator) -> MicroaneurysmsParams:
    """Some microaneurysms close, others form: more than close."""
    if not before.each:
        return before
    stays = (1.0 - TURNOVER_PER_YEAR) ** years
    kept = [one for one in before.each if rng.random() < stays]
    new = int(rng.poisson((len(before.each) - len(kept)) * 1.25))
    each = (*kept, *(sample_one(rng) for _ in range(new)))
    return MicroaneurysmsParams(each=each or before.each[:1])
