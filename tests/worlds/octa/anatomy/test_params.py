"""Parameters of an eye: plain JSON, with ranges that hold, and traits that fellow eyes share."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.anatomy import AnatomyParams, fellow_anatomy, sample_anatomy


@given(st.integers(0, 2**32), st.sampled_from([2.5, 3.0, 6.0, 12.0]))
@settings(max_examples=60, deadline=None)
def test_every_drawn_eye_survives_json(seed: int, fov_mm: float) -> None:
    params = sample_anatomy(np.random.default_rng(seed), fov_mm=fov_mm)
    assert AnatomyParams.model_validate(json.loads(params.model_dump_json())) == params
    assert 8.0 <= params.age_years <= 80.0


def test_the_same_generator_state_draws_the_same_eye() -> None:
    one, two = (sample_anatomy(np.random.default_rng(3)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fov_mm", 1.0),
        ("fov_mm", 20.0),
        ("fov_mm", math.nan),
        ("age_years", 7.0),
        ("age_years", math.inf),
        ("faz_area_mm2", -0.1),
        ("faz_area_mm2", 5.0),
        ("faz_axis_ratio", 0.0),
        ("growth_seed", -1),
        ("trunk_spacing_um", 0.0),
        ("svc_density", 0.0),
        ("laterality", "left"),
        ("periarterial_um", -3.0),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        AnatomyParams.model_validate({"growth_seed": 1, field: value})


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="faz_size"):
        AnatomyParams.model_validate({"growth_seed": 1, "faz_size": 0.3})


def test_a_faz_that_does_not_fit_the_field_is_refused() -> None:
    with pytest.raises(ValueError, match="inside the field"):
        AnatomyParams(growth_seed=1, fov_mm=2.0, faz_area_mm2=1.2, fixation_row_um=400.0)


def test_an_outline_that_would_cross_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="faz_waves"):
        AnatomyParams(growth_seed=1, faz_waves=((0.5, 0.0), (0.5, 0.0)))


def test_sampling_an_impossible_age_says_so() -> None:
    with pytest.raises(InvalidInput, match="age_years"):
        sample_anatomy(np.random.default_rng(0), age_years=99.0)


def test_healthy_faz_areas_follow_the_cited_distribution() -> None:
    params = [sample_anatomy(np.random.default_rng(s)) for s in range(400)]
    area = np.array([p.effective_faz_area_mm2 for p in params])
    assert 0.23 < area.mean() < 0.29
    assert 0.07 < area.std() < 0.12


def test_the_radius_of_the_outline_encloses_the_stated_area() -> None:
    params = sample_anatomy(np.random.default_rng(8))
    angle = np.linspace(0.0, 2.0 * np.pi, 4001)[:-1]
    area = 0.5e-6 * np.mean(params.faz_radius_um(angle) ** 2) * 2.0 * np.pi
    assert area == pytest.approx(params.effective_faz_area_mm2, rel=1e-3)


def test_fellow_eyes_share_the_faz_area_but_not_its_shape() -> None:
    rng = np.random.default_rng(0)
    one = [sample_anatomy(rng, age_years=40.0) for _ in range(400)]
    two = [fellow_anatomy(p, rng) for p in one]
    area = np.corrcoef([p.faz_area_mm2 for p in one], [p.faz_area_mm2 for p in two])[0, 1]
    ratio = np.corrcoef([p.faz_axis_ratio for p in one], [p.faz_axis_ratio for p in two])[0, 1]
    assert 0.88 < area < 0.97
    assert 0.3 < ratio < 0.6
    assert all(a.laterality != b.laterality and a.growth_seed != b.growth_seed for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("seed", [614, 5017, 7539])
def test_an_eye_that_cannot_exist_is_drawn_again(seed: int) -> None:
    """The first draws of these seeds have an outline too deep: one eye in 2,500, which stopped a long build."""
    assert sample_anatomy(np.random.default_rng([2, seed])).faz_waves


def test_what_never_can_exist_is_refused() -> None:
    with pytest.raises(InvalidInput, match="fov_mm"):
        sample_anatomy(np.random.default_rng(0), fov_mm=99.0)
