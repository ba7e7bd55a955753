"""The pictures of an item: views as they are, or changed on purpose for sanity checks.

Changes are pure functions of the pixels and a seed. "Decoys" are pictures of another kind (`_decoys`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Case
from chiasm.errors import InvalidInput, UnknownName
from chiasm.questions._decoys import DECOY_MAKERS
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


CHANGES: Final[dict[str, Callable[[Picture, np.random.Generator], Picture]]] = {
    "none": _same,
    "mirror": _mirror,
    "upside down": _upside_down,
    "brightness": _brightness,
    "shuffled": _shuffled,
    "noise": _noise,
    **DECOY_MAKERS,
}
"""Name -> change of a picture."""
DECOYS: Final = tuple(DECOY_MAKERS)
CORRUPTIONS: Final = ("shuffled", "noise")
