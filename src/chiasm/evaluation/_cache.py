"""Answers kept by content, so that a run goes on where it stopped and a repeated question costs nothing.

The key is the hash of the model's fingerprint and of everything it sees: words, pictures, options. Replies are appended to a
JSON Lines file, flushed to the disk after each batch; a line cut by a kill is dropped when the file is read. Only replies
with an answer are kept, so failures are asked again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import filelock

from chiasm.errors import Conflict
from chiasm.evaluation._question import Question, Reply


class AnswerCache:
    """Replies on disk.

    Args:
        path: The file; it is made at the first write.

    Raises:
        Conflict: Another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(path.with_suffix(".lock"))
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            msg = f"{path} is in use by another evaluation; wait for it, or give another output folder"
            raise Conflict(msg) from error
        self._known = _read(path)

    def close(self) -> None:
        """Let another process have the file."""
        self._lock.release()

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, key: str) -> Reply | None:
        """The reply kept under a key."""
        return self._known.get(key)

    def put(self, entries: Iterable[tuple[str, Reply]]) -> None:
        """Keep replies that hold an answer, and flush them to the disk."""
        good = [(key, reply) for key, reply in entries if reply.text is not None]
        if not good:
            return
        with self.path.open("a", encoding="utf-8") as file:
            for key, reply in good:
                scores = None if reply.scores is None else dict(reply.scores)
                file.write(json.dumps({"key": key, "text": reply.text, "scores": scores}) + "\n")
                self._known[key] = reply
            file.flush()
            os.fsync(file.fileno())


def cache_key(fingerprint: str, question: Question) -> str:
    """Identity of one request: the model and all that it sees; not the item's id."""
    plain = [fingerprint, question.prompt, [p.sha256 for p in question.pictures], list(question.options)]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _read(path: Path) -> dict[str, Reply]:
    if not path.exists():
        return {}
    data = path.read_bytes()
    if data and not data.endswith(
        b"\n"
    ):  # a kill cut the last line: drop it, so that the next write starts a fresh one
        data = data[: data.rfind(b"\n") + 1]
        with path.open("r+b") as file:
            file.truncate(len(data))
    known: dict[str, Reply] = {}
    for line in data.splitlines():
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            continue  # damaged: the question will be asked again
        known[row["key"]] = Reply(row["text"], row["scores"])
    return known
