"""The browser's pages, asked directly and looked at in Chromium (`web`)."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_world import fake_plan, open_fake

from chiasm.corpus import BuildOptions, browse_app, build
from chiasm.corpus._browse_app import PAGE, POLICY, _answer, _caption, _stage, sentences
from chiasm.corpus._browse_index import BrowseIndex
from chiasm.corpus._dataset import open_dataset
from chiasm.errors import InvalidInput

pytest.importorskip("fastapi")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette", "ignore::DeprecationWarning:httpx")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "set"
    plan = fake_plan(patients=60, eyes=2, splits={"train": 0.75, "test": 0.25})
    build(plan, folder, BuildOptions(workers=1), workshop=open_fake)
    return folder


@pytest.fixture(scope="module")
def client(data: Path) -> Any:
    from fastapi.testclient import TestClient

    return TestClient(browse_app(data, hosts=("testserver",)))


INK = (
    "() => { const c = document.querySelector('canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height)"
    ".data; let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
)
"""Pixels of the overlay that are not clear."""


def rows_of(data: Path) -> list[dict[str, Any]]:
    return [row for file in open_dataset(data).files for row in pq.read_table(file.path).to_pylist()]


def test_filters_select_exactly_the_rows_that_fit(data):
    index, rows = BrowseIndex(open_dataset(data)), rows_of(data)
    assert index.size == len(rows)
    assert index.terms == ["capillary dropout", "foveal avascular zone"]
    for wanted in (
        {"split": "test"},
        {"stage": "pdr", "program": "explain"},
        {"finding": "capillary dropout"},
        {},
        {"stage": "x"},
    ):
        expected = [
            i
            for i, row in enumerate(rows)
            if all(row[k] == v for k, v in wanted.items() if k != "finding")
            and (
                "finding" not in wanted or any(f["term"] == wanted["finding"] and f["visible"] for f in row["findings"])
            )
        ]
        assert index.select(wanted).tolist() == expected
    assert index.select({"text": "000017"}).tolist() == [i for i, r in enumerate(rows) if "000017" in r["item_id"]]
    for number in (0, 99, 100, 101, index.size - 1):
        assert index.row(number) == rows[number]


def test_pages_lead_through_every_match(client, data):
    text = client.get("/?split=test").text
    found = int(re.search(r'id="count">([\d,]+) of', text)[1].replace(",", ""))
    expected = [i for i, row in enumerate(rows_of(data)) if row["split"] == "test"]
    assert found == len(expected)
    seen: list[int] = []
    for page in range(-(-found // PAGE)):
        seen += [int(n) for n in re.findall(r'href="/item/(\d+)\?', client.get(f"/?split=test&page={page}").text)]
    assert seen == expected
    walked, here = [], expected[0]
    while True:
        walked.append(here)
        after = re.search(r'id="after" href="/item/(\d+)', client.get(f"/item/{here}?split=test").text)
        if after is None:
            break
        here = int(after[1])
    assert walked == expected


def test_every_answer_is_guarded(client):
    for path in ("/", "/item/0", "/image/0/0", "/static/item.js", "/item/99999999", "/nowhere"):
        response = client.get(path)
        assert response.headers["content-security-policy"] == POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
    assert client.get("/item/99999999").status_code == 404
    assert client.get("/item/-1").status_code == 404
    assert client.get("/image/0/7").status_code == 404
    assert client.get("/item/zero").status_code == 422
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/static/../_browse.py").status_code == 404
    assert client.get("/static/%2e%2e/_browse.py").status_code == 404
    assert client.post("/").status_code == 405


def test_pictures_are_the_stored_bytes_and_are_not_sent_twice(client, data):
    response = client.get("/image/3/0")
    assert response.content == rows_of(data)[3]["images"][0]["bytes"]
    again = client.get("/image/3/0", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_text_of_the_data_is_only_text(data, tmp_path):
    from fastapi.testclient import TestClient

    attack = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    table = pq.read_table(data / "data/test-00000.parquet").slice(0, 1)
    row = table.to_pylist()[0] | {"question": attack, "reasoning": attack, "answer": attack, "program": attack}
    row["findings"][0]["finding_id"] = attack
    pq.write_table(pa.Table.from_pylist([row], schema=table.schema), tmp_path / "test.parquet")
    text = TestClient(browse_app(tmp_path, hosts=("testserver",))).get("/item/0").text
    assert attack not in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("</script>") == 2  # our module and the data block


def test_sentences_name_the_findings_of_their_step(data):
    row = next(r for r in rows_of(data) if r["stage"] == "pdr")
    (only,) = sentences(row)
    assert only["text"] == row["reasoning"]
    assert only["evidence"] == sorted(f["finding_id"] for f in row["findings"] if f["term"] == "capillary dropout")


def test_other_columns_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "train.parquet")
    with pytest.raises(InvalidInput, match="lacks the columns"):
        browse_app(tmp_path)


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_browsed_without_lag(data, tmp_path):
    """In CPU seconds of the server, which on an idle machine are the waiting."""
    from fastapi.testclient import TestClient

    table = pq.read_table(data / "data/train-00000.parquet")
    many = pa.concat_tables([table] * -(-100_000 // len(table)))
    pq.write_table(many, tmp_path / "train.parquet", row_group_size=100)
    start = time.process_time()
    client = TestClient(browse_app(tmp_path, hosts=("testserver",)))
    opened = time.process_time() - start
    rng = np.random.default_rng(0)
    client.get("/?stage=pdr&finding=capillary+dropout")
    spent = []
    for number in rng.integers(0, len(many), 30).tolist():
        for path in (f"/item/{number}?stage=pdr", f"/image/{number}/0", f"/?program=explain&page={number // 400}"):
            start = time.process_time()
            assert client.get(path).status_code == 200
            spent.append(time.process_time() - start)
    told = f"opened in {opened:.1f} s; 95 % of pages, items and pictures within {np.percentile(spent, 95):.3f} s"
    assert opened < 20, told
    assert np.percentile(spent, 95) < 0.2, told


@pytest.fixture(scope="module")
def served(data: Path) -> Iterator[str]:
    """The page on a free port of the loopback."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(browse_app(data), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(served: str) -> Iterator[Any]:
    """A page in headless Chromium; any error on its console, and any request elsewhere, fails the test."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(served) else wrong.append(request.url))
        page.goto(served)
        yield page
        chromium.close()
        assert wrong == []


@pytest.mark.web
def test_filter_open_overlay_and_light_by_mouse_and_keys(page):
    page.select_option("select[name=stage]", "pdr")
    page.wait_for_url("**/?stage=pdr")
    assert page.locator(".stage").all_inner_texts() == ["pdr"] * page.locator(".cards li").count()
    page.locator(".cards a").first.click()
    page.wait_for_selector("#overlays label")
    page.wait_for_function("document.body.dataset.shown !== undefined")
    assert page.evaluate(INK) == 0
    page.keyboard.press("1")
    first = page.evaluate(INK)
    assert first > 0
    page.keyboard.press("a")
    assert page.evaluate(INK) > first
    page.keyboard.press("0")
    assert page.evaluate(INK) == 0
    page.locator("#overlays input").nth(1).check()
    assert page.evaluate(INK) > 0
    page.keyboard.press("0")
    page.locator("#reasoning button").first.hover()
    assert page.evaluate("document.body.dataset.lit").count(";") == 2  # three areas are the evidence
    assert page.evaluate(INK) > 0
    where = page.url
    page.mouse.move(5, 5)
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != where)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(where)
    page.keyboard.press("Escape")
    page.wait_for_url("**/?stage=pdr*")


@pytest.mark.web
def test_overlay_masks_are_where_the_data_says(page, data):
    rows = rows_of(data)
    number = next(i for i, r in enumerate(rows) if r["stage"] == "early-npdr")
    box = next(f["box"] for f in rows[number]["findings"] if f["term"] == "capillary dropout")
    page.goto(page.url.rstrip("/") + f"/item/{number}")
    page.wait_for_selector("#overlays label")
    page.get_by_label(re.compile("capillary dropout")).check()
    bounds = page.evaluate(
        "() => { const c = document.querySelector('canvas'); const {width: w, height: h} = c; const d = c.getContext('2d')"
        ".getImageData(0, 0, w, h).data; let b = [h, w, 0, 0]; for (let r = 0; r < h; r++) for (let k = 0; k < w; k++)"
        " if (d[4 * (r * w + k) + 3]) b = [Math.min(b[0], r), Math.min(b[1], k), Math.max(b[2], r + 1), Math.max(b[3], k + 1)];"
        " return b.map((x) => x / 3); }"
    )
    assert bounds == pytest.approx(
        box, abs=2
    )  # the frame drawn around a lesion stands off by 4 canvas pixels of 3 to one


def test_words_about_a_row():
    facts = [{"name": "stage_visible", "value": "late-npdr", "view_id": "od"}]
    row = {
        "stage": "pdr",
        "views": [{"view_id": "od"}],
        "facts": json.dumps(facts),
        "answer": "B",
        "options": ["a", "b"],
    }
    assert _stage(row) == "eye pdr, of which the image shows late-npdr"
    assert _stage(row | {"stage": "late-npdr"}) == "late-npdr"
    assert _stage(row | {"stage": "", "facts": "[]"}) == "stage unknown"
    assert _answer(row) == "B) b"
    assert _answer(row | {"answer": "C"}) == "C"
    assert _answer(row | {"answer": "yes", "options": []}) == "yes"
    view = {"view_id": "od", "modality": "OCTA", "change": "crop", "attributes": '{"slab": "SVC", "fov_mm": 3.0}'}
    assert _caption(view) == "od · OCTA · SVC · 3 mm · changed: crop"
