"""What is accepted as an image, a mask and a field of view."""

import numpy as np
import pytest

from chiasm.errors import InvalidInput
from chiasm.measure import Scale, as_coverage, as_grey

RAMP = np.tile(np.arange(128, dtype=np.uint8), (96, 1))


def test_integer_and_float_images_of_the_same_scene_are_the_same() -> None:
    grey = as_grey(RAMP)
    np.testing.assert_allclose(as_grey(RAMP.astype(np.uint16) * 257), grey, atol=1e-6)
    np.testing.assert_allclose(as_grey(RAMP / 255), grey, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((96, 128, 3), np.uint8), "convert colour to grey"),
        (np.zeros((4, 96, 128), np.uint8), "must be grey"),
        (np.zeros((96, 128), np.uint8), "constant"),
        (RAMP.astype(np.int64), "uint8, uint16 or float"),
        (RAMP.astype(np.float64), r"\[0, 1\]"),
        (np.where(RAMP == 5, np.nan, 0.5), "finite"),
        (np.where(RAMP == 5, np.inf, 0.5), "finite"),
        (RAMP[:20], "sides must be within"),
    ],
)
def test_bad_images_are_refused_with_the_reason(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        as_grey(pixels)


def test_integer_masks_are_refused_since_their_meaning_is_unclear() -> None:
    with pytest.raises(InvalidInput, match="bool or float"):
        as_coverage(RAMP, "vessels")


@pytest.mark.parametrize("fov_mm", [0.0, -3.0, float("nan"), float("inf"), 3000.0, 0.003])
def test_absurd_fields_of_view_are_refused(fov_mm: float) -> None:
    with pytest.raises(InvalidInput):
        Scale.from_fov((304, 304), fov_mm)


def test_unknown_scale_keeps_pixels_and_labels_them() -> None:
    scale = Scale.from_fov((304, 304), None)
    assert scale.length(3.0, "um") == (3.0, "px")
    assert scale.area(3.0) == (3.0, "px2")
    assert scale.per_length(3.0) == (3.0, "1/px")


def test_known_scale_converts() -> None:
    scale = Scale.from_fov((300, 300), 3.0)
    assert scale.length(3.0, "um") == (pytest.approx(30.0), "um")
    assert scale.area(10_000.0) == (pytest.approx(1.0), "mm2")
    assert scale.per_length(0.1) == (pytest.approx(10.0), "1/mm")
