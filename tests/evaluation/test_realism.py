import json

import numpy as np
import pytest
from scipy import ndimage

from chiasm.errors import InvalidInput
from chiasm.evaluation import feature_table, image_features, judge_tables, realism
from chiasm.evaluation._realism import _ks, _manifold


def texture(seed, sd=1.5, gain=40.0):
    """Smooth noise: a stand-in for an image."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((80, 80)), sd)
    return np.clip(110 + gain * field / field.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("realism")
    real = [texture(i) for i in range(20)]
    other = [texture(100 + i, sd=2.2) for i in range(20)]
    return realism(other, real, out), out


def test_different_textures_are_told_apart_by_every_judge(report):
    found, _ = report
    assert min(e.value for e in found.auc.values()) >= 0.95
    assert found.ks_mean > 0.3
    assert found.worst(1)[0][1] == 1.0


def test_files_are_written_with_pictures(report):
    _, out = report
    record = json.loads((out / "realism.json").read_text())
    assert record["n_real"] == 20
    page = (out / "realism.html").read_text()
    assert page.count("data:image/png") == 8 * 4
    assert "patch words" in page


def test_samples_of_one_source_cannot_be_told_apart():
    table, names = feature_table([texture(i) for i in range(48)])
    found = judge_tables(table[:24], table[24:], names)
    # Cross-validation of equal classes tends below 0.5: each held-out image was the rarer one in training.
    assert found.auc["forest"].lo <= 0.5
    assert found.ks_mean < 0.3


def test_features_are_finite_and_named_by_family():
    values = image_features(texture(0))
    assert all(np.isfinite(v) for v in values.values())
    assert len({name.split(".")[0] for name in values}) >= 9


def test_distance_and_manifold_by_hand():
    assert _ks(np.arange(4.0), np.arange(4.0)) == 0
    assert _ks(np.zeros(3), np.ones(3)) == 1
    points = np.random.default_rng(0).standard_normal((40, 3))
    density, coverage, nearest = _manifold(points, points)
    assert coverage == 1
    assert density > 0.9
    assert (nearest[:, 0] == np.arange(40)).all()
    assert _manifold(points + 100, points)[1] == 0


def test_too_few_or_unlike_images_are_refused():
    images = [texture(i) for i in range(10)]
    with pytest.raises(InvalidInput, match="at least 10 real"):
        realism(images, images[:4])
    with pytest.raises(InvalidInput, match="one size"):
        realism(images, [p[:70] for p in images])
