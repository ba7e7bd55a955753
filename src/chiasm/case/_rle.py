"""Run-length masks, compatible with COCO's and checked before any C decoder sees them.

A mask is flattened in Fortran order (column-major in 2D, as COCO does; the same order in nD) and stored as the lengths of
alternating runs, starting with background. The text form is COCO's compressed `counts` string.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput


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
    out: list[str] = []
    for i, count in enumerate(counts):
        x = count - counts[i - 2] if i > 2 else count
        while True:
            bits = x & 0x1F
            x >>= 5
            more = x != -1 if bits & 0x10 else x != 0
            out.append(chr((bits | 0x20 if more else bits) + 48))
            if not more:
                break
    return "".join(out)


def text_to_counts(text: str) -> list[int]:
    """Inverse of `counts_to_text`.

    Raises:
        InvalidInput: A character is outside the code, or the last run is cut.
    """
    counts: list[int] = []
    position = 0
    while position < len(text):
        x, shift = 0, 0
        while True:
            if position >= len(text):
                msg = f"RLE text ends inside run {len(counts)}; it was cut"
                raise InvalidInput(msg)
            code = ord(text[position]) - 48
            if not 0 <= code < 64 or shift > 60:
                msg = f"RLE text holds {text[position]!r} at {position}; COCO's code is '0' to 'o', at most 13 characters a run"
                raise InvalidInput(msg)
            x |= (code & 0x1F) << shift
            shift += 5
            position += 1
            if not code & 0x20:
                if code & 0x10:
                    x |= -1 << shift
                break
        counts.append(x + counts[-2] if len(counts) > 2 else x)
    return counts
