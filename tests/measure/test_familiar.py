"""Telling en face OCTA from other pictures."""

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.measure import familiarity
from chiasm.measure._familiar import picture_statistics
from chiasm.worlds.octa import OctaRequest, OctaWorld

NOISE = np.random.default_rng(0).integers(0, 255, (304, 304), dtype=np.uint8)


@pytest.mark.parametrize(("fov_mm", "stage"), [(3.0, "healthy"), (3.0, "pdr"), (6.0, "late-npdr")])
def test_rendered_eyes_are_familiar(fov_mm: float, stage: str) -> None:
    world = OctaWorld(OctaRequest(fov_mm=fov_mm, stage=stage))  # type: ignore[arg-type]
    for seed in (1, 2):
        found = familiarity(world.render(world.sample(np.random.default_rng(seed))).views[0].pixels)
        assert found.is_octa, found


@pytest.mark.parametrize(
    "pixels",
    [
        NOISE,
        np.eye(64, dtype=np.uint8),
        skimage.data.camera(),
        skimage.data.page(),
        skimage.data.moon(),
        skimage.data.microaneurysms(),
        skimage.data.retina()[..., 1],
    ],
    ids=["noise", "nearly blank", "photograph", "page", "moon", "fundus crop", "fundus"],
)
def test_other_pictures_are_not(pixels: NDArray[np.uint8]) -> None:
    found = familiarity(pixels)
    assert not found.is_octa
    assert "unlike en face OCTA" in str(found)


def test_a_constant_picture_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="constant"):
        familiarity(np.full((304, 304), 90, np.uint8))


def test_statistics_are_finite_and_do_not_depend_on_the_size_of_a_large_picture() -> None:
    assert np.isfinite(picture_statistics(np.eye(64, dtype=np.uint8))).all()
    coarse = picture_statistics(skimage.data.camera())
    doubled = picture_statistics(np.kron(skimage.data.camera(), np.ones((2, 2), np.uint8)))
    assert len(coarse) == 28
    assert np.allclose(coarse, doubled, atol=0.15)
