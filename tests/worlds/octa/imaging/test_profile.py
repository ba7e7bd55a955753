import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import InvalidInput, UnknownName
from chiasm.worlds.octa.imaging import Spread, load_profile, parse_profile, profile_names, sample_imaging, tunable
from chiasm.worlds.octa.imaging._sample import draw


@pytest.mark.parametrize("name", profile_names())
def test_toml_round_trip(name, tmp_path):
    profile = load_profile(name)
    path = tmp_path / "p.toml"
    path.write_text(profile.to_toml())
    again = load_profile(path)
    assert again.to_toml() == profile.to_toml()
    assert again.card == profile.card


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema_version = 3", "schema_version = 2", "schema_version must be 3, got 2"),
        ("psf_um = {mean =", "psf_um = {mean = 1e3, sd = 0}\nold = {mean =", "did you mean|must be in"),
        ("psf_um", "psf_mu", "psf_um"),
        ("fov_mm = 3.0", "fov_mm = 300.0", "fov_mm"),
        ("share = [", "share = [9.0, ", "transfer.share"),
        ("grey = [0.0", "grey = [0.5", "transfer"),
        ("[parameters]", "[parameters", "not TOML"),
    ],
)
def test_faulty_profiles_are_refused_naming_the_entry(old, new, message):
    text = load_profile("rtvue-xr-3mm").to_toml()
    assert old in text
    with pytest.raises(InvalidInput, match=message):
        parse_profile(text.replace(old, new, 1), "here.toml")


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownName, match="rtvue-xr-3mm"):
        load_profile("rtvue-xr-3m")
    with pytest.raises(InvalidInput, match="no profile at"):
        load_profile("nowhere/p.toml")


@settings(max_examples=60, deadline=None)
@given(mean=st.floats(0, 1), sd=st.floats(0, 2), seed=st.integers(0, 1000))
def test_draws_stay_in_range(mean, sd, seed):
    assert 0 <= draw(np.random.default_rng(seed), Spread(mean=mean, sd=sd), 0.0, 1.0) <= 1


def test_every_number_is_drawn_in_its_range():
    limits = tunable()
    for name in profile_names():
        params = sample_imaging(np.random.default_rng(0), load_profile(name)).model_dump()
        assert all(limits[k][0] <= params[k] <= limits[k][1] for k in limits)
