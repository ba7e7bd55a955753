"""Centre lines: lengths, loops, borders."""

import numpy as np
import phantoms
import pytest

from chiasm.measure import trace_skeleton


def test_empty_mask_has_no_lines() -> None:
    skeleton = trace_skeleton(np.zeros((64, 64), bool))
    assert skeleton.total_px == 0
    assert len(skeleton.arc_px) == 0


@pytest.mark.parametrize("radius_px", [20, 40, 80])
def test_ring_is_one_closed_branch_of_its_circumference(radius_px: int) -> None:
    row, col = np.mgrid[:256, :256] + 0.5
    away = np.hypot(row - 128, col - 128)
    skeleton = trace_skeleton(np.abs(away - radius_px) <= 2)
    assert skeleton.chord_px[np.argmax(skeleton.arc_px)] < 3
    assert skeleton.total_px == pytest.approx(2 * np.pi * radius_px, rel=0.02)


def test_length_map_sums_to_the_branches() -> None:
    rng = np.random.default_rng(5)
    mask = rng.random((96, 96)) < 0.4
    skeleton = trace_skeleton(mask)
    assert skeleton.total_px == pytest.approx(skeleton.arc_px.sum(), rel=1e-5)
    assert (skeleton.arc_px >= skeleton.chord_px - 1e-6).all()


def test_rotating_by_a_right_angle_keeps_the_length() -> None:
    mask = phantoms.coverage(phantoms.y_junction(0.05)[0]) >= 0.5
    assert trace_skeleton(np.rot90(mask)).total_px == pytest.approx(trace_skeleton(mask).total_px, rel=0.01)


def test_line_that_leaves_the_image_has_no_free_end() -> None:
    mask = np.zeros((80, 80), bool)
    mask[38:42] = True
    skeleton = trace_skeleton(mask)
    assert not skeleton.free.any()
    mask[:, 60:] = False
    assert trace_skeleton(mask).free.sum() == 1
