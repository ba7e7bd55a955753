"""Which variety of synthetic images makes a network right about real ones? A small vision probe, trained on parts of one data set.

    CHIASM_DATA=... OMP_NUM_THREADS=1 python benchmarks/ablations.py DATASET [--seeds 3] [--fov-mm 3]

Every arm leaves one kind of variety out, and all have as many healthy and as many ill images. The probe is the small network of
`chiasm evaluate --cnn` (600 steps of 32, about 40 CPU seconds). Judged: any retinopathy, on the data set's own test images and on
OCTA-500 (a look at real labels: docs/log.md counts them; nothing is chosen by it).
"""

from __future__ import annotations

import argparse
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from chiasm.evaluation._network import SIDE_PX, STEPS, fit
from chiasm.evaluation._real import STAGES
from chiasm.evaluation.statistics import auc
from chiasm.sources import read_octa500
from chiasm.worlds.octa.imaging import artefact_kinds


class Shown(NamedTuple):
    """One image and what varies from image to image."""

    pixels: NDArray[np.uint8]
    ill: bool
    fov_mm: float
    age: float
    profile: str
    terms: frozenset[str]


SEVERE = ("intraretinal microvascular abnormality", "neovascularization")
ARMS: dict[str, Callable[[Shown], bool]] = {
    "everything": lambda shown: True,
    "one device": lambda shown: shown.profile.startswith("rtvue"),
    "mixed devices only": lambda shown: shown.profile.startswith("mixed"),
    "no artefacts": lambda shown: shown.terms.isdisjoint(artefact_kinds()),
    "ages 30 to 55": lambda shown: 30 <= shown.age <= 55,
    "no new vessels, no IRMA": lambda shown: shown.terms.isdisjoint(SEVERE),
}


def main() -> None:
    """Train every arm with every seed, and print medians and all values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="folder of `chiasm build`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fov-mm", type=int, choices=(3, 6), default=3)
    args = parser.parse_args()
    train, test = ([s for s in images(args.dataset, split) if s.fov_mm == args.fov_mm] for split in ("train", "test"))
    real, ill = real_images(args.fov_mm)
    synthetic = np.array([s.pixels for s in test])
    arms = {name: [s for s in train if belongs(s)] for name, belongs in ARMS.items()}
    fewest = (
        min(sum(s.ill for s in arm) for arm in arms.values()),
        min(sum(not s.ill for s in arm) for arm in arms.values()),
    )
    print(
        f"{args.fov_mm} mm, {fewest[1]} healthy and {fewest[0]} ill images an arm; "
        f"{len(test)} synthetic, {len(ill)} real images judge"
    )
    for name, arm in arms.items():
        rows = []
        for seed in range(args.seeds):
            chosen = drawn(arm, fewest, seed)
            predict = fit(
                np.array([s.pixels for s in chosen]),
                np.array([s.ill for s in chosen]).astype(np.intp),
                2,
                steps=STEPS,
                seed=seed,
            )
            rows.append((judged(predict(synthetic), np.array([s.ill for s in test])), judged(predict(real), ill)))
        for where, pairs in zip(("synthetic", "real"), zip(*rows, strict=True), strict=True):
            areas, balanced = zip(*pairs, strict=True)
            listed = ", ".join(f"{a:.3f}/{b:.3f}" for a, b in pairs)
            print(
                f"{name:26s}{where:10s} AUC {np.median(areas):.3f}, balanced accuracy {np.median(balanced):.3f}  ({listed})",
                flush=True,
            )


def drawn(arm: list[Shown], counts: tuple[int, int], seed: int) -> list[Shown]:
    """So many ill and healthy images of an arm."""
    rng = np.random.default_rng([seed, 12])
    kinds = [s for s in arm if s.ill], [s for s in arm if not s.ill]
    return [kind[i] for kind, n in zip(kinds, counts, strict=True) for i in rng.permutation(len(kind))[:n]]


def judged(chances: NDArray[np.float64], ill: NDArray[np.bool_]) -> tuple[float, float]:
    """AUC, and balanced accuracy of the likelier answer."""
    right = (chances[:, 1] > 0.5) == ill
    return auc(ill, chances[:, 1]).value, float((right[ill].mean() + right[~ill].mean()) / 2)


def images(dataset: Path, split: str) -> Iterator[Shown]:
    """Every image of a split once, with the stage that it shows."""
    seen: set[str] = set()
    columns = ["images", "views", "findings", "facts", "params"]
    for file in sorted((dataset / "data").glob(f"{split}-*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(batch_size=64, columns=columns):
            for row in batch.to_pylist():
                view = row["views"][0]
                if len(row["views"]) == 1 and view["change"] == "none" and view["sha256"] not in seen:
                    seen.add(view["sha256"])
                    yield described(row, view)


def described(row: dict[str, Any], view: dict[str, Any]) -> Shown:
    """What an item's row says about its only image."""
    facts = {fact["name"]: fact["value"] for fact in json.loads(row["facts"])}
    looks = json.loads(view["attributes"])
    with Image.open(io.BytesIO(row["images"][0]["bytes"])) as opened:
        pixels = shrunk(opened)
    terms = frozenset(f["term"] for f in row["findings"] if f["visible"] is not False)
    ill = facts["stage_visible"] != STAGES[0]
    return Shown(pixels, ill, looks["fov_mm"], float(facts["age"]), looks["profile"], terms)


def shrunk(picture: Image.Image) -> NDArray[np.uint8]:
    """(S, S) grey pixels as the probe takes them."""
    return np.asarray(picture.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX))


def real_images(fov_mm: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """OCTA-500's healthy eyes and those with diabetic retinopathy: pixels, and which are ill."""
    found, ill = [], []
    for case in read_octa500(f"{os.environ['CHIASM_DATA']}/octa500", fov_mm=fov_mm, masks=False):
        fact = case.fact("disease")
        if fact is not None and fact.value in ("NORMAL", "DR"):
            found.append(shrunk(Image.fromarray(case.views[0].pixels)))
            ill.append(fact.value == "DR")
    return np.array(found), np.array(ill)


if __name__ == "__main__":
    main()
