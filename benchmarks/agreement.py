"""Agreement of `measure_image` with the truth on rendered eyes of all stages.

python benchmarks/agreement.py --n 200 --seed 11 --slab inner
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Laterality
from chiasm.measure import Biomarkers, Stage, measure_image
from chiasm.worlds.octa import OctaRequest, OctaWorld, Shot

PAIRS = {
    "faz_area": "faz_area",
    "resolved_vessel_area_density": "vessel_area_density",
    "resolved_skeleton_density": "skeleton_density",
    "vessel_area_density": "vessel_area_density",
    "skeleton_density": "skeleton_density",
    "fractal_dimension": "fractal_dimension",
    "nonperfusion_fraction": "nonperfusion_fraction",
}
"""Fact of the case -> what `measure_image` estimates of it. Exact densities count vessels that no beam resolves."""
RESAMPLES = 2000


def icc(x: NDArray[np.float64], y: NDArray[np.float64], absolute: bool) -> float:
    """Intraclass correlation of two measurements: absolute agreement ICC(2,1), or consistency ICC(3,1)."""
    both = np.stack([x, y], axis=1)
    n, k = both.shape
    rows = k * np.var(both.mean(axis=1), ddof=1)
    cols = n * np.var(both.mean(axis=0), ddof=1)
    rest = both - both.mean(axis=1, keepdims=True) - both.mean(axis=0) + both.mean()
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    bias = k * (cols - error) / n if absolute else 0.0
    return float((rows - error) / (rows + (k - 1) * error + bias))


def eyes(n: int, seed: int, slab: str, fov_mm: float) -> tuple[list[dict[str, float]], list[Biomarkers]]:
    """Truth (the case's own facts) and estimate of each eye, stages in turn."""
    truth, estimate = [], []
    stages = list(Stage)
    for k in range(n):
        shot = Shot(laterality="OD", slab=slab, artefacts="none")
        request = OctaRequest(stage=stages[k % len(stages)], fov_mm=fov_mm, shots=(shot,))
        world = OctaWorld(request)
        case = world.render(world.sample(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))))
        facts = {fact.name: float(fact.value) for fact in case.facts if isinstance(fact.value, float | int)}
        facts["nonperfusion_fraction"] = facts["nonperfusion"] / 100
        truth.append(facts | {"stage": k % len(stages)})
        estimate.append(measure_image(case.views[0].pixels, fov_mm, Laterality.OD).biomarkers)
    return truth, estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--slab", default="inner")
    parser.add_argument("--fov-mm", type=float, default=3.0)
    args = parser.parse_args()
    truth, estimate = eyes(args.n, args.seed, args.slab, args.fov_mm)
    rng = np.random.default_rng(0)
    for name, measured in PAIRS.items():
        pairs = [
            (t[name], e.value(measured)) for t, e in zip(truth, estimate, strict=True) if name in t and e.has(measured)
        ]
        if len(pairs) < 3:
            continue
        x, y = np.array(pairs, dtype=np.float64).T
        draws = rng.integers(0, len(x), (RESAMPLES, len(x)))
        for label, absolute in (("ICC(2,1)", True), ("ICC(3,1)", False)):
            low, high = np.quantile([icc(x[d], y[d], absolute) for d in draws], [0.025, 0.975])
            value = icc(x, y, absolute)
            print(
                f"{name:<30} {label} {value:.3f} (95 % {low:.3f} to {high:.3f}), truth {x.mean():.3f} +- {x.std():.3f}, "
                f"estimate {y.mean():.3f} +- {y.std():.3f}, n={len(x)} of {args.n}"
            )


if __name__ == "__main__":
    main()
