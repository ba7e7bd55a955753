"""From parts to shards: parts are joined in order, a shard is closed when it has reached its size, its parts are dropped.

The order of events makes a kill harmless at every step: both files of a shard appear whole, then the shard's record, then
its parts go. Without the record the shard is joined again from its parts, to the same bytes. Which parts a shard takes
follows from their sizes alone, so it does not depend on which worker made what, nor when.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from chiasm.corpus._folder import STATE, Folder, disk_errors
from chiasm.corpus._manifest import FileRecord, Shard
from chiasm.corpus._part import PartResult
from chiasm.corpus._plan import Plan
from chiasm.corpus._schema import GRAPH_ROW_GROUP, GRAPHS, ROW_GROUP, items_schema, open_writer
from chiasm.errors import InvalidInput

_PARTS, _RECORDS = f"{STATE}/parts", f"{STATE}/shards"


class _Part(NamedTuple):
    """What is known of a finished part: enough to decide on shards without opening it."""

    size: int
    counts: dict[str, int]


class SplitShards:
    """The parts and shards of one split."""

    def __init__(self, folder: Folder, plan: Plan, split: str) -> None:
        self._folder, self._plan, self.split = folder, plan, split
        self.shards = self._read_shards()
        self._parts = self._read_parts()

    def has(self, index: int) -> bool:
        """Whether part `index` is finished."""
        return index < self._next_part or index in self._parts

    def put(self, result: PartResult) -> None:
        """Keep a finished part; its record is written last, and makes it count."""
        stem = f"{_PARTS}/{result.task.name}"
        self._folder.write(f"{stem}.items.parquet", result.items)
        if self._plan.graphs:
            self._folder.write(f"{stem}.graphs.parquet", result.graphs)
        digests = [hashlib.sha256(data).hexdigest() for data in (result.items, result.graphs)]
        record = {"size": len(result.items), "counts": result.counts, "sha256": digests}
        self._folder.write(f"{stem}.json", json.dumps(record, sort_keys=True).encode())
        self._parts[result.task.number] = _Part(len(result.items), result.counts)

    def close_full(self, *, last_part: int | None = None) -> list[Shard]:
        """Close every shard that is full and whose parts are all there.

        Args:
            last_part: Index of the split's last part, once all are made: the rest is closed too.
        """
        closed: list[Shard] = []
        while True:
            stop, size = self._next_part, 0
            while stop in self._parts and size < self._plan.shard_mb * 1e6:
                size += self._parts[stop].size
                stop += 1
            full = size >= self._plan.shard_mb * 1e6
            ended = last_part is not None and stop == last_part + 1
            if stop == self._next_part or not (full or ended):
                return closed
            closed.append(self._close(self._next_part, stop))

    @property
    def counts(self) -> Counter[str]:
        """Of everything finished."""
        total: Counter[str] = Counter()
        for counts in [s.counts for s in self.shards] + [p.counts for p in self._parts.values()]:
            total.update(counts)
        return total

    @property
    def _next_part(self) -> int:
        return self.shards[-1].stop_part if self.shards else 0

    def _close(self, first: int, stop: int) -> Shard:
        name = f"{self.split}-{len(self.shards):05d}"
        parts = [f"{_PARTS}/{self.split}-{i:06d}" for i in range(first, stop)]
        items = self._join([f"{p}.items.parquet" for p in parts], f"data/{name}.parquet", items_schema(), ROW_GROUP)
        graphs = None
        if self._plan.graphs:
            sources = [f"{p}.graphs.parquet" for p in parts]
            graphs = self._join(sources, f"graphs/{name}.parquet", GRAPHS, GRAPH_ROW_GROUP)
        counts: Counter[str] = Counter()
        for i in range(first, stop):
            counts.update(self._parts[i].counts)
        shard = Shard(
            split=self.split,
            index=len(self.shards),
            first_part=first,
            stop_part=stop,
            items=items,
            graphs=graphs,
            counts=dict(counts),
        )
        self._folder.write(f"{_RECORDS}/{name}.json", shard.model_dump_json().encode())
        self.shards.append(shard)
        self._drop_parts(first, stop)
        return shard

    def _join(self, sources: list[str], target: str, schema: pa.Schema, row_group: int) -> FileRecord:
        scratch = self._folder.scratch(target)
        rows = 0
        with disk_errors(Path(self._folder.url) / target, int(self._plan.shard_mb * 1e6), scratch):
            with open_writer(scratch, schema) as writer:
                waiting = schema.empty_table()
                for source in sources:
                    waiting = pa.concat_tables([waiting, _read_part(self._folder, source, schema)])
                    whole = len(waiting) // row_group * row_group
                    for start in range(0, whole, row_group):
                        writer.write_table(waiting.slice(start, row_group).combine_chunks())
                    rows += whole
                    waiting = waiting.slice(whole)
                if len(waiting) or rows == 0:
                    writer.write_table(waiting.combine_chunks())
                    rows += len(waiting)
            with scratch.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = scratch.stat().st_size
        self._folder.adopt(scratch, target)
        return FileRecord(name=target, rows=rows, size=size, sha256=digest)

    def _drop_parts(self, first: int, stop: int) -> None:
        for i in range(first, stop):
            for kind in ("json", "items.parquet", "graphs.parquet"):
                self._folder.remove(f"{_PARTS}/{self.split}-{i:06d}.{kind}")
            self._parts.pop(i, None)

    def _read_shards(self) -> list[Shard]:
        names = [n for n in self._folder.names(_RECORDS) if n.startswith(f"{_RECORDS}/{self.split}-")]
        try:
            return [Shard.model_validate_json(self._folder.read(name)) for name in names]
        except ValidationError as error:
            msg = f"{self._folder.url}: a shard's record under {_RECORDS} is damaged ({error}); rebuild with overwrite"
            raise InvalidInput(msg) from error

    def _read_parts(self) -> dict[int, _Part]:
        """Finished parts; those that a closed shard already holds are swept up."""
        parts: dict[int, _Part] = {}
        prefix = f"{_PARTS}/{self.split}-"
        for name in self._folder.names(_PARTS):
            if not (name.startswith(prefix) and name.endswith(".json")):
                continue
            index = int(name.removeprefix(prefix).removesuffix(".json"))
            record: dict[str, Any] = json.loads(self._folder.read(name))
            parts[index] = _Part(record["size"], record["counts"])
        self._parts = parts
        for index in [i for i in parts if i < self._next_part]:
            self._drop_parts(index, index + 1)
        return parts


def _read_part(folder: Folder, name: str, schema: pa.Schema) -> pa.Table:
    data = folder.read(name)
    stem = name.rsplit(".", 2)[0]
    digest = json.loads(folder.read(f"{stem}.json"))["sha256"][0 if ".items." in name else 1]
    if hashlib.sha256(data).hexdigest() != digest:
        msg = f"{folder.url}/{name} does not match its hash: it was changed or is damaged; remove it and its .json, then go on"
        raise InvalidInput(msg)
    return pq.read_table(pa.BufferReader(data), schema=schema)
