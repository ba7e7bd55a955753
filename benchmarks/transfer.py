"""Does what a network learns on synthetic eyes alone hold on real ones? Large vessels, by a small U-Net, beside a classical filter.

    CHIASM_DATA=... python benchmarks/transfer.py [--eyes 120] [--steps 2000] [--seed 5] [--picture P.png]

The label was fixed before any real mask was read: vessels of true radius >= 10 um in the whole inner retina. Half of the eyes
are 3 mm fields and half 6 mm ones, each imaged as two devices; all pixels are resampled to 10 um. The filter's threshold is chosen
on synthetic eyes that the network has not seen. Real masks are read once, to score. Needs the extra `seg`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSpatialCropd,
)
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import frangi
from skimage.morphology import remove_small_objects

from chiasm.evaluation.statistics import mean_score
from chiasm.sources import read_source
from chiasm.worlds.octa import OctaRequest, OctaWorld, Shot, grow_eyes
from chiasm.worlds.octa.imaging import SLAB_LAYERS, image, select_edges, vessel_mask

LEAST_RADIUS_UM = 10.0
"""The label: vessels of at least this true radius."""
GRID_UM = 10.0
"""Pixels of the network [um]: those of the 3 mm fields, nearly."""
CROP_PX = 128
BATCH = 8
FRANGI_SIGMAS = (1.5, 2.5, 3.5)
"""Half-widths of the vessels looked for, in pixels of `GRID_UM`: 15 to 35 um."""
ROSSA_FOV_MM = 3.0
"""ROSSA does not state its field; this is an assumption."""
_LEVELS = 3


class Sample(NamedTuple):
    """An image with its large vessels: (H, W) uint8 and bool, at its own pixels."""

    pixels: NDArray[np.uint8]
    vessels: NDArray[np.bool_]
    um_per_px: float
    eye: str


def synthetic(n_eyes: int, seed: int) -> list[Sample]:
    """Eyes of all stages, 3 mm and 6 mm in turn, imaged as the default device and as a drawn one.

    Motion is left out of their artefacts: it moves pixels and would leave the label behind.
    """
    samples = []
    for k in range(n_eyes):
        request = OctaRequest(fov_mm=(3.0, 6.0)[k % 2], shots=(Shot(), Shot(profile="mixed")))
        params = OctaWorld(request).sample(np.random.default_rng([seed, k]))
        (eye,) = grow_eyes(params)
        edges = select_edges(eye.graph, layers=SLAB_LAYERS["inner"], min_radius_um=LEAST_RADIUS_UM)
        for scan in params.eyes[0].scans:
            still = tuple(a for a in scan.imaging.artefacts if a.kind != "motion artefact")
            imaging = scan.imaging.model_copy(update={"artefacts": still})
            truth = vessel_mask(eye.graph, imaging.size_px, edges)
            samples.append(Sample(image(eye, imaging).pixels, truth, imaging.pixel_um, f"eye-{k}"))
    return samples


def real(root: Path, name: str, fov_mm: float | None) -> Iterator[Sample]:
    """The images of a source that have a mask of large vessels; `fov_mm` keeps one field, or is assumed where none is stated."""
    for case in read_source(f"{name}:{root / name}"):
        view = case.views[0]
        masks = [r.mask for f in case.findings if f.term == "large vessel" for r in f.regions if r.mask is not None]
        width_mm = fov_mm if view.spacing_mm is None else view.spacing_mm[1] * view.pixels.shape[1]
        if masks and width_mm is not None and (fov_mm is None or abs(width_mm - fov_mm) < 0.1):
            yield Sample(view.pixels, masks[0].to_array(), 1000 * width_mm / view.pixels.shape[1], case.patient_id)


def resampled(values: NDArray[Any], size: tuple[int, int]) -> torch.Tensor:
    """(1, H, W) float32 at another number of pixels, bilinear and anti-aliased."""
    field = torch.from_numpy(np.asarray(values, dtype=np.float32))[None, None]
    return torch.nn.functional.interpolate(field, size=size, mode="bilinear", antialias=True)[0]


def on_grid(sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
    """Image, standardised, and label, (1, h, w) each, at `GRID_UM`."""
    size = tuple(round(n * sample.um_per_px / GRID_UM) for n in sample.pixels.shape)
    grey = resampled(sample.pixels, (size[0], size[1]))
    return (grey - grey.mean()) / grey.std(), (resampled(sample.vessels, (size[0], size[1])) >= 0.5).float()


def train(samples: list[Sample], steps: int, seed: int) -> UNet:
    """A small U-Net on random crops whose exposure, sharpness and noise are changed at random."""
    torch.manual_seed(seed)
    keys = ["image", "label"]
    change = Compose(
        [
            RandSpatialCropd(keys, (CROP_PX, CROP_PX), random_size=False),
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandRotate90d(keys, prob=0.75),
            RandAdjustContrastd("image", prob=0.7, gamma=(0.6, 1.6)),
            RandGaussianSmoothd("image", prob=0.4, sigma_x=(0.3, 1.2), sigma_y=(0.3, 1.2)),
            RandGaussianNoised("image", prob=0.5, std=0.4),
            RandScaleIntensityd("image", factors=0.25, prob=0.7),
            RandShiftIntensityd("image", offsets=0.25, prob=0.7),
        ]
    )
    change.set_random_state(seed)
    pool = [dict(zip(keys, on_grid(sample), strict=True)) for sample in samples]
    net = UNet(2, 1, 1, channels=(16, 32, 64, 128), strides=(2,) * _LEVELS, norm="batch")
    loss_of = DiceCELoss(sigmoid=True)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    rng = np.random.default_rng([seed, 1])
    start = time.process_time()
    for step in range(steps):
        crops = [change(pool[i]) for i in rng.integers(0, len(pool), BATCH)]
        batch = {k: torch.stack([torch.as_tensor(crop[k]) for crop in crops]) for k in keys}
        loss = loss_of(net(batch["image"]), batch["label"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.3f}, {time.process_time() - start:.0f} CPU s", flush=True)
    return net.eval()


def by_network(net: UNet, sample: Sample) -> NDArray[np.bool_]:
    """The large vessels of one image, at its own pixels."""
    grey, _ = on_grid(sample)
    height, width = grey.shape[1:]
    block = 2**_LEVELS
    padded = torch.nn.functional.pad(grey[None], (0, -width % block, 0, -height % block), mode="reflect")
    with torch.inference_mode():
        share = torch.sigmoid(net(padded))[0, 0, :height, :width]
    return np.asarray(resampled(share.numpy(), sample.pixels.shape)[0] >= 0.5)


class Filter(NamedTuple):
    """Frangi's vesselness above a share of its 99th percentile, in pieces of a least size."""

    level: float
    least_px: int

    def vessels(self, strength: NDArray[np.floating[Any]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """The mask at the image's own pixels, from `vesselness`."""
        found = remove_small_objects(strength > self.level, max_size=self.least_px)
        return np.asarray(resampled(found, (shape[0], shape[1]))[0] >= 0.5)


def vesselness(sample: Sample) -> NDArray[np.float64]:
    """Frangi 1998 at `GRID_UM`, 1 at its 99th percentile."""
    strength = frangi(on_grid(sample)[0][0].numpy(), sigmas=FRANGI_SIGMAS, black_ridges=False)
    return np.asarray(strength / max(float(np.quantile(strength, 0.99)), 1e-12))


def choose_filter(samples: list[Sample]) -> Filter:
    """The threshold and least size with the best mean Dice on synthetic eyes."""
    strengths = [vesselness(sample) for sample in samples]
    tried = [Filter(float(level), least) for level in np.geomspace(0.02, 0.8, 14) for least in (20, 60, 150, 400)]

    def score(one: Filter) -> float:
        pairs = zip(strengths, samples, strict=True)
        return float(np.mean([dice(one.vessels(strength, s.pixels.shape), s.vessels) for strength, s in pairs]))

    return max(tried, key=score)


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * float((found & truth).sum()) / max(1.0, float(found.sum() + truth.sum()))


def report(name: str, samples: list[Sample], net: UNet, one: Filter) -> None:
    eyes = [sample.eye for sample in samples]
    network = [dice(by_network(net, sample), sample.vessels) for sample in samples]
    classical = [dice(one.vessels(vesselness(sample), sample.pixels.shape), sample.vessels) for sample in samples]
    for method, scores in (("U-Net", network), ("Frangi", classical)):
        print(f"{name}, {method}: Dice {mean_score(scores, clusters=eyes)}, lowest {min(scores):.3f}", flush=True)


def draw(samples: list[Sample], net: UNet, path: Path) -> None:
    """Image, label and finding of a few synthetic samples, side by side."""
    rows = []
    for sample in samples:
        found = by_network(net, sample)
        row = np.hstack([sample.pixels, 255 * sample.vessels.astype(np.uint8), 255 * found.astype(np.uint8)])
        rows.append(np.asarray(Image.fromarray(row).resize((912, 304))))
    Image.fromarray(np.vstack(rows)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eyes", type=int, default=120)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="where to draw three synthetic samples with their findings")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    samples = synthetic(args.eyes, args.seed)
    held_out = synthetic(max(2, args.eyes // 6), args.seed + 1)
    print(f"{len(samples)} synthetic images, {time.process_time() - start:.0f} CPU s", flush=True)
    net, one = train(samples, args.steps, args.seed), choose_filter(held_out)
    print(f"filter: {one}")
    report("synthetic, held out", held_out, net, one)
    if args.picture:
        draw(held_out[:3], net, args.picture)
    if "CHIASM_DATA" not in os.environ:
        print("CHIASM_DATA is not set: nothing was scored on real images")
        return
    root = Path(os.environ["CHIASM_DATA"])
    for name, source, fov_mm in (
        ("OCTA-500, 3 mm", "octa500", 3.0),
        ("OCTA-500, 6 mm", "octa500", 6.0),
        (f"ROSSA, taken as {ROSSA_FOV_MM:g} mm", "rossa", ROSSA_FOV_MM),
    ):
        report(name, list(real(root, source, fov_mm)), net, one)


if __name__ == "__main__":
    main()
