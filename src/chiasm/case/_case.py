"""The Case, its identity, and the checks between its parts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError, field_validator, model_validator

from chiasm.case._graph import VesselGraph
from chiasm.case._records import (
    CASE_SCHEMA_VERSION,
    Fact,
    Finding,
    Laterality,
    Name,
    Origin,
    Record,
    Scalar,
    View,
    check_region,
    finite_json,
)
from chiasm.case._vocabulary import term
from chiasm.errors import InvalidInput


class Case(Record):
    """One patient at one or more visits, one or two eyes."""

    schema_version: Literal[1] = CASE_SCHEMA_VERSION
    case_id: Name
    patient_id: Name
    views: tuple[View, ...]
    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()
    origin: Origin
    graphs: dict[str, VesselGraph] = {}
    """Vessels by eye and visit, keyed by `eye_key`; not part of the JSON (they are Parquet beside it) nor of the hash."""

    @field_validator("origin")
    @classmethod
    def _plain(cls, origin: Origin) -> Origin:
        finite_json(origin.params, "origin.params")
        return origin

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        views = {v.view_id: v for v in self.views}
        if len(views) != len(self.views):
            msg = f"view ids must be unique in case {self.case_id}"
            raise ValueError(msg)
        if len({f.finding_id for f in self.findings}) != len(self.findings):
            msg = f"finding ids must be unique in case {self.case_id}"
            raise ValueError(msg)
        for finding in self.findings:
            where = f"case {self.case_id}, finding {finding.finding_id}"
            for view_id in [r.view_id for r in finding.regions] + list(finding.visibility):
                if view_id not in views:
                    msg = f"{where}: no view {view_id!r}; the views are {sorted(views)}"
                    raise ValueError(msg)
            for region in finding.regions:
                check_region(region, views[region.view_id], where)
        for fact in self.facts:
            if fact.view_id is not None and fact.view_id not in views:
                msg = f"case {self.case_id}, fact {fact.name}: no view {fact.view_id!r}; the views are {sorted(views)}"
                raise ValueError(msg)
        return self

    def view(self, view_id: str) -> View:
        """The view of that id; InvalidInput where there is none."""
        for view in self.views:
            if view.view_id == view_id:
                return view
        msg = f"case {self.case_id} has no view {view_id!r}; it has {[v.view_id for v in self.views]}"
        raise InvalidInput(msg)

    def find(self, name: str, *, view_id: str | None = None, visible: bool | None = None) -> Iterator[Finding]:
        """Findings of a term, in order; with `view_id`, of that view's eye and visit, and (un)visible in it if asked."""
        wanted = term(name).name
        view = self.view(view_id) if view_id is not None else None
        for finding in self.findings:
            if finding.term != wanted:
                continue
            if view is not None:
                sides = {finding.laterality, view.laterality} - {Laterality.NONE}
                if finding.visit != view.visit or len(sides) > 1:
                    continue
                if visible is not None and finding.visible_in(view.view_id) != visible:
                    continue
            yield finding

    def fact(self, name: str, *, view_id: str | None = None) -> Fact | None:
        """The fact that applies to the view (its own, its eye and visit's, or the case's), or None."""
        view = self.view(view_id) if view_id is not None else None
        best: tuple[int, Fact] | None = None
        for fact in self.facts:
            if fact.name != name:
                continue
            if view is not None:
                if fact.view_id not in (None, view.view_id) or fact.visit not in (None, view.visit):
                    continue
                if len({fact.laterality, view.laterality} - {Laterality.NONE}) > 1:
                    continue
            closeness = (fact.view_id is not None) * 4 + (fact.visit is not None) * 2 + (fact.laterality != "none")
            if best is None or closeness > best[0]:
                best = (closeness, fact)
        return best[1] if best else None

    def fact_value(self, name: str, *, view_id: str | None = None) -> Scalar | None:
        """The value of `fact`, or None."""
        found = self.fact(name, view_id=view_id)
        return None if found is None else found.value

    def to_json(self) -> str:
        """Canonical JSON (sorted keys), pixels as base64 of their raw little-endian bytes; graphs are left out."""
        return json.dumps(self._plain_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Case:
        """Inverse of `to_json`.

        Raises:
            InvalidInput: Not JSON, another schema version, or a record that breaks a rule; the message names the place.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            msg = f"a case must be JSON, nested no deeper than a case is: {error}"
            raise InvalidInput(msg) from error
        if not isinstance(data, dict) or data.get("schema_version") != CASE_SCHEMA_VERSION:
            found = data.get("schema_version") if isinstance(data, dict) else type(data).__name__
            msg = f"case schema_version must be {CASE_SCHEMA_VERSION}, got {found}; this file is of another version of chiasm"
            raise InvalidInput(msg)
        try:
            for view in data.get("views", []):
                view["pixels"] = decode_array(view["pixels"])
            return cls.model_validate(data)
        except (ValidationError, KeyError, TypeError) as error:
            msg = f"case {data.get('case_id')!r} is not valid: {error}"
            raise InvalidInput(msg) from error

    @property
    def sha256(self) -> str:
        """Content hash: the identity of the case, pixels included, graphs not."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def _plain_dict(self) -> dict[str, Any]:
        data = self.model_dump(mode="json", exclude={"graphs": True, "views": {"__all__": {"pixels"}}})
        for plain, view in zip(data["views"], self.views, strict=True):
            plain["pixels"] = encode_array(view.pixels)
        return data


def eye_key(laterality: Laterality, visit: int) -> str:
    """The key of an eye at a visit in `Case.graphs`: "OD@0"."""
    return f"{laterality.value}@{visit}"


def encode_array(array: NDArray[Any]) -> dict[str, Any]:
    """An array as JSON: dtype, shape and base64 of its little-endian C-order bytes."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": little.dtype.str,
        "shape": list(array.shape),
        "base64": base64.b64encode(little.tobytes()).decode(),
    }


def decode_array(data: Any) -> NDArray[Any]:
    """Inverse of `encode_array`; refuses object types and lengths that do not match."""
    try:
        dtype = np.dtype(data["dtype"])
        shape = tuple(int(n) for n in data["shape"])
        raw = base64.b64decode(data["base64"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"pixels must be {{dtype, shape, base64}}: {error}"
        raise InvalidInput(msg) from error
    if dtype.kind not in "uif" or any(n < 0 for n in shape) or len(raw) != dtype.itemsize * int(np.prod(shape)):
        msg = f"pixels of dtype {dtype} and shape {shape} do not match {len(raw)} bytes"
        raise InvalidInput(msg)
    return np.frombuffer(raw, dtype=dtype).reshape(shape)
