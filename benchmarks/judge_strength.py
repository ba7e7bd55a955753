"""How small a change of the scanner the realism judge notices: one calibrated parameter moved by 30 %, everything else alike.

    OMP_NUM_THREADS=1 python benchmarks/judge_strength.py --eyes 20

Synthetic against synthetic: images by the shipped 3 mm profile of one set of eyes against images of other eyes by the profile with
one mean moved up by 30 % (down where the range ends). The judge is the forest of `chiasm realism`. The first line moves nothing.
"""

from __future__ import annotations

import argparse

import numpy as np

from chiasm.evaluation._realism_features import feature_table
from chiasm.evaluation._realism_judges import judge_features
from chiasm.worlds.octa import OctaRequest, OctaWorld, grow_eyes
from chiasm.worlds.octa.imaging import Eye, Profile, image, load_profile, sample_imaging, tunable
from chiasm.worlds.octa.imaging._search import WANDER

MOVE = 1.3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--eyes", type=int, default=20, help="of each side")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    profile = load_profile("rtvue-xr-3mm")
    world = OctaWorld(OctaRequest(stage="healthy", fov_mm=3.0))
    eyes = [e for k in range(2 * args.eyes) for e in grow_eyes(world.sample(np.random.default_rng([args.seed, k])))]
    still = table(profile, eyes[: args.eyes], args.seed)
    truth = np.arange(2 * args.eyes) >= args.eyes
    changes = [("nothing", profile), *((name, moved(profile, name)) for name in WANDER)]
    for name, changed in changes:
        both = np.concatenate([still, table(changed, eyes[args.eyes :], args.seed + 1)])
        auc = judge_features(both, truth, seed=args.seed)["forest"]
        print(f"{name}: AUC {auc.value:.3f} [{auc.lo:.3f}, {auc.hi:.3f}]", flush=True)


def moved(profile: Profile, name: str) -> Profile:
    """The profile with that mean 30 % up, or down where up is out of range."""
    mean, high = profile.mean(name), tunable()[name][1]
    return profile.evolve(**{name: mean * MOVE if mean * MOVE <= high else mean / MOVE})


def table(profile: Profile, eyes: list[Eye], seed: int) -> np.ndarray:
    """(n, F) features of one image of each eye."""
    shots = [image(e, sample_imaging(np.random.default_rng([seed, 4, i]), profile)).pixels for i, e in enumerate(eyes)]
    return feature_table(shots)[0]


if __name__ == "__main__":
    main()
