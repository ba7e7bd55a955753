"""What the stages look like in numbers: density, FAZ, lesions, and how well one number alone tells the stage.

    python benchmarks/stage_statistics.py --eyes 200 --seed 1 [--images] [--json FILE]

Each stage gets its own eyes. Density is that of the superficial complex, drawn exactly (304 px for 3 mm), and compared with
the mean of the healthy eyes. The kappa of a biomarker is the best that any three thresholds reach on these very eyes, so it
overstates what the biomarker can do; "crossed" judges each half of the eyes by the thresholds of the other. `--images` adds
biomarkers estimated from simulated images.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer
from chiasm.measure import Stage, StageEvidence, measure_image, measure_masks, stage
from chiasm.worlds.octa.anatomy import grow, polygon_area_mm2, polygon_perimeter_mm, sample_anatomy
from chiasm.worlds.octa.imaging import (
    Eye,
    image,
    load_profile,
    render_capsules,
    sample_imaging,
    select_edges,
)
from chiasm.worlds.octa.pathology import DiseasedEye, apply_pathology, sample_pathology, sample_rarefaction

STAGES = tuple(Stage)
TRUTH = (
    "faz_area",
    "faz_circularity",
    "faz_axis_ratio",
    "vessel_area_density",
    "skeleton_density",
    "nonperfusion_fraction",
    "fractal_dimension",
    "tortuosity",
    "vessel_diameter_index",
    "intercapillary_distance",
)
DENSITIES = ("vessel_area_density", "skeleton_density")
TERMS = ("capillary dropout", "microaneurysm", "intraretinal microvascular abnormality", "neovascularization")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--eyes", type=int, default=200, help="eyes per stage")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--fov-mm", type=float, default=3.0)
    options.add_argument("--images", action="store_true", help="also estimate from simulated images (slower)")
    options.add_argument("--json", type=Path, default=None, help="write every eye's values here")
    args = options.parse_args()
    began = time.process_time()
    rows = [
        measure_eye(args.seed, i, k, args.fov_mm, args.images) for i in range(len(STAGES)) for k in range(args.eyes)
    ]
    if args.json:
        args.json.write_text(json.dumps(rows))
    print(f"{args.eyes} eyes per stage, seed {args.seed}, {args.fov_mm:g} mm, {time.process_time() - began:.0f} CPU s")
    report(rows)


def measure_eye(seed: int, stage_index: int, k: int, fov_mm: float, images: bool) -> dict[str, float]:
    """One eye's numbers."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stage_index, k)))
    drawn = sample_anatomy(rng, fov_mm=fov_mm, age_years=float(rng.uniform(20, 80)))
    drawn = drawn.model_copy(update={"rarefaction": sample_rarefaction(rng, STAGES[stage_index])})
    anatomy = grow(drawn)
    params = sample_pathology(rng, STAGES[stage_index], anatomy.params)
    eye = apply_pathology(anatomy, params)
    size_px = round(304 * fov_mm / 3) if fov_mm < 5 else 400
    row = {"stage": float(stage_index), "requested": params.dropout.share, **_record(eye, size_px)}
    svc = select_edges(eye.graph, layers=(Layer.SVC,))
    zone = _outline_mask(eye, size_px)
    coverage = np.minimum(render_capsules(eye.graph, size_px, edges=svc), 1)
    measured = measure_masks(coverage, fov_mm, faz=zone)
    row |= {f"svc {name}": _value(measured, name) for name in TRUTH}
    if eye.lesions:
        bare = np.minimum(
            render_capsules(anatomy.graph, size_px, edges=select_edges(anatomy.graph, layers=(Layer.SVC,))), 1
        )
        twin = measure_masks(bare, fov_mm)
        row |= {f"lost {name} %": 100 * (1 - row[f"svc {name}"] / _value(twin, name)) for name in DENSITIES}
    if images:
        profile = load_profile("rtvue-xr-3mm" if fov_mm < 5 else "rtvue-xr-6mm")
        scan = sample_imaging(rng, profile, fov_mm=fov_mm, artefacts="none", slab="inner")
        seen = Eye(
            graph=eye.graph,
            blobs=eye.blobs,
            fovea_um=eye.fovea_um,
            faz_radius_um=eye.pit_radius_um,
            nasal=anatomy.params.nasal,
        )
        estimated = measure_image(image(seen, scan).pixels, fov_mm)
        row |= {f"image {name}": _value(estimated, name) for name in TRUTH}
    return row


def report(rows: list[dict[str, float]]) -> None:
    """Means, standard deviations and kappas."""
    names = [name for name in rows[-1] if name != "stage"]
    values = {name: np.array([row.get(name, 0.0) for row in rows]) for name in names}
    truth = np.array([int(row["stage"]) for row in rows])
    healthy = truth == 0
    print(f"{'':<34}" + "".join(f"{s:>22}" for s in STAGES) + f"{'kappa':>8}{'crossed':>9}")
    for name in names:
        cells = [
            f"{np.nanmean(values[name][truth == i]):>13.4g} +- {np.nanstd(values[name][truth == i], ddof=1):<5.2g}"
            for i in range(len(STAGES))
        ]
        reached = f"{best_cuts(values[name], truth).kappa:>8.3f}{crossed_kappa(values[name], truth):>9.3f}"
        print(f"{name:<34}" + "".join(f"{c:>22}" for c in cells) + reached)
    for name in ("svc vessel_area_density", "svc skeleton_density"):
        base = values[name][healthy].mean()
        change = [
            f"{100 * (values[name][truth == i].mean() / base - 1):+.1f} %"
            + f" (se {100 * values[name][truth == i].std(ddof=1) / base / np.sqrt((truth == i).sum()):.1f})"
            for i in range(1, len(STAGES))
        ]
        print(f"{name} against healthy: {', '.join(change)}   (wanted -5..-10, -12..-19, -18..-25)")


class Cuts(NamedTuple):
    """Three thresholds on a number, and what they reach on the eyes that they were set on."""

    kappa: float
    at: tuple[float, ...]
    rising: bool


def best_cuts(values: NDArray[np.float64], truth: NDArray[np.int64]) -> Cuts:
    """The thresholds of the highest quadratic kappa, rising or falling."""
    ok = np.isfinite(values)
    grid = np.unique(np.quantile(values[ok], np.linspace(0.02, 0.98, 33)))
    below = np.array([[(values[ok & (truth == i)] < g).sum() for g in grid] for i in range(4)])
    total = np.bincount(truth[ok], minlength=4)
    best = Cuts(0.0, (0.0, 0.0, 0.0), True)
    for cuts in itertools.combinations_with_replacement(range(len(grid)), 3):
        table = np.diff(np.column_stack([np.zeros(4), below[:, cuts], total]), axis=1)
        for rising, seen in ((True, table), (False, table[:, ::-1])):
            best = max(best, Cuts(_kappa(seen), tuple(grid[list(cuts)]), rising))
    return best


def crossed_kappa(values: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Kappa on eyes that the thresholds were not set on: each half of the eyes is judged by those of the other (seed 0)."""
    half = np.random.default_rng(0).permutation(len(truth)) % 2
    told = np.zeros(len(truth), dtype=np.int64)
    for part in (0, 1):
        cuts = best_cuts(values[half != part], truth[half != part])
        level = np.searchsorted(cuts.at, values[half == part], side="right")
        told[half == part] = level if cuts.rising else 3 - level
    table = np.zeros((4, 4))
    np.add.at(table, (truth, told), 1)
    return _kappa(table)


def _kappa(table: NDArray[np.float64]) -> float:
    level = np.arange(4)
    cost = (level[:, None] - level[None]) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(1 - (cost * table).sum() / (cost * chance).sum())


def _record(eye: DiseasedEye, size_px: int) -> dict[str, float]:
    """What the record of lesions says, and whether the rule gives the stage asked for."""
    counts = {term: float(len(eye.of(term))) for term in TERMS}
    lost = [lesion.mask(size_px) for lesion in eye.of("capillary dropout")]
    share = float(np.logical_or.reduce(lost).mean()) if lost else 0.0
    evidence = StageEvidence(
        n_ma=int(counts[TERMS[1]]),
        n_irma=int(counts[TERMS[2]]),
        n_nv=int(counts[TERMS[3]]),
        nonperfusion_fraction=share,
    )
    area, perimeter = polygon_area_mm2(eye.faz_outline_um), polygon_perimeter_mm(eye.faz_outline_um)
    return {
        "realised stage": float(STAGES.index(stage(evidence).stage)),
        "non-perfused share": share,
        **counts,
        "unplaced": float(len(eye.unplaced)),
        "outline area": area,
        "outline circularity": 4 * np.pi * area / perimeter**2,
    }


def _outline_mask(eye: DiseasedEye, size_px: int) -> NDArray[np.bool_]:
    from skimage.draw import polygon

    mask = np.zeros((size_px, size_px), dtype=bool)
    mask[polygon(*(eye.faz_outline_um.T / (eye.graph.fov_um / size_px) - 0.5), mask.shape)] = True
    return mask


def _value(measured: object, name: str) -> float:
    biomarkers = measured.biomarkers  # type: ignore[attr-defined]
    return float(biomarkers.value(name)) if biomarkers.has(name) else float("nan")


if __name__ == "__main__":
    main()
