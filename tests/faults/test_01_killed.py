"""Fault 1: killed (SIGKILL, out of memory, power) in the middle of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_world
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, build

PLAN = fake_plan(patients=60, shard_mb=0.05)  # as fake_world.py builds it when run


class PowerCut(BaseException):
    """Stands for a kill: no handler of the library may take it for an error to recover from."""


def unbroken(tmp_path: Path) -> dict[str, str]:
    build(PLAN, tmp_path / "unbroken", BuildOptions(workers=1), workshop=open_fake)
    return digests(tmp_path / "unbroken")


def assert_everything_visible_is_readable(folder: Path) -> None:
    for path in folder.glob("*/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            assert row["patient_id"].startswith("fake-")


@pytest.mark.parametrize("wanted", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_random_moments_leave_no_trace(tmp_path, wanted):
    expected = unbroken(tmp_path)
    rng = np.random.default_rng(20)
    out = tmp_path / "killed"
    environment = os.environ | {"FAKE_SLEEP": "0.04"}
    command = [sys.executable, fake_world.__file__, str(out)]
    kills = 0
    for attempt in range(40):
        process = subprocess.Popen([*command, str(1 + attempt % 2)], env=environment, stderr=subprocess.DEVNULL)
        while not (out / ".chiasm/holder.json").exists() and process.poll() is None:
            time.sleep(0.01)
        try:
            process.wait(float(rng.uniform(0, 1.0)) if kills < wanted else 120)
            break
        except subprocess.TimeoutExpired:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills += 1
        assert_everything_visible_is_readable(out)
        _, left = psutil.wait_procs(children, timeout=10)
        assert not left, "workers must not outlive a killed builder"
    assert kills >= wanted
    assert process.returncode == 0
    assert digests(out) == expected


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_at_any_rename_is_survived(tmp_path, monkeypatch, when):
    expected = unbroken(tmp_path)
    replace = Path.replace
    cuts = 0
    countdown = 0

    def cut(self: Path, target: Path) -> Path:
        nonlocal countdown
        countdown -= 1
        if when == "after":
            replace(self, target)
        if countdown == 0:
            raise PowerCut
        return target if when == "after" else replace(self, target)

    monkeypatch.setattr(Path, "replace", cut)
    out = tmp_path / "cut"
    step = 1
    while True:
        countdown = step = step % 7 + 1  # cuts fall on every kind of file: parts, their records, shards, manifest
        try:
            build(PLAN, out, BuildOptions(workers=1), workshop=open_fake)
        except PowerCut:
            cuts += 1
            assert_everything_visible_is_readable(out)
            continue
        if countdown > 0:
            break
    assert cuts > 10
    assert digests(out) == expected
