"""Can an image be calibrated on? What cannot is named with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class ImageProblem:
    """One image that cannot be used."""

    index: int
    name: str
    reason: str


def inspect_images(images: Sequence[NDArray[Any]], names: Sequence[str] | None = None) -> list[ImageProblem]:
    """Every image that cannot be used, in order, each with the first reason that applies."""
    labels = list(names) if names is not None else [f"image {i}" for i in range(len(images))]
    shapes = Counter(np.asarray(pixels).shape[:2] for pixels in images)
    usual = shapes.most_common(1)[0][0] if shapes else (0, 0)
    problems = []
    for i, pixels in enumerate(images):
        reason = _fault(np.asarray(pixels), usual)
        if reason:
            problems.append(ImageProblem(i, labels[i], reason))
    return problems


def _fault(pixels: NDArray[Any], usual: tuple[int, ...]) -> str:
    """Why this image cannot be used, or nothing."""
    if pixels.ndim == 3:
        spread = np.ptp(pixels[..., :3].astype(np.int64), axis=-1) if pixels.shape[-1] in (3, 4) else np.zeros(1)
        if (spread > 8).mean() > 0:
            share = 100 * float((spread > 8).mean())
            return f"colour ({share:.1f} % of pixels): a screenshot or annotated; export the plain en-face image"
        return f"{pixels.shape[-1]} channels; convert it to one grey channel"
    if pixels.ndim != 2:
        return f"an array of {pixels.ndim} dimensions, not an image"
    if pixels.dtype != np.uint8:
        return (
            f"{pixels.dtype} values; calibration needs the device's 8-bit export, for its contrast curve is fitted too"
        )
    if pixels.shape != usual:
        return f"{pixels.shape[1]}x{pixels.shape[0]} px, where most are {usual[1]}x{usual[0]} px"
    if pixels.shape[0] != pixels.shape[1]:
        return f"not square ({pixels.shape[1]}x{pixels.shape[0]} px)"
    if min(pixels.shape) < 64:
        return f"only {pixels.shape[1]}x{pixels.shape[0]} px"
    grey = pixels.astype(np.float32)
    if grey.std() < 6 or (pixels == np.bincount(pixels.ravel(), minlength=256).argmax()).mean() > 0.5:
        return f"near-empty (standard deviation {grey.std():.1f} of 255 grey levels)"
    ridges = ndimage.gaussian_filter(grey, 2.0) - ndimage.gaussian_filter(grey, 6.0)
    skewness = float((ridges**3).mean()) / max(float(ridges.std()), 1e-6) ** 3
    if skewness < 0:
        return f"inverted: its lines are dark on bright (skewness {skewness:+.2f}); invert it"
    return ""
