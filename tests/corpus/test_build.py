import pyarrow.parquet as pq
import pytest
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, _build, build
from chiasm.corpus._engine import Processes
from chiasm.errors import ChiasmError, Conflict


def test_files_are_those_that_the_manifest_lists(make, tmp_path):
    summary = make("one")
    names = {f.name for shard in summary.manifest.shards for f in shard.files}
    assert set(digests(tmp_path / "one")) == names | {"manifest.json"}
    assert names == {
        "data/train-00000.parquet",
        "data/test-00000.parquet",
        "graphs/train-00000.parquet",
        "graphs/test-00000.parquet",
    }


def test_small_shards_hold_every_row_once_in_order(make, tmp_path):
    summary = make("small", fake_plan(shard_mb=0.02))
    assert len([s for s in summary.manifest.shards if s.split == "train"]) > 2
    make("large")
    small = [pq.read_table(p) for p in sorted((tmp_path / "small/data").glob("train-*"))]
    ids = [i for t in small for i in t["item_id"].to_pylist()]
    assert ids == pq.read_table(tmp_path / "large/data/train-00000.parquet")["item_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert not list((tmp_path / "small/.chiasm/parts").iterdir())


def test_a_complete_set_is_left_alone(make, tmp_path):
    first = make()
    before = digests(tmp_path / "set")
    again = make()
    assert again.seconds == 0
    assert again.manifest == first.manifest
    assert digests(tmp_path / "set") == before


def test_a_failing_patient_is_named_and_the_rest_is_kept(make, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE", "17")
    with pytest.raises(ChiasmError, match=r"patient 17 of world 'fake', seed 0 .*the vessel has no beginning"):
        make()
    assert list((tmp_path / "set/.chiasm/parts").glob("*.json"))
    monkeypatch.delenv("FAKE_RAISE")
    make()
    make("unbroken")
    assert digests(tmp_path / "set") == digests(tmp_path / "unbroken")


@pytest.fixture
def one_process(monkeypatch):
    """Builds by a pool of one process: what is tested of lost workers does not need two."""
    monkeypatch.setattr(_build, "_engine", lambda options: Processes(1))


def test_a_lost_worker_is_replaced(make, tmp_path, monkeypatch, one_process):
    monkeypatch.setenv("FAKE_DIE", f"9:{tmp_path / 'died'}")
    make("wounded")
    assert (tmp_path / "died").exists()
    monkeypatch.undo()
    make("unbroken")
    assert digests(tmp_path / "wounded") == digests(tmp_path / "unbroken")


@pytest.mark.slow
def test_a_worker_that_always_dies_ends_the_build(make, monkeypatch, one_process):
    monkeypatch.setenv("FAKE_DIE", "9")
    with pytest.raises(
        ChiasmError, match=r"worker processes died 3 times while making test-000000.*run the same command"
    ):
        make()


def test_overwrite_replaces_only_what_a_build_wrote(make, tmp_path):
    make()
    mine = tmp_path / "set/data/notes.txt"
    mine.write_text("mine")
    with pytest.raises(Conflict, match=r"plan\.seed: 0 there, 1 asked"):
        make(plan=fake_plan(seed=1))
    make(plan=fake_plan(seed=1, splits={"train": 1.0}), overwrite=True)
    assert mine.read_text() == "mine"
    assert sorted(p.name for p in (tmp_path / "set/data").iterdir()) == ["notes.txt", "train-00000.parquet"]


def test_foreign_data_is_not_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train-00000.parquet").write_text("someone else's")
    with pytest.raises(Conflict, match="not ours to replace"):
        build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake)


def test_progress_ends_at_the_total(tmp_path):
    seen = []
    build(fake_plan(), tmp_path, BuildOptions(workers=1), workshop=open_fake, report=seen.append)
    assert [p.patients for p in seen] == sorted(p.patients for p in seen)
    assert seen[-1].patients == seen[-1].patients_total == 24
    assert seen[-1].images == 24
    assert seen[-1].images_per_s > 0
    assert seen[-1].eta_s == 0
    assert "24/24 patients, 24 images" in seen[-1].line()


def test_a_growing_plan_keeps_its_first_patients(make, tmp_path):
    make("small")
    make("large", fake_plan(patients=40))
    rows = {}
    for name in ("small", "large"):
        tables = [pq.read_table(p) for p in (tmp_path / name / "data").glob("*.parquet")]
        rows[name] = {r["item_id"]: (r["split"], r["row_sha256"]) for t in tables for r in t.to_pylist()}
    assert rows["small"].items() <= rows["large"].items()
