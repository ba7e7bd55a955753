"""The record of measured values: each a name, a region, a value with its unit, or the reason why there is none."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from chiasm.case import Record
from chiasm.errors import InvalidInput, Unanswerable
from chiasm.measure._definitions import definition

FIELD = "field"
"""The region that is the whole image."""


class Biomarker(Record):
    """One measured value."""

    name: str
    """An entry of `DEFINITIONS`."""
    value: FiniteFloat
    unit: str
    """The definition's unit; "px", "px2" or "1/px" in its place where the field of view is unknown."""
    region: str = FIELD
    """"field", a region of the ETDRS grid such as "inner.nasal", or for graph measures a vessel kind or layer."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        definition(self.name)
        return self


class Missing(Record):
    """A value that could not be had."""

    name: str
    region: str = FIELD
    reason: Annotated[str, Field(min_length=1)]


class Biomarkers(Record):
    """All values of one image, mask or graph."""

    method: Literal["estimate", "truth"]
    """"estimate" from pixels, "truth" from exact masks or the vessel graph."""
    values: tuple[Biomarker, ...]
    missing: tuple[Missing, ...] = ()

    def get(self, name: str, region: str = FIELD) -> Biomarker:
        """One value.

        Raises:
            UnknownName: There is no biomarker of that name.
            Unanswerable: It could not be measured; the reason is given.
            InvalidInput: It is not measured in such a region.
        """
        definition(name)
        for value in self.values:
            if (value.name, value.region) == (name, region):
                return value
        for gap in self.missing:
            if (gap.name, gap.region) == (name, region):
                msg = f"{name} ({region}): {gap.reason}"
                raise Unanswerable(msg)
        regions = sorted({v.region for v in self.values if v.name == name})
        msg = f"{name} was not measured in the region {region!r}; measured in: {', '.join(regions) or 'none'}"
        raise InvalidInput(msg)

    def value(self, name: str, region: str = FIELD) -> float:
        """The number alone; see `get`."""
        return self.get(name, region).value

    def has(self, name: str, region: str = FIELD) -> bool:
        """Whether the value could be had."""
        return any((v.name, v.region) == (name, region) for v in self.values)

    def table(self) -> str:
        """One line per value for people to read, then what is missing and why."""
        lines = [
            f"{v.name:<24} {v.region:<16} {v.value:>9.4g} {v.unit if v.unit != '1' else ''}".rstrip()
            for v in self.values
        ]
        lines += [f"{m.name:<24} {m.region:<16} {'-':>9} ({m.reason})" for m in self.missing]
        return "\n".join(lines)
