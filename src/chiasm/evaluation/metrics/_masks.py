"""Agreement of masks: Dice, and the distance between their borders."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from chiasm.errors import InvalidInput


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|) in [0, 1]; 1 where both are empty, for nothing was missed."""
    x, y = _pair(a, b)
    total = int(x.sum()) + int(y.sum())
    return 1.0 if total == 0 else 2 * int((x & y).sum()) / total


def hausdorff_95(a: NDArray[np.bool_], b: NDArray[np.bool_], *, spacing: tuple[float, ...]) -> float:
    """95th percentile of the distances between the borders, the larger of both directions, in the unit of `spacing`.

    Borders are the voxels of a mask that touch its outside (faces), as in MONAI and the medpy package. 0 where both are
    empty; NaN where one is, for there is no distance to nothing.
    """
    x, y = _pair(a, b)
    if len(spacing) != x.ndim or min(spacing) <= 0:
        msg = f"spacing must hold {x.ndim} positive numbers, got {spacing}"
        raise InvalidInput(msg)
    if not x.any() and not y.any():
        return 0.0
    if not x.any() or not y.any():
        return math.nan
    edge_x, edge_y = x & ~binary_erosion(x), y & ~binary_erosion(y)
    to_y = distance_transform_edt(~edge_y, sampling=spacing)[edge_x]
    to_x = distance_transform_edt(~edge_x, sampling=spacing)[edge_y]
    return float(max(np.percentile(to_y, 95), np.percentile(to_x, 95)))


def _pair(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    x, y = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if x.shape != y.shape:
        msg = f"masks must be of one shape, got {x.shape} and {y.shape}"
        raise InvalidInput(msg)
    return x, y
