"""The unit of work: the patients of one part, made into the bytes of its tables. Pure: it touches no disk."""

from __future__ import annotations

import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from chiasm.case import Case
from chiasm.corpus._draw import QUESTIONS, WORLD, Patient, draw_patient, split_of, stream
from chiasm.corpus._plan import Plan
from chiasm.corpus._rows import CaseRows, graph_rows
from chiasm.corpus._schema import GRAPH_ROW_GROUP, GRAPHS, ROW_GROUP, items_schema, open_writer
from chiasm.corpus._workshop import AskedItem, Workshop
from chiasm.errors import ChiasmError


class PartTask(NamedTuple):
    """Which patients make which part."""

    split: str
    number: int
    patients: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the part: "train-000003"."""
        return f"{self.split}-{self.number:06d}"


class PartResult(NamedTuple):
    """What a worker hands back."""

    task: PartTask
    items: bytes
    """Parquet of the rows."""
    graphs: bytes
    """Parquet of the graphs; empty where the plan wants none."""
    counts: dict[str, int]
    peak_mb: float
    """Largest memory that the worker ever held [MB]; 0 where the system does not tell."""


def part_tasks(plan: Plan) -> Iterator[PartTask]:
    """Every part, in order of its first patient; lazily, so that ten million patients need no list."""
    waiting: dict[str, list[int]] = {}
    made: Counter[str] = Counter()
    for index in range(plan.patients):
        split = split_of(plan, index)
        queue = waiting.setdefault(split, [])
        queue.append(index)
        if len(queue) == plan.patients_per_part:
            yield PartTask(split, made[split], tuple(queue))
            made[split] += 1
            queue.clear()
    for split, queue in waiting.items():
        if queue:
            yield PartTask(split, made[split], tuple(queue))


def make_part(plan: Plan, workshop: Workshop, task: PartTask) -> PartResult:
    """Make the patients of a part.

    Raises:
        ChiasmError: A patient could not be made; the message says which one and how to make it alone.
    """
    items, graphs = _Table(items_schema(), ROW_GROUP), _Table(GRAPHS, GRAPH_ROW_GROUP)
    counts: Counter[str] = Counter()
    for index in task.patients:
        try:
            _make_patient(plan, workshop, draw_patient(plan, index), items, graphs, counts)
        except Exception as error:
            msg = (
                f"patient {index} of world {plan.world!r}, seed {plan.seed} (part {task.name}) could not be made: "
                f"{type(error).__name__}: {error}"
            )
            raise ChiasmError(msg) from error
    return PartResult(task, items.close(), graphs.close() if plan.graphs else b"", dict(counts), peak_memory_mb())


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far [MB]."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class _Table:
    """Rows gathered into row groups of one Parquet file in memory."""

    def __init__(self, schema: pa.Schema, row_group: int) -> None:
        self._schema, self._row_group = schema, row_group
        self._sink = io.BytesIO()
        self._writer = open_writer(self._sink, schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self._rows.append(row)
            if len(self._rows) == self._row_group:
                self._flush()

    def close(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._sink.getvalue()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()


def _make_patient(
    plan: Plan, workshop: Workshop, patient: Patient, items: _Table, graphs: _Table, counts: Counter[str]
) -> None:
    counts["patients"] += 1
    rng = stream(plan, patient.number, WORLD)
    eyes: set[str] = set()
    for number, case in enumerate(workshop.maker.cases(patient, rng)):
        rows = CaseRows(case, split=patient.split)
        counts["cases"] += 1
        eyes |= {view.laterality.value for view in case.views}
        for view_number, view in enumerate(case.views):
            counts["images"] += 1
            counts[f"stage:{case.fact_value('stage', view_id=view.view_id)}"] += 1
            asked = list(_ask_view(plan, workshop, case, (patient.number, number, view_number), counts))
            items.add(rows.row(item) for item in asked)
            counts["items"] += len(asked)
        if plan.graphs:
            graphs.add(graph_rows(case))
    counts["eyes"] += len(eyes)


def _ask_view(
    plan: Plan, workshop: Workshop, case: Case, place: tuple[int, int, int], counts: Counter[str]
) -> Iterator[AskedItem]:
    """The questions about one image: those that every image gets, then as many of the others as the plan wants."""
    view_id = case.views[place[2]].view_id
    order = stream(plan, place[0], QUESTIONS, *place[1:]).permutation(len(plan.programs))
    wanted = len(plan.every_image) + plan.questions
    answered = 0
    for turn, program in enumerate([*plan.every_image, *(plan.programs[i] for i in order)]):
        if answered == wanted:
            return
        rng = _program_stream(plan, place, program)
        item = workshop.ask(case, program, rng, view_ids=(view_id,))
        if isinstance(item, AskedItem):
            counts[f"program:{program}"] += 1
            answered += 1
            yield item
        else:
            counts[f"skipped:{program}:{item.reason}"] += 1
            answered += turn < len(plan.every_image)  # its turn is over; no other program stands in for it


def _program_stream(plan: Plan, place: tuple[int, int, int], program: str) -> np.random.Generator:
    """Its own stream for each program, so that adding one leaves the others' questions as they were."""
    return stream(plan, place[0], QUESTIONS, *place[1:], zlib.crc32(program.encode()))
