"""What it costs to grow an eye: CPU seconds per stage, and how they rise with the number of vessels.

    OMP_NUM_THREADS=1 python benchmarks/grow.py --eyes 20

CPU time of one process. The machine's other load still shows in it (shared caches, hyperthreads): the load is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

import chiasm.worlds.octa.anatomy._grow as stages
from chiasm.worlds.octa.anatomy import sample_anatomy
from chiasm.worlds.octa.pathology import apply_pathology, sample_pathology

STAGES = ("grow_forest", "layer_forest", "grow_bed", "_add_sheet", "_link", "tidy", "solve_flow", "_to_graph")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eyes", type=int, default=20)
    parser.add_argument("--fields", type=float, nargs="+", default=[2.0, 3.0, 4.5, 6.0])
    args = parser.parse_args()
    spent: dict[str, float] = defaultdict(float)
    for name in STAGES:
        setattr(stages, name, _timed(getattr(stages, name), name, spent))
    stages.grow(sample_anatomy(np.random.default_rng(0)))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median CPU seconds of {args.eyes} eyes")
    for fov_mm in args.fields:
        rows, totals, disease, edges = [], [], [], []
        for seed in range(args.eyes):
            params = sample_anatomy(np.random.default_rng(seed), fov_mm=fov_mm)
            spent.clear()
            start = time.process_time()
            anatomy = stages.grow(params)
            totals.append(time.process_time() - start)
            rows.append([spent[name] for name in STAGES])
            edges.append(anatomy.graph.n_edges)
            pathology = sample_pathology(np.random.default_rng(seed), "late-npdr", params)
            start = time.process_time()
            apply_pathology(anatomy, pathology)
            disease.append(time.process_time() - start)
        n = float(np.median(edges))
        print(f"\n{fov_mm:g} mm: grown with flow and graph {np.median(totals):.3f} s, disease {np.median(disease):.3f} s, "
              f"both {np.median(np.add(totals, disease)):.3f} s; "
              f"{n:.0f} edges, {1e6 * float(np.median(totals)) / n:.1f} us per edge")  # fmt: skip
        print(
            "  "
            + ", ".join(f"{name.strip('_')} {t:.3f}" for name, t in zip(STAGES, np.median(rows, axis=0), strict=True))
        )
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _timed(function: Callable[..., Any], name: str, spent: dict[str, float]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        result = function(*args, **kwargs)
        spent[name] += time.process_time() - start
        return result

    return run


if __name__ == "__main__":
    main()
