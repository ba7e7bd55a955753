"""Vessels in a grey en-face image: bright ridges of several widths, above their surround and above the noise."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.measure._scale import Scale

RIDGE_SIGMAS_UM: Final = (10.0, 14.0, 24.0)
"""Ridge filter widths: capillaries (blurred by the device to about 15 um) to the largest macular vessels (100 um)."""
MIN_SIGMA_PX: Final = 0.8
"""A narrower derivative of a Gaussian is not resolved by pixels."""
LOCAL_UM: Final = 120.0
"""Radius of the neighbourhood for the local level: several capillary spacings."""


def ridge_strength(grey: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """How much each pixel lies on a bright ridge (Lindeberg 1998): minus the smaller eigenvalue of the scale-normalised Hessian.

    Args:
        grey: (H, W) in [0, 1].
        scale: Size of a pixel.

    Returns:
        (H, W) float32 >= 0, the largest over `RIDGE_SIGMAS_UM`.
    """
    ridge = np.zeros_like(grey)
    for sigma_um in RIDGE_SIGMAS_UM:
        sigma = max(MIN_SIGMA_PX, scale.px(sigma_um))
        rr, cc, rc = (ndimage.gaussian_filter(grey, sigma, order=order) for order in ((2, 0), (0, 2), (1, 1)))
        smaller = (rr + cc) / 2 - np.sqrt(((rr - cc) / 2) ** 2 + rc**2)
        np.maximum(ridge, -smaller * np.float32(sigma**2), out=ridge)
    return ridge


def segment_vessels(ridge: NDArray[np.float32], faz: NDArray[np.bool_] | None, scale: Scale) -> NDArray[np.bool_]:
    """Estimate the vessel mask: ridges stronger than the local mean, and than the noise where no vessel can be.

    Args:
        ridge: (H, W), of `ridge_strength`.
        faz: (H, W) bool; its inside tells the noise. None: only the local and the mean level of the image decide.
        scale: Size of a pixel.

    Returns:
        (H, W) bool, True on vessel, False in the FAZ.
    """
    local = ndimage.gaussian_filter(ridge, scale.px(LOCAL_UM))
    floor = 0.5 * float(local.mean())
    if faz is not None:
        floor = max(floor, float(np.quantile(ridge[faz], 0.99)))
    vessels = ridge > np.maximum(local, floor)
    return np.asarray(vessels if faz is None else vessels & ~faz)
