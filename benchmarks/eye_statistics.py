"""Statistics of healthy eyes, beside the cited ranges and the reference simulator (docs/anatomy.md).

    python benchmarks/eye_statistics.py --eyes 200 --seed 1000

The reference simulator is Kreitner et al. (TMI 2024) at commit 9cdc313; its column holds means over 10 graphs grown by it.
"""

from __future__ import annotations

import argparse

import numpy as np

from chiasm.worlds.octa.anatomy import Audit, audit, grow, sample_anatomy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eyes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--fov-mm", type=float, default=3.0)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.eyes)
    audits = [audit(grow(sample_anatomy(np.random.default_rng(s), fov_mm=args.fov_mm))) for s in seeds]
    print(f"{args.eyes} healthy eyes, {args.fov_mm:g} mm, seeds {seeds.start}-{seeds.stop - 1}\n")
    print("| figure | ours, mean (SD; min-max) | wanted | reference simulator |")
    print("| --- | --- | --- | --- |")
    for row in _rows(audits):
        print("| " + " | ".join(row) + " |")
    print("\nDensity of superficial vessels with the distance from the fovea [mm: 1/mm]")
    n_rings = min(len(a.ring_mm) for a in audits)
    profile = np.mean([a.density_per_mm[:n_rings] for a in audits], axis=0)
    print(", ".join(f"{r:.3f}: {d:.1f}" for r, d in zip(audits[0].ring_mm[:n_rings], profile, strict=True)))
    plateau = profile[audits[0].ring_mm[:n_rings] > 0.8].mean()
    reached = audits[0].ring_mm[:n_rings][np.argmax(profile >= 0.95 * plateau)]
    print(f"plateau {plateau:.1f} /mm; 95 % of it from {reached:.3f} mm on (cited: rising until 0.657 mm)")


def _rows(audits: list[Audit]) -> list[tuple[str, str, str, str]]:
    def of(name: str) -> str:
        values = np.array([getattr(a, name) for a in audits], dtype=float)
        return f"{np.nanmean(values):.3g} ({np.nanstd(values):.2g}; {np.nanmin(values):.3g}-{np.nanmax(values):.3g})"

    def zone(k: int) -> str:
        all_samples = np.concatenate([a.free_zone_um[k] for a in audits])
        eyes = np.array([a.free_zone_um[k].mean() for a in audits if len(a.free_zone_um[k])])
        return f"{all_samples.mean():.1f} ({all_samples.std():.1f} between places, {eyes.std():.1f} between eyes)"

    sheets = np.mean([list(a.capillary_density_per_mm.values()) for a in audits], axis=0)
    return [
        ("FAZ area [mm2]", of("faz_area_mm2"), "mean 0.23-0.29, SD 0.07-0.12", "0.325 (0.091)"),
        ("FAZ circularity", of("faz_circularity"), "0.72 +- 0.06", "0.828 (0.056)"),
        ("FAZ axis ratio", of("faz_axis_ratio"), "-", "0.882 (0.063)"),
        ("free zone along arteries [um]", zone(0), "67.2 +- 25.3", "not modelled"),
        ("free zone along veins [um]", zone(1), "42.7 +- 14.4", "not modelled"),
        ("capillary length with flow", of("perfused_share"), ">= 0.95", "no circuit: 16 disjoint trees"),
        ("blind ends of capillary ends", of("dead_end_share"), "< 0.03", "all: 5749 leaves"),
        ("overlapping capsule pairs", of("overlaps"), "0", "about 8000"),
        (
            "artery-vein crossings [1/mm2]",
            of("crossings_per_mm2"),
            "reported",
            "6300 pass through each other per 9 mm2",
        ),
        ("artery/vein alternation at 1 mm", of("alternation"), "> 0.5 (chance)", "not modelled"),
        ("arteries and veins [1/mm]", of("tree_density_per_mm"), "-", "60.3 in all"),
        ("capillaries SVC, ICP, DCP [1/mm]", ", ".join(f"{d:.1f}" for d in sheets), "-", "60.3 in all"),
    ]


if __name__ == "__main__":
    main()
