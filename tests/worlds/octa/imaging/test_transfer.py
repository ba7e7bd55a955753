import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from chiasm.worlds.octa.imaging._transfer import (
    BANDS,
    GREY_NODES,
    LEVELS,
    NODES,
    STEPS,
    Transfer,
    apply_detail,
    apply_grey,
    decompose,
    kernel,
)
from chiasm.worlds.octa.imaging._transfer_fit import fit_modes, fit_transfer, measure_pixels


def field(seed, n=96):
    return np.random.default_rng(seed).random((n, n), dtype=np.float32)


def changed(**entries):
    return Transfer.model_validate({**Transfer.identity().model_dump(), **entries})


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), n=st.integers(16, 80))
def test_the_levels_add_up_to_the_image_and_the_identity_keeps_it(seed, n):
    image = field(seed, n)
    levels = list(decompose(image))
    assert np.allclose(sum(level.detail for level in levels) + levels[-1].rest, image, atol=1e-5)
    for level in levels:
        assert np.allclose(sum(level.bands), level.detail, atol=1e-5)
    assert np.allclose(apply_detail(image, Transfer.identity()), image, atol=1e-5)
    assert np.allclose(apply_grey(image, Transfer.identity()), image, atol=1e-5)


def test_nothing_moves_and_nothing_reaches_beyond_the_kernels():
    point = np.zeros((201, 201), np.float32)
    point[100, 100] = 1
    curve = tuple(float(np.sign(x) * abs(x) ** 1.5) for x in NODES)
    bent = changed(
        curves=(curve,) * LEVELS, share=(0.3,) * len(BANDS), rows=(0.1, 0.05, 0, 0), columns=(0.1, 0.05, 0, 0)
    )
    out = apply_detail(point, bent)
    assert np.allclose(out, out[::-1], atol=1e-6)
    assert np.allclose(out, out[:, ::-1], atol=1e-6)
    assert np.allclose(out, out.T, atol=1e-6)
    reach = 2 * sum(STEPS) + 4
    assert not out[: 100 - reach].any()
    assert not out[:, 100 + reach + 1 :].any()


def test_a_turned_image_gives_the_turned_output():
    image = field(1)
    rows = changed(share=(0.4, 0, 0) * LEVELS, rows=(0.2, 0, 0, 0))
    columns = changed(share=(0, 0.4, 0) * LEVELS, columns=(0.2, 0, 0, 0))
    assert np.allclose(apply_detail(image, rows).T, apply_detail(image.T, columns), atol=1e-5)


def test_the_kernel_keeps_the_mean_and_has_the_stated_response():
    taps = (0.2, -0.1, 0.05, 0.02)
    weights = kernel(taps)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    f = np.linspace(0, 0.5, 7)
    response = np.cos(2 * np.pi * np.outer(f, np.arange(-4, 5))) @ weights
    stated = 1 + (np.cos(2 * np.pi * np.outer(f, np.arange(1, 5))) - 1) @ np.array(taps)
    assert np.allclose(response, stated, atol=1e-6)


def test_a_steeper_curve_strengthens_its_level():
    image = field(2)
    steeper = changed(curves=(tuple(2 * x for x in NODES), *(NODES,) * (LEVELS - 1)))
    before, after = (next(decompose(apply_detail(image, t))).detail.std() for t in (Transfer.identity(), steeper))
    assert after > 1.5 * before


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"scale": (0.0,) * LEVELS}, "transfer.scale of level 0 must be in 1e-6..10"),
        ({"curves": (tuple(reversed(NODES)),) * LEVELS}, "transfer.curves of level 0 must never fall"),
        ({"share": (9.0,) * len(BANDS)}, "transfer.share must be in -2..5"),
        ({"rows": (3.0, 0, 0, 0)}, "transfer.rows must be in -2..2"),
        ({"grey": tuple(reversed(GREY_NODES))}, "transfer.grey must run from 0 to 1"),
        ({"grey": GREY_NODES[:-1]}, "grey"),
    ],
)
def test_faulty_transfers_are_refused_naming_the_entry(entries, message):
    with pytest.raises(ValidationError, match=message):
        changed(**entries)


def test_the_fit_recovers_the_detail_of_a_hidden_transfer():
    recorded = [field(seed) + np.float32(0.5) * (field(seed + 50) > 0.97) for seed in range(8)]
    hidden = changed(
        share=tuple(0.5 if name.endswith("rows") else -0.2 for name in BANDS),
        grey=tuple(g**1.5 for g in GREY_NODES),
        columns=(0.15, 0.05, 0, 0),
    )

    def finish(i, transfer):
        out = apply_detail(recorded[i], transfer)
        low, high = np.quantile(out, [0.005, 0.995])
        return np.rint(255 * apply_grey(np.clip((out - low) / (high - low), 0, 1), transfer)).astype(np.uint8)

    real = [finish(i, hidden) for i in range(8)]
    _, made = fit_transfer(recorded, finish, measure_pixels(real), start=Transfer.identity(), rounds=8)
    target, start, end = (
        measure_pixels(images) for images in (real, [finish(i, Transfer.identity()) for i in range(8)], made)
    )
    gap = [np.abs(m.strength - target.strength).mean() for m in (start, end)]
    assert gap[1] < 0.25 * gap[0]
    assert np.abs(end.grey - target.grey).mean() < 0.25 * np.abs(start.grey - target.grey).mean()


def test_modes_are_those_that_chance_does_not_make():
    rng = np.random.default_rng(5)
    count = len(BANDS)
    real, made = rng.normal(0, 0.1, (20, count)), rng.normal(0, 0.1, (28, count))
    assert fit_modes(real, made) == ()
    along = np.ones(count) / np.sqrt(count)
    modes = fit_modes(real + 0.6 * rng.standard_normal((20, 1)) * along, made)
    assert len(modes) == 1
    assert abs(np.dot(modes[0], along)) == pytest.approx(0.6, rel=0.3)


def test_modes_of_the_start_are_kept_as_far_as_images_ask_for_them():
    rng = np.random.default_rng(6)
    along = np.ones(len(BANDS)) / np.sqrt(len(BANDS))
    usual = (tuple((0.3 * along).tolist()),)
    made = rng.normal(0, 0.1, (28, len(BANDS)))

    def strength(true):
        (mode,) = fit_modes(
            rng.normal(0, 0.1, (200, len(BANDS))) + true * rng.standard_normal((200, 1)) * along, made, usual
        )
        return np.dot(mode, along)

    assert strength(0.3) == pytest.approx(0.3, rel=0.1)
    assert strength(0.0) == pytest.approx(0.3 / np.sqrt(2), rel=0.1), "half of the variance, when nothing varies"
    assert len(fit_modes(made, made, usual * 8)) == 8, "none is cut off"


def test_one_odd_image_hardly_moves_the_detail_of_a_set():
    images = [np.rint(255 * np.clip(field(seed), 0, 1)).astype(np.uint8) for seed in range(12)]
    dull = [*images[:11], np.full_like(images[0], 20)]
    dull[11][::7] = 24
    sound, with_odd = measure_pixels(images), measure_pixels(dull)
    assert np.abs(with_odd.strength - sound.strength).max() < 0.1
    assert np.abs(with_odd.log_sd[11] - sound.log_sd[11]).max() > 0.5
