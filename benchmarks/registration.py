"""How far vessels in the final image lie from the graph: registration of windows on grown eyes of all stages.

    python benchmarks/registration.py [--eyes 40] [--seed 21]

Each image is cut into 4 x 4 windows; the shift of a window is where its cross-correlation with the graph's noiseless projection
peaks (skimage, upsampled 20 times). Artefacts off: every window with vessels. Artefacts on: those without a pixel under motion.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from chiasm.worlds.octa import OctaRequest, OctaWorld, Shot, grow_eyes
from chiasm.worlds.octa.imaging import SLAB_LAYERS, Eye, Imaged, image, render_capsules, select_edges

GRID = 4
LEAST_CONTRAST = 0.05
"""Standard deviation of the projection, of full coverage, from which a window holds enough vessels to be registered."""


def window_shifts(eye: Eye, imaged: Imaged) -> Iterator[tuple[float, float]]:
    """(rows, columns) [px] by which the image's vessels lie beside the graph's, for each window outside motion."""
    size = imaged.pixels.shape[0]
    edges = select_edges(eye.graph, layers=SLAB_LAYERS["inner"])
    truth = ndimage.gaussian_filter(render_capsules(eye.graph, size, edges=edges), 1)
    seen = ndimage.gaussian_filter(imaged.pixels.astype(np.float32), 1)
    moved = imaged.touched("motion artefact")
    for window in windows(size):
        if truth[window].std() >= LEAST_CONTRAST and not moved[window].any():
            yield shift(truth[window], seen[window])


def windows(size: int) -> list[tuple[slice, slice]]:
    cuts = [slice(i * size // GRID, (i + 1) * size // GRID) for i in range(GRID)]
    return [(rows, cols) for rows in cuts for cols in cuts]


def shift(truth: NDArray[np.float32], seen: NDArray[np.float32]) -> tuple[float, float]:
    moved, _, _ = phase_cross_correlation(
        seen - seen.mean(), truth - truth.mean(), upsample_factor=20, normalization=None
    )
    return float(moved[0]), float(moved[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eyes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=21)
    args = parser.parse_args()
    for fov_mm in (3.0, 6.0):
        found: dict[str, list[tuple[float, float]]] = {"none": [], "profile": []}
        for k in range(args.eyes):
            request = OctaRequest(fov_mm=fov_mm, shots=tuple(Shot(artefacts=a) for a in found))  # type: ignore[arg-type]
            params = OctaWorld(request).sample(np.random.default_rng([args.seed, k]))
            (eye,) = grow_eyes(params)
            for scan, shifts in zip(params.eyes[0].scans, found.values(), strict=True):
                shifts += window_shifts(eye, image(eye, scan.imaging))
        for artefacts, shifts in found.items():
            vectors = np.array(shifts)
            lengths = np.hypot(*vectors.T)
            print(
                f"{fov_mm:g} mm, {args.eyes} eyes, artefacts {'on' if artefacts == 'profile' else 'off'}: {len(lengths)} windows, "
                f"shift median {np.median(lengths):.3f} px, 99 % {np.quantile(lengths, 0.99):.3f}, largest {lengths.max():.3f}; "
                f"mean {vectors[:, 0].mean():+.3f} rows, {vectors[:, 1].mean():+.3f} columns"
            )


if __name__ == "__main__":
    main()
