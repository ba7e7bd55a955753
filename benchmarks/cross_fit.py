"""Realism, cross-fitted: the transfer is fitted on one half of the NORMAL ids of OCTA-500 and judged on the other, and swapped.

    CHIASM_DATA=... OMP_NUM_THREADS=1 python benchmarks/cross_fit.py --fov-mm 3 --eyes 32

The means and spreads of the other parameters stay as shipped; they were fitted on all NORMAL images. Artefacts are on.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluation._realism import judge_tables
from chiasm.evaluation._realism_features import feature_table
from chiasm.sources import read_octa500
from chiasm.worlds.octa import OctaRequest, OctaWorld, grow_eyes
from chiasm.worlds.octa.imaging import image, load_profile, sample_imaging
from chiasm.worlds.octa.imaging._image import develop, finish
from chiasm.worlds.octa.imaging._transfer import Transfer
from chiasm.worlds.octa.imaging._transfer_fit import fit_transfer, measure_pixels, with_modes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fov-mm", type=int, choices=(3, 6), default=3)
    parser.add_argument("--eyes", type=int, default=32, help="eyes to fit with; as many others judge")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", help="a profile's name or TOML file; default: the shipped one of the field")
    args = parser.parse_args()
    real = normal_images(args.fov_mm)
    profile = load_profile(args.profile or f"rtvue-xr-{args.fov_mm}mm")
    world = OctaWorld(OctaRequest(stage="healthy", fov_mm=args.fov_mm))
    eyes = [e for k in range(2 * args.eyes) for e in grow_eyes(world.sample(np.random.default_rng([args.seed, k])))]
    drawn = [sample_imaging(np.random.default_rng([args.seed, 1, i]), profile) for i in range(args.eyes)]
    recorded = [develop(eye, p) for eye, p in zip(eyes, drawn, strict=False)]

    def finished(i: int, transfer: Transfer) -> NDArray[np.uint8]:
        return finish(recorded[i], drawn[i].model_copy(update={"transfer": transfer})).pixels

    for half in (0, 1):
        target = measure_pixels(real[half::2])
        transfer, made = fit_transfer(
            [r.noisy for r in recorded], finished, target, start=Transfer.identity(), rounds=8
        )
        fitted = profile.model_copy(update={"transfer": with_modes(transfer, target, made)})
        made = [
            image(eye, sample_imaging(np.random.default_rng([args.seed, 2, i]), fitted)).pixels
            for i, eye in enumerate(eyes[args.eyes :])
        ]
        table, names = feature_table(made)
        report = judge_tables(table, feature_table(real[1 - half :: 2])[0], names, seed=args.seed)
        print(
            f"fitted on half {half}, judged on the other: {report.counts[0]} synthetic, {report.counts[1]} real images"
        )
        for judge, auc in report.auc.items():
            same = report.real_auc.get(judge)
            print(
                f"  {judge}: AUC {auc.value:.3f} [{auc.lo:.3f}, {auc.hi:.3f}]"
                + (f", real against real {same.value:.3f}" if same else "")
            )
        print(
            f"  mean KS {report.ks_mean:.3f}, coverage {report.coverage:.2f} (real {report.real_coverage:.2f}); worst:",
            end=" ",
        )
        print(", ".join(f"{name} {ks:.2f}" for name, ks in report.worst(8)), flush=True)


def normal_images(fov_mm: int) -> list[NDArray[np.uint8]]:
    """The images of OCTA-500 whose label is NORMAL, by id; the label is used for this alone."""
    cases = read_octa500(f"{os.environ['CHIASM_DATA']}/octa500", fov_mm=fov_mm, masks=False)
    found = []
    for case in cases:
        fact = case.fact("disease")
        if fact is not None and fact.value == "NORMAL":
            found.append(case.views[0].pixels)
    return found


if __name__ == "__main__":
    main()
