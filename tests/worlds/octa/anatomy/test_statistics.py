"""What 200 healthy eyes must look like (docs/anatomy.md holds the figures); a dozen of them in the default run."""

import numpy as np
import pytest

from chiasm.worlds.octa.anatomy import Audit, audit, grow, sample_anatomy


def audits(n: int) -> list[Audit]:
    return [audit(grow(sample_anatomy(np.random.default_rng(1000 + seed)))) for seed in range(n)]


@pytest.fixture(scope="module")
def few() -> list[Audit]:
    return audits(12)


@pytest.fixture(scope="module")
def many() -> list[Audit]:
    return audits(200)


def check_each_eye(eyes: list[Audit]) -> None:
    assert max(a.overlaps for a in eyes) == 0
    assert min(a.perfused_share for a in eyes) >= 0.95
    assert max(a.dead_end_share for a in eyes) < 0.03
    assert min(len(a.free_zone_um[k]) for a in eyes for k in range(2)) > 20


def check_free_zones(eyes: list[Audit]) -> None:
    artery, vein = (np.mean([a.free_zone_um[k].mean() for a in eyes]) for k in range(2))
    assert 67.2 - 25.3 < artery < 67.2 + 25.3
    assert 42.7 - 14.4 < vein < 42.7 + 14.4
    assert artery > vein + 10.0


def check_profile(eyes: list[Audit]) -> None:
    n = min(len(a.ring_mm) for a in eyes)
    ring = eyes[0].ring_mm[:n]
    profile = np.mean([a.density_per_mm[:n] for a in eyes], axis=0)
    plateau = profile[ring > 0.8].mean()
    assert profile[ring < 0.15].max() < 0.1 * plateau
    assert (np.diff(profile[ring < 0.55]) > -0.04 * plateau).all(), "density rises from the FAZ outward"
    assert 0.5 < ring[np.argmax(profile >= 0.95 * plateau)] < 0.75
    assert np.ptp(profile[ring > 0.7]) < 0.1 * plateau


def check_alternation(eyes: list[Audit]) -> None:
    """A vessel's neighbour is of the other kind more often than by chance, which is one half."""
    assert np.nanmean([a.alternation for a in eyes]) > 0.5


def test_a_dozen_eyes_are_sound(few: list[Audit]) -> None:
    check_each_eye(few)
    check_free_zones(few)
    check_alternation(few)


@pytest.mark.slow
def test_two_hundred_eyes_are_sound(many: list[Audit]) -> None:
    check_each_eye(many)
    check_free_zones(many)
    check_alternation(many)
    check_profile(many)


@pytest.mark.slow
def test_two_hundred_fazs_are_as_cited(many: list[Audit]) -> None:
    area = np.array([a.faz_area_mm2 for a in many])
    assert 0.23 < area.mean() < 0.29
    assert 0.07 < area.std() < 0.12
    assert 0.66 < np.mean([a.faz_circularity for a in many]) < 0.78
