"""Adjectives as data: each scale cuts a quantity into labels, spread so that each label is used (`scales.json`)."""

from __future__ import annotations

import bisect
import functools
import json
from importlib import resources

from pydantic import model_validator

from chiasm.case import Record
from chiasm.errors import UnknownName


class Scale(Record):
    """Labels of the ranges of one quantity."""

    name: str
    quantity: str
    unit: str
    decimals: int
    """Decimals with which the quantity is shown; the label is that of the shown value, so that no text contradicts itself."""
    cuts: tuple[float, ...]
    """Rising borders; a value on a border takes the upper label."""
    labels: tuple[str, ...]
    source: str
    """Where the borders come from."""

    @model_validator(mode="after")
    def _fits(self) -> Scale:
        if len(self.labels) != len(self.cuts) + 1 or list(self.cuts) != sorted(set(self.cuts)):
            msg = f"scale {self.name} needs rising cuts and one label more than cuts"
            raise ValueError(msg)
        return self

    def label(self, value: float) -> str:
        """The label of a value, as it is shown."""
        return self.labels[bisect.bisect_right(self.cuts, round(value, self.decimals))]

    def margin(self, value: float) -> float:
        """Distance to the nearest cut, as a share of the range between the cuts (of the cut itself where there is one)."""
        span = self.cuts[-1] - self.cuts[0] or abs(self.cuts[0])
        return min(abs(value - cut) for cut in self.cuts) / span


@functools.lru_cache(maxsize=1)
def scales() -> dict[str, Scale]:
    """Every scale by name."""
    data = json.loads(resources.files("chiasm.questions").joinpath("scales.json").read_text(encoding="utf-8"))
    return {name: Scale(name=name, **body) for name, body in data.items()}


def scale(name: str) -> Scale:
    """A scale by name; UnknownName where there is none."""
    known = scales()
    if name not in known:
        raise UnknownName("scale", name, known)
    return known[name]
