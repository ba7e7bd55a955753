"""Who makes the parts: this process, processes of this machine, or a Ray cluster. All give the same bytes.

The engines only make bytes and hand them to the builder, which alone writes; so a worker that dies, or survives a killed
builder for a moment, can damage nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from chiasm.corpus._part import PartResult, PartTask, make_part
from chiasm.corpus._plan import Plan
from chiasm.corpus._workshop import OpenWorkshop, Workshop
from chiasm.errors import ChiasmError

_LOSSES_ALLOWED = 2
"""Times that the pool may lose a worker before the build gives up: a part that kills its worker would do so forever."""


class Engine(Protocol):
    """Makes parts in any order."""

    def run(self, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask]) -> Iterator[PartResult]:
        """Every task's result, as it is ready; takes tasks only as fast as it makes them."""


class InProcess:
    """One after the other, here."""

    def run(self, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask]) -> Iterator[PartResult]:
        opened = workshop(plan)
        for task in tasks:
            yield make_part(plan, opened, task)


class Processes:
    """Spawned processes on this machine; a lost one is replaced and its part made again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask]) -> Iterator[PartResult]:
        lost: list[PartTask] = []
        for losses in range(_LOSSES_ALLOWED + 1):
            again, lost = lost, []
            yield from self._run_pool(plan, workshop, _chain(again, tasks), lost)
            if not lost:
                return
            if losses == _LOSSES_ALLOWED:
                names = ", ".join(task.name for task in lost)
                msg = (
                    f"worker processes died {losses + 1} times while making {names}: most likely memory ran out; what was "
                    "finished is kept, so run the same command with fewer workers to go on"
                )
                raise ChiasmError(msg)

    def _run_pool(
        self, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask], lost: list[PartTask]
    ) -> Iterator[PartResult]:
        """Results until the tasks end or a worker dies; then what was under way is added to `lost`."""
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_open,
            initargs=(plan, workshop, os.getpid()),
        )
        running: dict[Future[PartResult], PartTask] = {}
        try:
            while True:
                while not lost and len(running) < 2 * self.workers and (task := next(tasks, None)) is not None:
                    try:
                        running[pool.submit(_make, task)] = task
                    except BrokenProcessPool:
                        lost.append(task)
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        lost.append(task)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _chain(first: list[PartTask], rest: Iterator[PartTask]) -> Iterator[PartTask]:
    yield from first
    yield from rest


_opened: tuple[Plan, Workshop] | None = None
"""Of a worker process: what it makes parts with, opened once."""


def _open(plan: Plan, workshop: OpenWorkshop, parent: int) -> None:
    global _opened
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    _opened = (plan, workshop(plan))


def _leave_with(parent: int) -> None:
    """End this worker when its builder is gone; a pool's workers would otherwise wait for tasks forever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _make(task: PartTask) -> PartResult:
    assert _opened is not None  # the initializer ran
    return make_part(*_opened, task)
