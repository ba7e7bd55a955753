"""Fault 8: the same world in train and test, or near-duplicate images."""

from __future__ import annotations

import shutil

import pyarrow.parquet as pq
from fake_world import fake_plan, open_fake

from chiasm.corpus import BuildOptions, build, check

PLAN = fake_plan(patients=40, eyes=2, visits=2, images=2, twins=("capillary dropout",))


def test_everything_of_a_patient_stays_in_one_split(tmp_path):
    build(PLAN, tmp_path, BuildOptions(workers=1), workshop=open_fake)
    homes: dict[str, set[str]] = {}
    images: dict[str, set[str]] = {}
    for path in (tmp_path / "data").iterdir():
        split = path.name.partition("-")[0]
        for row in pq.read_table(path, columns=["patient_id", "split", "views"]).to_pylist():
            assert row["split"] == split
            homes.setdefault(row["patient_id"], set()).add(split)
            for view in row["views"]:
                images.setdefault(view["sha256"], set()).add(split)
    assert len(homes) == 40
    assert len(images) > 300
    assert all(len(splits) == 1 for splits in [*homes.values(), *images.values()])
    assert check(tmp_path, workers=1).ok


def test_a_leak_is_an_error_and_not_a_warning(tmp_path):
    build(PLAN, tmp_path / "set", BuildOptions(workers=1), workshop=open_fake)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    shutil.copy(tmp_path / "set/data/train-00000.parquet", mixed / "train.parquet")
    table = pq.read_table(tmp_path / "set/data/train-00000.parquet").slice(0, 4)
    pq.write_table(table, mixed / "test.parquet")
    report = check(mixed, workers=1)
    assert not report.ok
    assert {"patient leak", "exact duplicate"} <= set(report.problems)
