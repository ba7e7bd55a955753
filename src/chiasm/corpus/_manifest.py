"""The manifest: what a folder holds or will hold, by hash; and what keeps another plan's data out of it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import chiasm
from chiasm.corpus._folder import Folder
from chiasm.corpus._plan import Plan
from chiasm.corpus._schema import SCHEMA_VERSION
from chiasm.errors import Conflict, InvalidInput

MANIFEST = "manifest.json"
_LIBRARIES = ("numpy", "scipy", "numba", "scikit-image", "pillow", "pyarrow")
"""Libraries whose version can change bytes."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Record):
    """A file of the data set."""

    name: Annotated[str, Field(pattern=r"^(data|graphs)/[A-Za-z0-9_]+-[0-9]{5}\.parquet$")]
    """Relative to the data set's folder; a manifest can name nothing else."""
    rows: int
    size: int
    """Bytes."""
    sha256: str


class Shard(_Record):
    """One closed shard: its rows, its graphs, and the parts it was made of."""

    split: str
    index: int
    first_part: int
    stop_part: int
    items: FileRecord
    graphs: FileRecord | None
    counts: dict[str, int]

    @property
    def files(self) -> list[FileRecord]:
        """Both files, or the one there is."""
        return [self.items, *([self.graphs] if self.graphs else [])]


class Manifest(_Record):
    """What a data set is: plan, makers, versions, files and counts."""

    schema_version: Literal[1] = SCHEMA_VERSION
    complete: bool = False
    plan: dict[str, Any]
    plan_sha256: str
    world: dict[str, str]
    versions: dict[str, str]
    shards: tuple[Shard, ...] = ()
    sha256: str = ""
    """Hash of the hashes of all files, in order: the identity of the data. Empty until complete."""

    @classmethod
    def begin(cls, plan: Plan, world_name: str, world_version: str) -> Manifest:
        """The manifest of a data set that holds nothing yet."""
        versions = {"chiasm": chiasm.__version__, "python": platform.python_version()}
        versions |= {library: version(library) for library in _LIBRARIES}
        return cls(
            plan=plan.model_dump(mode="json"),
            plan_sha256=plan.sha256,
            world={"name": world_name, "version": world_version},
            versions=versions,
        )

    def finish(self, shards: Iterable[Shard]) -> Manifest:
        """The manifest of the whole data set."""
        ordered = tuple(sorted(shards, key=lambda s: (s.split, s.index)))
        digest = hashlib.sha256("".join(f.sha256 for s in ordered for f in s.files).encode()).hexdigest()
        return self.model_copy(update={"complete": True, "shards": ordered, "sha256": digest})

    def counts(self, split: str | None = None) -> Counter[str]:
        """Patients, eyes, cases, images, items, and `stage:`, `program:`, `skipped:` keys; of one split or of all."""
        total: Counter[str] = Counter()
        for shard in self.shards:
            if split in (None, shard.split):
                total.update(shard.counts)
        return total

    def to_bytes(self) -> bytes:
        """Readable JSON, the same for the same content."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()


def read_manifest(folder: Folder) -> Manifest | None:
    """The folder's manifest, or None where it has none.

    Raises:
        InvalidInput: It is no manifest, or of another schema version.
    """
    if not folder.exists(MANIFEST):
        return None
    try:
        data = json.loads(folder.read(MANIFEST))
        found = data["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        msg = f"{folder.url}/{MANIFEST} is not a manifest of this program: {type(error).__name__} {error}"
        raise InvalidInput(msg) from error
    if found != SCHEMA_VERSION:
        msg = f"{folder.url} was written with schema version {found}, this version of chiasm reads {SCHEMA_VERSION}"
        raise InvalidInput(msg)
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        msg = f"{folder.url}/{MANIFEST} breaks the manifest's rules: {error}"
        raise InvalidInput(msg) from error


def refuse_other(found: Manifest, wanted: Manifest, where: str) -> None:
    """Refuse to mix two data sets in one folder.

    Raises:
        Conflict: The folder's manifest names another plan, world or library version; every difference is named.
    """
    told = [
        f"{name}: {there} there, {here} asked"
        for part in ("plan", "world", "versions")
        for name, there, here in _differences(getattr(found, part), getattr(wanted, part), part)
    ]
    if told:
        msg = (
            f"{where} holds data of another configuration ({'; '.join(told)}): choose another folder, ask for the same again, "
            "or replace it with the option overwrite (--overwrite)"
        )
        raise Conflict(msg)


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], path: str) -> list[tuple[str, Any, Any]]:
    names = sorted(set(there) | set(here))
    return [(f"{path}.{n}", there.get(n), here.get(n)) for n in names if there.get(n) != here.get(n)]
