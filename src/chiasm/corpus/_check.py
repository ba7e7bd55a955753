"""Check a data set: every rule of `RULES`, over files, rows and the whole; works on other people's as far as columns allow."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.corpus._check_rows import FileFindings, check_file
from chiasm.corpus._check_set import check_answers, check_images, check_splits
from chiasm.corpus._dataset import DataSet, open_dataset, read_rows
from chiasm.corpus._manifest import Manifest
from chiasm.corpus._problem import RULES, Problem, Problems
from chiasm.errors import InvalidInput


@dataclass(frozen=True)
class CheckReport:
    """What a check found."""

    where: str
    sha256: str
    """Identity of the data; empty for a set without a manifest."""
    rows: int
    images: int
    """Distinct images."""
    problems: dict[str, int]
    """Breaches by rule."""
    examples: tuple[Problem, ...]
    not_applied: tuple[str, ...]
    """Rules that this set's columns do not allow."""
    statistics: dict[str, Any]

    @property
    def errors(self) -> int:
        """Breaches of rules whose breach is an error."""
        return sum(n for rule, n in self.problems.items() if RULES[rule].severity == "error")

    @property
    def ok(self) -> bool:
        """Whether there was no error; warnings are no errors."""
        return self.errors == 0

    def text(self) -> str:
        """For people."""
        lines = [f"{self.where}: {self.rows} rows, {self.images} images"]
        for rule, count in sorted(self.problems.items()):
            lines.append(f"{RULES[rule].severity}: {rule}: {count} ({RULES[rule].about})")
            lines += [f"    {p.where}: {p.message}" for p in self.examples if p.rule == rule][:3]
        if self.not_applied:
            lines.append(f"not applied, as the columns do not allow it: {', '.join(self.not_applied)}")
        if self.ok:
            lines.append(f"clean; next: chiasm browse {self.where}, or chiasm train sft --data {self.where}")
        else:
            lines.append(f"{self.errors} errors; `--out DIR` writes a report that names more of them")
        return "\n".join(lines)


def check(where: str | Path, *, workers: int | None = None) -> CheckReport:
    """Check a data set.

    Args:
        where: Its folder.
        workers: Processes [>= 1]; None: one per core, at most one per file.

    Raises:
        InvalidInput: There is no data set there, or its manifest cannot be read.
    """
    data = open_dataset(where)
    problems = Problems()
    if data.manifest is not None:
        _check_files(data, data.manifest, problems)
    found = _check_rows(data, workers)
    problems.take(f.problems for f in found)
    check_splits(found, problems)
    check_images(found, problems)
    check_answers(found, problems)
    if data.manifest is not None:
        _check_graphs(data, found, problems)
    return CheckReport(
        where=str(data.where),
        sha256=data.manifest.sha256 if data.manifest else "",
        rows=sum(f.rows for f in found),
        images=len({sha for f in found for sha in f.image_sha}),
        problems=dict(problems.counts),
        examples=tuple(p for kept in problems.examples.values() for p in kept),
        not_applied=tuple(_not_applied(data, found)),
        statistics=_statistics(found),
    )


def _check_files(data: DataSet, manifest: Manifest, problems: Problems) -> None:
    if not manifest.complete:
        problems.add("manifest", "manifest.json", "the build is not complete; run the same build command again")
    listed = {f.name: f for shard in manifest.shards for f in shard.files}
    there = {f"{under}/{p.name}" for under in ("data", "graphs") for p in (data.where / under).glob("*.parquet")}
    for name in sorted(there - set(listed)) if manifest.complete else ():
        problems.add("manifest", name, "is not in the manifest")
    for name, record in listed.items():
        path = data.where / name
        if not path.is_file():
            problems.add("manifest", name, "is in the manifest but not there")
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if path.stat().st_size != record.size:
            problems.add("file hash", name, f"is {path.stat().st_size:,} bytes, the manifest says {record.size:,}")
        elif digest != record.sha256:
            problems.add("file hash", name, f"has SHA-256 {digest}, the manifest says {record.sha256}")


def _check_rows(data: DataSet, workers: int | None) -> list[FileFindings]:
    work = partial(check_file, ours=data.manifest is not None)
    workers = min(workers or os.cpu_count() or 1, len(data.files))
    if workers <= 1:
        return [work(file) for file in data.files]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(work, data.files))


def _check_graphs(data: DataSet, found: Iterable[FileFindings], problems: Problems) -> None:
    named = {graph for f in found for graph in f.graphs}
    stored: set[str] = set()
    for path in sorted((data.where / "graphs").glob("*.parquet")):
        try:
            stored |= {row["graph_id"] for row in read_rows(path, ["graph_id"])}
        except InvalidInput as error:
            problems.add("readable", path.name, str(error))
    if data.manifest is not None and data.manifest.plan["graphs"]:
        for graph in sorted(named - stored):
            problems.add("evidence", graph, "rows name this vessel graph, and no file of graphs holds it")


def _not_applied(data: DataSet, found: list[FileFindings]) -> Iterable[str]:
    columns = found[0].columns
    if data.manifest is None:
        yield from (
            "manifest",
            "file hash",
            "row hash",
            "gold answer",
            "wording",
            "read-back",
            "region",
            "evidence",
            "split",
        )
        yield from ("columns", "letters", "classes")
    if columns.patient is None:
        yield "patient leak"
    if not columns.images:
        yield from ("image", "exact duplicate", "near duplicate", "blank image", "image statistics")
    if columns.item is None:
        yield "item id"
    if columns.question is None:
        yield "repeated question"
    if columns.messages is None:
        yield "placeholders"


def _statistics(found: list[FileFindings]) -> dict[str, Any]:
    splits: dict[str, Any] = {}
    for name in dict.fromkeys(f.split for f in found):
        of = [f for f in found if f.split == name]
        levels = np.array([x for f in of for x in f.image_mean_sd]).reshape(-1, 2)
        stages: Counter[str] = sum((f.stages for f in of), Counter())
        programs: Counter[str] = Counter()
        for f in of:
            for (program, _, _), n in f.answers.items():
                programs[program] += n
        splits[name] = {
            "rows": sum(f.rows for f in of),
            "images": len({sha for f in of for sha in f.image_sha}),
            "patients": len(set().union(*(f.patients for f in of))),
            "stages": dict(sorted(stages.items())),
            "programs": dict(sorted(programs.items())),
            "mean grey level": _spread(levels[:, 0]),
            "sd of grey levels": _spread(levels[:, 1]),
        }
    letters: Counter[tuple[int, str]] = sum((f.letters for f in found), Counter())
    return {"splits": splits, "letters": {f"{letter} of {n}": c for (n, letter), c in sorted(letters.items())}}


def _spread(values: np.ndarray[Any, Any]) -> dict[str, float]:
    if not len(values):
        return {}
    marks = np.percentile(values, [0, 5, 50, 95, 100]).round(2).tolist()
    return dict(zip(("min", "p5", "median", "p95", "max"), marks, strict=True))
