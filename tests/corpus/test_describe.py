from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from fake_world import digests, fake_plan, open_fake
from PIL import Image

from chiasm.corpus import BuildOptions, build, describe
from chiasm.corpus._schema import ITEMS
from chiasm.errors import ChiasmError, InvalidInput


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "set"
    build(fake_plan(patients=40), folder, BuildOptions(workers=1), workshop=open_fake)
    describe(folder, name="fake eyes: a set")
    return folder


def test_card_head_is_yaml_that_the_hub_reads(data):
    text = (data / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    card = yaml.safe_load(head)
    assert card["license"] == "cc-by-4.0"
    assert card["pretty_name"] == "fake eyes: a set"
    assert card["size_categories"] == ["n<1K"]
    assert card["configs"][0]["data_files"][0] == {"split": "train", "path": "data/train-*.parquet"}
    for name in ITEMS.names:
        assert f"| `{name}` |" in body
    assert "40 images are of\n40 eyes" in body
    assert "no single region" in body
    for figure in ("gallery", "stages", "questions", "biomarkers"):
        assert f"figures/{figure}.png" in body
        with Image.open(data / f"figures/{figure}.png") as image:
            assert min(image.size) > 100


def test_the_card_loads_in_datasets_by_its_own_head(data, tmp_path):
    import datasets

    loaded = datasets.load_dataset(str(data), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "test"}
    assert loaded["train"][0]["images"][0].size == (48, 48)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # rdflib, inside mlcroissant
def test_croissant_validates_and_its_records_are_read(data, monkeypatch, tmp_path):
    monkeypatch.setenv("CROISSANT_CACHE", str(tmp_path))
    mlcroissant = pytest.importorskip("mlcroissant")
    read = mlcroissant.Dataset(jsonld=str(data / "croissant.json"))
    assert not read.metadata.issues.errors
    assert not read.metadata.issues.warnings
    assert read.metadata.personal_sensitive_information == ["None: every patient is simulated."]
    rows = list(read.records(record_set="test"))
    assert {r["test/split"] for r in rows} == {b"test"}
    assert {image.size for r in rows for image in r["test/images"]} == {(48, 48)}
    assert all(b"foveal avascular zone" in r["test/findings.term"] for r in rows)
    document = json.loads((data / "croissant.json").read_text())
    shas = {d["sha256"] for d in document["distribution"] if d["@type"] == "cr:FileObject"}
    assert shas == {digest for name, digest in digests(data).items() if name.endswith(".parquet")}


def test_statistics_count_images_not_rows(data):
    numbers = json.loads((data / "statistics.json").read_text())
    assert sum(sum(c.values()) for c in numbers["stages"].values()) == 40
    ages = [row for row in numbers["facts"] if row["fact"] == "age [years]"]
    assert sum(row["n"] for row in ages) == 40
    assert all(20 <= row["p5"] <= row["p50"] <= row["p95"] <= 80 for row in ages)
    assert numbers["images_with_finding"]["capillary dropout"].keys() == {"early-npdr", "late-npdr", "pdr"}


def test_describing_twice_gives_the_same_bytes(data):
    before = digests(data)
    describe(data, name="fake eyes: a set")
    assert digests(data) == before


def test_an_unfinished_set_has_no_card(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE", "20")
    with pytest.raises(ChiasmError, match="patient 20"):
        build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)
    with pytest.raises(InvalidInput, match="not a complete data set"):
        describe(tmp_path)
