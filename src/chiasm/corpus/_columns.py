"""Which column of a data set plays which part: ours by name, other people's by the names and types in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

_PATIENTS = ("patient_id", "patient", "subject_id", "subject", "PatientID", "case_id", "world_id")
_ITEMS = ("item_id", "question_id", "qid", "id")
_QUESTIONS = ("question", "prompt", "query", "instruction")
_ANSWERS = ("answer", "gt", "label", "target", "response")
_MESSAGES = ("messages", "conversations")


class Columns(NamedTuple):
    """Names of the columns that play each part; None where there is none."""

    images: tuple[str, ...] = ()
    patient: str | None = None
    item: str | None = None
    question: str | None = None
    answer: str | None = None
    messages: str | None = None


def map_columns(schema: pa.Schema) -> Columns:
    """Find each part's column; images by their type, the rest by name."""

    def first(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in schema.names), None)

    return Columns(
        images=tuple(field.name for field in schema if _holds_images(field.type)),
        patient=first(_PATIENTS),
        item=first(_ITEMS),
        question=first(_QUESTIONS),
        answer=first(_ANSWERS),
        messages=next((n for n in _MESSAGES if n in schema.names and pa.types.is_list(schema.field(n).type)), None),
    )


def images_of(row: dict[str, Any], columns: Columns, folder: Path) -> Iterator[bytes | None]:
    """The encoded images of a row; None for one whose bytes cannot be had.

    A path is followed only to a file inside `folder`, the folder of the row's file: data may not name other places.
    """
    for name in columns.images:
        value = row[name]
        for image in value if isinstance(value, list) else [value]:
            if image is None:
                continue
            yield image["bytes"] if image["bytes"] is not None else _read_inside(folder, image["path"])


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}


def _read_inside(folder: Path, name: str | None) -> bytes | None:
    if not name:
        return None
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return path.read_bytes()
