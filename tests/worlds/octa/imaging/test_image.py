import dataclasses
import json

import numpy as np
import pytest
from imaging_phantoms import blob, graph_of, lattice_eye, union
from scipy import ndimage, stats

from chiasm.case import Layer, Vessel
from chiasm.errors import InvalidInput
from chiasm.worlds.octa.anatomy import grow, sample_anatomy
from chiasm.worlds.octa.imaging import (
    Backdrop,
    Eye,
    ImagingParams,
    image,
    load_profile,
    profile_names,
    render_capsules,
    sample_imaging,
)
from chiasm.worlds.octa.imaging._flow import project
from chiasm.worlds.octa.imaging._image import _noise, develop


def draw(seed=0, profile="rtvue-xr-3mm", **changes) -> ImagingParams:
    options = {"artefacts": "none"} | {k: changes.pop(k) for k in ("artefacts", "size_px", "slab") if k in changes}
    params = sample_imaging(np.random.default_rng(seed), load_profile(profile), **options)
    return ImagingParams.model_validate(params.model_dump() | changes)


def test_equal_parameters_give_equal_bytes(eye):
    params = draw(artefacts="profile")
    again = ImagingParams.model_validate(json.loads(params.model_dump_json()))
    assert image(eye, params).pixels.tobytes() == image(eye, again).pixels.tobytes()


def test_sampling_depends_on_the_seed_alone():
    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


@pytest.mark.parametrize("size", [200, 304, 400])
def test_any_size_is_rendered(eye, size):
    pixels = image(eye, draw(size_px=size)).pixels
    assert pixels.shape == (size, size)
    assert pixels.dtype == np.uint8
    assert 20 < pixels.std() < 90


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_images_an_eye(name):
    profile = load_profile(name)
    eye = lattice_eye(fov_um=profile.fov_mm * 1000)
    out = image(eye, sample_imaging(np.random.default_rng(1), profile))
    assert out.pixels.shape == (profile.size_px, profile.size_px)


def test_field_of_view_of_eye_and_parameters_must_agree(eye):
    with pytest.raises(InvalidInput, match="grown for 3 mm"):
        image(eye, draw(profile="rtvue-xr-6mm"))


def test_vessels_lie_within_half_a_pixel_of_the_truth(eye):
    params = draw(2)
    truth = ndimage.gaussian_filter(render_capsules(eye.graph, 304), 1)
    seen = ndimage.gaussian_filter(image(eye, params).pixels.astype(float), 1)
    windows = [(slice(r, r + 90), slice(c, c + 90)) for r in (10, 107, 204) for c in (10, 107, 204)]
    shifts = [registration_shift(truth[w], seen[w]) for w in windows if truth[w].std() > 0.05]
    assert len(shifts) >= 8
    assert np.abs(shifts).max() < 0.5


@pytest.mark.parametrize("profile", ["rtvue-xr-3mm", "rtvue-xr-6mm"])
@pytest.mark.parametrize("artefacts", ["none", "profile"])
def test_vessels_of_a_grown_eye_lie_within_half_a_pixel_outside_motion(profile, artefacts):
    device = load_profile(profile)
    anatomy = grow(sample_anatomy(np.random.default_rng(4), fov_mm=device.fov_mm))
    eye = Eye(graph=anatomy.graph, fovea_um=tuple(map(float, anatomy.fovea_um)), faz_radius_um=250)
    out = image(eye, draw(6, profile, artefacts=artefacts))
    size = out.pixels.shape[0]
    truth = ndimage.gaussian_filter(render_capsules(eye.graph, size), 1)
    seen = ndimage.gaussian_filter(out.pixels.astype(float), 1)
    cuts = [slice(i * size // 4, (i + 1) * size // 4) for i in range(4)]
    still = [(r, c) for r in cuts for c in cuts if not out.touched("motion artefact")[r, c].any()]
    shifts = [registration_shift(truth[w], seen[w]) for w in still if truth[w].std() > 0.05]
    assert len(shifts) >= 8
    assert np.hypot(*np.transpose(shifts)).max() < 0.5
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.15


@pytest.mark.parametrize("nasal", [1, -1])
def test_healthy_eyes_are_dark_in_the_temporal_corners_of_a_wide_field(nasal):
    eye = dataclasses.replace(lattice_eye(6000.0), nasal=nasal)
    plain, thin = (image(eye, draw(3, "rtvue-xr-6mm", **p)).signal for p in ({"temporal_loss": 0, "nasal_gain": 0}, {}))
    corner = slice(0, 80), slice(0, 80) if nasal == 1 else slice(-80, None)
    other = corner[0], slice(-80, None) if nasal == 1 else slice(0, 80)
    middle = slice(160, 240), slice(160, 240)
    assert thin[corner].mean() < 0.8 * plain[corner].mean()
    assert thin[other].mean() > plain[other].mean()
    assert thin[middle].mean() == pytest.approx(plain[middle].mean(), rel=0.03)


def test_more_signal_is_brighter(eye):
    low, high = (image(eye, draw(capillary_gain=g)).signal.mean() for g in (0.3, 1.5))
    assert high > low


def test_wider_point_spread_blurs(eye):
    sharp, soft = (
        np.abs(np.diff(image(eye, draw(psf_um=p, speckle_sd=0, texture_gain=0)).signal, axis=0)).mean() for p in (3, 15)
    )
    assert soft < 0.8 * sharp


def test_more_speckle_is_noisier(eye):
    smooth, rough = (image(eye, draw(speckle_sd=s)).signal for s in (0.05, 0.6))
    assert (rough - ndimage.gaussian_filter(rough, 2)).std() > (smooth - ndimage.gaussian_filter(smooth, 2)).std()


def test_avascular_zone_is_dark(eye):
    pixels = image(eye, draw()).pixels.astype(float)
    assert pixels[140:165, 140:165].mean() < 0.4 * pixels[:60].mean()


def test_the_noise_floor_falls_towards_the_foveola(eye):
    def steps(floor_pit: float) -> list[float]:
        noisy = develop(eye, draw(floor_pit=floor_pit)).noisy
        return [float(np.std(noisy[at])) for at in (np.s_[145:159, 145:159], np.s_[:40, :40])]

    (core, away), (low_core, low_away) = steps(1.0), steps(0.2)
    assert low_core < 0.4 * core
    assert low_away == pytest.approx(away, rel=0.02)


def test_only_light_that_returns_makes_sparse_peaks(eye):
    """Speckle is skewed, the noise floor is not: the avascular zone holds no bright specks."""
    noise = _noise(draw(noise_skew=0.8))
    speckled, floor = (np.log(field) for field in (noise.shot, noise.floor))
    assert stats.skew(speckled, axis=None) > 0.5
    assert abs(stats.skew(floor, axis=None)) < 0.1


def test_an_arteriole_dims_as_it_thins_and_a_wide_one_brightens_slowly(eye):
    def peak(radius_um: float, vessel: Vessel) -> float:
        graph = graph_of([((1505, -100), (1505, 3100), radius_um)], vessel=vessel)
        flow = project(Eye(graph=graph, fovea_um=(500, 500), faz_radius_um=250), draw())
        return float(flow.wide.max() / min(1.0, 2 * radius_um / (3000 / 304)))

    assert peak(5.5, Vessel.ARTERY) == pytest.approx(0.5, rel=0.02)
    assert peak(11.0, Vessel.VEIN) == pytest.approx(1.0)
    assert peak(30.0, Vessel.VEIN) == pytest.approx((30 / 11) ** 0.2), "more blood along the beam"
    assert peak(5.5, Vessel.IRMA) == pytest.approx(1.0)


def test_wandering_streaks_leave_the_course_of_the_vessels(eye):
    steady, wandering = (image(eye, draw(wander=w)).signal for w in (0.0, 1.0))
    assert not np.array_equal(steady, wandering)


def test_slow_blood_is_dimmer_and_stopped_blood_unseen():
    fast, slow, stopped = (
        image(
            Eye(
                graph=graph_of([((1500, -100), (1500, 3100), 20)], speed_mm_s=v), fovea_um=(500, 500), faz_radius_um=250
            ),
            draw(texture_gain=0, speckle_sd=0),
        ).signal[152, 152]
        for v in (10, 0.05, 0)
    )
    assert fast > slow > stopped


def test_slabs_show_their_layers():
    deep = graph_of([((1000, -100), (1000, 3100), 20)], layer=Layer.DCP)
    shallow = graph_of([((2000, -100), (2000, 3100), 20)], layer=Layer.SVC)
    vitreous = graph_of([((500, -100), (500, 3100), 20)], layer=Layer.VITREOUS, vessel=Vessel.NEOVESSEL)
    eye = Eye(graph=union(deep, shallow, vitreous), fovea_um=(1500, 1500), faz_radius_um=250)
    rows = {"deep": 101, "shallow": 202, "vitreous": 50}
    expected = {"inner": {"deep", "shallow"}, "svc": {"shallow"}, "dvc": {"deep"}, "vri": {"vitreous"}}
    for slab, seen in expected.items():
        signal = image(eye, draw(slab=slab, speckle_sd=0, texture_gain=0, vitreous_leak=0.0)).signal
        found = {name for name, row in rows.items() if signal[row, 250] > 0.5}
        assert found == seen, slab


def test_twin_differs_at_the_lesion_alone(eye):
    params = draw(5)
    healthy = image(eye, params)
    lesion = blob(900, 2100, (35, 30))
    diseased = image(
        Eye(graph=eye.graph, fovea_um=eye.fovea_um, faz_radius_um=300, blobs=lesion), params, healthy.exposure
    )
    step = np.abs(healthy.pixels.astype(int) - diseased.pixels)
    far = np.hypot(*(np.indices(step.shape) - np.array([91, 213])[:, None, None]))
    assert step.max() > 40
    # The coarse levels of the device's processing reach further, by one or two of its grey levels and no more.
    assert step[far > 25].max() <= 4
    assert not step[np.abs(np.indices(step.shape) - np.array([91, 213])[:, None, None]).max(axis=0) > 25 + 66].any()


def test_visibility_follows_size_and_flow(eye):
    params = draw(6)
    healthy = image(eye, params)
    backdrop = Backdrop(healthy.pixels)

    def seen(semi, flow):
        lesion = blob(900, 2100, (semi, semi), flow=flow)
        out = image(
            Eye(graph=eye.graph, fovea_um=eye.fovea_um, faz_radius_um=300, blobs=lesion), params, healthy.exposure
        )
        row, col = np.mgrid[:304, :304] + 0.5
        mask = np.hypot(row * 3000 / 304 - 900, col * 3000 / 304 - 2100) < semi
        return backdrop.contrast(out.pixels, mask, "spot")

    assert seen(45, 1.0).visible
    assert not seen(45, 0.01).visible
    assert seen(45, 0.01).to_noise < seen(45, 0.3).to_noise < seen(45, 1.0).to_noise
    nothing = backdrop.contrast(healthy.pixels, np.zeros((304, 304), bool), "spot")
    assert not nothing.visible
    with pytest.raises(InvalidInput, match="shape"):
        backdrop.contrast(healthy.pixels[:100], np.ones((304, 304), bool), "spot")


def test_a_changed_pattern_alone_shows_no_area(eye):
    """What only a twin would tell, the same bed elsewhere, is not visible; a bed that is darker than beds are is."""
    healthy = image(eye, draw(6)).pixels
    backdrop = Backdrop(healthy)
    mask = np.zeros((304, 304), bool)
    mask[40:90, 200:260] = True
    shuffled = np.where(mask, np.roll(healthy, (13, 9), (0, 1)), healthy)
    assert backdrop.contrast(shuffled, mask, "area").to_noise > 0.6
    assert not backdrop.contrast(shuffled, mask, "area").visible
    darker = np.where(mask, (0.6 * healthy).astype(np.uint8), healthy)
    assert backdrop.contrast(darker, mask, "area").visible
    small = np.zeros_like(mask)
    small[60:65, 230:235] = True
    assert not backdrop.contrast(darker, small, "area").visible


@pytest.mark.parametrize("profile", ["rtvue-xr-3mm", "mixed-3mm"])
def test_tissue_without_capillaries_keeps_the_share_of_glow_that_is_drawn(eye, profile):
    """Static tissue does not decorrelate: without blood of deeper layers hardly more is left than in the foveal pit."""
    graph = eye.graph
    middle = graph.position_um[graph.edges, 1].mean(axis=1)
    bare = dataclasses.replace(eye, graph=graph.select((graph.vessel != Vessel.CAPILLARY) | (middle < 1900)))
    lost = (slice(90, 215), slice(246, 260))  # 0.15 mm from the wide vessels and 0.5 mm from where the bed ends
    bed = (slice(90, 215), slice(90, 120))
    kept = []
    for share in (0.0, 0.5, 1.0):
        params = draw(3, profile, illumination_sd=0.0, vignette=0.0, deeper_share=share)
        signal, before = image(bare, params).signal, image(eye, params).signal
        faz = signal[142:162, 142:162].mean()
        kept.append((signal[lost].mean() - faz) / (before[lost].mean() - faz))
        assert signal[bed].mean() == pytest.approx(before[bed].mean(), rel=0.02)
    assert kept[0] < 0.15
    assert kept[0] + 0.1 < kept[1] < kept[2] - 0.1
    assert kept[2] < 0.8


def test_a_capillary_empty_for_a_moment_still_feeds_its_surroundings(eye):
    """Between capillaries the signal hardly falls where half of them flicker; the capillaries themselves do."""
    still, flickering = (image(eye, draw(4, missing_share=share, missing_um=150.0)).signal for share in (0.0, 0.5))
    bed = (slice(90, 215), slice(90, 120))
    assert np.quantile(flickering[bed], 0.1) > 0.75 * np.quantile(still[bed], 0.1)
    assert np.quantile(flickering[bed], 0.8) < 0.95 * np.quantile(still[bed], 0.8)


def test_export_stretches_to_the_stated_shares(eye):
    pixels = image(eye, draw(saturated_share=0.02, black_share=0.01, levels=60)).pixels
    assert (pixels == 255).mean() == pytest.approx(0.02, abs=0.012)
    assert len(np.unique(pixels)) <= 61


def registration_shift(a, b):
    """Sub-pixel (row, col) shift of b against a by phase-free cross-correlation and a parabola."""
    a, b = a - a.mean(), b - b.mean()
    correlation = np.fft.fftshift(np.fft.irfft2(np.fft.rfft2(b) * np.conj(np.fft.rfft2(a)), a.shape))
    centre = np.array(a.shape) // 2
    window = correlation[centre[0] - 4 : centre[0] + 5, centre[1] - 4 : centre[1] + 5]
    peak = np.array(np.unravel_index(np.argmax(window), window.shape))
    assert (peak > 0).all()
    assert (peak < 8).all()
    shift = []
    for axis in (0, 1):
        before, after = (window[tuple(peak + np.eye(2, dtype=int)[axis] * s)] for s in (-1, 1))
        top = window[tuple(peak)]
        shift.append(peak[axis] - 4 + 0.5 * (before - after) / (before - 2 * top + after))
    return np.array(shift)
