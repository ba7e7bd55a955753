"""Speed of `measure_image`, and the FAZ against experts where CHIASM_DATA is set: python benchmarks/measure.py."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from chiasm.measure import Scale, line_strength, measure_image, segment_faz

REPEATS = 15
RESAMPLES = 10_000


def picture(size_px: int) -> NDArray[np.uint8]:
    """A field of ridges of random direction with a dark disc: enough structure for every biomarker."""
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(size_px, size_px)), 1.3)
    row, col = np.mgrid[:size_px, :size_px] + 0.5 - size_px / 2
    texture[np.hypot(row, col) < 0.1 * size_px] = texture.min()
    return np.rint(255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)


def speed() -> None:
    for size_px, fov_mm in ((304, 3.0), (400, 6.0), (512, 3.0)):
        image = picture(size_px)
        measure_image(image, fov_mm)  # compiles
        seconds = []
        for _ in range(REPEATS):
            start = time.process_time()
            measure_image(image, fov_mm)
            seconds.append(time.process_time() - start)
        print(f"measure_image {size_px} px, {fov_mm:g} mm: {np.median(seconds):.3f} CPU s (median of {REPEATS})")


def faz_dice(root: Path) -> None:
    folder = root / "octa25k_faz"
    scores = []
    for path in sorted((folder / "image").glob("superficial_*.png")):
        grey = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255
        truth = np.asarray(Image.open(folder / "mask" / path.name)) > 0
        scale = Scale.from_fov((grey.shape[0], grey.shape[1]), 3.0)
        found = segment_faz(grey, line_strength(grey, scale), scale)
        scores.append(2 * float((found & truth).sum()) / float(found.sum() + truth.sum()))
    means = np.random.default_rng(0).choice(scores, (RESAMPLES, len(scores))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    print(
        f"FAZ Dice, OCTA-25K superficial: {np.mean(scores):.3f} (95 % {low:.3f} to {high:.3f}, n={len(scores)}, "
        f"bootstrap over images, seed 0), median {np.median(scores):.3f}, lowest {min(scores):.3f}"
    )


if __name__ == "__main__":
    speed()
    if "CHIASM_DATA" in os.environ:
        faz_dice(Path(os.environ["CHIASM_DATA"]))
    else:
        print("CHIASM_DATA is not set: the FAZ was not compared with experts")
