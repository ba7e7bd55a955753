"""Opening a data set for reading: ours by its manifest, other people's by their Parquet files and columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from chiasm.corpus._folder import LocalFolder
from chiasm.corpus._manifest import Manifest, read_manifest
from chiasm.errors import InvalidInput

_SPLIT_WORDS = re.compile(r"(?<![a-z])(train|validation|valid|val|dev|test|all)(?![a-z])", re.IGNORECASE)


class DataFile(NamedTuple):
    """One Parquet file of rows."""

    split: str
    path: Path


class DataSet(NamedTuple):
    """A data set on this machine."""

    where: Path
    manifest: Manifest | None
    """None for a data set that this program did not make."""
    files: tuple[DataFile, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, each once, in the files' order."""
        return tuple(dict.fromkeys(file.split for file in self.files))


def open_dataset(where: str | Path) -> DataSet:
    """Find the files of a data set.

    Raises:
        InvalidInput: There is no such folder, or nothing in it to read.
    """
    root = Path(where)
    if not root.is_dir():
        msg = f"{root} is not a folder; name the folder of a data set"
        raise InvalidInput(msg)
    manifest = read_manifest(LocalFolder(root))
    if manifest is not None:
        splits = sorted(manifest.plan["splits"], key=len, reverse=True)
        paths = sorted((root / "data").glob("*.parquet"))
        named = [(next((s for s in splits if p.name.startswith(f"{s}-")), ""), p) for p in paths]
        files = [DataFile(split, path) for split, path in named if split]
        return DataSet(root, manifest, tuple(sorted(files, key=lambda f: (split_rank(f.split), f.path))))
    paths = sorted(
        p for p in root.rglob("*.parquet") if not any(part.startswith(".") for part in p.relative_to(root).parts)
    )
    if not paths:
        msg = f"{root} holds neither a manifest.json nor Parquet files: nothing to read"
        raise InvalidInput(msg)
    return DataSet(root, None, tuple(DataFile(_split_by_name(p.relative_to(root)), p) for p in paths))


def split_rank(split: str) -> tuple[int, str]:
    """Sort key that puts train, validation and test first, in this order."""
    known = ("train", "validation", "test")
    return (known.index(split) if split in known else len(known), split)


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file.

    Raises:
        InvalidInput: It is truncated, empty, or something else.
    """
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        size = path.stat().st_size if path.exists() else 0
        msg = f"{path} is not a readable Parquet file ({size:,} bytes): {error}"
        raise InvalidInput(msg) from error


def read_rows(path: Path, columns: Sequence[str] | None = None, *, batch: int = 50) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a few at a time.

    Raises:
        InvalidInput: The file is damaged.
    """
    with open_parquet(path) as file:
        try:
            for table in file.iter_batches(batch_size=batch, columns=None if columns is None else list(columns)):
                yield from table.to_pylist()
        except (OSError, pa.ArrowException) as error:
            msg = f"{path} is damaged inside: {error}"
            raise InvalidInput(msg) from error


def _split_by_name(path: Path) -> str:
    found = _SPLIT_WORDS.findall(str(path))
    word = found[-1].lower() if found else "train"
    return "validation" if word in ("val", "valid", "dev") else word
