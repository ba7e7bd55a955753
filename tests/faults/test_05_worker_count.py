"""Fault 5: the worker count and the order of the work change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, OpenWorkshop, Plan, _build, build
from chiasm.corpus._engine import InProcess
from chiasm.corpus._part import PartResult, PartTask

PLAN = fake_plan(patients=40, shard_mb=0.03)


class Shuffled:
    """Makes the parts in a random order."""

    def run(self, plan: Plan, workshop: OpenWorkshop, tasks: Iterator[PartTask]) -> Iterator[PartResult]:
        waiting = list(tasks)
        order = np.random.default_rng(3).permutation(len(waiting))
        yield from InProcess().run(plan, workshop, iter([waiting[i] for i in order]))


def test_one_worker_two_workers_and_any_order_give_the_same_bytes(tmp_path, monkeypatch):
    build(PLAN, tmp_path / "one", BuildOptions(workers=1), workshop=open_fake)
    build(PLAN, tmp_path / "two", BuildOptions(workers=2), workshop=open_fake)
    monkeypatch.setattr(_build, "_engine", lambda options: Shuffled())
    build(PLAN, tmp_path / "shuffled", BuildOptions(workers=1), workshop=open_fake)
    assert len(digests(tmp_path / "one")) > 8
    assert digests(tmp_path / "one") == digests(tmp_path / "two") == digests(tmp_path / "shuffled")
