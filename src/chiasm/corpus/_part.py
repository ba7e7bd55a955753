"""The unit of work: the patients of one part, made into the bytes of its tables. Pure: it touches no disk."""

from __future__ import annotations

import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, cast

import pyarrow as pa

from chiasm.corpus._draw import QUESTIONS, WORLD, Patient, at, draw_patient, split_of, stream
from chiasm.corpus._plan import Plan
from chiasm.corpus._rows import CaseRows, graph_rows
from chiasm.corpus._schema import GRAPH_ROW_GROUP, GRAPHS, ROW_GROUP, items_schema, open_writer
from chiasm.corpus._workshop import Workshop
from chiasm.errors import ChiasmError
from chiasm.questions import Chart, Item, Skip, Style


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
        self._writer = open_writer(self._sink, schema, passing=True)
        self._waiting = schema.empty_table()

    def add(self, rows: pa.Table) -> None:
        self._waiting = pa.concat_tables([self._waiting, rows])
        while len(self._waiting) >= self._row_group:
            self._write(self._row_group)

    def close(self) -> bytes:
        if len(self._waiting):
            self._write(len(self._waiting))
        self._writer.close()
        return self._sink.getvalue()

    def _write(self, n: int) -> None:
        self._writer.write_table(self._waiting.slice(0, n))
        self._waiting = self._waiting.slice(n)


def _make_patient(
    plan: Plan, workshop: Workshop, patient: Patient, items: _Table, graphs: _Table, counts: Counter[str]
) -> None:
    counts["patients"] += 1
    rng = stream(plan, patient.number, WORLD)
    eyes: set[str] = set()
    for number, case in enumerate(workshop.maker.cases(patient, rng)):
        counts["cases"] += 1
        eyes |= {view.laterality.value for view in case.views}
        rows = CaseRows(case, split=patient.split)
        asking = _Asking(plan, workshop, Chart(case), (patient.number, number), counts)
        for view_number, view in enumerate(case.views):
            counts["images"] += 1
            counts[f"stage:{case.fact_value('stage', view_id=view.view_id)}"] += 1
            of_view = [rows.row(item) for item in asking.about(view_number)]
            items.add(pa.Table.from_pylist(of_view, schema=items_schema()))
        if plan.graphs:
            graphs.add(graph_rows(case))
    counts["eyes"] += len(eyes)


class _Asking:
    """The questions about the images of one case."""

    def __init__(
        self, plan: Plan, workshop: Workshop, chart: Chart, place: tuple[int, int], counts: Counter[str]
    ) -> None:
        self._plan, self._workshop, self._chart, self._place, self._counts = plan, workshop, chart, place, counts
        self._pairs = workshop.pairs
        self._view_ids = [view.view_id for view in chart.case.views]

    def about(self, view_number: int) -> Iterator[Item]:
        """The questions that every image gets, then as many of the others as the plan wants."""
        patient, case = self._place
        order = stream(self._plan, patient, QUESTIONS, case, view_number).permutation(len(self._plan.programs))
        for program in self._plan.every_image:
            yield from self._ask(view_number, program)
        left = self._plan.questions
        for i in order:
            if left == 0:
                return
            for item in self._ask(view_number, self._plan.programs[i]):
                left -= 1
                yield item

    def _ask(self, view_number: int, program: str) -> Iterator[Item]:
        """One item, or none; the program's stream is its own, so that adding a program leaves the others as they were."""
        rng = stream(self._plan, self._place[0], QUESTIONS, self._place[1], view_number, zlib.crc32(program.encode()))
        style = at(self._plan.styles, float(rng.random()))
        view_id, pair = self._view_ids[view_number], self._pairs[program]
        asked = self._workshop.ask(
            self._chart,
            program,
            rng,
            view_ids=() if pair else (view_id,),
            language_name=self._plan.language,
            style=cast(Style, style),
        )
        if isinstance(asked, Skip):
            self._counts[f"skipped:{program}:{asked.label}"] += 1
        elif pair and min(asked.view_ids, key=self._view_ids.index) != view_id:
            self._counts[f"skipped:{program}:asked of another image of the case"] += 1
        else:
            self._counts["items"] += 1
            self._counts[f"program:{program}"] += 1
            yield asked
