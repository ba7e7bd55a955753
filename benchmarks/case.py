"""CPU seconds of one whole case, by stage: growth, disease, imaging, truth, questions.

    python benchmarks/case.py [--n 16] [--fov-mm 3] [--seed 7]

One core, after a warm-up case; the median over n cases of all four stages, artefacts on. `render` is the whole of
`OctaWorld.render`; `truth` is what is left of it after growth, disease and imaging.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from chiasm.questions import ask_all
from chiasm.worlds.octa import OctaRequest, OctaWorld
from chiasm.worlds.octa import _world as world_module

STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")
PARTS = {"grow": "growth", "apply_pathology": "disease", "image": "imaging"}


def timed(function: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    """The function, adding its CPU seconds to `spent[name]`."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent[name] += time.process_time() - start

    return wrapper


def main() -> None:
    """Measure and print one line per stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--fov-mm", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    spent: dict[str, float] = {}
    for name, label in PARTS.items():
        setattr(world_module, name, timed(getattr(world_module, name), spent, label))
    rows: dict[str, list[float]] = {}
    for k in range(-1, args.n):  # case -1 compiles and fills caches
        spent.update(dict.fromkeys(PARTS.values(), 0.0))
        rng = np.random.default_rng(np.random.SeedSequence(args.seed, spawn_key=(k + 1,)))
        world = OctaWorld(OctaRequest(stage=STAGES[k % 4], fov_mm=args.fov_mm))  # type: ignore[arg-type]
        params = world.sample(rng)
        start = time.process_time()
        case = world.render(params)
        rendered = time.process_time()
        ask_all(case, k + 1)
        asked = time.process_time()
        if k < 0:
            continue
        whole = rendered - start
        figures = {**spent, "truth": whole - sum(spent.values()), "render": whole, "every question": asked - rendered}
        for label, value in figures.items():
            rows.setdefault(label, []).append(value)
    print(f"{args.fov_mm:g} mm, n = {args.n}, seed {args.seed}: CPU seconds, median (min to max)")
    for label, values in rows.items():
        print(f"  {label:16} {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")
    print(f"  peak memory      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
