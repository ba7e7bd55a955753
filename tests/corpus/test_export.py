from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_world import fake_plan, open_fake
from PIL import Image
from pydantic import TypeAdapter

from chiasm.case import counts_to_mask, text_to_counts
from chiasm.corpus import EXPORTS, BuildOptions, build, export
from chiasm.corpus._export import _Writer, safe_name
from chiasm.corpus._export_rows import sharegpt_row
from chiasm.errors import Conflict, InvalidInput, UnknownName


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "set"
    build(fake_plan(), folder, BuildOptions(workers=1), workshop=open_fake)
    return folder


def rows(data: Path, split: str = "train") -> list[dict[str, object]]:
    return pq.read_table(data / f"data/{split}-00000.parquet").to_pylist()


def test_sharegpt_shows_every_picture_and_names_itself_to_llama_factory(data, tmp_path):
    result = export(data, tmp_path / "out", "sharegpt")
    info = json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert set(info) == {"chiasm_train", "chiasm_test"}
    assert result.images == 24
    written = json.loads((tmp_path / "out" / info["chiasm_train"]["file_name"]).read_text())
    assert len(written) == len(rows(data))
    for row in written:
        text = "".join(m["content"] for m in row["messages"])
        assert text.count("<image>") == len(row["images"]) == 1
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
        with Image.open(tmp_path / "out" / row["images"][0]) as image:
            assert image.size == (48, 48)


def test_llava_keeps_ids_and_words(data, tmp_path):
    export(data, tmp_path / "out", "llava")
    written = json.loads((tmp_path / "out/train.json").read_text())
    assert [w["id"] for w in written] == [r["item_id"] for r in rows(data)]
    first = written[0]["conversations"]
    assert first[0]["value"] == "<image>\n" + rows(data)[0]["question"]
    assert first[1]["from"] == "gpt"
    assert first[1]["value"].startswith("<think>")


def test_openai_lines_are_its_clients_messages_and_hold_the_picture_itself(data, tmp_path):
    chat = pytest.importorskip("openai.types.chat")
    known = TypeAdapter(list[chat.ChatCompletionMessageParam])
    export(data, tmp_path / "out", "openai")
    lines = (tmp_path / "out/train.jsonl").read_text().splitlines()
    for line, row in zip(lines, rows(data), strict=True):
        messages = json.loads(line)["messages"]
        known.validate_python(messages)
        part = messages[0]["content"][0]
        encoded = part["image_url"]["url"].removeprefix("data:image/png;base64,")
        assert base64.b64decode(encoded) == row["images"][0]["bytes"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with numpy 2
def test_coco_opens_in_pycocotools_with_the_same_masks(data, tmp_path):
    pycocotools = pytest.importorskip("pycocotools.coco")
    export(data, tmp_path / "out", "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = pycocotools.COCO(str(tmp_path / "out/instances_train.json"))
    expected = {}
    for row in rows(data):
        for f in row["findings"]:
            expected[(row["views"][0]["sha256"][:12], f["finding_id"])] = f
    assert len(coco.anns) == len(expected)
    for (sha, _), finding in expected.items():
        image = next(i for i in coco.imgs.values() if sha in i["file_name"])
        masks = [coco.annToMask(a) for a in coco.imgToAnns[image["id"]]]
        mine = counts_to_mask(text_to_counts(finding["mask_counts"]), tuple(finding["mask_size"]))
        assert any(np.array_equal(mine, m) for m in masks)
    for annotation in coco.anns.values():
        x, y, width, height = annotation["bbox"]
        mask = coco.annToMask(annotation)
        assert mask[int(y) : int(y + height), int(x) : int(x + width)].sum() == mask.sum() == annotation["area"]


def test_webdataset_tars_hold_every_sample_whole(data, tmp_path):
    result = export(data, tmp_path / "out", "webdataset")
    seen = 0
    for name in result.files:
        with tarfile.open(tmp_path / "out" / name) as tar:
            members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
        for key in {n.split(".")[0] for n in members}:
            row = json.loads(members[f"{key}.json"])
            assert Image.open(io.BytesIO(members[f"{key}.0.png"])).size == (48, 48)
            assert row["messages"]
            seen += 1
    assert seen == result.rows == len(rows(data)) + len(rows(data, "test"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves the last tar open
def test_webdataset_reads_its_tars(data, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    export(data, tmp_path / "out", "webdataset")
    samples = list(webdataset.WebDataset(str(tmp_path / "out/train-00000.tar"), shardshuffle=False).decode("pil"))
    for sample, row in zip(samples, rows(data), strict=True):
        assert sample["json"]["item_id"] == row["item_id"]
        assert sample["0.png"].size == (48, 48)


def test_only_an_empty_folder_is_filled(data, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="not empty"):
        export(data, tmp_path, "coco")
    with pytest.raises(UnknownName, match="did you mean 'webdataset'"):
        export(data, tmp_path / "out", "webdatasets")
    assert sorted(EXPORTS) == ["coco", "llava", "openai", "sharegpt", "webdataset"]


def test_a_tag_in_the_text_is_refused():
    row = {"item_id": "i", "messages": [{"role": "user", "content": [{"type": "text", "text": "an <image> of"}]}]}
    with pytest.raises(InvalidInput, match="item i has the tag <image> in its text"):
        sharegpt_row(row, [])


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a\\..\\b", "con\x00", "é/ü", ""])
def test_names_from_the_data_cannot_leave_the_folder(name):
    made = safe_name(name)
    assert made
    assert "/" not in made
    assert "." not in made
    assert "\\" not in made


def test_a_picture_of_two_names_is_written_once_and_named_alike(tmp_path):
    out = _Writer(tmp_path)
    rows = [{"split": "train", "images": [{"bytes": b"same", "path": path}]} for path in ("a.png", "b.png")]
    first, second = (out.pictures(row) for row in rows)
    assert first == second
    assert [p.name for p in (tmp_path / "images/train").iterdir()] == [Path(first[0]).name]


@pytest.mark.external
def test_llama_factory_loads_every_row_with_its_pictures(data, tmp_path):
    """In an environment of its own, made by `make test-external`: CHIASM_LLAMAFACTORY_PYTHON is its python."""
    python = os.environ.get("CHIASM_LLAMAFACTORY_PYTHON")
    if not python:
        pytest.skip("CHIASM_LLAMAFACTORY_PYTHON must be the python of an environment with llamafactory")
    export(data, tmp_path / "out", "sharegpt")
    reader = Path(__file__).with_name("read_with_llamafactory.py")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [python, str(reader), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "does not exist" not in done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    for split in ("train", "test"):
        assert told[f"chiasm_{split}"]["answers"] == [
            r["messages"][-1]["content"][0]["text"] for r in rows(data, split)
        ]
        assert all(Path(p).is_file() for p in told[f"chiasm_{split}"]["pictures"])
        assert len(told[f"chiasm_{split}"]["pictures"]) == len(rows(data, split))
