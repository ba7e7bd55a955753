"""Vessels in a grey en-face image: bright ridges of several widths, above the local and the global level."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.measure._scale import Scale

RIDGE_SIGMAS_UM: Final = (8.0, 14.0, 24.0)
"""Ridge filter widths: capillaries (blurred by the device to about 15 um) to the largest macular vessels (100 um)."""
LOCAL_UM: Final = 120.0
"""Radius of the neighbourhood for the local level: several capillary spacings."""


def segment_vessels(grey: NDArray[np.float32], scale: Scale) -> NDArray[np.bool_]:
    """Estimate the vessel mask.

    Args:
        grey: (H, W) in [0, 1].
        scale: Size of a pixel.

    Returns:
        (H, W) bool, True on vessel.
    """
    ridge = np.zeros_like(grey)
    for sigma_um in RIDGE_SIGMAS_UM:
        sigma = max(0.7, scale.px(sigma_um))
        ridge = np.maximum(ridge, _ridge(grey, sigma))
    local = ndimage.gaussian_filter(ridge, scale.px(LOCAL_UM))
    return np.asarray(ridge > np.maximum(local, 0.5 * float(local.mean())))


def _ridge(grey: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Strength of a bright ridge: minus the smaller eigenvalue of the Hessian, scale-normalised, where negative."""
    rr = ndimage.gaussian_filter(grey, sigma, order=(2, 0))
    cc = ndimage.gaussian_filter(grey, sigma, order=(0, 2))
    rc = ndimage.gaussian_filter(grey, sigma, order=(1, 1))
    smaller = (rr + cc) / 2 - np.sqrt(((rr - cc) / 2) ** 2 + rc**2)
    return np.asarray(np.maximum(0.0, -smaller * sigma**2), dtype=np.float32)
