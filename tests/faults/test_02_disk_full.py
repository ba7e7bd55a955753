"""Fault 2: the disk is full while writing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, build
from chiasm.errors import ChiasmError

PLAN = fake_plan(patients=16, shard_mb=0.03)


@pytest.mark.parametrize("writes_before", [0, 4, 13, 27])
def test_full_disk_names_path_and_bytes_and_leaves_only_whole_files(tmp_path, monkeypatch, writes_before):
    real, left = os.fsync, writes_before

    def fsync(handle: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ChiasmError, match=r"no space left for .*\([0-9,]+ bytes\).*run the same command again"):
        build(PLAN, tmp_path / "full", BuildOptions(workers=1), workshop=open_fake)
    assert not list((tmp_path / "full/.chiasm/tmp").iterdir())
    for path in (tmp_path / "full").glob("*/*.parquet"):
        assert pq.read_table(path).num_rows
    monkeypatch.undo()
    build(PLAN, tmp_path / "full", BuildOptions(workers=1), workshop=open_fake)
    build(PLAN, tmp_path / "unbroken", BuildOptions(workers=1), workshop=open_fake)
    assert digests(tmp_path / "full") == digests(tmp_path / "unbroken")


def test_full_disk_while_a_shard_is_joined(tmp_path, monkeypatch):
    real = pq.ParquetWriter.write_table

    def write_table(self: pq.ParquetWriter, *args: object, **kwargs: object) -> None:
        if isinstance(self.where, Path):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)
    with pytest.raises(ChiasmError, match=r"no space left for .*data/t"):
        build(PLAN, tmp_path, BuildOptions(workers=1), workshop=open_fake)
    assert not list(tmp_path.glob("data/*"))
    assert not list((tmp_path / ".chiasm/tmp").iterdir())
