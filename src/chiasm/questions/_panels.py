"""The pictures of an item: views as they are, or changed on purpose for sanity checks.

Changes are pure functions of the pixels and a seed. "Decoys" are pictures of another kind, drawn without any data: a B-scan of
retinal layers and a CT slice, coarse but unmistakable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chiasm.case import Case
from chiasm.errors import InvalidInput, UnknownName
from chiasm.questions._item import Item

Picture = NDArray[np.uint8]


def pictures(item: Item, case: Case) -> list[Picture]:
    """The item's pictures, in the order of its image slots.

    Args:
        item: Made of this case.
        case: Holds the views.

    Returns:
        One (H, W) uint8 array each.
    """
    return [picture(case, image.view_id, image.change, image.seed) for image in item.images]


def picture(case: Case, view_id: str, change: str = "none", seed: int = 0) -> Picture:
    """One view with one change."""
    if change not in CHANGES:
        raise UnknownName("change", change, CHANGES)
    pixels: NDArray[Any] = case.view(view_id).pixels
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        msg = (
            f"a picture needs two-dimensional uint8 pixels, got {pixels.dtype} of shape {pixels.shape} (view {view_id})"
        )
        raise InvalidInput(msg)
    return CHANGES[change](pixels, np.random.default_rng(seed))


def _same(pixels: Picture, _rng: np.random.Generator) -> Picture:
    return pixels


def _mirror(pixels: Picture, _rng: np.random.Generator) -> Picture:
    return np.ascontiguousarray(pixels[:, ::-1])


def _upside_down(pixels: Picture, _rng: np.random.Generator) -> Picture:
    return np.ascontiguousarray(pixels[::-1, ::-1])


def _brightness(pixels: Picture, rng: np.random.Generator) -> Picture:
    gamma = rng.uniform(0.85, 1.18)
    return np.round(255 * (pixels / 255.0) ** gamma).astype(np.uint8)


def _shuffled(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Blocks of a sixth of the side in another order; the grey values are all kept."""
    side = max(min(pixels.shape) // 6, 1)
    rows, cols = pixels.shape[0] // side, pixels.shape[1] // side
    blocks = [pixels[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(rows) for c in range(cols)]
    order = rng.permutation(len(blocks))
    out = pixels.copy()
    for slot, source in enumerate(order):
        r, c = divmod(slot, cols)
        out[r * side : (r + 1) * side, c * side : (c + 1) * side] = blocks[source]
    return out


def _noise(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Noise with the grey values of the picture: its pixels in another order."""
    return rng.permutation(pixels.ravel()).reshape(pixels.shape)


_LAYERS: Final = ((0.05, 170), (0.04, 90), (0.03, 130), (0.04, 70), (0.02, 210), (0.05, 150))
"""Thickness (share of the height) and grey value of retinal layers, from the inside out."""


def _b_scan(pixels: Picture, rng: np.random.Generator) -> Picture:
    height, width = pixels.shape
    columns = np.arange(width) / width
    wave = 0.03 * np.sin(2 * np.pi * (columns * rng.uniform(0.6, 1.4) + rng.random())) + 0.05 * np.exp(
        -(((columns - 0.5) / 0.15) ** 2)
    )
    depth = (np.arange(height) / height)[:, None] - wave[None, :]
    image = np.full(pixels.shape, 15.0)
    tops = np.linspace(0.32, 0.6, 6)
    for top, (thick, grey) in zip(tops, _LAYERS, strict=True):
        image[(depth > top) & (depth < top + thick)] = grey
    return _speckle(gaussian_filter(image, 1.0), rng)


def _ct_slice(pixels: Picture, rng: np.random.Generator) -> Picture:
    height, width = pixels.shape
    rows, cols = np.mgrid[:height, :width]
    y, x = rows / height - 0.5, cols / width - 0.5
    image = np.full(pixels.shape, 5.0)
    image[(x / 0.45) ** 2 + (y / 0.33) ** 2 < 1] = 95
    image[(x / 0.42) ** 2 + (y / 0.3) ** 2 < 1] = 125
    for _ in range(5):
        cy, cx, a, b = (
            rng.uniform(-0.18, 0.18),
            rng.uniform(-0.28, 0.28),
            rng.uniform(0.04, 0.13),
            rng.uniform(0.03, 0.1),
        )
        image[((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1] = rng.uniform(105, 170)
    image[(x / 0.045) ** 2 + ((y - 0.22) / 0.05) ** 2 < 1] = 240
    return _speckle(gaussian_filter(image, 0.8), rng)


def _speckle(image: NDArray[np.float64], rng: np.random.Generator) -> Picture:
    return np.clip(image * rng.gamma(14, 1 / 14, image.shape) + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


CHANGES: Final[dict[str, Callable[[Picture, np.random.Generator], Picture]]] = {
    "none": _same,
    "mirror": _mirror,
    "upside down": _upside_down,
    "brightness": _brightness,
    "shuffled": _shuffled,
    "noise": _noise,
    "b-scan": _b_scan,
    "ct": _ct_slice,
}
"""Name -> change of a picture."""
DECOYS: Final = ("b-scan", "ct")
CORRUPTIONS: Final = ("shuffled", "noise")
