"""Bad data and bad answers through the command line: each named and counted, nothing invented."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.test_cli import run
from tests.evaluation.test_exams import row, write


def saved(path: Path, ids: list[str], text: str = "<answer>yes</answer>") -> str:
    lines = [json.dumps({"item_id": i, "text": text}, ensure_ascii=False) for i in ids]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"answers:{path}"


def noise() -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def ids(n: int) -> list[str]:
    return [f"dropout-present-{k}" for k in range(n)]


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def test_damaged_rows_are_named_and_the_others_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    martian = '{"expects":"category","answer":{"kind":"category","value":"martian"},"options":["healthy","pdr"]}'
    rows = [row(k) for k in range(20)]
    rows[2]["images"] = []
    rows[3]["images"] = [{"bytes": b"", "path": "x"}]
    rows[4]["images"] = [{"bytes": b"no picture", "path": "x"}]
    rows[5]["images"] = [{"bytes": noise()[:2000], "path": "x"}]
    rows[6]["key"] = martian
    rows[7]["key"] = "{"
    rows[9]["item_id"] = rows[8]["item_id"]
    write(tmp_path / "eyes" / "a.parquet", rows)
    out = tmp_path / "out"
    model = saved(tmp_path / "a.jsonl", ids(20))
    status, text, _ = run(capsys, "evaluate", "--model", model, "--on", str(tmp_path / "eyes"), "--out", str(out))
    assert status == 0
    assert "n = 13" in text
    assert "7 entries were left out" in text
    (problems,) = [w for w in report(out)["warnings"] if "left out" in w]
    for told in (
        "has no image",
        "image of the row is missing",
        "is no readable PNG",
        "is a damaged PNG",
        "martian",
        "and 2 more",
    ):
        assert told in problems


def test_answers_are_read_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = write(tmp_path / "eyes" / "a.parquet", [row(k) for k in range(24)]).parent
    out = tmp_path / "out"
    model = saved(tmp_path / "a.jsonl", [*ids(20), "nobody-1", "nobody-2"], "one\u2028two\n<answer>yes</answer>")
    command = ("evaluate", "--model", model, "--on", str(data), "--out", str(out))
    status, text, _ = run(capsys, *command)
    assert status == 0
    assert "withheld" in text  # 20 of 24 are fewer than 95 %
    assert "unscored on 4 of 24 items (4 x no saved answer)" in text
    assert "2 answers to items that are not in the data (nobody-1, nobody-2); ignored" in text
    assert "image-blind" not in text  # nobody asked the file over another picture
    assert run(capsys, "compare", str(out), str(out))[0] == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello\n", "line 1 of .* must be a JSON object"),
        (b"[1, 2]\n", "line 1 of .* must be a JSON object"),
        (b'{"item_id": "a", "text": "\xff"}\n', "must be UTF-8"),
        (b'{"item_id": 3, "text": "x"}\n', "item_id must be text"),
        (b'{"item_id": "a", "text": "x"}\n{"item_id": "a", "text": "y"}\n', "line 2 of .* repeats 'a'"),
        (b'{"item_id": "dropout-present-0", "text": "x", "scores": {"banana": 1}}\n', "'banana', which is no option"),
        (b'{"item_id": "dropout-present-0", "text": "x", "scores": {"yes": NaN}}\n', "scores must be finite"),
    ],
)
def test_a_damaged_file_of_answers_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, told: str
) -> None:
    data = write(tmp_path / "eyes" / "a.parquet", [row(k) for k in range(2)]).parent
    (tmp_path / "a.jsonl").write_bytes(content)
    words = ("--model", f"answers:{tmp_path / 'a.jsonl'}", "--on", str(data), "--out", str(tmp_path / "out"))
    status, _, err = run(capsys, "evaluate", *words)
    assert status == 2
    assert re.search(told, err)
    assert "Traceback" not in err


def test_one_class_and_few_items_are_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = write(tmp_path / "eyes" / "a.parquet", [row(2 * k) for k in range(6)]).parent
    out = tmp_path / "out"
    model = saved(tmp_path / "a.jsonl", [f"dropout-present-{2 * k}" for k in range(6)])
    status, text, _ = run(capsys, "evaluate", "--model", model, "--on", str(data), "--out", str(out))
    assert status == 0
    assert "one class only (yes)" in text
    assert "6 items only" in text
    found = [r for r in report(out)["rows"] if r["metric"] in ("balanced_accuracy", "auc")]
    assert found
    assert all(r["value"] is None and r["note"] for r in found)


def test_a_server_that_is_down_ends_with_a_status(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("openai")
    data = write(tmp_path / "eyes" / "a.parquet", [row(k) for k in range(3)]).parent
    words = ("--model", "http://127.0.0.1:9/v1#m", "--on", str(data), "--out", str(tmp_path / "out"), "--no-controls")
    status, text, _ = run(capsys, "evaluate", *words)
    assert status == 1
    assert "3 x APIConnectionError" in text
