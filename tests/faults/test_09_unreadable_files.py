"""Fault 9: truncated, empty, wrongly named files, HTML instead of an image: named, left out, never replaced by black."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_world import fake_plan, open_fake
from PIL import Image

from chiasm.case import read_cases
from chiasm.corpus import BuildOptions, build, check
from chiasm.errors import InvalidInput
from chiasm.sources import read_image_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images and four bad files, by class."""
    sink = io.BytesIO()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint32).astype(np.uint8).reshape(64, 64)).save(sink, "PNG")
    good = sink.getvalue()
    root = tmp_path / "images" / "ill"
    root.mkdir(parents=True)
    files = {
        "a-good.png": good,
        "b-cut.png": good[: len(good) // 2],
        "c-empty.png": b"",
        "d-page.png": b"<!DOCTYPE html><html>404</html>",
        "e-text.jpg": b"this is not a picture",
        "f-good.png": good,
    }
    for name, data in files.items():
        (root / name).write_bytes(data)
    return root.parent


def test_bad_files_are_named_with_their_cause_and_the_others_are_read(folder):
    problems = []
    cases = list(read_image_folder(folder, on_problem=problems.append))
    assert len(cases) == 2
    assert all(case.views[0].pixels.max() > 0 for case in cases)
    told = {Path(p.where).name: p.what for p in problems}
    assert set(told) == {"b-cut.png", "c-empty.png", "d-page.png", "e-text.jpg"}
    assert "cut or damaged" in told["b-cut.png"]
    assert "empty" in told["c-empty.png"]
    assert "web page" in told["d-page.png"]
    assert "not a readable image" in told["e-text.jpg"]


def test_without_a_listener_the_first_bad_file_stops_the_job(folder):
    with pytest.raises(InvalidInput, match=r"b-cut\.png"):
        list(read_image_folder(folder))


@pytest.mark.parametrize("keep", [0, 3, 0.2, 0.5, 0.98])
def test_a_cut_shard_is_named_and_the_rest_is_checked(tmp_path, keep):
    build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
    path = tmp_path / "data/train-00000.parquet"
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    report = check(tmp_path, workers=1)
    assert report.problems["file hash"] == 1
    assert report.problems["readable"] == 1
    assert "train-00000.parquet" in next(p.message for p in report.examples if p.rule == "readable")
    assert report.rows == pq.read_metadata(tmp_path / "data/test-00000.parquet").num_rows


def test_other_files_are_not_taken_for_cases(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"<html>")
    with pytest.raises(InvalidInput, match="not a readable Parquet file"):
        list(read_cases(tmp_path / "x.parquet"))
