import json

import datasets
import pyarrow.parquet as pq
import pytest
from fake_world import fake_plan

from chiasm.corpus._rows import row_hash
from chiasm.corpus._schema import JSON_COLUMNS, features, items_schema


def test_features_are_what_datasets_itself_would_write():
    assert datasets.Features.from_arrow_schema(items_schema()).to_dict() == features()


def test_opens_in_datasets_whole_and_streaming(make, tmp_path):
    make()
    files = str(tmp_path / "set/data/train-*.parquet")
    whole = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    streamed = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    assert isinstance(whole.features["images"].feature, datasets.Image)
    ids = []
    for row, other in zip(whole, streamed, strict=True):
        assert row["images"][0].size == (48, 48)
        assert row["images"][0].tobytes() == other["images"][0].tobytes()
        assert sum(p["type"] == "image" for m in row["messages"] for p in m["content"]) == len(row["images"])
        assert all(set(p) == {"type", "text"} for m in row["messages"] for p in m["content"])
        for name in JSON_COLUMNS:
            json.loads(row[name])
        ids.append(row["item_id"])
    assert len(set(ids)) == whole.num_rows


def test_rows_match_their_hash_after_parquet(make, tmp_path):
    make()
    for row in pq.read_table(tmp_path / "set/data/train-00000.parquet").to_pylist():
        assert row_hash(row) == row["row_sha256"]


def test_a_repeated_image_is_stored_once(make, tmp_path):
    make("one", fake_plan(questions=0))
    make("three", fake_plan(questions=2))
    one, three = (pq.ParquetFile(tmp_path / f"{n}/data/train-00000.parquet").metadata for n in ("one", "three"))
    column = next(
        i for i in range(one.num_columns) if one.row_group(0).column(i).path_in_schema == "images.list.element.bytes"
    )
    sizes = [
        sum(m.row_group(g).column(column).total_compressed_size for g in range(m.num_row_groups)) for m in (one, three)
    ]
    assert three.num_rows > 2 * one.num_rows
    assert sizes[1] <= 1.05 * sizes[0]


def test_row_groups_hold_a_hundred_rows(make, tmp_path):
    make("set", fake_plan(patients=120))
    metadata = pq.ParquetFile(tmp_path / "set/data/train-00000.parquet").metadata
    rows = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
    assert set(rows[:-1]) == {100}
    assert rows[-1] <= 100


def test_graphs_come_back(make, tmp_path):
    make()
    rows = pq.read_table(tmp_path / "set/graphs/train-00000.parquet").to_pylist()
    items = pq.read_table(tmp_path / "set/data/train-00000.parquet", columns=["graphs"])["graphs"].to_pylist()
    assert {g for named in items for g in named} == {r["graph_id"] for r in rows}
    assert all(r["nodes"]["kind"] == ["inlet", "outlet"] for r in rows)
    assert rows[0]["edges"]["radius_um"] == pytest.approx([20.0])
