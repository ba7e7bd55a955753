"""Where a data set is written: whole files or none, one writer.

A file is written under another name inside the same root, flushed to the disk, and renamed; the folder that gains the name
is flushed too. So a reader, or a run after a kill or a power cut, sees either the old state or the whole new file. Ctrl-C
and a full disk remove the unfinished file; a kill leaves it under `.chiasm/tmp`, where the next run sweeps it up.

Accepted: a rename is atomic within one file system, so `.chiasm` must not be a mount of its own. URLs (`s3://...`, any
fsspec scheme) are uploaded whole and moved into place; object stores show an object only when it is complete. The lock is
a lock of the operating system, released by the kernel when its holder dies; over URLs there is only the note that names the
holder.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import filelock
import fsspec

from chiasm.errors import ChiasmError, Conflict

STATE = ".chiasm"
_TMP = f"{STATE}/tmp"
_WRITTEN = (STATE, _TMP, f"{STATE}/parts", f"{STATE}/shards", "data", "graphs", "figures", "images")


class Folder(Protocol):
    """A root under which files appear whole. Names are relative, with forward slashes."""

    @property
    def url(self) -> str:
        """The root, for messages."""

    def write(self, name: str, data: bytes) -> None:
        """Make the file appear with this content, replacing what was there."""

    def adopt(self, source: Path, name: str) -> None:
        """Make the file appear with the content of a local scratch file, which is gone afterwards."""

    def read(self, name: str) -> bytes:
        """The whole content."""

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""

    def names(self, under: str = "") -> list[str]:
        """Files directly in a folder of the root, sorted; none where it does not exist."""

    def remove(self, name: str) -> None:
        """Remove one file, if it is there."""

    def scratch(self, name: str) -> Path:
        """A local path for an unfinished file that `adopt` takes."""

    def lock(self, *, take_over: bool) -> contextlib.AbstractContextManager[None]:
        """Hold the root alone."""


def open_folder(where: str | Path) -> Folder:
    """The folder at a local path or an fsspec URL; a local one is made if it is not there."""
    text = str(where)
    if "://" in text and not text.startswith("file://"):
        return RemoteFolder(text)
    return LocalFolder.to_write(Path(text.removeprefix("file://")))


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            msg = f"{root} is a file; a data set is written into a folder"
            raise Conflict(msg)
        self.root = root

    @classmethod
    def to_write(cls, root: Path) -> LocalFolder:
        """The folder, made if it is not there.

        Raises:
            Conflict: A folder that would be written into is a symbolic link: a data set from elsewhere may not lead writing
                and sweeping out of its own folder.
        """
        folder = cls(root)
        for name in _WRITTEN:
            if (root / name).is_symlink():
                msg = f"{root / name} is a symbolic link, which a build would write through: remove it, or choose another folder"
                raise Conflict(msg)
        (root / _TMP).mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def url(self) -> str:
        return str(self.root)

    def write(self, name: str, data: bytes) -> None:
        scratch = self.scratch(name)
        with disk_errors(self.root / name, len(data), scratch):
            with scratch.open("wb") as file:
                file.write(data)
            self._place(scratch, name)

    def adopt(self, source: Path, name: str) -> None:
        with disk_errors(self.root / name, source.stat().st_size, source):
            self._place(source, name)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def names(self, under: str = "") -> list[str]:
        folder = self.root / under
        if not folder.is_dir():
            return []
        return sorted(f"{under}/{p.name}" if under else p.name for p in folder.iterdir() if p.is_file())

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def scratch(self, name: str) -> Path:
        return self.root / _TMP / f"{name.replace('/', '+')}.{os.getpid()}"

    @contextlib.contextmanager
    def lock(self, *, take_over: bool) -> Iterator[None]:
        lock = filelock.FileLock(self.root / STATE / "lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise Conflict(_held(self, "is writing into")) from None
        try:
            _check_note(self, take_over, same_host_is_dead=True)
            for name in self.names(_TMP):
                self.remove(name)
            self.write(_NOTE, _note())
            try:
                yield
            finally:
                self.remove(_NOTE)
        finally:
            lock.release()

    def _place(self, scratch: Path, name: str) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        scratch.replace(target)
        if os.name == "posix":
            handle = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class RemoteFolder:
    """A folder behind an fsspec URL; written into only under its lock."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._url = url.rstrip("/")
        self._scratch: Path | None = None

    @property
    def url(self) -> str:
        return self._url

    def write(self, name: str, data: bytes) -> None:
        scratch = self.scratch(name)
        scratch.write_bytes(data)
        self.adopt(scratch, name)

    def adopt(self, source: Path, name: str) -> None:
        part = f"{self._root}/{_TMP}/{source.name}"
        for folder in (f"{self._root}/{_TMP}", str(PurePosixPath(self._root) / PurePosixPath(name).parent)):
            self._fs.makedirs(folder, exist_ok=True)
        self._fs.put_file(str(source), part)
        self._fs.mv(part, f"{self._root}/{name}")
        source.unlink()

    def read(self, name: str) -> bytes:
        data: bytes = self._fs.cat_file(f"{self._root}/{name}")
        return data

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(f"{self._root}/{name}"))

    def names(self, under: str = "") -> list[str]:
        folder = f"{self._root}/{under}".rstrip("/")
        if not self._fs.isdir(folder):
            return []
        found = [PurePosixPath(e["name"]).name for e in self._fs.ls(folder, detail=True) if e["type"] == "file"]
        return sorted(f"{under}/{n}" if under else n for n in found)

    def remove(self, name: str) -> None:
        if self.exists(name):
            self._fs.rm_file(f"{self._root}/{name}")

    def scratch(self, name: str) -> Path:
        assert self._scratch is not None  # writing is done under the lock
        return self._scratch / f"{name.replace('/', '+')}.{os.getpid()}"

    @contextlib.contextmanager
    def lock(self, *, take_over: bool) -> Iterator[None]:
        _check_note(self, take_over, same_host_is_dead=False)
        with tempfile.TemporaryDirectory(prefix="chiasm-") as scratch:
            self._scratch = Path(scratch)
            self.write(_NOTE, _note())
            try:
                yield
            finally:
                self.remove(_NOTE)
                self._scratch = None


_NOTE = f"{STATE}/holder.json"


def _note() -> bytes:
    started = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": started}).encode()


def _held(folder: Folder, verb: str) -> str:
    holder = _holder(folder)
    who = (
        "another process"
        if holder is None
        else f"process {holder['pid']} on {holder['host']}, started {holder['started']},"
    )
    return f"{who} {verb} {folder.url}: wait for it, stop it, or choose another folder"


def _holder(folder: Folder) -> dict[str, Any] | None:
    if not folder.exists(_NOTE):
        return None
    holder: dict[str, Any] = json.loads(folder.read(_NOTE))
    return holder


def _check_note(folder: Folder, take_over: bool, *, same_host_is_dead: bool) -> None:
    """A note that survived its writer: ours to sweep up where the kernel's lock proves that the writer is gone."""
    holder = _holder(folder)
    if holder is None or take_over or (same_host_is_dead and holder["host"] == socket.gethostname()):
        return
    msg = (
        f"{_held(folder, 'may still write into')}; if it was killed, take its lock over (option take_over, --take-over)"
    )
    raise Conflict(msg)


@contextlib.contextmanager
def disk_errors(target: Path, size: int, scratch: Path) -> Iterator[None]:
    """Remove the unfinished file on any failure, and say what a full disk needs."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            msg = (
                f"no space left for {target} ({size:,} bytes): what was finished is kept; free some space and run the same "
                "command again to go on"
            )
            raise ChiasmError(msg) from error
        raise
