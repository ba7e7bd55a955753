"""Random changes of exposure."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from chiasm.training import PhotometryTable
from chiasm.training._photometry import rephotographed


def changed(pixels: np.ndarray, seed: int = 0, **table: float) -> np.ndarray:
    picture = rephotographed(Image.fromarray(pixels), PhotometryTable(**table), np.random.default_rng(seed))
    return np.asarray(picture)


def test_zero_strength_is_identity_and_a_seed_repeats_itself(toy: SimpleNamespace) -> None:
    pixels = toy.spot_image(np.random.default_rng(1), spot=True)
    assert np.array_equal(changed(pixels), pixels)
    strong = {"gamma": 0.4, "gain": 0.2, "offset": 0.1, "blur_px": 1.5, "noise": 0.1, "speckle": 0.2, "spectrum": 0.3}
    strong |= {"shading": 0.3}
    assert np.array_equal(changed(pixels, 3, **strong), changed(pixels, 3, **strong))
    assert not np.array_equal(changed(pixels, 3, **strong), changed(pixels, 4, **strong))


def test_each_change_does_what_it_says_and_moves_nothing() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 8, axis=0)
    for seed in range(20):
        curved = changed(ramp, seed, gamma=0.5)
        assert (np.diff(curved[0].astype(int)) >= 0).all()
        assert (curved[0, 0], curved[0, -1]) == (0, 255)
        brighter = changed(ramp, seed, gain=0.2).astype(float) / np.maximum(ramp, 1)
        assert 0.8 <= np.median(brighter) <= 1.25
        noisy = changed(np.full((64, 64), 128, np.uint8), seed, noise=0.1)
        assert noisy.std() <= 0.1 * 255 * 1.05
        assert abs(noisy.mean() - 128) < 3
        grained = changed(np.full((64, 64), 128, np.uint8), seed, speckle=0.2)
        assert grained.std() <= 0.2 * 128 * 1.05
        dark = changed(np.zeros((64, 64), np.uint8), seed, speckle=0.2)
        assert not dark.any()
        even = np.full((256, 256), 100, np.uint8)
        shaded = np.log(changed(even, seed, shading=0.4) / 100)
        assert shaded.std() <= 0.4 * 1.5
        assert np.abs(np.diff(shaded, axis=0)).max() < 0.08  # slow: no step that could be taken for an edge
        wave = np.rint(128 + 40 * np.sin(np.arange(64) / 64 * 2 * np.pi * 8))[None].repeat(64, 0).astype(np.uint8)
        louder = changed(wave, seed, spectrum=0.3).astype(float)
        assert np.argmax(np.abs(np.fft.rfft(louder[0] - louder[0].mean()))) == 8
        assert abs(louder.mean() - wave.mean()) < 1.5
    spot = np.zeros((33, 33), np.uint8)
    spot[16, 16] = 255
    blurred = changed(spot, 1, blur_px=3.0)
    assert np.unravel_index(blurred.argmax(), spot.shape) == (16, 16)
    assert np.array_equal(blurred, blurred[::-1, ::-1])
