"""Contacts of capsules against hand-made geometry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.worlds.octa.anatomy import overlapping_pairs
from chiasm.worlds.octa.anatomy._contact import close_pairs, nearest_wall, segment_gap

point = st.tuples(*[st.floats(-100.0, 100.0) for _ in range(3)]).map(np.array)


@given(point, point, point, point)
@settings(max_examples=80, deadline=None)
def test_gap_between_segments_is_the_smallest_distance(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray
) -> None:
    t = np.linspace(0.0, 1.0, 60)[:, None]
    one, two = a + t * (b - a), c + t * (d - c)
    sampled = np.linalg.norm(one[:, None] - two[None], axis=2).min()
    gap = segment_gap(a, b, c, d)
    assert gap <= sampled + 1e-6  # [um]: near-degenerate segments lose digits, not micrometres
    reach = (np.linalg.norm(b - a) + np.linalg.norm(d - c)) / 59.0
    assert gap >= sampled - reach


def test_crossing_tubes_overlap_and_stacked_ones_do_not() -> None:
    pos = np.array([[0.0, 0, 30], [100, 100, 30], [0, 100, 30], [100, 0, 30]])
    edges = np.array([[0, 1], [2, 3]])
    assert overlapping_pairs(pos, edges, np.array([5.0, 5.0])).tolist() == [[0, 1]]
    pos[2:, 2] = 41.0
    assert len(overlapping_pairs(pos, edges, np.array([5.0, 5.0]))) == 0


def test_a_branch_is_part_of_its_joint() -> None:
    pos = np.array([[0.0, 0, 0], [0, 40, 0], [0, 80, 0], [10, 75, 0], [60, 110, 0]])
    edges = np.array([[0, 1], [1, 2], [1, 3], [3, 4]])
    assert len(overlapping_pairs(pos, edges, np.array([15.0, 15.0, 6.0, 6.0]))) == 0


def test_the_same_vessel_coming_back_is_an_overlap() -> None:
    ring = np.linspace(0.0, 1.9 * np.pi, 40)
    pos = np.column_stack([300.0 * np.cos(ring), 300.0 * np.sin(ring), np.zeros(40)])
    pos[-1] = pos[0] + np.array([2.0, 2.0, 0.0])
    edges = np.column_stack([np.arange(39), np.arange(1, 40)])
    assert len(overlapping_pairs(pos, edges, np.full(39, 5.0))) > 0


def test_close_pairs_finds_what_brute_force_finds() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0.0, 400.0, (150, 3)) * np.array([1.0, 1.0, 0.3])
    end = start + rng.normal(0.0, 25.0, (150, 3))
    radius = rng.uniform(2.0, 12.0, 150)
    found = {tuple(pair) for pair in close_pairs(start, end, radius, 1.0)}
    brute = {
        (i, j)
        for i in range(150)
        for j in range(i + 1, 150)
        if segment_gap(start[i], end[i], start[j], end[j]) < radius[i] + radius[j] + 1.0
    }
    assert found == brute


def test_an_empty_network_has_no_overlaps() -> None:
    assert overlapping_pairs(np.zeros((0, 3)), np.zeros((0, 2), int), np.zeros(0)).shape == (0, 2)


def test_nearest_wall_measures_from_the_wall() -> None:
    gap, which = nearest_wall(
        np.array([[0.0, 30.0], [0.0, 500.0]]), np.array([[-50.0, 0.0]]), np.array([[50.0, 0.0]]), np.array([8.0]), 100.0
    )
    assert gap[0] == pytest.approx(22.0)
    assert which.tolist() == [0, -1]
    assert np.isinf(gap[1])
