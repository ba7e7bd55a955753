"""Parts made on a Ray cluster (extra `dist`); the builder still writes alone, so nodes need no shared disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chiasm.corpus._part import PartResult, PartTask, make_part
from chiasm.corpus._plan import Plan
from chiasm.corpus._workshop import OpenWorkshop, Workshop
from chiasm.errors import ChiasmError, require

_RETRIES = 3
"""Times that Ray makes a part again when the worker or node that had it is lost."""
_shops: dict[str, Workshop] = {}
"""Of a Ray worker process: opened workshops by plan, since a process makes many parts."""


class RayEngine:
    """Tasks of one CPU on an existing cluster, or on one started here."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self._address, self._workers = address, workers

    def run(self, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask]) -> Iterator[PartResult]:
        """Every task's result, as it is ready; at most two tasks per worker are under way."""
        ray = require("ray", "dist")
        started = not ray.is_initialized()
        if started:
            ray.init(address=self._address, num_cpus=None if self._address else self._workers, log_to_driver=False)
        try:
            yield from self._run(ray, plan, workshop, tasks)
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except ray.exceptions.RayError as error:
            msg = (
                f"the Ray cluster lost a part {_RETRIES + 1} times ({type(error).__name__}: {error}); what was finished is kept, "
                "so run the same command to go on"
            )
            raise ChiasmError(msg) from error
        finally:
            if started:
                ray.shutdown()

    def _run(self, ray: Any, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask]) -> Iterator[PartResult]:
        make = ray.remote(num_cpus=1, max_retries=_RETRIES)(_make)
        shared = ray.put((plan, workshop))
        limit = 2 * (self._workers or int(ray.cluster_resources().get("CPU", 1)))
        running: list[Any] = []
        while True:
            while len(running) < limit and (task := next(tasks, None)) is not None:
                running.append(make.remote(shared, task))
            if not running:
                return
            done, running = ray.wait(running, num_returns=1)
            yield ray.get(done[0])


def _make(shared: tuple[Plan, OpenWorkshop], task: PartTask) -> PartResult:
    plan, workshop = shared
    shop = _shops.get(plan.sha256)
    if shop is None:
        shop = _shops[plan.sha256] = workshop(plan)
    return make_part(plan, shop, task)
