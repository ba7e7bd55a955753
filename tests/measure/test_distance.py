"""The distance transform against scipy's."""

import numpy as np
import pytest
from scipy import ndimage

from chiasm.measure._distance import distance_inside, distance_to


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (37, 53), (128, 64)])
@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 0.98])
def test_distances_are_exact(shape: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(3).random(shape) < share
    mask[0, shape[1] // 2] = True
    np.testing.assert_allclose(distance_to(mask), ndimage.distance_transform_edt(~mask), rtol=1e-6)
    mask[0, 0] = False
    np.testing.assert_allclose(distance_inside(mask), ndimage.distance_transform_edt(mask), rtol=1e-6)


def test_nothing_marked_is_infinitely_far() -> None:
    assert np.isinf(distance_to(np.zeros((5, 7), bool))).all()
