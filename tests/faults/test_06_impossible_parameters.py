"""Fault 6: impossible or extreme parameters are refused at config time, by name, range and unit; never a hang, never a clamp."""

from __future__ import annotations

import time

import numpy as np
import pytest
from fake_world import fake_plan, open_fake

from chiasm.corpus import BuildOptions, Plan, build
from chiasm.errors import InvalidInput
from chiasm.worlds.octa import OctaRequest, OctaWorld

BAD_PLANS = [
    ({"patients": 0}, "patients"),
    ({"patients": 10**9}, "patients"),
    ({"eyes": 3}, "eyes"),
    ({"fov_mm": 0.01}, "fov_mm"),
    ({"fov_mm": 400}, "fov_mm"),
    ({"fov_mm": float("nan")}, "fov_mm"),
    ({"age_years": [-5, 20]}, "age_years"),
    ({"age_years": [20, 119]}, "age_years"),
    ({"stages": {"moribund": 1}}, "unknown stage 'moribund'"),
    ({"stages": {"healthy": 0}}, "stages"),
    ({"profiles": {"no-such-scanner": 1}}, "no-such-scanner"),
    ({"slabs": {"choroid": 1}}, "slab"),
    ({"twins": ["haemorrhage"]}, "unknown family of findings 'haemorrhage'"),
    ({"world_config": {"size_px": 1}}, "size_px"),
    ({"world_config": {"size_px": 20_000}}, "size_px"),
    ({"world_config": {"sise_px": 300}}, "did you mean 'size_px'"),
    ({"every_image": ["no-such-program"]}, "unknown question program 'no-such-program'"),
    ({"language": "la"}, "unknown language 'la'"),
    ({"styles": "florid"}, "unknown style 'florid'"),
    ({"shard_mb": 0}, "shard_mb"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_PLANS, ids=[str(c)[:40] for c, _ in BAD_PLANS])
def test_impossible_plans_are_refused_before_anything_is_written(tmp_path, changes, message):
    out = tmp_path / "out"
    with pytest.raises(InvalidInput, match=message):
        build(Plan().change(**changes), out, BuildOptions(workers=1))
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "message"), [({"workers": 0}, "workers must be >= 1"), ({"engine": "slurm"}, "engine 'slurm'")]
)
def test_impossible_options_are_refused(option, message):
    with pytest.raises(InvalidInput, match=message):
        BuildOptions(**option)


def test_a_single_patient_and_a_single_split_are_enough(tmp_path):
    summary = build(
        fake_plan(patients=1, splits={"train": 0.999, "test": 0.001}),
        tmp_path,
        BuildOptions(workers=1),
        workshop=open_fake,
    )
    assert summary.manifest.complete
    assert summary.manifest.counts()["patients"] == 1


def test_the_smallest_octa_image_is_made_in_bounded_time():
    start = time.monotonic()
    world = OctaWorld(OctaRequest(fov_mm=2.0, size_px=64, stage="pdr"))
    case = world.render(world.sample(np.random.default_rng(0)))
    assert case.views[0].shape == (64, 64)
    assert time.monotonic() - start < 60
