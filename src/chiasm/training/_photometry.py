"""Random changes of how an image was exposed, none of where anything lies.

Devices and operators differ in contrast, brightness, sharpness and noise more than any one set of synthetic images does. These
changes leave every answer true except those about image quality; leave the programs about quality out of a mixture that uses
strong ones. They are drawn from the place of a conversation in the order of training, so that a resumed run sees the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from scipy import fft

from chiasm.training._config import PhotometryTable


def rephotographed(picture: Image.Image, table: PhotometryTable, rng: np.random.Generator) -> Image.Image:
    """Change contrast curve, brightness, shading, sharpness, noise and spectrum of an 8-bit grey picture.

    Args:
        picture: Taken as grey.
        table: How far each may go.
        rng: Source of the draws.
    """
    blur_px = table.blur_px * rng.random()
    sharp = picture.convert("L")
    pixels = (
        np.asarray(sharp.filter(ImageFilter.GaussianBlur(blur_px)) if blur_px > 0.2 else sharp, dtype=np.float32) / 255
    )
    gamma = float(np.exp(rng.uniform(-table.gamma, table.gamma)))
    gain = float(np.exp(rng.uniform(-table.gain, table.gain)))
    offset = rng.uniform(-table.offset, table.offset)
    changed: npt.NDArray[Any] = gain * pixels**gamma + offset
    if table.shading:
        changed = changed * _shade(pixels.shape, table.shading * rng.random(), rng)
    changed = changed + _noise(pixels.shape, table.noise * rng.random(), rng)
    if table.speckle:
        changed = changed * (1 + _noise(pixels.shape, table.speckle * rng.random(), rng))
    if table.spectrum:
        changed = _reweighted(changed, table.spectrum, rng)
    return Image.fromarray(np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8))


def _reweighted(pixels: npt.NDArray[Any], spread: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Another gain for each octave of spatial frequency, smooth between them: texture keeps its place, not its strength."""
    rows, columns = (fft.fftfreq(pixels.shape[0])[:, None], fft.rfftfreq(pixels.shape[1])[None, :])
    octave = np.log2(np.maximum(np.hypot(rows, columns), 2.0**-8)) + 8  # 0 at a period of 256 px, 7 at 2 px
    gains = np.exp(np.interp(octave, np.arange(8), spread * rng.standard_normal(8))).astype(np.float32)
    gains[0, 0] = 1.0
    return np.asarray(fft.irfft2(fft.rfft2(pixels) * gains, s=pixels.shape), dtype=np.float32)


def _shade(shape: tuple[int, ...], sd: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A smooth positive gain through random values on a grid of 5 x 5, as tear film, pupil and tilt shade a scan."""
    nodes = Image.fromarray((sd * rng.standard_normal((5, 5))).astype(np.float32))
    smooth = np.asarray(nodes.resize((shape[1], shape[0]), Image.Resampling.BICUBIC), dtype=np.float32)
    return np.asarray(np.exp(smooth))


def _noise(shape: tuple[int, ...], sd: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    if sd < 1e-4:
        return np.zeros(shape, dtype=np.float32)
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(sd)
