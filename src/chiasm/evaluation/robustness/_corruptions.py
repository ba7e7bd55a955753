"""Pictures made worse in five steps, each a pure function of pixels, severity and generator.

The steps were set so that severity 1 is what a clinic accepts without a word and severity 5 what it would take again. They
degrade pixels only: the truth of the case stays the truth, so a drop in score is the model's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from chiasm.errors import InvalidInput, UnknownName

Pixels = NDArray[np.uint8]
Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]
SEVERITIES: Final = (1, 2, 3, 4, 5)


def corrupt(pixels: Pixels, name: str, severity: int, rng: np.random.Generator) -> Pixels:
    """Apply a corruption.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        name: A name of `CORRUPTIONS`.
        severity: 1 to 5.
        rng: For those that draw.

    Raises:
        UnknownName: No such corruption.
        InvalidInput: A severity outside 1 to 5.
    """
    if name not in CORRUPTIONS:
        raise UnknownName("corruption", name, CORRUPTIONS)
    if severity not in SEVERITIES:
        msg = f"severity must be one of {SEVERITIES}, got {severity}"
        raise InvalidInput(msg)
    changed = CORRUPTIONS[name](pixels, severity, rng)
    return np.ascontiguousarray(changed)


def _noise(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Additive Gaussian noise, sigma 6 to 48 grey levels."""
    sigma = (6, 12, 20, 32, 48)[severity - 1]
    return _clip(pixels + rng.normal(0, sigma, pixels.shape))


def _blur(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """Defocus: Gaussian blur, sigma 0.6 to 3 px."""
    sigma = (0.6, 1.0, 1.5, 2.2, 3.0)[severity - 1]
    return _clip(gaussian_filter(pixels.astype(np.float64), _planar(pixels, sigma)))


def _dark(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """Low signal: brightness times 0.85 to 0.35."""
    return _clip(pixels * (0.85, 0.72, 0.6, 0.47, 0.35)[severity - 1])


def _bright(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """A lifted background: 12 to 80 grey levels added."""
    return _clip(pixels.astype(np.float64) + (12, 24, 40, 60, 80)[severity - 1])


def _contrast(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """Contrast about the mean times 0.85 to 0.25."""
    mean = float(pixels.mean())
    return _clip(mean + (pixels - mean) * (0.85, 0.7, 0.55, 0.4, 0.25)[severity - 1])


def _gamma(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """Another tone curve: gamma 1.15 to 2."""
    return _clip(255 * (pixels / 255) ** (1.15, 1.3, 1.5, 1.75, 2.0)[severity - 1])


def _jpeg(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """JPEG at quality 60 to 8."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=(60, 40, 25, 15, 8)[severity - 1])
    return np.asarray(Image.open(io.BytesIO(sink.getvalue())))


def _coarse(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    """Fewer pixels: shrunk by 1.2 to 4 and enlarged again."""
    factor = (1.2, 1.5, 2.0, 3.0, 4.0)[severity - 1]
    image = Image.fromarray(pixels)
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    shrunk = image.resize(small, Image.Resampling.BOX)
    return np.asarray(shrunk.resize(image.size, Image.Resampling.BICUBIC))


def _motion(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Saccades: 1 to 8 horizontal bands shifted by up to 2 to 12 px, each with a bright line."""
    out = pixels.copy()
    bands, reach = ((1, 2), (2, 4), (4, 6), (6, 9), (8, 12))[severity - 1]
    for row in sorted(int(r) for r in rng.integers(0, len(pixels), bands)):
        shift = int(rng.integers(1, reach + 1)) * (1 if rng.random() < 0.5 else -1)
        out[row:] = np.roll(out[row:], shift, axis=1)
        out[row : row + 1] = np.maximum(out[row : row + 1], 200)
    return out


def _shadow(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """A floater's shadow: a soft disc of a tenth of the side, 15 to 75 % darker, at a drawn place."""
    depth = (0.15, 0.3, 0.45, 0.6, 0.75)[severity - 1]
    height, width = pixels.shape[:2]
    row, col = rng.uniform(0.15, 0.85, 2) * (height, width)
    rows, cols = np.ogrid[:height, :width]
    away = np.hypot(rows - row, cols - col) / (0.1 * min(height, width))
    shade = 1 - depth / (1 + np.exp(8 * (away - 1)))
    return _clip(pixels * (shade if pixels.ndim == 2 else shade[..., None]))


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "noise": _noise,
    "blur": _blur,
    "low signal": _dark,
    "raised background": _bright,
    "low contrast": _contrast,
    "tone curve": _gamma,
    "jpeg": _jpeg,
    "coarse pixels": _coarse,
    "motion": _motion,
    "shadow": _shadow,
}


def _planar(pixels: Pixels, sigma: float) -> tuple[float, ...]:
    """Sigma for the two image axes only."""
    return (sigma, sigma) if pixels.ndim == 2 else (sigma, sigma, 0.0)


def _clip(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.round(values), 0, 255), dtype=np.uint8)
