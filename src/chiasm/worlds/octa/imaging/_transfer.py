"""The transfer of a device and its processing: how strongly each scale and direction of detail reaches the exported image.

A device sharpens, smooths and denoises before it exports, by rules that are not published. What they do to the statistics of
an image is described by one fixed monotone curve per level of detail, a share per direction and one grey curve, after one short
resampling kernel per axis; all are fitted per device
(`_transfer_fit`) and never to a single image: what differs between two eyes, or between an eye and its healthy twin, goes
through the same curves. The bands come from an undecimated separable wavelet (Starck et al. 2007, "The undecimated wavelet
decomposition and its reconstruction") with symmetric kernels, so that nothing moves; they add up to the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

import numba
import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Entry

from chiasm.worlds.octa.imaging._noise import Field, convolve

DIRECTIONS: Final = ("rows", "columns", "diagonal")
STEPS: Final = (1, 2, 4, 8, 16)
"""Gap of each level's kernel [px]."""
LEVELS: Final = len(STEPS)
BANDS: Final = tuple(f"{step} px {way}" for step in STEPS for way in DIRECTIONS)
"""Names of the bands, finest first: the gap, and what changes (from row to row, from column to column, both)."""
NODES: Final = (-5.0, -3.2, -2.0, -1.2, -0.7, -0.3, 0.0, 0.3, 0.7, 1.2, 2.0, 3.2, 5.0)
"""Where a level's curve is given, in its `scale`; straight between and beyond."""
GREY_NODES: Final = tuple(i / 16 for i in range(17))
"""Where the grey curve is given."""
_TABLE = 512

_CURVE = Annotated[tuple[float, ...], Entry(min_length=len(NODES), max_length=len(NODES))]
TAPS: Final = 4
_Kernel = Annotated[tuple[float, ...], Entry(min_length=TAPS, max_length=TAPS)]
Shares = Annotated[tuple[float, ...], Entry(min_length=len(BANDS), max_length=len(BANDS))]


class Transfer(BaseModel):
    """How detail and grey levels reach the export: `scale` and `curves` by level, `share` by band."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: _Kernel
    """Resampling along the first axis: weight of cos(2 pi k f) - 1, k = 1 to 4, added to a response of one [1], -2 to 2."""
    columns: _Kernel
    """The same along the second axis."""
    scale: Annotated[tuple[float, ...], Entry(min_length=LEVELS, max_length=LEVELS)]
    """Unit of the nodes at each level [signal], 1e-6 to 10."""
    curves: Annotated[tuple[_CURVE, ...], Entry(min_length=LEVELS, max_length=LEVELS)]
    """Output of each level's detail at `NODES` [`scale`], never falling, -100 to 100."""
    share: Shares
    """What is added of each band beside its level's curve [1], -2 to 5."""
    grey: Annotated[tuple[float, ...], Entry(min_length=len(GREY_NODES), max_length=len(GREY_NODES))]
    """Grey level at `GREY_NODES` [1], never falling, from 0 to 1."""

    @model_validator(mode="after")
    def _sound(self) -> Transfer:
        for level, (scale, curve) in enumerate(zip(self.scale, self.curves, strict=True)):
            if not 1e-6 <= scale <= 10:
                msg = f"transfer.scale of level {level} must be in 1e-6..10, got {scale:g}"
                raise ValueError(msg)
            if not np.isfinite(curve).all() or np.abs(curve).max() > 100 or (np.diff(curve) < 0).any():
                msg = f"transfer.curves of level {level} must never fall and stay in -100..100, got {list(curve)}"
                raise ValueError(msg)
        for name, kernel in (("rows", self.rows), ("columns", self.columns)):
            if not all(-2 <= tap <= 2 for tap in kernel):
                msg = f"transfer.{name} must be in -2..2, got {list(kernel)}"
                raise ValueError(msg)
        if not all(-2 <= share <= 5 for share in self.share):
            msg = f"transfer.share must be in -2..5, got {list(self.share)}"
            raise ValueError(msg)
        if not (np.diff(self.grey) >= 0).all() or self.grey[0] != 0 or self.grey[-1] != 1:
            msg = f"transfer.grey must run from 0 to 1 and never fall, got {list(self.grey)}"
            raise ValueError(msg)
        return self

    @classmethod
    def identity(cls) -> Transfer:
        """The transfer that changes nothing."""
        still = (0.0,) * TAPS
        return cls(
            rows=still,
            columns=still,
            scale=(1.0,) * LEVELS,
            curves=(NODES,) * LEVELS,
            share=(0.0,) * len(BANDS),
            grey=GREY_NODES,
        )


class Level(NamedTuple):
    """One level of the wavelet: detail is the sum of the bands, and `rest` what is coarser."""

    bands: tuple[Field, Field, Field]
    """By `DIRECTIONS`."""
    detail: Field
    rest: Field


def apply_detail(image: Field, transfer: Transfer) -> Field:
    """Send each level of detail through its curve, add the shares of its bands: (n, m) float32 in the unit of `image`."""
    image = convolve(image, kernel(transfer.rows), kernel(transfer.columns))
    out = np.zeros_like(image)
    rest = image
    for k, level in enumerate(decompose(image)):
        rest = level.rest
        shares = np.array(transfer.share[3 * k : 3 * k + 3], dtype=np.float32)
        _add_level(*level.bands, shares, _curve_table(transfer.curves[k]), np.float32(transfer.scale[k]), out)
    return out + rest


def kernel(taps: tuple[float, ...]) -> Field:
    """(2 TAPS + 1,) symmetric weights whose response is 1 + sum_k taps[k] (cos(2 pi k f) - 1)."""
    half = np.array(taps) / 2
    return np.concatenate([half[::-1], [1 - 2 * half.sum()], half]).astype(np.float32)


def apply_grey(unit: Field, transfer: Transfer) -> Field:
    """The grey curve on values in [0, 1]."""
    table = np.interp(np.linspace(0, 1, _TABLE), GREY_NODES, transfer.grey).astype(np.float32)
    at = unit * np.float32(_TABLE - 1)
    low = np.minimum(at.astype(np.int32), _TABLE - 2)
    first = table[low]
    return np.asarray(first + (at - low) * (table[low + 1] - first), dtype=np.float32)


def decompose(image: Field) -> Iterator[Level]:
    """Levels of detail, finest first."""
    rest = np.ascontiguousarray(image, dtype=np.float32)
    for step in STEPS:
        down, right, both = np.empty_like(rest), np.empty_like(rest), np.empty_like(rest)
        _smooth_down(rest, step, down)
        _smooth_right(rest, step, right)
        _smooth_right(down, step, both)
        detail = rest - both
        rows, columns = right - both, down - both
        yield Level((rows, columns, detail - rows - columns), detail, both)
        rest = both


@lru_cache(maxsize=256)
def _curve_table(curve: tuple[float, ...]) -> Field:
    return np.interp(np.linspace(NODES[0], NODES[-1], _TABLE), NODES, curve).astype(np.float32)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _add_level(
    rows: Field, columns: Field, diagonal: Field, shares: Field, table: Field, scale: np.float32, out: Field
) -> None:
    """Add scale * curve(detail / scale) and the bands' shares to `out`; the curve goes straight on beyond its ends."""
    last = len(table) - 1
    low, span = np.float32(-5.0), np.float32(last / 10.0)
    n, m = out.shape
    for i in range(n):
        for j in range(m):
            a, b, c = rows[i, j], columns[i, j], diagonal[i, j]
            at = ((a + b + c) / scale - low) * span
            k = min(max(int(at), 0), last - 1)
            curve = table[k] + (at - np.float32(k)) * (table[k + 1] - table[k])
            out[i, j] += scale * curve + shares[0] * a + shares[1] * b + shares[2] * c


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mirror(i: int, n: int) -> int:
    while i < 0 or i >= n:
        i = -1 - i if i < 0 else 2 * n - 1 - i
    return i


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _smooth_down(image: Field, step: int, out: Field) -> None:
    """Cubic B-spline kernel (1, 4, 6, 4, 1) / 16 with gaps of `step` along the first axis, mirrored at the border."""
    n, m = image.shape
    a, b, c = np.float32(1 / 16), np.float32(4 / 16), np.float32(6 / 16)
    for i in range(n):
        r0, r1 = image[_mirror(i - 2 * step, n)], image[_mirror(i - step, n)]
        r3, r4 = image[_mirror(i + step, n)], image[_mirror(i + 2 * step, n)]
        r2 = image[i]
        for j in range(m):
            out[i, j] = a * (r0[j] + r4[j]) + b * (r1[j] + r3[j]) + c * r2[j]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _smooth_right(image: Field, step: int, out: Field) -> None:
    """The same along the second axis."""
    n, m = image.shape
    a, b, c = np.float32(1 / 16), np.float32(4 / 16), np.float32(6 / 16)
    padded = np.empty(m + 4 * step, np.float32)
    for i in range(n):
        for j in range(len(padded)):
            if j < 2 * step or j >= m + 2 * step:
                padded[j] = image[i, _mirror(j - 2 * step, m)]
        padded[2 * step : 2 * step + m] = image[i]
        for j in range(m):
            out[i, j] = (
                a * (padded[j] + padded[j + 4 * step])
                + b * (padded[j + step] + padded[j + 3 * step])
                + c * padded[j + 2 * step]
            )
