"""Vessels in a grey en-face image: bright lines of several widths and every direction, above the noise of the avascular zone.

Each parameter was set on rendered eyes whose vessels are known, none on real labels.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from chiasm.measure._scale import Scale
from chiasm.measure._skeleton import Skeleton

LINE_SIGMAS_UM: Final = (9.0, 15.0)
"""Widths of the line filters: capillaries and larger vessels, both blurred by the device to about 15 um."""
LINE_LENGTH_UM: Final = 25.0
"""Gaussian length of the line filters: about a capillary segment, which sums its signal and averages the speckle."""
DIRECTIONS: Final = 12
MIN_SIGMA_PX: Final = 0.8
"""A narrower second derivative of a Gaussian is not resolved by pixels."""
PIXELS_UM: Final = (10.0, 15.0)
"""Pixels for which the two shares below were set (fields of 3 and 6 mm); interpolated between them, kept beyond."""
VESSEL_LEVEL: Final = (0.51, 0.45)
"""Threshold between the noise (0) and the median line strength of the vessels themselves (1): coarse pixels weaken thin ones."""
MIN_PIECE_UM2: Final = 3000.0
"""Smaller isolated pieces are speckle: a capillary segment of 100 um by 30 um (as wide as it is imaged) is the least."""
WIDTH_SHARE: Final = (0.645, 0.61)
"""A pixel belongs to a vessel's width where it is at least this share as strong as the vessel's middle."""
HALF_WIDTH_UM: Final = 20.0
"""Where the width of a vessel is decided, the strongest line within this distance is taken as its middle."""
WEAKEST: Final = 0.05
"""Where no FAZ is known, the noise is taken where lines are weakest: in this share of the image."""
_PAD_SIGMAS: Final = 3.0
_ROUNDS: Final = 20


def line_strength(grey: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """How much each pixel lies on a bright line.

    The image is filtered by elongated second derivatives of Gaussians (as in Soares 2006 with Gabor functions), written down in
    the frequency domain; the strongest response over widths and directions is kept.

    Args:
        grey: (H, W) in [0, 1].
        scale: Size of a pixel.

    Returns:
        (H, W) float32 >= 0, scale-normalised: the contrast of a line of the filter's width, up to a constant.
    """
    length = max(MIN_SIGMA_PX, scale.px(LINE_LENGTH_UM))
    pad = math.ceil(_PAD_SIGMAS * length)
    padded = np.pad(grey, pad, mode="reflect")
    size = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    spectrum = fft.rfft2(padded, s=size)
    rows = (2 * np.pi * fft.fftfreq(size[0])).astype(np.float32)[:, None]
    cols = (2 * np.pi * fft.rfftfreq(size[1])).astype(np.float32)[None, :]
    strongest = np.zeros_like(grey)
    for sigma_um in LINE_SIGMAS_UM:
        sigma = max(MIN_SIGMA_PX, scale.px(sigma_um))
        for angle in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
            across = (rows * np.float32(np.cos(angle)) - cols * np.float32(np.sin(angle))) * np.float32(sigma)
            along = (rows * np.float32(np.sin(angle)) + cols * np.float32(np.cos(angle))) * np.float32(length)
            across *= across
            along *= along
            response = fft.irfft2(spectrum * (across * np.exp(-(across + along) / 2)), s=size)
            np.maximum(strongest, response[pad : pad + grey.shape[0], pad : pad + grey.shape[1]], out=strongest)
    return strongest


def segment_vessels(lines: NDArray[np.float32], faz: NDArray[np.bool_] | None, scale: Scale) -> NDArray[np.bool_]:
    """Estimate where vessels are: lines stronger than a level between the noise and the vessels' own median strength.

    The mask is generous in width, so that centre lines stay connected; `vessel_area` gives the width.

    Args:
        lines: (H, W), of `line_strength`.
        faz: (H, W) bool; its inside tells the noise. None: the weakest part of the image tells it.
        scale: Size of a pixel.

    Returns:
        (H, W) bool, True on vessel, False in the FAZ.
    """
    if faz is None:
        local = ndimage.uniform_filter(lines, 2 * math.ceil(scale.px(LINE_LENGTH_UM)) + 1)
        noise = float(np.median(lines[local <= np.quantile(local, WEAKEST)]))
    else:
        noise = float(np.median(lines[faz]))
    vessels = lines > _level(lines, noise, np.interp(scale.filter_um, PIXELS_UM, VESSEL_LEVEL))
    if faz is not None:
        vessels &= ~faz
    pieces, _ = ndimage.label(vessels, structure=np.ones((3, 3)))
    large = np.bincount(pieces.ravel()) >= MIN_PIECE_UM2 / scale.filter_um**2
    return np.asarray(vessels & large[pieces])


def vessel_area(
    lines: NDArray[np.float32], vessels: NDArray[np.bool_], skeleton: Skeleton, scale: Scale
) -> NDArray[np.bool_]:
    """The part of a generous vessel mask that vessels cover: at least `WIDTH_SHARE` as strong as the strongest nearby.

    Args:
        lines: (H, W), of `line_strength`.
        vessels: (H, W) bool, of `segment_vessels`.
        skeleton: Its centre lines; they are always covered.
        scale: Size of a pixel.
    """
    reach = 2 * max(1, round(scale.px(HALF_WIDTH_UM))) + 1
    share = np.float32(np.interp(scale.filter_um, PIXELS_UM, WIDTH_SHARE))
    strong = lines > share * ndimage.maximum_filter(lines, reach)
    return np.asarray((vessels & strong) | skeleton.mask)


def _level(lines: NDArray[np.float32], noise: float, share: float) -> float:
    """The threshold t that lies at `share` between the noise and the median of all that exceeds t.

    ISODATA takes the mean, which bright arteries and veins raise until capillaries are lost.
    """
    level = max(noise, float(np.median(lines)))
    for _ in range(_ROUNDS):
        above = lines[lines > level]
        if above.size == 0:
            break
        level = noise + share * (float(np.median(above)) - noise)
    return level
