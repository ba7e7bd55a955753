import numpy as np
import pytest
from imaging_phantoms import lattice_eye

from chiasm.errors import InvalidInput
from chiasm.measure import measure_image
from chiasm.worlds.octa.imaging import calibrate, image, inspect_images, load_profile, sample_imaging, write_calibration
from chiasm.worlds.octa.imaging._calibrate import distribution_distances, family_distances
from chiasm.worlds.octa.imaging._matched import BIOMARKERS, matched_names, matched_statistics
from chiasm.worlds.octa.imaging._search import Search
from chiasm.worlds.octa.imaging._statistics import image_statistics, middle, statistic_names


@pytest.fixture(scope="module")
def pixels():
    """Ten synthetic images."""
    eye, profile = lattice_eye(), load_profile("rtvue-xr-3mm")
    draw = [sample_imaging(np.random.default_rng(i), profile, size_px=128, artefacts="none") for i in range(10)]
    return [image(eye, params).pixels for params in draw]


def test_each_faulty_image_is_named_with_its_reason(pixels):
    good = pixels[0]
    annotated = np.repeat(good[..., None], 3, axis=2).copy()
    annotated[10:20, 10:40] = (255, 255, 0)
    faulty = {
        "a.png": (good[:100], "128x128"),
        "b.png": (annotated, "colour"),
        "c.png": (good.astype(np.uint16) * 257, "uint16"),
        "d.png": (255 - good, "inverted"),
        "e.png": (np.full_like(good, 3), "near-empty"),
    }
    names = [*(f"{i}.png" for i in range(10)), *faulty]
    found = inspect_images([*pixels, *(p for p, _ in faulty.values())], names)
    assert [p.name for p in found] == list(faulty)
    for problem in found:
        assert faulty[problem.name][1] in problem.reason


def test_faulty_images_stop_a_calibration_unless_told_otherwise(pixels):
    start = load_profile("rtvue-xr-3mm")
    with pytest.raises(InvalidInput, match="image 10: near-empty"):
        calibrate([*pixels, np.zeros((128, 128), np.uint8)], [lattice_eye()], start, name="x")
    with pytest.raises(InvalidInput, match="at least 10 usable images, got 9"):
        calibrate([*pixels[:9], np.zeros((128, 128), np.uint8)], [lattice_eye()], start, name="x", use_the_rest=True)
    with pytest.raises(InvalidInput, match=r"the new profile: name: .*got 'my device'"):
        calibrate(pixels, [lattice_eye()], start, name="my device")


def test_statistics_have_names_and_are_finite(pixels):
    values = image_statistics(pixels[0])
    assert len(values) == len(statistic_names())
    assert np.isfinite(values).all()


def test_equal_samples_have_no_distance(pixels):
    table = np.array([image_statistics(p) for p in pixels])
    assert distribution_distances(table, table).max() == 0


def test_biomarkers_are_matched_as_they_are_measured(pixels):
    values = dict(zip(matched_names(), matched_statistics(pixels[0], 3.0), strict=True))
    found = measure_image(pixels[0], 3.0).biomarkers
    assert [values["biomarkers", name] for name in BIOMARKERS] == [found.value(name) for name in BIOMARKERS]


@pytest.fixture(scope="module")
def real(pixels):
    """What is matched of the ten."""
    return np.array([matched_statistics(p, 3.0) for p in pixels])


def test_as_many_pixels_become_black_as_in_the_images(real):
    start = load_profile("rtvue-xr-3mm").model_copy(update={"size_px": 128})
    eye, clipping = lattice_eye(), start.evolve(black_share=0.03)
    draw = [sample_imaging(np.random.default_rng(i), clipping, artefacts="none") for i in range(10)]
    images = [image(eye, params).pixels for params in draw]
    wanted = np.mean([(pixels == 0).mean() for pixels in images])
    fit = Search((eye,) * 10, start, images, real, seed=0, progress=None, began=0.0)
    fitted, made = start, []
    for _ in range(5):
        fitted, made = fit.process(fitted)
    assert wanted > 0.03
    assert np.mean([(pixels == 0).mean() for pixels in made]) == pytest.approx(wanted, rel=0.05)
    assert fitted.mean("black_share") == pytest.approx(0.03, rel=0.3)


@pytest.mark.parametrize(
    ("parameter", "factor", "name", "sign"),
    [("illumination_sd", 4.0, "nonperfusion_fraction", 1), ("capillary_gain", 0.3, "skeleton_density", -1)],
)
def test_a_wrong_scanner_is_seen_in_biomarkers(pixels, real, parameter, factor, name, sign):
    start = load_profile("rtvue-xr-3mm").model_copy(update={"size_px": 128})
    fit = Search((lattice_eye(),) * 4, start, pixels, real, seed=0, progress=None, began=0.0)
    x = np.zeros(len(fit.names))
    x[fit.names.index(parameter)] = np.log(factor)
    right, wrong = ((middle(fit.render(p)) - middle(real)) / real.std(axis=0) for p in (start, fit._moved(start, x)))
    i = matched_names().index(("biomarkers", name))
    assert sign * (wrong - right)[i] > 1
    family = np.array([family == "biomarkers" for family, _ in matched_names()])
    assert (fit.weight[family] ** 2).sum() == pytest.approx(1), "it weighs as much as any other family"


def test_an_image_without_a_faz_has_all_its_biomarkers(pixels):
    dark = pixels[0].copy()
    dark[:, 44:84] = 0  # from border to border, so that no FAZ can be told
    assert not measure_image(dark, 3.0).biomarkers.has("faz_area")
    assert np.isfinite(matched_statistics(dark, 3.0)).all()


def test_an_image_has_no_part_in_a_biomarker_that_it_lacks(real):
    squares = np.zeros((128, 128), np.uint8)
    squares[10:-10, 10:-10], squares[30:-30, 30:-30] = 100, 200  # no gap is enclosed by vessels
    found = dict(zip(matched_names(), matched_statistics(squares, 3.0), strict=True))
    assert [key for key, value in found.items() if np.isnan(value)] == [("biomarkers", "intercapillary_distance")]
    more = np.vstack([real, list(found.values())])
    for synthetic, images in ((more, real), (real, more)):
        gap = dict(zip(matched_names(), distribution_distances(synthetic, images), strict=True))
        assert gap["biomarkers", "intercapillary_distance"] == 0
        assert gap["biomarkers", "skeleton_density"] > 0
        assert np.isfinite(family_distances(synthetic, images)["biomarkers"])


def test_report_escapes_and_shows(tmp_path, pixels):
    from chiasm.worlds.octa.imaging import Calibration, ImageProblem

    profile = load_profile("rtvue-xr-3mm").model_copy(update={"size_px": 128})
    result = Calibration(
        profile, profile, {"grain": 1.0}, {"grain": 0.5}, (("grain", "a", 0.5),),
        (ImageProblem(10, "<b>.png", "near-empty"),), 10, 3, 1.0,
    )  # fmt: skip
    files = write_calibration(result, tmp_path / "p.toml", pixels, [lattice_eye()])
    assert [f.suffix for f in files] == [".toml", ".json", ".html", ".png"]
    assert all(f.stat().st_size > 100 for f in files)
    assert "&lt;b&gt;.png" in files[2].read_text()
    assert load_profile(files[0]) == profile


@pytest.mark.slow
def test_calibration_moves_towards_a_hidden_profile():
    start = load_profile("rtvue-xr-3mm")
    hidden = start.evolve(psf_um=start.mean("psf_um") * 1.4, gamma=start.mean("gamma") * 0.8, tissue_level=0.05)
    real_eyes = [lattice_eye(seed=i) for i in range(12)]
    real = [
        image(eye, sample_imaging(np.random.default_rng([1, i]), hidden, size_px=160, artefacts="none")).pixels
        for i, eye in enumerate(real_eyes)
    ]
    eyes = [lattice_eye(seed=100 + i) for i in range(6)]
    result = calibrate(real, eyes, start, name="found", rounds=3)
    assert sum(result.after.values()) < 0.6 * sum(result.before.values())
    assert "12 unlabelled images" in result.profile.card["fitted_on"], (
        "its own card, not that of the profile it began from"
    )
