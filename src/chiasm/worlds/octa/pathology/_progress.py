"""The same disease some years later."""

from __future__ import annotations

import numpy as np

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.pathology._faz import FazParams
from chiasm.worlds.octa.pathology._microaneurysm import MicroaneurysmsParams, sample_one
from chiasm.worlds.octa.pathology._params import PathologyParams

GROWTH_PER_YEAR = 0.12
"""Relative growth of the non-perfused area."""
TURNOVER_PER_YEAR = 0.35
"""Share of microaneurysms that are gone after a year; as many and some more are new."""
LARGEST_SHARE = 0.45


def progress_pathology(params: PathologyParams, years: float) -> PathologyParams:
    """The disease of the same eye at a later visit; the same arguments give the same visit.

    Regions of dropout grow (they contain the earlier ones), microaneurysms come and go, the FAZ widens; tufts and shunts
    stay. Twins stay twins.

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
    factor = (1.0 + GROWTH_PER_YEAR) ** years
    share = min(params.dropout.share * factor, LARGEST_SHARE)
    dropout = params.dropout.model_copy(update={"share": share})
    faz = FazParams(growth_mm2=min(params.faz.growth_mm2 * factor, 0.9), notches=params.faz.notches)
    update = {"dropout": dropout, "faz": faz, "microaneurysm": _turn_over(params.microaneurysm, years, rng)}
    return params.model_copy(update=update)


def _turn_over(before: MicroaneurysmsParams, years: float, rng: np.random.Generator) -> MicroaneurysmsParams:
    """Some microaneurysms close, others form: more than close."""
    if not before.each:
        return before
    stays = (1.0 - TURNOVER_PER_YEAR) ** years
    kept = [one for one in before.each if rng.random() < stays]
    new = int(rng.poisson((len(before.each) - len(kept)) * 1.25))
    each = (*kept, *(sample_one(rng) for _ in range(new)))
    return MicroaneurysmsParams(each=each or before.each[:1])
