import numpy as np
import pytest
from imaging_phantoms import lattice_eye
from scipy import ndimage

from chiasm.case import term
from chiasm.worlds.octa.imaging import (
    SEVERITIES,
    Eye,
    artefact_kinds,
    image,
    load_profile,
    sample_artefact,
    sample_imaging,
)

CHANGING = [k for k in artefact_kinds() if k not in ("decentration", "projection artefact")]


def pair(eye, artefact, seed=0, slab=None):
    """The image with and without one artefact, in one exposure."""
    profile = load_profile("rtvue-xr-3mm")
    clean = sample_imaging(np.random.default_rng(seed), profile, artefacts="none", slab=slab)
    broken = clean.model_copy(update={"artefacts": (artefact,)})
    before = image(eye, clean)
    return before, image(eye, broken, before.exposure)


def test_every_kind_is_a_term_of_the_vocabulary():
    assert all(term(kind).kind == "artefact" for kind in artefact_kinds())


@pytest.mark.parametrize("kind", CHANGING)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_mask_covers_what_was_changed(eye, kind, severity):
    changed_somewhere = False
    for seed in range(6):
        artefact = sample_artefact(np.random.default_rng([seed, 1]), kind, severity)
        before, after = pair(eye, artefact, seed)
        changed = before.pixels != after.pixels
        (truth,) = after.artefacts
        assert truth.artefact == artefact
        # What blurs, and the coarse levels of the processing, reach further, by no more than a twentieth of the grey scale.
        step = np.abs(before.pixels.astype(int) - after.pixels)
        assert step[~truth.mask].max(initial=0) <= 13, (seed, artefact)
        changed_somewhere |= bool(changed[truth.mask].mean() > 0.05) if truth.mask.any() else False
    assert changed_somewhere


@pytest.mark.parametrize("kind", ["shadow", "low signal", "defocus", "segmentation error"])
def test_severity_orders_the_change(eye, kind):
    change = []
    for severity in SEVERITIES:
        total = 0.0
        for seed in range(8):
            artefact = sample_artefact(np.random.default_rng([seed, 2]), kind, severity)
            before, after = pair(eye, artefact, seed)
            total += np.abs(before.pixels.astype(float) - after.pixels).mean()
        change.append(total)
    assert change[0] < change[1] < change[2]


def test_shadow_darkens(eye):
    artefact = sample_artefact(np.random.default_rng(3), "shadow", "severe").model_copy(update={"position": (0.3, 0.3)})
    before, after = pair(eye, artefact)
    core = ndimage.binary_erosion(
        after.touched("shadow"), iterations=16
    )  # the mask holds what the processing carries out of it
    assert core.sum() > 500
    assert after.pixels[core].mean() < 0.75 * before.pixels[core].mean()


@pytest.mark.parametrize("corner", [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)])
def test_a_lost_rim_lies_in_its_corner_and_the_rest_stands(eye, corner):
    artefact = sample_artefact(np.random.default_rng(3), "motion artefact", "severe").model_copy(
        update={"form": "lost rim", "position": corner, "axis": 0, "extent": 0.25, "amount": 0.6, "seed": 5}
    )
    before, after = pair(eye, artefact)
    mask = after.touched("motion artefact")
    assert (before.pixels == after.pixels)[~mask].all()
    n = len(mask)
    rim = slice(0, n // 4) if corner[1] < 0.5 else slice(n - n // 4, n)
    assert mask[:, rim].all()
    assert mask.mean() < 0.5
    changed = before.pixels[:, rim] != after.pixels[:, rim]
    assert changed.mean() > 0.5
    # Pixels are drawn out along the lines of the one scan that is left: neighbours in a row are alike.
    alike = [(image.pixels[:, rim][:, 1:] == image.pixels[:, rim][:, :-1]).mean() for image in (before, after)]
    assert alike[1] > 2 * alike[0]


def test_projection_adds_superficial_vessels_to_the_deep_slab(eye):
    artefact = sample_artefact(np.random.default_rng(3), "projection artefact", "severe")
    before, after = pair(eye, artefact, slab="dvc")
    mask = after.touched("projection artefact")
    assert 0 < mask.mean() < 0.3
    assert after.signal[mask].mean() > before.signal[mask].mean()


def test_decentration_marks_pixels_without_a_counterpart():
    eye = lattice_eye()
    moved = Eye(graph=eye.graph, fovea_um=(1500, 900), faz_radius_um=300)
    artefact = sample_artefact(np.random.default_rng(0), "decentration", "moderate")
    before, after = pair(moved, artefact)
    mask = after.touched("decentration")
    assert (before.pixels == after.pixels).all()
    assert mask[:, -1].all()
    assert not mask[:, : int(0.55 * 304)].any()


def test_rates_of_a_profile_are_kept():
    profile = load_profile("rtvue-xr-3mm")
    n = 3000
    rng = np.random.default_rng(0)
    drawn = [sample_imaging(rng, profile).artefacts for _ in range(n)]
    for kind, rate in profile.artefacts.items():
        if kind == "projection artefact":
            continue
        share = np.mean([any(a.kind == kind for a in found) for found in drawn])
        assert share == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / n) + 1e-9)
