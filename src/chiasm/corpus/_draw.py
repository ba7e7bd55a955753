"""What the plan asks of patient k: drawn from (seed, world, k) alone.

Stage and split follow an additive recurrence (Kronecker sequence) over k instead of chance, so that a set of any size has
the planned proportions to within one or two patients, and a patient keeps its stage and split when the plan grows. The two
steps are those of the R2 sequence, the inverse powers of the plastic number, so that the pair (stage, split) fills its
square evenly too (M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import numpy as np

from chiasm.corpus._plan import Plan

_PLASTIC: Final = 1.324717957244746
_STEP_STAGE: Final = 1 / _PLASTIC
_STEP_SPLIT: Final = 1 / _PLASTIC**2
T = TypeVar("T", str, float)

DRAW, WORLD, QUESTIONS = range(3)
"""Last word of the spawn key: what a stream of patient k is for."""


class Imaging(NamedTuple):
    """One image to be taken."""

    laterality: str
    visit: int
    profile: str | None
    """Device profile; None: the world's default."""
    slab: str
    """Depth range that it shows."""
    artefacts: bool
    """Whether it has artefacts at the device's rates; otherwise it is clean."""


class Patient(NamedTuple):
    """What is asked of the world for one patient."""

    number: int
    patient_id: str
    split: str
    stage: str
    age_years: float
    fov_mm: float
    images: tuple[Imaging, ...]
    """Grouped by eye and visit, in order."""


def stream(plan: Plan, index: int, purpose: int, *more: int) -> np.random.Generator:
    """The generator of patient `index` for one purpose; independent of every other."""
    key = (zlib.crc32(plan.world.encode()), index, purpose, *more)
    return np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=key))


def split_of(plan: Plan, index: int) -> str:
    """The split of a patient; whatever is derived from that patient stays there."""
    return at(plan.splits, (0.5 + (index + 1) * _STEP_SPLIT) % 1.0)


def draw_patient(plan: Plan, index: int) -> Patient:
    """What the plan asks of patient `index`."""
    rng = stream(plan, index, DRAW)
    eyes = ("OD", "OS") if plan.eyes == 2 else (("OD", "OS")[int(rng.integers(2))],)
    age = float(rng.uniform(*plan.age_years)) if plan.age_years[0] < plan.age_years[1] else plan.age_years[0]
    fov = at(plan.fov_mm, float(rng.random()))
    images = tuple(
        Imaging(
            eye,
            visit,
            at(plan.profiles, float(rng.random())) if plan.profiles else None,
            at(plan.slabs, float(rng.random())),
            bool(rng.random() < plan.artefacts),
        )
        for eye in eyes
        for visit in range(plan.visits)
        for _ in range(plan.images)
    )
    return Patient(
        number=index,
        patient_id=f"{plan.world}-{plan.seed}-{index:06d}",
        split=split_of(plan, index),
        stage=at(plan.stages, (0.5 + (index + 1) * _STEP_STAGE) % 1.0),
        age_years=round(age, 1),
        fov_mm=fov,
        images=images,
    )


def at(weights: Mapping[T, float], u: float) -> T:
    """The key that u in [0, 1) falls on when the weights are laid end to end, in the keys' own order: a mapping has none."""
    total = sum(weights.values())
    reached = 0.0
    last: T | None = None
    for key, weight in sorted(weights.items()):
        if weight > 0:
            last = key
            reached += weight
            if u * total < reached:
                return key
    assert last is not None  # a plan has a weight > 0
    return last
