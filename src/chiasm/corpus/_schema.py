"""The columns of a data set, as Arrow types and as the features that `datasets` reads, and how Parquet is written.

One row is one question. Its images are stored with it, so that a row is whole by itself and goes through any trainer; rows
of one image follow each other, and dictionary encoding keeps a repeated image (and every other repeated value) once per
row group. Nested columns hold the same keys in every row, because Arrow would fill what is missing with nulls, and content
items own no `image` key, because chat templates take its presence for an image.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA_VERSION: Final = 1
ROW_GROUP: Final = 100
_DICTIONARY_LIMIT: Final = 256 * 2**20
"""Bytes; above a row group's images, so that Parquet never falls back to storing repeated images plainly."""

_TEXT = pa.string()
_POINTS = pa.list_(pa.list_(pa.float32()))
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", _TEXT)])

FINDING = pa.struct(
    [
        ("finding_id", _TEXT),
        ("term", _TEXT),
        ("image", pa.int32()),  # index into images
        ("laterality", _TEXT),
        ("visit", pa.int32()),
        ("visible", pa.bool_()),  # null: not judged
        ("box", pa.list_(pa.float32())),  # (row, col) start, (row, col) stop
        ("points", _POINTS),
        ("polyline", _POINTS),
        ("mask_size", pa.list_(pa.int32())),
        ("mask_counts", _TEXT),  # COCO's compressed RLE
        ("attributes", _TEXT),
        ("quantities", _TEXT),
    ]
)
VIEW = pa.struct(
    [
        ("view_id", _TEXT),
        ("change", _TEXT),  # what a sanity check did to the picture; "none": the view as it is
        ("modality", _TEXT),
        ("laterality", _TEXT),
        ("visit", pa.int32()),
        ("spacing_mm", pa.list_(pa.float64())),
        ("sha256", _TEXT),
        ("attributes", _TEXT),
    ]
)
MESSAGE = pa.struct([("role", _TEXT), ("content", pa.list_(pa.struct([("type", _TEXT), ("text", _TEXT)])))])

ITEMS = pa.schema(
    [
        ("item_id", _TEXT),
        ("case_id", _TEXT),
        ("patient_id", _TEXT),
        ("split", _TEXT),
        ("program", _TEXT),
        ("level", _TEXT),  # where the question stands in the curriculum
        ("form", _TEXT),  # free or choice
        ("language", _TEXT),
        ("style", _TEXT),  # length and tone of the reasoning
        ("stage", _TEXT),  # stage of disease of the first image's eye and visit, all findings counted
        ("images", pa.list_(_IMAGE)),
        ("messages", pa.list_(MESSAGE)),
        ("question", _TEXT),
        ("options", pa.list_(_TEXT)),
        ("key", _TEXT),
        ("answer", _TEXT),
        ("reasoning", _TEXT),
        ("trace", _TEXT),
        ("evidence", pa.list_(pa.struct([("view_id", _TEXT), ("finding_id", _TEXT)]))),
        ("views", pa.list_(VIEW)),
        ("findings", pa.list_(FINDING)),
        ("facts", _TEXT),
        ("params", _TEXT),
        ("world", _TEXT),
        ("graphs", pa.list_(_TEXT)),
        ("case_sha256", _TEXT),
        ("row_sha256", _TEXT),
    ]
)
_FEW_VALUES: Final = ("split", "program", "level", "form", "language", "style", "stage")
JSON_COLUMNS: Final = ("key", "trace", "facts", "params")

_NAMES: Final = {pa.float32(): "float32", pa.float64(): "float64"}
"""Where Arrow prints another name ("float", "double") than `datasets` uses."""
_INTS, _FLOATS, _WORDS = pa.list_(pa.int32()), pa.list_(pa.float32()), pa.list_(_TEXT)


def _typed(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


GRAPHS = pa.schema(
    [
        ("graph_id", _TEXT),
        ("case_id", _TEXT),
        ("patient_id", _TEXT),
        ("eye", _TEXT),
        ("fov_um", pa.float64()),
        ("graph_schema", _TEXT),
        (
            "nodes",
            pa.struct(
                [
                    *_typed(_INTS, "node"),
                    *_typed(_FLOATS, "row_um", "col_um", "depth_um"),
                    *_typed(_WORDS, "kind"),
                    *_typed(_FLOATS, "pressure_mmhg"),
                ]
            ),
        ),
        (
            "edges",
            pa.struct(
                [
                    *_typed(_INTS, "edge_id", "source", "target"),
                    *_typed(_FLOATS, "radius_um"),
                    *_typed(_WORDS, "vessel", "layer"),
                    *_typed(pa.list_(pa.int16()), "order"),
                    *_typed(_FLOATS, "speed_mm_s"),
                ]
            ),
        ),
    ],
    metadata={"chiasm.kind": "graphs", "chiasm.schema": str(SCHEMA_VERSION)},
)
GRAPH_ROW_GROUP: Final = 8


def features() -> dict[str, Any]:
    """The columns as `datasets.Features.to_dict` writes them; made without importing `datasets`."""
    return {field.name: _feature(field.type) for field in ITEMS}


def items_schema() -> pa.Schema:
    """`ITEMS` with the metadata that makes `datasets` decode the images."""
    info = json.dumps({"info": {"features": features()}}, sort_keys=True)
    return ITEMS.with_metadata({"huggingface": info, "chiasm.kind": "items", "chiasm.schema": str(SCHEMA_VERSION)})


def open_writer(where: str | Path | io.BytesIO, schema: pa.Schema, *, passing: bool = False) -> pq.ParquetWriter:
    """A writer with the settings that all our Parquet files share.

    Statistics and page index serve the short columns; pixels and JSON need none.

    Args:
        where: A path, or a buffer.
        schema: Of items or of graphs.
        passing: For parts, which are read once and dropped: compressed fast rather than small.
    """
    graphs = schema.names[0] == "graph_id"
    packed = {path: how for path in _leaves(schema) if (how := _packing(path))} if graphs else {}
    return pq.ParquetWriter(
        where,
        schema,
        compression="lz4" if passing else "zstd",
        compression_level=None if passing else 3,
        use_dictionary=[path for path in _leaves(schema) if path not in packed],
        column_encoding=packed or None,
        dictionary_pagesize_limit=_DICTIONARY_LIMIT,
        write_page_index=True,
        write_statistics=["graph_id", "case_id", "patient_id"]
        if graphs
        else ["item_id", "case_id", "patient_id", *_FEW_VALUES],
    )


def _packing(path: str) -> str | None:
    """How a column of a graph is stored: numbers packed by their kind, which takes a quarter off; words by dictionary."""
    name = path.split(".")[1] if path.startswith(("nodes.", "edges.")) else ""
    if name in ("node", "edge_id", "source", "target", "order"):
        return "DELTA_BINARY_PACKED"
    return "BYTE_STREAM_SPLIT" if name and name not in ("kind", "vessel", "layer") else None


def _feature(kind: pa.DataType) -> Any:
    if kind == _IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": _NAMES.get(kind, str(kind)), "_type": "Value"}


def _leaves(schema: pa.Schema) -> list[str]:
    """Parquet's own paths of the leaf columns ("images.list.element.bytes")."""
    found: list[str] = []

    def walk(path: str, kind: pa.DataType) -> None:
        if pa.types.is_list(kind):
            walk(f"{path}.list.element", kind.value_type)
        elif pa.types.is_struct(kind):
            for field in kind:
                walk(f"{path}.{field.name}", field.type)
        else:
            found.append(path)

    for field in schema:
        walk(field.name, field.type)
    return found
