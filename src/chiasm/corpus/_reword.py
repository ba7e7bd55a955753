"""A copy of a data set whose reasoning is paraphrased by a language model, wherever the paraphrase claims the same.

Every reply is kept in `rewrites.jsonl` in the new folder as it comes, so the same command goes on where it stopped and asks
nothing twice; given that file, the copy is the same whoever answers. Questions, keys, traces and pictures stay as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from chiasm.corpus._dataset import DataSet, open_dataset, read_rows
from chiasm.corpus._folder import LocalFolder, disk_errors
from chiasm.corpus._manifest import MANIFEST, FileRecord, Manifest, Shard
from chiasm.corpus._rows import row_hash
from chiasm.corpus._schema import ROW_GROUP, items_schema, open_writer
from chiasm.errors import Conflict, InvalidInput
from chiasm.questions import REWRITTEN, Paraphrases, RewriteOptions, rewrite_texts

CACHE: Final = "rewrites.jsonl"
BY: Final = "rewritten by"
"""Name, among the manifest's versions, of the model that paraphrased."""


class Reworded(NamedTuple):
    """What came of it."""

    where: Path
    rows: int
    paraphrases: Paraphrases


def reword(where: str | Path, out: str | Path, options: RewriteOptions) -> Reworded:
    """Write a paraphrased copy of a data set.

    Args:
        where: A complete data set that `build` made.
        out: A new folder, or one that an earlier run with the same server began.
        options: The server.

    Raises:
        InvalidInput: The data set is not one of ours, or not complete.
        Conflict: The folder holds something else.
        MissingExtra: The client library is not installed.
    """
    data, root = open_dataset(where), Path(out)
    if data.manifest is None or not data.manifest.complete:
        msg = f"{where} has no complete manifest: only finished data sets of `chiasm build` can be rewritten"
        raise InvalidInput(msg)
    if root.exists() and any(root.iterdir()) and not (root / CACHE).exists():
        msg = f"{root} is not empty and no rewriting that was begun: choose a new folder"
        raise Conflict(msg)
    folder = LocalFolder.to_write(root)
    with folder.lock(take_over=False):
        texts = _texts(data)
        done = rewrite_texts(texts, options, root / CACHE)
        shards = [_copy(data, shard, folder, done.texts) for shard in data.manifest.shards]
        versions = data.manifest.versions | {BY: options.model}
        manifest: Manifest = data.manifest.model_copy(update={"versions": versions}).finish(shards)
        folder.write(MANIFEST, manifest.to_bytes())
    return Reworded(root, sum(shard.items.rows for shard in shards), done)


def _texts(data: DataSet) -> dict[str, str]:
    """English reasoning by item."""
    columns = ("item_id", "language", "reasoning")
    rows = (row for file in data.files for row in read_rows(file.path, columns))
    return {row["item_id"]: row["reasoning"] for row in rows if row["language"] == "en"}


def _copy(data: DataSet, shard: Shard, folder: LocalFolder, texts: Mapping[str, str]) -> Shard:
    if shard.graphs is not None:
        folder.write(shard.graphs.name, (data.where / shard.graphs.name).read_bytes())
    source, scratch = data.where / shard.items.name, folder.scratch(shard.items.name)
    with disk_errors(folder.root / shard.items.name, shard.items.size, scratch):
        with open_writer(scratch, items_schema()) as writer:
            waiting: list[dict[str, Any]] = []
            for row in read_rows(source):
                waiting.append(_reworded(row, texts.get(row["item_id"])))
                if len(waiting) == ROW_GROUP:
                    writer.write_table(pa.Table.from_pylist(waiting, schema=items_schema()))
                    waiting.clear()
            if waiting:
                writer.write_table(pa.Table.from_pylist(waiting, schema=items_schema()))
        content = scratch.read_bytes()
        folder.adopt(scratch, shard.items.name)
    record = FileRecord(
        name=shard.items.name, rows=shard.items.rows, size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    return shard.model_copy(update={"items": record})


def _reworded(row: dict[str, Any], text: str | None) -> dict[str, Any]:
    if text is None:
        return row
    messages = [
        message if message["role"] == "user" else _reply(message, row["reasoning"], text) for message in row["messages"]
    ]
    new = row | {"messages": messages, "reasoning": text, "style": REWRITTEN}
    return new | {"row_sha256": row_hash(new)}


def _reply(message: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    parts = [
        part if part["text"] is None else part | {"text": part["text"].replace(old, new, 1)}
        for part in message["content"]
    ]
    return message | {"content": parts}
