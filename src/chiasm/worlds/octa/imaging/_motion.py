"""What the eye's movement does to the raster: lines replaced, moved or repeated, and a rim that crossed scans do not cover."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.imaging._noise import Field
from chiasm.worlds.octa.imaging._params import Artefact

Mask = NDArray[np.bool_]

_BLACK_SHARE = 0.002
"""Where nothing was recorded stands what this share of the image is darker than, which the export sends to black."""


def move(view: Field, artefact: Artefact, rng: np.random.Generator, mask: Mask) -> Field:
    """One motion artefact on horizontal scan lines (size, size), in place; marks the touched pixels in `mask`."""
    if artefact.form == "lost rim":
        return _lose_rim(view, artefact, rng, mask)
    n = len(view)
    half = max(1, round(artefact.extent * n))
    first = int(np.clip(round(artefact.position[0] * n) - half, 0, n - 2))
    last = min(n, first + 2 * half)
    rows = np.arange(first, last)
    source = view.copy()
    if artefact.form == "blink line":
        bright = np.quantile(view, 0.95 if artefact.amount > 0 else 0.02)
        jitter = np.exp(0.5 * rng.standard_normal((len(rows), n), dtype=np.float32))
        view[rows] = bright * jitter * np.float32(abs(artefact.amount))
    elif artefact.form == "displacement":
        view[rows] = _shifted(source[rows], round(artefact.amount * n))
    elif artefact.form == "stretch":
        t = (np.arange(len(rows)) + 0.5) / len(rows)
        picked = first + np.clip((t ** (1 + abs(artefact.amount))) * len(rows), 0, len(rows) - 1).astype(int)
        view[rows] = source[picked]
    elif artefact.form == "doubling":
        view[rows] = np.maximum(0.85 * source[rows], 0.75 * _shifted(source[rows], round(artefact.amount * n)))
    else:  # quilting: crossed scans merged badly, lines of gain in both directions within a rectangle
        width = max(4, int(0.2 * n + 0.4 * n * rng.random()))
        left = int(np.clip(round(artefact.position[1] * n) - width // 2, 0, n - 4))
        cols = np.arange(left, min(n, left + width))
        lines = np.exp(np.float32(artefact.amount) * _sparse(rng, len(rows)))[:, None]
        lanes = np.exp(np.float32(artefact.amount) * _sparse(rng, len(cols)))[None]
        view[np.ix_(rows, cols)] *= lines * lanes
        mask[np.ix_(rows, cols)] = True
        return view
    mask[rows] = True
    return view


def _lose_rim(view: Field, artefact: Artefact, rng: np.random.Generator, mask: Mask) -> Field:
    """The rim at two sides of the field that only one of two crossed scans covers, and its edge that none does.

    Where one scan alone is left, its lines are drawn out and slip (Spaide et al. 2015: stretching at the rim of merged
    scans); dark hairlines mark where pieces of scans meet; what no scan covers is black.
    """
    flip = tuple(slice(None, None, -1 if place >= 0.5 else 1) for place in artefact.position)
    rim, touched = view[flip], mask[flip]
    black = np.float32(np.quantile(view, _BLACK_SHARE))
    narrow = artefact.extent * float(rng.random()) ** 2
    for side, hit, extent in ((rim, touched, artefact.extent), (rim.T, touched.T, narrow)):
        width = min(len(view), round(extent * len(view)))
        if width < 2:
            continue
        _draw_out(side[:, :width], artefact.amount, rng)
        hit[:, :width] = True
        lost = int(width * max(0.0, rng.uniform(-0.3, 0.4)))
        side[:, :lost] = black
        _hairline(side, hit, width, rng)
    return view


def _draw_out(lines: Field, amount: float, rng: np.random.Generator) -> None:
    """Repeat pixels along lines (rows, width), more so towards column 0; each line slips and has its own gain. In place."""
    rows, width = lines.shape
    out = 1 - (np.arange(width) + 0.5) / width
    lane = np.repeat(rng.random(width), rng.integers(1, 9, width))[:width]  # columns next to each other fare alike
    starts = rng.random((rows, width)) > np.float32(amount) * (0.3 + 0.7 * out) * (lane < 0.6)
    starts[:, 0] = True
    begun = np.maximum.accumulate(np.where(starts, np.arange(width), 0), axis=1)
    slip = np.repeat(rng.standard_normal(rows), rng.integers(1, 4, rows))[:rows, None] * (1.5 * amount * out)
    picked = np.clip(begun + np.rint(slip).astype(int), 0, width - 1)
    gain = np.exp(0.3 * amount * (_sparse(rng, rows)[:, None] - rng.random() * out))
    lines[:] = np.take_along_axis(lines, picked, axis=1) * gain.astype(np.float32)


def _hairline(side: Field, hit: Mask, width: int, rng: np.random.Generator) -> None:
    """One or two dark lines across the rim and one along it, a pixel wide, where pieces of scans meet. In place."""
    n = len(side)
    for row in rng.integers(0, n, rng.integers(1, 3)):
        reach = min(n, int(width * rng.uniform(1, 2)))
        side[row, :reach] *= np.float32(rng.uniform(0.3, 0.8))
        hit[row, :reach] = True
    col, reach = min(n - 1, int(width * rng.uniform(0.6, 1.6))), int(n * rng.uniform(0.2, 1))
    side[:reach, col] *= np.float32(rng.uniform(0.3, 0.8))
    hit[:reach, col] = True


def _sparse(rng: np.random.Generator, n: int) -> Field:
    """(n,) normal values on about a third of the lines, zero on the others."""
    values = rng.standard_normal(n, dtype=np.float32)
    return np.where(rng.random(n) < 0.35, values, np.float32(0)).astype(np.float32)


def _shifted(lines: Field, shift_px: int) -> Field:
    """Lines moved along their length; what enters is mirrored."""
    n = lines.shape[1]
    index = np.arange(n) - shift_px
    index = np.where(index < 0, -index - 1, index)
    index = np.where(index >= n, 2 * n - index - 1, index)
    return lines[:, index]
