import numpy as np
import pytest
from scipy import ndimage

from chiasm.worlds.octa.imaging._noise import Raster, keep_peaks, skewed


def white(n: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, n), dtype=np.float32)


def test_noise_without_skew_is_left_as_it_is():
    assert np.array_equal(skewed(white(), 0), white())


@pytest.mark.parametrize("skew", [0.2, 0.6])
def test_skewed_noise_keeps_mean_and_variance(skew):
    made = skewed(white(), skew)
    assert made.mean() == pytest.approx(0, abs=0.01)
    assert made.var() == pytest.approx(1, abs=0.06)
    # Skewness of a log-normal distribution: (exp(s^2) + 2) sqrt(exp(s^2) - 1).
    power = np.exp(skew**2)
    assert (made**3).mean() == pytest.approx((power + 2) * np.sqrt(power - 1), rel=0.2)


def test_a_raster_keeps_the_skew_through_its_blur():
    still = np.zeros((200, 1), np.float32), np.zeros((1, 200), np.float32)
    plain, skew = (Raster(0.5, *still, skew=s).noise(np.random.default_rng(1)) for s in (0.0, 0.6))
    assert abs((plain**3).mean()) < 0.05
    assert (skew**3).mean() > 0.5


def test_peaks_are_kept_by_their_share():
    image = white(60)
    cross = ndimage.generate_binary_structure(2, 1)
    brightest = ndimage.maximum_filter(image, footprint=cross)
    assert np.array_equal(keep_peaks(image, 0.0), image)
    np.testing.assert_allclose(keep_peaks(image, 0.3), image + 0.3 * (brightest - image), rtol=1e-5, atol=1e-5)
    turned = keep_peaks(np.ascontiguousarray(image.T[::-1]), 0.3)
    assert np.array_equal(turned, keep_peaks(image, 0.3).T[::-1])
