"""Calibration finds a hidden device: 20 of its images, judged before and after.

    OMP_NUM_THREADS=1 python benchmarks/recovery.py --device 0

A device is the shipped 3 mm profile with many parameters and the whole transfer changed. Twenty images of it, of eyes that
nothing else uses, are all that the calibration sees. Bounds: forest AUC >= 0.95 before, <= 0.65 after, 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluation._realism import judge_tables
from chiasm.evaluation._realism_features import feature_table
from chiasm.worlds.octa import OctaRequest, OctaWorld, grow_eyes
from chiasm.worlds.octa.imaging import Eye, Profile, calibrate, image, load_profile, sample_imaging, tunable
from chiasm.worlds.octa.imaging._search import WANDER

IMAGES = 20
"""Of the device; as many fresh ones, and as many renders, judge."""


def hidden(start: Profile, device: int) -> Profile:
    """The start with every fitted parameter and every part of the transfer moved by draws of their own."""
    rng = np.random.default_rng([2026, device])
    limits = tunable()
    drawn = {k: start.mean(k) * float(np.exp(0.5 * sd * rng.standard_normal())) for k, sd in WANDER.items()}
    moved = {k: float(np.clip(value, *limits[k])) for k, value in drawn.items()}
    transfer = start.transfer.model_dump()
    transfer["share"] = tuple(s + 0.15 * float(rng.standard_normal()) for s in transfer["share"])
    power = float(np.exp(0.2 * rng.standard_normal()))
    transfer["grey"] = tuple(g**power for g in transfer["grey"])
    changed = start.evolve(**moved).model_dump()
    return Profile.model_validate({**changed, "transfer": transfer, "name": f"hidden-{device}"})


def eyes(first: int, count: int) -> list[Eye]:
    """Healthy eyes `first` to `first + count - 1`."""
    world = OctaWorld(OctaRequest(stage="healthy", fov_mm=3.0))
    return [eye for k in range(first, first + count) for eye in grow_eyes(world.sample(np.random.default_rng([77, k])))]


def shots(profile: Profile, of: list[Eye], seed: int) -> list[NDArray[np.uint8]]:
    """One image of each eye."""
    return [image(eye, sample_imaging(np.random.default_rng([seed, i]), profile)).pixels for i, eye in enumerate(of)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--eyes", type=int, default=64)
    args = parser.parse_args()
    start = load_profile("rtvue-xr-3mm")
    device = hidden(start, args.device)
    seen = shots(device, eyes(1000 + 100 * args.device, IMAGES), 1)
    wall, cpu = time.monotonic(), time.process_time()
    result = calibrate(seen, eyes(0, args.eyes), start, name="found", rounds=args.rounds, use_the_rest=True)
    spent = (time.monotonic() - wall, time.process_time() - cpu)
    fresh, names = feature_table(shots(device, eyes(1050 + 100 * args.device, IMAGES), 2))
    own = eyes(500, IMAGES)
    for label, profile in (("before", start), ("after", result.profile)):
        report = judge_tables(feature_table(shots(profile, own, 3))[0], fresh, names)
        forest = report.auc["forest"]
        print(
            f"{label}: forest AUC {forest.value:.3f} [{forest.lo:.3f}, {forest.hi:.3f}], mean KS {report.ks_mean:.3f}",
            flush=True,
        )
    for problem in result.problems:
        print(f"left out: {problem.name}: {problem.reason}")
    print(
        f"device {args.device}: {spent[0]:.0f} s, {spent[1]:.0f} CPU s, {result.evaluations} renders of {args.eyes} eyes"
    )


if __name__ == "__main__":
    main()
