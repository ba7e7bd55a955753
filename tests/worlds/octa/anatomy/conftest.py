"""Eyes that the anatomy's tests share; growing one takes a tenth of a second."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from chiasm.worlds.octa.anatomy import Anatomy, AnatomyParams, grow, sample_anatomy


@cache
def _eye(seed: int, fov_mm: float, laterality: str) -> Anatomy:
    return grow(sample_anatomy(np.random.default_rng(seed), fov_mm=fov_mm, laterality=laterality))


@pytest.fixture(scope="session")
def eye() -> Callable[..., Anatomy]:
    """Grow (once) the eye of a seed."""

    def grown(seed: int = 0, fov_mm: float = 3.0, laterality: str = "OD") -> Anatomy:
        return _eye(seed, fov_mm, laterality)

    return grown


@pytest.fixture
def plain() -> AnatomyParams:
    """The mean eye."""
    return AnatomyParams(growth_seed=11)
