import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imaging_phantoms import blob, graph_of, union

from chiasm.case import Layer, Vessel
from chiasm.errors import InvalidInput
from chiasm.worlds.octa.imaging import Blobs, blob_masks, render_blobs, render_capsules, render_labels, vessel_mask

PIXEL_UM = 3000 / 300


@settings(max_examples=40, deadline=None)
@given(radius=st.floats(2, 60), row=st.floats(400, 2600))
def test_area_of_a_horizontal_vessel_is_exact(radius, row):
    coverage = render_capsules(graph_of([((row, -500), (row, 3500), radius)]), 300)
    assert coverage[:, 150].sum() * PIXEL_UM == pytest.approx(2 * radius, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(radius=st.floats(4, 40), angle=st.floats(0, np.pi))
def test_area_of_a_slanted_capsule_does_not_depend_on_its_place_on_average(radius, angle):
    # At exactly 45 degrees all pixels lie on lines 0.71 px apart, and a vessel one pixel wide is off by up to 12 %.
    half = 800 * np.array([np.cos(angle), np.sin(angle)])
    shifts = PIXEL_UM * np.array([[k / 8, k / 4] for k in range(8)])
    edges = [(tuple(1500 + s - half), tuple(1500 + s + half), radius) for s in shifts]
    areas = [render_capsules(graph_of([edge]), 300).sum() * PIXEL_UM**2 for edge in edges]
    exact = 2 * radius * 1600 + np.pi * radius**2
    assert areas == pytest.approx([exact] * 8, rel=0.13)
    assert np.mean(areas) == pytest.approx(exact, rel=0.02)


@settings(max_examples=40, deadline=None)
@given(angle=st.floats(0, np.pi), shift=st.floats(-5, 5))
def test_centre_line_is_kept_within_a_tenth_of_a_pixel(angle, shift):
    across = np.array([-np.sin(angle), np.cos(angle)])
    along = np.array([np.cos(angle), np.sin(angle)])
    middle = 1500 + shift * across
    coverage = render_capsules(graph_of([(tuple(middle - 900 * along), tuple(middle + 900 * along), 15)]), 300)
    row, col = np.mgrid[:300, :300] + 0.5
    near = np.hypot(row - 150, col - 150) < 40
    offset = ((row * PIXEL_UM - 1500) * across[0] + (col * PIXEL_UM - 1500) * across[1])[near]
    assert np.average(offset, weights=coverage[near]) == pytest.approx(shift, abs=0.1 * PIXEL_UM)


def test_weight_scales_and_maximum_combines():
    graph = graph_of([((1500, -100), (1500, 3100), 20), ((-100, 1500), (3100, 1500), 20)])
    out = render_capsules(graph, 300, weight=np.array([0.5, 1.0]))
    assert out[150, 20] == pytest.approx(0.5)
    assert out[20, 150] == pytest.approx(1.0)
    assert out.max() == pytest.approx(1.0)


def test_sum_mode_gives_micrometres_of_vessel_along_the_beam():
    graph = graph_of([((1505, -100), (1505, 3100), 25), ((-100, 1505), (3100, 1505), 25)])
    out = render_capsules(graph, 300, mode="sum")
    assert out[150, 20] == pytest.approx(25 * np.pi / 2, rel=1e-5)
    assert out[150, 150] == pytest.approx(25 * np.pi, rel=1e-5)


def test_vessels_outside_the_field_leave_no_trace():
    assert render_capsules(graph_of([((-90, -900), (-90, 4000), 30)]), 300).max() == 0


def test_labels_know_kind_layer_and_radius():
    artery = graph_of([((1000, -100), (1000, 3100), 20)])
    capillary = graph_of([((2000, -100), (2000, 3100), 3)], vessel=Vessel.CAPILLARY, layer=Layer.DCP)
    graph = union(artery, capillary)
    labels = render_labels(graph, 300)
    assert labels[100, 50] == Vessel.ARTERY
    assert labels[200, 50] == Vessel.CAPILLARY
    assert render_labels(graph, 300, min_radius_um=10)[200, 50] == 0
    assert render_labels(graph, 300, layers=(Layer.DCP,))[100, 50] == 0


def test_mask_of_a_thin_vessel_stays_connected():
    from scipy import ndimage

    graph = graph_of([((300, 200), (2500, 2700), 2)])
    assert ndimage.label(vessel_mask(graph, 300), np.ones((3, 3)))[1] == 1


@settings(max_examples=40, deadline=None)
@given(
    a=st.floats(3, 80),
    b=st.floats(3, 80),
    angle=st.floats(0, np.pi),
    row=st.floats(500, 2500),
    col=st.floats(500, 2500),
)
def test_blob_has_the_area_of_its_ellipse(a, b, angle, row, col):
    # The midpoint rule with 32 lines or more across an ellipse errs by at most 0.6 %, wherever the first line lies.
    coverage = render_blobs(blob(row, col, (a, b), angle), 3000, 300)
    assert coverage.sum() * PIXEL_UM**2 == pytest.approx(np.pi * a * b, rel=0.01)


def test_blob_lies_along_its_angle():
    coverage = render_blobs(blob(1500, 1500, (100, 20), angle_rad=np.pi / 2), 3000, 300)
    assert coverage[150, 150 + 8] > 0.9
    assert coverage[150 + 8, 150] == 0


def test_small_blob_keeps_a_pixel_in_its_mask():
    (mask,) = blob_masks(blob(1504, 1504, (3, 3)), 3000, 300)
    assert mask.sum() == 1
    assert mask[150, 150]


def test_bad_sizes_and_shapes_are_refused():
    graph = graph_of([((0, 0), (1, 1), 3)])
    with pytest.raises(InvalidInput, match="size_px must be"):
        render_capsules(graph, 4)
    with pytest.raises(InvalidInput, match="one value per edge"):
        render_capsules(graph, 64, weight=np.ones(3))
    with pytest.raises(InvalidInput, match="semi_um > 0"):
        blob(1, 1, (0, 1))
    assert len(Blobs.none()) == 0
