"""The rows of a dataset as training sees them: read in place from Parquet, and checked once before the first step.

Rows are read by row group, straight from the shards: a dataset stores an image once for all of its questions, and a copy in
another format would store it once per question.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from chiasm.errors import InvalidInput, UnknownName

NEEDED: Final = ("images", "messages")
"""Columns without which nothing can be trained."""
_WORDS: Final = ("program", "level", "form", "stage")
_READ: Final = (*NEEDED, *_WORDS, "case_id", "facts")
_REASONING: Final = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
_SPLITS: Final = ("train", "validation", "test", "dev", "val")

Row = Mapping[str, Any]


class RowStore:
    """Random access to the rows of Parquet shards.

    Args:
        shards: In order.
    """

    def __init__(self, shards: Sequence[Path]) -> None:
        self.shards = tuple(shards)
        self._groups: list[tuple[int, int]] = []  # (shard, row group)
        counts: list[int] = []
        for number, path in enumerate(shards):
            meta = pq.ParquetFile(path).metadata
            for group in range(meta.num_row_groups):
                self._groups.append((number, group))
                counts.append(meta.row_group(group).num_rows)
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._cached = lru_cache(maxsize=8)(self._read)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One row, its images opened."""
        if not 0 <= index < len(self):
            msg = f"row {index} of {len(self)}"
            raise IndexError(msg)
        group = int(np.searchsorted(self._starts, index, side="right")) - 1
        row = self._cached(group)[index - int(self._starts[group])]
        return {**row, "images": [_opened(image) for image in row["images"]]}

    def __getstate__(self) -> dict[str, Any]:
        return {"shards": self.shards}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["shards"])  # type: ignore[misc]  # the cache is rebuilt in the other process

    def raw(self) -> Iterator[dict[str, Any]]:
        """Every row in order, images as bytes."""
        for group in range(len(self._groups)):
            yield from self._read(group)

    def _read(self, group: int) -> list[dict[str, Any]]:
        shard, number = self._groups[group]
        file = pq.ParquetFile(self.shards[shard])
        columns = [name for name in _READ if name in file.schema_arrow.names]
        rows: list[dict[str, Any]] = file.read_row_group(number, columns=columns).to_pylist()
        return rows


@dataclass(frozen=True)
class RowIndex:
    """Facts about every row, in the dataset's order.

    Attributes:
        group: (n,) int64, equal for rows that show the same images.
        program: (n,) the question program of each row; empty text where the dataset names none.
        level: (n,) the level of each row's program in a curriculum; empty text where the dataset names none.
        form: (n,) the form of each row's question, free or choice; empty text where the dataset names none.
        stage: (n,) the stage of disease that the row's image shows, else that of its eye; empty text where the dataset names none.
        characters: (n,) int64, length of the conversation's text.
        sizes: For each row the (height, width) of each image [px].
        fingerprint: Of all texts and images; a resumed run must find the same.
    """

    group: npt.NDArray[np.int64]
    program: npt.NDArray[np.str_]
    level: npt.NDArray[np.str_]
    form: npt.NDArray[np.str_]
    stage: npt.NDArray[np.str_]
    characters: npt.NDArray[np.int64]
    sizes: tuple[tuple[tuple[int, int], ...], ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.group)


def open_rows(folder: str | Path, split: str) -> RowStore:
    """Open the Parquet shards of one split.

    Shards are recognised by name or folder: train-00000.parquet, train/00000.parquet, data/train-....parquet. A folder
    whose shards name no split at all is taken whole. Parquet files without the needed columns are passed over.

    Raises:
        InvalidInput: No shards, none of this split, or columns missing.
    """
    root = Path(folder)
    shards = sorted(p for p in root.rglob("*.parquet") if not any(n.startswith(".") for n in p.relative_to(root).parts))
    rows = [path for path in shards if set(NEEDED) <= set(pq.read_schema(path).names)]
    if not rows:
        msg = f"no Parquet file with the columns {', '.join(NEEDED)} under {root}; build a dataset there first"
        raise InvalidInput(msg)
    chosen = [path for path in rows if _split_of(path, root) == split]
    splits = sorted({name for path in rows if (name := _split_of(path, root)) is not None})
    if not chosen and splits:
        raise UnknownName(f"split of {root}", split, splits)
    return RowStore(chosen or rows)


def scan_rows(store: RowStore) -> RowIndex:
    """Read every row once, images by their headers only.

    Raises:
        InvalidInput: A row whose placeholders do not match its images, whose last turn is not the assistant's, or that
            holds no image at all; with the row and what to do.
    """
    groups: dict[bytes, int] = {}
    columns: dict[str, list[Any]] = {name: [] for name in ("group", *_WORDS, "characters", "sizes")}
    whole = hashlib.blake2b(digest_size=16)
    shown: list[bytes] = []
    digest = b""
    sizes: tuple[tuple[int, int], ...] = ()
    for number, row in enumerate(store.raw()):
        where = f"row {number} ({row.get('case_id', 'no case_id')})"
        check_row(row, where)
        images = [_bytes_of(image) for image in row["images"]]
        if images != shown or not number:  # rows of one image follow each other: each is hashed once
            shown = images
            digest = hashlib.blake2b(b"".join(images), digest_size=16).digest()
            sizes = tuple(_size_of(image, where) for image in images)
        text = _text_of(row)
        whole.update(digest + text.encode())
        columns["group"].append(groups.setdefault(digest, len(groups)))
        for name in _WORDS:
            columns[name].append((_shown_stage(row) if name == "stage" else row.get(name)) or "")
        columns["characters"].append(len(text))
        columns["sizes"].append(sizes)
    return RowIndex(
        group=np.asarray(columns["group"], dtype=np.int64),
        **{name: np.asarray(columns[name], dtype=np.str_) for name in _WORDS},
        characters=np.asarray(columns["characters"], dtype=np.int64),
        sizes=tuple(columns["sizes"]),
        fingerprint=whole.hexdigest(),
    )


def _shown_stage(row: Row) -> str | None:
    """The stage that a row of one image shows where its facts know it: a small field can be healthy in an eye that is not."""
    facts = json.loads(row.get("facts") or "[]")
    shown = [fact["value"] for fact in facts if fact["name"] == "stage_visible"] if len(row["images"]) == 1 else []
    return (shown[0] if len(shown) == 1 else None) or row.get("stage")


def check_row(row: Row, where: str) -> None:
    """Refuse a row that cannot teach: see `scan_rows`."""
    holders = sum(
        item["type"] == "image"
        for turn in row["messages"]
        if not isinstance(turn["content"], str)
        for item in turn["content"]
    )
    count = len(row["images"])
    plain = all(isinstance(turn["content"], str) for turn in row["messages"])
    if count == 0:
        msg = f"{where} has no image, and this trains models that look; remove the row, or use a text trainer"
        raise InvalidInput(msg)
    if holders != count and not (plain and holders == 0):
        msg = (
            f"{where} has {holders} image placeholders and {count} images; give its user turn one item "
            '{"type": "image"} per image, in order'
        )
        raise InvalidInput(msg)
    if not row["messages"] or row["messages"][-1]["role"] != "assistant":
        msg = (
            f"the last turn of {where} is not the assistant's, so there is no answer to learn; add it or remove the row"
        )
        raise InvalidInput(msg)


def join_turns(rows: Sequence[Row]) -> dict[str, Any]:
    """Join several questions about the same images to one conversation.

    The images stay with the first question; system turns are taken from the first row only.
    """
    messages = _with_placeholders(rows[0])
    for row in rows[1:]:
        for turn in _with_placeholders(row):
            if turn["role"] != "system":
                content = [item for item in turn["content"] if item["type"] != "image"]
                messages.append({**turn, "content": content})
    return {"images": list(rows[0]["images"]), "messages": messages}


def without_reasoning(row: Row) -> dict[str, Any]:
    """The row with its assistant's turns cut down to what follows the reasoning; as it is where there is none."""

    def bare(turn: Mapping[str, Any]) -> Mapping[str, Any]:
        if turn["role"] != "assistant":
            return turn
        content = turn["content"]
        if isinstance(content, str):
            return {**turn, "content": _REASONING.sub("", content)}
        parts = [
            {**item, "text": _REASONING.sub("", item["text"])} if item["type"] == "text" else item for item in content
        ]
        return {**turn, "content": parts}

    return {**row, "messages": [bare(turn) for turn in row["messages"]]}


def _with_placeholders(row: Row) -> list[dict[str, Any]]:
    """The messages as lists of items; images without placeholders stand before the first user turn's words."""
    out: list[dict[str, Any]] = []
    pending = all(isinstance(turn["content"], str) for turn in row["messages"])
    for turn in row["messages"]:
        content = turn["content"]
        items = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if pending and turn["role"] == "user":
            items = [{"type": "image"}] * len(row["images"]) + items
            pending = False
        out.append({"role": turn["role"], "content": items})
    return out


def _split_of(path: Path, root: Path) -> str | None:
    """The split that a shard's name or folder gives, None where neither does."""
    parts = [*path.relative_to(root).parts[:-1], path.stem.partition("-")[0]]
    return next((part for part in reversed(parts) if part in _SPLITS), None)


def _text_of(row: Row) -> str:
    return "\n".join(
        f"{turn['role']}: {turn['content']}"
        if isinstance(turn["content"], str)
        else f"{turn['role']}: " + "".join(item.get("text") or "" for item in turn["content"])
        for turn in row["messages"]
    )


def _bytes_of(image: Mapping[str, Any]) -> bytes:
    data = image["bytes"]
    return bytes(data) if data is not None else Path(image["path"]).read_bytes()


def _opened(image: Mapping[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(_bytes_of(image)))


def _size_of(image: bytes, where: str) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(image)) as opened:
            return opened.height, opened.width
    except OSError as error:
        msg = f"an image of {where} cannot be read ({error}); rebuild the dataset or remove the row"
        raise InvalidInput(msg) from error
