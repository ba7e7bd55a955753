"""Build a data set from a plan: parts by an engine, shards by the one writer, the manifest last."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chiasm.corpus._engine import Engine, InProcess, Processes
from chiasm.corpus._folder import STATE, Folder, open_folder
from chiasm.corpus._manifest import MANIFEST, Manifest, Shard, read_manifest, refuse_other
from chiasm.corpus._part import PartTask, part_tasks
from chiasm.corpus._plan import Plan
from chiasm.corpus._progress import Meter, Report
from chiasm.corpus._shards import SplitShards
from chiasm.corpus._workshop import OpenWorkshop
from chiasm.errors import Conflict, InvalidInput, UnknownName

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class BuildOptions:
    """How to build; none of it changes a byte of the result."""

    workers: int | None = None
    """Processes [>= 1]; None: one per core. 1 works in this process. With Ray: tasks under way at a time."""
    engine: Literal["local", "ray"] = "local"
    """"local": this machine; "ray": a Ray cluster (extra `dist`)."""
    ray_address: str | None = None
    """Address of the cluster; None: start one on this machine."""
    overwrite: bool = False
    """Replace what an earlier build wrote here; files of others are never touched."""
    take_over: bool = False
    """Take over the lock that a killed builder on another host left behind."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            msg = f"workers must be >= 1, got {self.workers}"
            raise InvalidInput(msg)
        if self.engine not in ENGINES:
            raise UnknownName("engine", self.engine, ENGINES)


@dataclass(frozen=True)
class BuildSummary:
    """What a build came to."""

    where: str
    manifest: Manifest
    seconds: float
    """Time of this run [s]; 0 where everything was there already."""
    images_made: int
    """Images made in this run."""
    worker_mb: float
    """Largest memory of any one worker [MB]."""

    def text(self) -> str:
        """For people: what is there, and what to do next."""
        counts = self.manifest.counts()
        size = sum(f.size for s in self.manifest.shards for f in s.files)
        lines = [
            f"{self.where}: {counts['patients']} patients, {counts['eyes']} eyes, {counts['images']} images, "
            f"{counts['items']} questions in {len(self.manifest.shards)} shards, {size / 1e6:.1f} MB",
            f"data sha256 {self.manifest.sha256}",
        ]
        if self.seconds:
            rate = self.images_made / self.seconds
            lines.append(f"this run: {self.images_made} images in {self.seconds:.1f} s ({rate:.2f} images/s)")
        else:
            lines.append("nothing to do: it was complete already")
        skipped = sum(n for name, n in counts.items() if name.startswith("skipped:"))
        if skipped:
            lines.append(
                f"{skipped} questions were not asked, having no single answer; the manifest counts them by reason"
            )
        lines.append(
            f"next: chiasm check {self.where}; then chiasm browse {self.where}, or datasets.load_dataset({self.where!r})"
        )
        return "\n".join(lines)


def build(
    plan: Plan,
    out: str | Path,
    options: BuildOptions | None = None,
    *,
    workshop: OpenWorkshop | None = None,
    report: Report | None = None,
) -> BuildSummary:
    """Build the data set of a plan, or go on with it where an earlier run stopped.

    Args:
        plan: What to make.
        out: A folder, or an fsspec URL.
        options: How to make it.
        workshop: What makes cases and asks; None: the plan's world and `chiasm.questions`.
        report: Is told how it goes.

    Raises:
        InvalidInput: The plan names what the world or the questions have not.
        Conflict: Another process writes there, or the folder holds another plan's data.
        ChiasmError: The disk is full, or a patient could not be made.
    """
    options = options or BuildOptions()
    opener = workshop or _workshop_of(plan.world)
    shop = opener(plan)
    plan = shop.settle(plan)
    folder = open_folder(out)
    with folder.lock(take_over=options.take_over):
        wanted = Manifest.begin(plan, shop.maker.name, shop.maker.version)
        found = _claim(folder, wanted, overwrite=options.overwrite)
        if found is not None and found.complete:
            return BuildSummary(folder.url, found, 0.0, 0, 0.0)
        if found is None:
            folder.write(MANIFEST, wanted.to_bytes())
        run = _Run(folder, plan, report)
        run.work(_engine(options), opener)
        manifest = wanted.finish(run.all_shards())
        folder.write(MANIFEST, manifest.to_bytes())
        return BuildSummary(folder.url, manifest, run.meter.elapsed_s, run.images_made, run.worker_mb)


class _Run:
    """One run of a build, holding the lock."""

    def __init__(self, folder: Folder, plan: Plan, report: Report | None) -> None:
        self._plan, self._report = plan, report
        self._splits = {name: SplitShards(folder, plan, name) for name in plan.splits}
        before = self._counts()
        self._images_before = before["images"]
        self.meter = Meter(plan.patients, before["patients"], before["images"])
        self.images_made, self.worker_mb = 0, 0.0
        self._last: dict[str, int] = {}

    def work(self, engine: Engine, workshop: OpenWorkshop) -> None:
        """Make every part that is missing, closing shards on the way."""
        for shards in self._splits.values():
            shards.close_full()
        for result in engine.run(self._plan, workshop, self._missing()):
            shards = self._splits[result.task.split]
            shards.put(result)
            shards.close_full()
            self.images_made += result.counts.get("images", 0)
            self.worker_mb = max(self.worker_mb, result.peak_mb)
            self._tell()
        for name, last in self._last.items():
            self._splits[name].close_full(last_part=last)
        self._tell()

    def all_shards(self) -> Iterator[Shard]:
        """Every shard of every split."""
        for shards in self._splits.values():
            yield from shards.shards

    def _missing(self) -> Iterator[PartTask]:
        for task in part_tasks(self._plan):
            self._last[task.split] = max(task.number, self._last.get(task.split, -1))
            if not self._splits[task.split].has(task.number):
                yield task

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for shards in self._splits.values():
            total.update(shards.counts)
        return total

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self.meter.progress(self._counts(), self.worker_mb))


def _engine(options: BuildOptions) -> Engine:
    if options.engine == "ray":
        from chiasm.corpus._ray import RayEngine

        return RayEngine(options.ray_address, options.workers)
    workers = options.workers or os.cpu_count() or 1
    return InProcess() if workers == 1 else Processes(workers)


def _claim(folder: Folder, wanted: Manifest, *, overwrite: bool) -> Manifest | None:
    """The manifest to go on with, or None for a fresh start; refuses folders that hold something else."""
    if overwrite:
        _clear(folder)
    found = read_manifest(folder)
    if found is not None:
        refuse_other(found, wanted, folder.url)
        return found
    taken = _shard_files(folder, wanted)
    if taken:
        msg = (
            f"{folder.url} has no {MANIFEST} but holds {taken[0]}, which is not ours to replace: choose another folder"
        )
        raise Conflict(msg)
    return None


def _clear(folder: Folder) -> None:
    """Remove what builds wrote here, and nothing else.

    A shard that a kill left without its record is on no list, so shards go by their names, which a manifest reserves.
    """
    found = read_manifest(folder)
    if found is None:
        return
    state = [n for under in ("shards", "parts") for n in folder.names(f"{STATE}/{under}")]
    for name in [*_shard_files(folder, found), *state, MANIFEST]:
        folder.remove(name)


def _shard_files(folder: Folder, manifest: Manifest) -> list[str]:
    """Files that have the names of the manifest's shards."""
    splits = "|".join(re.escape(name) for name in manifest.plan["splits"])
    named = re.compile(rf"(data|graphs)/({splits})-[0-9]{{5}}\.parquet")
    return [n for under in ("data", "graphs") for n in folder.names(under) if named.fullmatch(n)]


def _workshop_of(world: str) -> OpenWorkshop:
    """What opens the world of that name."""
    from chiasm.corpus._octa import open_octa

    openers: dict[str, OpenWorkshop] = {"octa": open_octa}
    if world not in openers:
        raise UnknownName("world", world, openers)
    return openers[world]
