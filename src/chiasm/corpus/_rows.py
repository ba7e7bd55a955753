"""From a case and a question to a row; from a case to the rows of its graphs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from chiasm.case import Case, Fact, Finding, Laterality, View
from chiasm.corpus._schema import GRAPHS
from chiasm.errors import InvalidInput
from chiasm.questions import ImageRef, Item, picture

_PNG_LEVEL = 3
"""zlib level; speckle does not compress, and level 3 is as small as 9 to 0.6 % at equal speed (measured)."""


class CaseRows:
    """What the rows of one case share, made once: PNGs, findings, facts, parameters."""

    def __init__(self, case: Case, *, split: str) -> None:
        self.case, self.split = case, split
        self._shared = {
            "case_id": case.case_id,
            "patient_id": case.patient_id,
            "split": split,
            "params": to_json(case.origin.params),
            "world": f"{case.origin.name} {case.origin.version}",
            "case_sha256": case.sha256,
        }
        self._png: dict[ImageRef, bytes] = {}
        self._of_views: dict[tuple[ImageRef, ...], dict[str, Any]] = {}

    def row(self, item: Item) -> dict[str, Any]:
        """The row of one question about this case.

        Raises:
            InvalidInput: The messages do not show each of the item's images once.
        """
        messages = [_message(m) for m in item.messages()]
        shown = sum(part["type"] == "image" for m in messages for part in m["content"])
        if shown != len(item.images):
            msg = f"item {item.item_id} shows {shown} images in its messages and is about {len(item.images)}; they must agree"
            raise InvalidInput(msg)
        if item.images not in self._of_views:
            self._of_views[item.images] = self._about(item.images)
        row = self._shared | self._of_views[item.images]
        row |= {
            "item_id": item.item_id,
            "program": item.program,
            "level": item.stage,
            "form": item.form,
            "language": item.language,
            "style": item.style,
            "messages": messages,
            "question": item.prompt,
            "options": list(item.options),
            "key": to_json(item.key),
            "answer": item.answer_text,
            "reasoning": item.reasoning,
            "trace": to_json(item.trace),
            "evidence": [e.model_dump() for e in item.evidence],
        }
        row["row_sha256"] = row_hash(row)
        return row

    def _about(self, images: tuple[ImageRef, ...]) -> dict[str, Any]:
        """What depends on the images alone."""
        views = [self.case.view(image.view_id) for image in images]
        stage = self.case.fact_value("stage", view_id=views[0].view_id) if views else None
        eyes = {f"{v.laterality.value}@{v.visit}" for v in views}
        facts = [f for f in self.case.facts if not views or any(_applies(f, v) for v in views)]
        unchanged = [(i, v) for i, (ref, v) in enumerate(zip(images, views, strict=True)) if ref.change == "none"]
        return {
            "stage": "" if stage is None else str(stage),
            "images": [{"bytes": self._pixels(ref), "path": _path(self.case, ref)} for ref in images],
            "views": [self._view(ref) for ref in images],
            "facts": to_json([f.model_dump(exclude_defaults=True) for f in facts]),
            "findings": [r for f in self.case.findings for r in _finding_records(f, unchanged)],
            "graphs": [f"{self.case.case_id}/{eye}" for eye in sorted(eyes) if eye in self.case.graphs],
        }

    def _pixels(self, image: ImageRef) -> bytes:
        if image not in self._png:
            self._png[image] = encode_png(picture(self.case, image.view_id, image.change, image.seed))
        return self._png[image]

    def _view(self, image: ImageRef) -> dict[str, Any]:
        view = self.case.view(image.view_id)
        return {
            "view_id": view.view_id,
            "change": image.change,
            "modality": view.modality,
            "laterality": view.laterality.value,
            "visit": view.visit,
            "spacing_mm": None if view.spacing_mm is None else list(view.spacing_mm),
            "sha256": hashlib.sha256(self._pixels(image)).hexdigest(),
            "attributes": to_json(view.attributes),
        }


def graph_rows(case: Case) -> pa.Table:
    """One row for each vessel graph of the case."""
    rows = [GRAPHS.empty_table()]
    for eye, graph in case.graphs.items():
        nodes, edges = graph.to_tables()
        row = {
            "graph_id": f"{case.case_id}/{eye}",
            "case_id": case.case_id,
            "patient_id": case.patient_id,
            "eye": eye,
            "fov_um": graph.fov_um,
            "graph_schema": edges.schema.metadata[b"chiasm.graph_schema"].decode(),
        }
        columns = [pa.array([row[name]], GRAPHS.field(name).type) for name in row]
        columns += [_one_cell(nodes, GRAPHS.field("nodes").type), _one_cell(edges, GRAPHS.field("edges").type)]
        rows.append(pa.Table.from_arrays(columns, schema=GRAPHS))
    return pa.concat_tables(rows)


def _one_cell(table: pa.Table, kind: pa.StructType) -> pa.StructArray:
    """A whole table as one value: a struct of lists, without going through Python."""
    offsets = pa.array([0, len(table)], pa.int32())
    lists = [
        pa.ListArray.from_arrays(offsets, table[field.name].combine_chunks().cast(field.type.value_type))
        for field in kind
    ]
    return pa.StructArray.from_arrays(lists, fields=list(kind))


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """An (H, W) uint8 image as PNG."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", compress_level=_PNG_LEVEL)
    return sink.getvalue()


def to_json(value: Any) -> str:
    """Canonical JSON of records, dataclasses and plain values; refuses what JSON cannot hold."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain, separators=(",", ":"))


def row_hash(row: dict[str, Any]) -> str:
    """Content hash of a row, over everything but itself; images count by their own hash."""
    plain = {k: v for k, v in row.items() if k not in ("row_sha256", "images")}
    plain["images"] = [hashlib.sha256(image["bytes"]).hexdigest() for image in row["images"]]
    return hashlib.sha256(to_json(plain).encode()).hexdigest()


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": message["role"], "content": [{"type": p["type"], "text": p.get("text")} for p in parts]}


def _applies(fact: Fact, view: View) -> bool:
    sides = {fact.laterality, view.laterality} - {Laterality.NONE}
    return fact.view_id in (None, view.view_id) and fact.visit in (None, view.visit) and len(sides) <= 1


def _path(case: Case, image: ImageRef) -> str:
    suffix = "" if image.change == "none" else f"-{image.change}-{image.seed}"
    return f"{case.case_id}/{image.view_id}{suffix}.png"


def _finding_records(finding: Finding, views: Sequence[tuple[int, View]]) -> Iterator[dict[str, Any]]:
    """The finding once for each shown view of its eye and visit, with the view's place among the images."""
    for index, view in views:
        sides = {finding.laterality, view.laterality} - {Laterality.NONE}
        if finding.visit != view.visit or len(sides) > 1:
            continue
        region = finding.region(view.view_id)
        judged = finding.visibility.get(view.view_id)
        mask = region.mask if region else None
        yield {
            "finding_id": finding.finding_id,
            "term": finding.term,
            "image": index,
            "laterality": finding.laterality.value,
            "visit": finding.visit,
            "visible": None if judged is None else judged.visible,
            "box": None if region is None or region.box is None else _f32([x for corner in region.box for x in corner]),
            "points": [_f32(p) for p in region.points] if region else [],
            "polyline": [_f32(p) for p in region.polyline] if region else [],
            "mask_size": None if mask is None else list(mask.size),
            "mask_counts": None if mask is None else mask.counts,
            "attributes": to_json(finding.attributes),
            "quantities": to_json([q.model_dump(exclude_defaults=True) for q in finding.quantities]),
        }


def _f32(values: Sequence[float]) -> list[float]:
    """Rounded to what the column holds, so that a row's hash is the same before and after Parquet."""
    rounded: list[float] = np.asarray(values, dtype=np.float32).tolist()
    return rounded


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()  # not mode="json", which lists a set in an order that differs between processes
    if isinstance(value, frozenset):
        return sorted(value)
    msg = f"a row holds plain JSON, not {type(value).__name__}"
    raise TypeError(msg)
