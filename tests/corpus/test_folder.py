"""Files appear whole or not at all, locally and behind a URL."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import fsspec
import pytest
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, build
from chiasm.corpus._folder import LocalFolder, RemoteFolder, open_folder
from chiasm.errors import ChiasmError, Conflict

URL = "memory://bucket/sets/one"


@pytest.fixture(autouse=True)
def _empty_memory():
    fsspec.filesystem("memory").store.clear()
    yield
    fsspec.filesystem("memory").store.clear()


def test_a_url_holds_the_same_files_as_a_folder(tmp_path):
    plan = fake_plan(shard_mb=0.02)
    build(plan, tmp_path / "local", BuildOptions(workers=1), workshop=open_fake)
    summary = build(plan, URL, BuildOptions(workers=1), workshop=open_fake)
    assert summary.where == URL
    memory = fsspec.filesystem("memory")
    memory.get("/bucket/sets/one", str(tmp_path / "fetched"), recursive=True)
    assert digests(tmp_path / "fetched") == digests(tmp_path / "local")
    assert build(plan, URL, BuildOptions(workers=1), workshop=open_fake).seconds == 0
    with pytest.raises(Conflict, match=r"plan\.seed"):
        build(plan.change(seed=5), URL, BuildOptions(workers=1), workshop=open_fake)


def test_a_url_build_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE", "20")
    with pytest.raises(ChiasmError, match="patient 20"):
        build(fake_plan(), URL, BuildOptions(workers=1), workshop=open_fake)
    monkeypatch.undo()
    made = build(fake_plan(), URL, BuildOptions(workers=1), workshop=open_fake).images_made
    assert 0 < made < 24


def test_a_held_url_is_refused_until_taken_over():
    folder = open_folder(URL)
    assert isinstance(folder, RemoteFolder)
    with folder.lock(take_over=False), pytest.raises(Conflict, match=r"may still write into memory://bucket/sets/one"):
        build(fake_plan(), URL, BuildOptions(workers=1), workshop=open_fake)
    note = json.dumps({"host": "h", "pid": 1, "started": "then"}).encode()
    fsspec.filesystem("memory").pipe_file("/bucket/sets/one/.chiasm/holder.json", note)
    assert build(fake_plan(), URL, BuildOptions(workers=1, take_over=True), workshop=open_fake).manifest.complete


def test_file_urls_are_local_folders(tmp_path):
    assert isinstance(open_folder(f"file://{tmp_path}/x"), LocalFolder)
    assert (tmp_path / "x").is_dir()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Conflict, match="is a file"):
        open_folder(tmp_path / "out")


def test_writing_replaces_whole_files_and_leaves_no_scratch(tmp_path):
    folder = LocalFolder.to_write(tmp_path)
    folder.write("data/a.bin", b"old")
    folder.write("data/a.bin", b"new")
    assert folder.read("data/a.bin") == b"new"
    assert folder.names("data") == ["data/a.bin"]
    assert folder.names(".chiasm/tmp") == []
    folder.remove("data/a.bin")
    folder.remove("data/a.bin")
    assert not folder.exists("data/a.bin")


@pytest.mark.parametrize("cause", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path, monkeypatch, cause):
    folder = LocalFolder.to_write(tmp_path)
    folder.write("a.bin", b"old")

    def fail(_handle: int) -> None:
        raise cause

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(cause)):
        folder.write("a.bin", b"new")
    monkeypatch.undo()
    assert folder.read("a.bin") == b"old"
    assert folder.names(".chiasm/tmp") == []


def test_quota_counts_as_a_full_disk(tmp_path, monkeypatch):
    def fail(_handle: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ChiasmError, match=r"no space left for .*a\.bin \(3 bytes\)"):
        LocalFolder.to_write(tmp_path).write("a.bin", b"new")
    assert not Path(tmp_path / "a.bin").exists()
