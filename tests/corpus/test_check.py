"""A clean set is clean; every planted fault is found, by its own rule."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_world import digests, fake_plan, open_fake
from PIL import Image

from chiasm.corpus import BuildOptions, build, check
from chiasm.corpus._check_report import write_check_report
from chiasm.corpus._folder import LocalFolder
from chiasm.corpus._manifest import FileRecord, read_manifest
from chiasm.corpus._rows import row_hash
from chiasm.corpus._schema import open_writer
from chiasm.errors import InvalidInput

Rows = list[dict[str, Any]]
Edit = Callable[[Rows], Rows | None]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "set"
    build(fake_plan(patients=80), folder, BuildOptions(workers=1), workshop=open_fake)
    return folder


@pytest.fixture
def copy(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "copy"))


def replant(folder: Path, name: str, edit: Edit, *, rehash: bool = True) -> None:
    """Change the rows of a file, and make every hash agree again, so that only the fault itself is wrong."""
    path = folder / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows = edit(rows) or rows
    for row in rows if rehash else ():
        row["row_sha256"] = row_hash(row)
    with open_writer(path, table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=table.schema), row_group_size=100)
    restamp(folder, name)


def restamp(folder: Path, name: str) -> None:
    manifest = read_manifest(LocalFolder(folder))
    assert manifest is not None
    record = FileRecord(
        name=name, rows=0, size=(folder / name).stat().st_size, sha256=digests(folder)[name.removeprefix("./")]
    )
    shards = [s.model_copy(update={"items": record}) if s.items.name == name else s for s in manifest.shards]
    (folder / "manifest.json").write_bytes(manifest.model_copy(update={"shards": tuple(shards)}).to_bytes())


TRAIN, TEST = "data/train-00000.parquet", "data/test-00000.parquet"


def png(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def show(row: dict[str, Any], data: bytes) -> None:
    """Give a row another image, and its view the hash of it."""
    row["images"][0]["bytes"] = data
    row["views"][0]["sha256"] = hashlib.sha256(data).hexdigest()


def flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / TRAIN).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / TRAIN).write_bytes(data)


def truncate(folder: Path) -> None:
    data = (folder / TRAIN).read_bytes()
    (folder / TRAIN).write_bytes(data[: len(data) // 2])


def lose_a_file(folder: Path) -> None:
    (folder / TEST).unlink()


def add_a_file(folder: Path) -> None:
    shutil.copy(folder / TRAIN, folder / "data/train-00001.parquet")


def wrong_gold(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        row = next(r for r in rows if r["program"] == "dropout present")
        right = row["answer"]
        row["answer"] = "yes" if right == "no" else "no"
        said = row["messages"][1]["content"][0]
        said["text"] = said["text"].replace(f"<answer>{right}", f"<answer>{row['answer']}")

    replant(folder, TRAIN, edit)


def other_words(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[3]["reasoning"] = "Seven areas of capillary dropout are seen."

    replant(folder, TRAIN, edit)


def one_finding_more(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        row = next(r for r in rows if " area" in r["reasoning"])
        lie = re.sub(r"\b(One|Two|Three|[123])\b", "Seven", row["reasoning"], count=1)
        assert lie != row["reasoning"]
        said = row["messages"][1]["content"][0]
        said["text"], row["reasoning"] = said["text"].replace(row["reasoning"], lie), lie

    replant(folder, TRAIN, edit)


def unhashed_edit(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[5]["facts"] = "[]"

    replant(folder, TRAIN, edit, rehash=False)


def same_image_in_both_splits(folder: Path) -> None:
    stolen = pq.read_table(folder / TRAIN).to_pylist()[0]["images"][0]["bytes"]
    replant(folder, TEST, lambda rows: show(rows[0], stolen))


def near_copy(folder: Path) -> None:
    stolen = pq.read_table(folder / TRAIN).to_pylist()[0]["images"][0]["bytes"]
    pixels = np.asarray(Image.open(io.BytesIO(stolen))).astype(float)
    noise = np.random.default_rng(0).normal(0, 4, pixels.shape)
    replant(folder, TEST, lambda rows: show(rows[0], png((pixels * 0.9 + noise).clip(0, 255).astype(np.uint8))))


def mirrored_copy(folder: Path) -> None:
    stolen = pq.read_table(folder / TRAIN).to_pylist()[0]["images"][0]["bytes"]
    pixels = np.asarray(Image.open(io.BytesIO(stolen)))
    replant(folder, TEST, lambda rows: show(rows[0], png(np.ascontiguousarray(pixels[:, ::-1]))))


def patient_in_both_splits(folder: Path) -> None:
    patient = pq.read_table(folder / TRAIN)["patient_id"][0].as_py()

    def edit(rows: Rows) -> None:
        for row in rows:
            if row["patient_id"] == rows[-1]["patient_id"] and row is not rows[-1]:
                row["patient_id"] = patient
        rows[-1]["patient_id"] = patient

    replant(folder, TEST, edit)


def letters_always_a(folder: Path) -> None:
    def edit(rows: Rows) -> Rows:
        choices = [r for r in rows if r["program"] == "dropout half"]
        more = []
        for i in range(40):
            row = json.loads(json.dumps({k: v for k, v in choices[i % len(choices)].items() if k != "images"}))
            row["images"], row["item_id"], row["question"] = (
                choices[i % len(choices)]["images"],
                f"extra-{i}",
                f"No. {i}?",
            )
            key = json.loads(row["key"])
            letter = key["answer"]["letter"]
            key["answer"]["letter"] = "A"
            row["key"] = json.dumps(key)
            row["answer"] = "A"
            row["messages"][0]["content"][-1]["text"] = row["question"]
            said = row["messages"][1]["content"][0]
            said["text"] = said["text"].replace(f"<answer>{letter}", "<answer>A")
            more.append(row)
        return rows + more

    replant(folder, TRAIN, edit)


def blank(folder: Path) -> None:
    replant(folder, TRAIN, lambda rows: show(rows[0], png(np.zeros((48, 48), np.uint8))))


def broken_image(folder: Path) -> None:
    replant(folder, TRAIN, lambda rows: show(rows[0], rows[0]["images"][0]["bytes"][:200]))


def deep_image(folder: Path) -> None:
    replant(folder, TRAIN, lambda rows: show(rows[0], png(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48) * 20)))


def malformed_rle(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[0]["findings"][0]["mask_counts"] = "0" * 9

    replant(folder, TRAIN, edit)


def box_outside(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[0]["findings"][0]["box"] = [10.0, 10.0, 20.0, 49.0]

    replant(folder, TRAIN, edit)


def one_placeholder_too_many(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[0]["messages"][0]["content"].insert(0, {"type": "image", "text": None})

    replant(folder, TRAIN, edit)


def same_id_twice(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[1]["item_id"] = rows[0]["item_id"]

    replant(folder, TRAIN, edit)


def asked_twice(folder: Path) -> None:
    def edit(rows: Rows) -> Rows:
        return [*rows, rows[0] | {"item_id": "again"}]

    replant(folder, TRAIN, edit)


def unknown_evidence(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        next(r for r in rows if r["evidence"])["evidence"][0]["finding_id"] = "nothing"

    replant(folder, TRAIN, edit)


def lost_graph(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[0]["graphs"] = ["nowhere/OD@0"]

    replant(folder, TRAIN, edit)


def wrong_split(folder: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[0]["split"] = "test"

    replant(folder, TRAIN, edit)


def lost_column(folder: Path) -> None:
    pq.write_table(pq.read_table(folder / TRAIN).drop_columns(["trace"]), folder / TRAIN)
    restamp(folder, TRAIN)


PLANTED: list[tuple[Callable[[Path], None], set[str]]] = [
    (flip_a_byte, {"file hash"}),
    (truncate, {"file hash", "readable"}),
    (lose_a_file, {"manifest"}),
    (add_a_file, {"manifest", "item id", "repeated question"}),
    (wrong_gold, {"gold answer"}),
    (other_words, {"wording", "read-back"}),
    (one_finding_more, {"read-back"}),
    (unhashed_edit, {"row hash"}),
    (same_image_in_both_splits, {"exact duplicate", "repeated question"}),
    (near_copy, {"near duplicate"}),
    (mirrored_copy, {"near duplicate"}),
    (patient_in_both_splits, {"patient leak"}),
    (letters_always_a, {"letters"}),
    (blank, {"blank image"}),
    (broken_image, {"image"}),
    (deep_image, {"image"}),
    (malformed_rle, {"region"}),
    (box_outside, {"region"}),
    (one_placeholder_too_many, {"placeholders"}),
    (same_id_twice, {"item id"}),
    (asked_twice, {"repeated question"}),
    (unknown_evidence, {"evidence"}),
    (lost_graph, {"evidence"}),
    (wrong_split, {"split"}),
    (lost_column, {"columns"}),
]


def test_a_clean_set_is_clean(clean):
    report = check(clean, workers=1)
    assert report.problems == {}
    assert report.ok
    assert report.not_applied == ()
    assert sum(split["patients"] for split in report.statistics["splits"].values()) == 80
    assert report.images == 80


@pytest.mark.parametrize(("plant", "rules"), PLANTED, ids=[p.__name__ for p, _ in PLANTED])
def test_every_planted_fault_is_found_by_its_own_rule(copy, plant, rules):
    plant(copy)
    report = check(copy, workers=1)
    assert not report.ok
    errors = {name for name in report.problems if name not in ("classes", "image statistics")}
    if plant is flip_a_byte:  # the byte may also break what it is part of
        assert rules <= errors
    else:
        assert errors == rules


def test_workers_find_the_same(copy):
    same_image_in_both_splits(copy)
    one, two = check(copy, workers=1), check(copy, workers=2)
    assert one == two


def test_report_is_written_and_escapes_what_the_data_says(copy, tmp_path):
    def edit(rows: Rows) -> None:
        rows[0]["item_id"] = "<script>alert(1)</script>"
        rows[0]["messages"][0]["content"].insert(0, {"type": "image", "text": None})

    replant(copy, TRAIN, edit)
    as_json, as_html = write_check_report(check(copy, workers=1), tmp_path / "report")
    data = json.loads(as_json.read_text())
    assert data["problems"] == {"placeholders": 1}
    assert not data["ok"]
    page = as_html.read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_other_peoples_sets_are_checked_as_far_as_their_columns_go(tmp_path):
    rng = np.random.default_rng(1)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", image), ("question", pa.string()), ("subject_id", pa.string())])
    pixels = [rng.integers(0, 255, (64, 64)).astype(np.uint8) for _ in range(6)]
    for split, chosen in (("train", (0, 1, 2, 3)), ("test", (3, 4))):
        rows = [
            {"image": {"bytes": png(pixels[i]), "path": None}, "question": "?", "subject_id": f"s{i}"} for i in chosen
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / f"{split}-0000.parquet")
    report = check(tmp_path, workers=1)
    assert report.problems == {"exact duplicate": 1, "patient leak": 1, "repeated question": 1}
    assert {"gold answer", "row hash", "manifest"} <= set(report.not_applied)
    assert report.sha256 == ""


def test_an_image_path_may_not_leave_the_data(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(np.eye(64, dtype=np.uint8)))
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"image": {"bytes": None, "path": "../secret.png"}}]
    (tmp_path / "set").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([("image", image)])), tmp_path / "set/train.parquet")
    assert check(tmp_path / "set", workers=1).problems == {"image": 1}


def test_nothing_to_check_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="nothing to read"):
        check(tmp_path)
    with pytest.raises(InvalidInput, match="is not a folder"):
        check(tmp_path / "nowhere")
