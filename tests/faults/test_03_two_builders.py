"""Fault 3: two builders in one folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import fake_world
import pytest
from fake_world import fake_plan, open_fake

from chiasm.corpus import BuildOptions, build
from chiasm.errors import Conflict

PLAN = fake_plan(patients=60, shard_mb=0.05)


def test_the_second_is_refused_and_told_who_holds_it(tmp_path):
    first = subprocess.Popen(
        [sys.executable, fake_world.__file__, str(tmp_path), "1"], env=os.environ | {"FAKE_SLEEP": "1"}
    )
    try:
        while not (tmp_path / ".chiasm/holder.json").exists():
            assert first.poll() is None
            time.sleep(0.02)
        with pytest.raises(
            Conflict, match=rf"process {first.pid} on {socket.gethostname()}, started 2.* is writing into"
        ):
            build(PLAN, tmp_path, BuildOptions(workers=1), workshop=open_fake)
        with pytest.raises(Conflict, match="is writing into"):
            build(PLAN, tmp_path, BuildOptions(workers=1, overwrite=True, take_over=True), workshop=open_fake)
    finally:
        first.kill()
        first.wait()
    assert build(PLAN, tmp_path, BuildOptions(workers=1), workshop=open_fake).manifest.complete


def test_a_note_from_another_host_is_explained_and_removed_only_on_request(tmp_path):
    (tmp_path / ".chiasm").mkdir()
    note = {"host": "elsewhere", "pid": 17, "started": "2026-01-01 00:00:00 +0000"}
    (tmp_path / ".chiasm/holder.json").write_text(json.dumps(note))
    with pytest.raises(Conflict, match=r"process 17 on elsewhere.* may still write into .*take_over"):
        build(PLAN, tmp_path, BuildOptions(workers=1), workshop=open_fake)
    build(PLAN, tmp_path, BuildOptions(workers=1, take_over=True), workshop=open_fake)
    assert not (tmp_path / ".chiasm/holder.json").exists()
