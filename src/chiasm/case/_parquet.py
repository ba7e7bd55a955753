"""Cases as Parquet: one row each, JSON for the record, pixels and graphs as binary columns."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.case._case import Case
from chiasm.case._graph import VesselGraph
from chiasm.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa


def write_cases(cases: Iterable[Case], path: str | Path) -> None:
    """Write cases with their graphs to one Parquet file (zstd)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for case in cases:
            graphs = [
                (key, dict(zip(("nodes", "edges"), map(_table_bytes, g.to_tables()), strict=True)))
                for key, g in case.graphs.items()
            ]
            row = {
                "case_id": case.case_id,
                "patient_id": case.patient_id,
                "sha256": case.sha256,
                "case": case.to_json(),
                "graphs": graphs,
            }
            writer.write_table(pa.Table.from_pylist([row], schema=schema))


def read_cases(path: str | Path) -> Iterator[Case]:
    """Read them back, checking each one's hash.

    Raises:
        InvalidInput: Not a Parquet file of cases, or a row whose content does not match its hash.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = _schema().names
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path} is not a readable Parquet file: {error}"
        raise InvalidInput(msg) from error
    missing = set(names) - set(file.schema_arrow.names)
    if missing:
        msg = f"{path} lacks the columns {sorted(missing)}: it was not written by write_cases"
        raise InvalidInput(msg)
    with file:
        for batch in file.iter_batches(batch_size=16, columns=names):
            for row in batch.to_pylist():
                yield _read_row(row, path)


def _schema() -> pa.Schema:
    import pyarrow as pa

    graph = pa.struct([("nodes", pa.large_binary()), ("edges", pa.large_binary())])
    return pa.schema(
        [
            ("case_id", pa.string()),
            ("patient_id", pa.string()),
            ("sha256", pa.string()),
            ("case", pa.large_string()),
            ("graphs", pa.map_(pa.string(), graph)),
        ],
        metadata={"chiasm.kind": "cases"},
    )


def _read_row(row: dict[str, Any], path: str | Path) -> Case:
    case = Case.from_json(row["case"])
    if case.sha256 != row["sha256"]:
        msg = f"{path}: case {row['case_id']!r} does not match its hash; the file was changed or is damaged"
        raise InvalidInput(msg)
    graphs = {
        key: VesselGraph.from_tables(*(_read_table(g[p]) for p in ("nodes", "edges"))) for key, g in row["graphs"]
    }
    return case.model_copy(update={"graphs": graphs})


def _table_bytes(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _read_table(data: bytes) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(data))
