"""Run-length masks, compatible with COCO's and checked before any C decoder sees them.

A mask is flattened in Fortran order (column-major in 2D, as COCO does; the same order in nD) and stored as the lengths of
alternating runs, starting with background. The text form is COCO's compressed `counts` string.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput

_MOST_CHARACTERS = 7
"""Of one run in COCO's text: 35 bits, since COCO counts in 32."""


def mask_to_counts(mask: NDArray[np.bool_]) -> list[int]:
    """Run lengths of a boolean mask of any dimension, background first; they sum to `mask.size`."""
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    if flat.size == 0:
        return []
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    counts: list[int] = runs.tolist()
    return [0, *counts] if flat[0] else counts


def counts_to_mask(counts: list[int], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Inverse of `mask_to_counts`.

    Raises:
        InvalidInput: A run is negative, or the runs do not sum to the number of pixels.
    """
    check_counts(counts, size)
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size, order="F")


def check_counts(counts: list[int], size: tuple[int, ...]) -> None:
    """Refuse runs that do not describe a mask of `size`; plain Python, so that no C decoder meets bad ones."""
    if any(c < 0 for c in counts):
        msg = f"RLE counts must be >= 0, got {min(counts)}"
        raise InvalidInput(msg)
    if any(s < 0 for s in size) or sum(counts) != math.prod(size):
        msg = f"RLE counts must sum to the mask's size {' x '.join(map(str, size))} = {math.prod(size)}, got {sum(counts)}"
        raise InvalidInput(msg)


def counts_to_text(counts: list[int]) -> str:
    """COCO's compressed string: differences to the run two before, five bits a character (pycocotools `rleToString`)."""
    left = np.array(counts, dtype=np.int64)
    left[3:] -= left[1:-2].copy()
    codes = np.zeros((len(left), _MOST_CHARACTERS), dtype=np.uint8)
    more = np.ones(len(left), dtype=bool)
    used = np.zeros(codes.shape, dtype=bool)
    for place in range(_MOST_CHARACTERS):
        used[:, place] = more
        bits = left & 0x1F
        left >>= 5
        more &= left != -((bits & 0x10) >> 4)  # what is left must be the sign of what is written
        codes[:, place] = bits + 48 + 32 * more
        if not more.any():
            return codes[used].tobytes().decode()
    msg = f"RLE counts must be below 2^32, got {max(counts)}"
    raise InvalidInput(msg)


def text_to_counts(text: str) -> list[int]:
    """Inverse of `counts_to_text`.

    Raises:
        InvalidInput: A character is outside the code, or the last run is cut.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64) - 48
    if len(codes) == 0:
        return []
    last = codes & 0x20 == 0
    start = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    length = np.diff(start, append=len(codes))
    place = np.arange(len(codes)) - np.repeat(start, length)
    bad = np.flatnonzero((codes < 0) | (codes >= 64) | (place >= _MOST_CHARACTERS))
    if len(bad):
        msg = (
            f"RLE text holds {text[bad[0]]!r} at {bad[0]}; COCO's code is '0' to 'o', "
            f"at most {_MOST_CHARACTERS} characters a run"
        )
        raise InvalidInput(msg)
    if not last[-1]:
        msg = f"RLE text ends inside run {len(start) - 1}; it was cut"
        raise InvalidInput(msg)
    runs = np.add.reduceat((codes & 0x1F) << (5 * place), start)
    runs -= (codes[last] & 0x10) << (5 * length - 4)  # the top bit is the sign
    for first in (1, 2):  # each run from the third on is written as its difference to the run two before
        runs[first::2] = np.cumsum(runs[first::2])
    counts: list[int] = runs.tolist()
    return counts
