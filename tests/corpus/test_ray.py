"""Ray gives the same bytes, and survives the loss of a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_world
import pytest
from fake_world import digests, fake_plan, open_fake

from chiasm.corpus import BuildOptions, build
from chiasm.errors import ChiasmError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ray = pytest.importorskip("ray")
PLAN = fake_plan(patients=120, shard_mb=0.05)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one CPU each on this machine; node 0 is the head."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(Path(fake_world.__file__).parent))
    monkeypatch.setenv("FAKE_SLEEP", "0.1")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_same_bytes_though_a_node_is_lost(cluster, tmp_path, monkeypatch):
    out = tmp_path / "ray"
    lost = threading.Event()

    def lose_node() -> None:
        while len(list((out / ".chiasm").glob("*/*.json"))) < 3:
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)
        lost.set()

    thread = threading.Thread(target=lose_node, daemon=True)
    thread.start()
    summary = build(PLAN, out, BuildOptions(engine="ray", ray_address=cluster.address), workshop=open_fake)
    assert lost.is_set(), "the node went only after the build"
    assert summary.manifest.complete
    thread.join()
    assert sum(node["Alive"] for node in ray.nodes()) == 1
    monkeypatch.setenv("FAKE_SLEEP", "0")
    build(PLAN, tmp_path / "local", BuildOptions(workers=1), workshop=open_fake)
    build(PLAN, tmp_path / "two", BuildOptions(workers=2), workshop=open_fake)
    assert digests(out) == digests(tmp_path / "local") == digests(tmp_path / "two")


def test_a_failing_patient_is_named_by_ray_too(cluster, tmp_path):
    with pytest.raises(ChiasmError, match="patient 5 of world 'fake'"):
        build(fake_plan(world_config={"raise": 5}), tmp_path, BuildOptions(engine="ray"), workshop=open_fake)
