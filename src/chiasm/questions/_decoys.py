"""Decoys: pictures of another kind than en face OCTA, drawn without any data, coarse but unmistakable.

Each maker takes the pixels that it replaces, for their shape alone, and a generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Pixels = NDArray[np.uint8]

_LAYERS: Final = ((0.05, 170), (0.04, 90), (0.03, 130), (0.04, 70), (0.02, 210), (0.05, 150))
"""Thickness (share of the height) and grey value of retinal layers, from the inside out."""


def _b_scan(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape
    columns = np.arange(width) / width
    wave = 0.03 * np.sin(2 * np.pi * (columns * rng.uniform(0.6, 1.4) + rng.random())) + 0.05 * np.exp(
        -(((columns - 0.5) / 0.15) ** 2)
    )
    depth = (np.arange(height) / height)[:, None] - wave[None, :]
    image = np.full(pixels.shape, 15.0)
    tops = np.linspace(0.32, 0.6, 6)
    for top, (thick, grey) in zip(tops, _LAYERS, strict=True):
        image[(depth > top) & (depth < top + thick)] = grey
    return _speckle(gaussian_filter(image, 1.0), rng)


def _ct_slice(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape
    rows, cols = np.mgrid[:height, :width]
    y, x = rows / height - 0.5, cols / width - 0.5
    image = np.full(pixels.shape, 5.0)
    image[(x / 0.45) ** 2 + (y / 0.33) ** 2 < 1] = 95
    image[(x / 0.42) ** 2 + (y / 0.3) ** 2 < 1] = 125
    for _ in range(5):
        cy, cx, a, b = (
            rng.uniform(-0.18, 0.18),
            rng.uniform(-0.28, 0.28),
            rng.uniform(0.04, 0.13),
            rng.uniform(0.03, 0.1),
        )
        image[((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1] = rng.uniform(105, 170)
    image[(x / 0.045) ** 2 + ((y - 0.22) / 0.05) ** 2 < 1] = 240
    return _speckle(gaussian_filter(image, 0.8), rng)


def _speckle(image: NDArray[np.float64], rng: np.random.Generator, looks: float = 14) -> Pixels:
    """Multiplicative noise of so many looks, a little additive noise, and eight bits."""
    return np.clip(image * rng.gamma(looks, 1 / looks, image.shape) + rng.normal(0, 3, image.shape), 0, 255).astype(
        np.uint8
    )


def _fundus(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A colour photograph of the fundus in grey: bright round field, pale disc, a few dark vessels from it."""
    y, x = _grid(pixels)
    side = rng.choice((-1.0, 1.0))
    disc_y, disc_x = rng.uniform(-0.06, 0.06), side * rng.uniform(0.2, 0.32)
    image = 120 - 60 * (x**2 + y**2) / 0.25 + 12 * _cloud(pixels, rng, 2.0)
    image -= 45 * np.exp(-(x**2 + y**2) / 0.006)
    for _ in range(int(rng.integers(6, 11))):
        angle, bend, wide = rng.uniform(0, 2 * np.pi), rng.uniform(-2, 2), rng.uniform(0.003, 0.008)
        along = (x - disc_x) * np.cos(angle) + (y - disc_y) * np.sin(angle)
        across = -(x - disc_x) * np.sin(angle) + (y - disc_y) * np.cos(angle) - bend * along**2
        image -= 40 * np.exp(-((across / wide) ** 2)) * (along > 0)
    image += 90 * (np.hypot(x - disc_x, (y - disc_y) / 1.1) < 0.07)
    image[np.hypot(x, y) > rng.uniform(0.46, 0.5)] = 4
    return _speckle(gaussian_filter(image, 0.8), rng, 200)


def _chest_x_ray(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A frontal chest film: bright mediastinum, dark lungs, ribs."""
    y, x = _grid(pixels)
    image = 150 + 20 * _cloud(pixels, rng, 2.5)
    for side in (-1, 1):
        lung = ((x - side * rng.uniform(0.19, 0.23)) / 0.16) ** 2 + ((y + 0.02) / rng.uniform(0.3, 0.36)) ** 2 < 1
        image[lung] -= 85
    spacing = rng.uniform(0.07, 0.1)
    image += 22 * (np.mod(y + 1.4 * x**2, spacing) < 0.3 * spacing) * (np.abs(x) > 0.06)
    image += 50 * np.exp(-((x / 0.05) ** 2)) + 45 * (np.hypot((x - 0.06) / 0.13, (y - 0.14) / 0.1) < 1)
    return _speckle(gaussian_filter(image, 1.5), rng, 120)


def _ultrasound(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A sector of speckle with dark cysts, on black."""
    y, x = _grid(pixels)
    depth, angle = np.hypot(x, y + 0.55), np.arctan2(x, y + 0.55)
    image = 90 + 35 * _cloud(pixels, rng, 2.0)
    for _ in range(int(rng.integers(1, 4))):
        cyst = np.hypot(x - rng.uniform(-0.2, 0.2), y - rng.uniform(-0.1, 0.3)) < rng.uniform(0.04, 0.12)
        image[cyst] = 20
    grainy = image * gaussian_filter(rng.exponential(1.0, pixels.shape), (0.7, 2.0))
    grainy[(depth < 0.12) | (depth > 1.02) | (np.abs(angle) > rng.uniform(0.5, 0.75))] = 2
    return np.asarray(np.clip(grainy, 0, 255), dtype=np.uint8)


def _photograph(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A scene: overlapping smooth shapes of different grey with shading, no vessel in sight."""
    y, x = _grid(pixels)
    image = rng.uniform(60, 200) + rng.uniform(-90, 90) * y + rng.uniform(-90, 90) * x
    for _ in range(int(rng.integers(4, 14))):
        angle, grey = rng.uniform(0, np.pi), rng.uniform(10, 245)
        u = (x - rng.uniform(-0.5, 0.5)) * np.cos(angle) + (y - rng.uniform(-0.5, 0.5)) * np.sin(angle)
        v = -(x - rng.uniform(-0.5, 0.5)) * np.sin(angle) + (y - rng.uniform(-0.5, 0.5)) * np.cos(angle)
        power = rng.choice((2.0, 8.0))
        shape = np.abs(u / rng.uniform(0.05, 0.35)) ** power + np.abs(v / rng.uniform(0.05, 0.35)) ** power < 1
        image[shape] = grey + rng.uniform(-80, 80) * u[shape]
    image += rng.uniform(0, 40) * _cloud(pixels, rng, rng.uniform(1.0, 2.5))
    return _speckle(gaussian_filter(image, rng.uniform(0.3, 1.5)), rng, 300)


def _page(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A page of lines of letter-like marks, dark on light or light on dark, a little askew."""
    height, width = pixels.shape
    line = int(rng.integers(8, 20))
    image = np.full(pixels.shape, 240.0)
    marks = rng.random((height, width // 3 + 1)).repeat(3, axis=1)[:, :width] < 0.45
    rows = np.arange(height) % line < 0.55 * line
    words = (rng.random((height // line + 1, width // (2 * line) + 1)) < 0.85).repeat(line, 0).repeat(2 * line, 1)
    image[marks & rows[:, None] & words[:height, :width]] = 30
    y, x = np.mgrid[:height, :width]
    tilt = rng.uniform(-0.1, 0.1)
    image = map_coordinates(image, (y + tilt * x, x - tilt * y), order=1, mode="reflect")
    return _speckle(image if rng.random() < 0.7 else 255 - image, rng, 400)


def _grid(pixels: Pixels) -> tuple[Any, Any]:
    """Row and column coordinates from -0.5 to 0.5."""
    height, width = pixels.shape
    rows, cols = np.mgrid[:height, :width]
    return rows / height - 0.5, cols / width - 0.5


def _cloud(pixels: Pixels, rng: np.random.Generator, slope: float) -> NDArray[np.float64]:
    """Noise whose amplitude falls with frequency to the power `slope`; mean 0, standard deviation 1."""
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in pixels.shape), indexing="ij"))
    frequency[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal(pixels.shape)) / frequency**slope).real
    return np.asarray(noise / noise.std())


DECOY_MAKERS: Final[dict[str, Callable[[Pixels, np.random.Generator], Pixels]]] = {
    "b-scan": _b_scan,
    "ct": _ct_slice,
    "fundus": _fundus,
    "x-ray": _chest_x_ray,
    "ultrasound": _ultrasound,
    "photograph": _photograph,
    "page": _page,
}
"""Name -> maker. Foreign modalities first; the last two are no medical images at all."""
