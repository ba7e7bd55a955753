"""Flow on networks whose answer is known by formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.worlds.octa.anatomy import solve_flow, viscosity_pa_s

PA = 133.322


def straight(n: int, step_um: float) -> tuple[np.ndarray, np.ndarray]:
    pos = np.column_stack([np.zeros(n), step_um * np.arange(n), np.zeros(n)])
    return pos, np.column_stack([np.arange(n - 1), np.arange(1, n)])


@given(st.floats(2.5, 60.0), st.floats(0.5, 40.0), st.integers(2, 30))
@settings(max_examples=40, deadline=None)
def test_a_straight_tube_obeys_poiseuille(radius: float, drop: float, n: int) -> None:
    pos, edges = straight(n, 20.0)
    known = np.full(n, np.nan)
    known[[0, -1]] = 20.0 + drop, 20.0
    flow = solve_flow(pos, edges, np.full(n - 1, radius), known)
    length = 20e-6 * (n - 1)
    expected = drop * PA * (radius * 1e-6) ** 2 / (8.0 * viscosity_pa_s(np.array([radius]))[0] * length) * 1e3
    np.testing.assert_allclose(flow.velocity_mm_s, expected, rtol=1e-4)
    np.testing.assert_allclose(flow.pressure_mmhg, np.linspace(20.0 + drop, 20.0, n), rtol=1e-4)


def test_a_symmetric_fork_splits_flow_evenly() -> None:
    pos = np.array([[0.0, 0, 0], [0, 100, 0], [50, 200, 0], [-50, 200, 0]])
    edges = np.array([[0, 1], [1, 2], [1, 3]])
    known = np.array([30.0, np.nan, 20.0, 20.0])
    radius = np.array([5.0, 4.0, 4.0])
    flow = solve_flow(pos, edges, radius, known)
    carried = flow.velocity_mm_s * radius**2
    assert carried[1] == pytest.approx(carried[2])
    assert carried[0] == pytest.approx(carried[1] + carried[2], rel=1e-5)


def test_blood_stands_still_where_no_pressure_is_known() -> None:
    pos, edges = straight(5, 20.0)
    flow = solve_flow(pos, edges, np.full(4, 4.0), np.full(5, np.nan))
    assert (flow.velocity_mm_s == 0.0).all()
    assert np.isnan(flow.pressure_mmhg).all()


def test_an_island_without_supply_stands_still() -> None:
    pos = np.array([[0.0, 0, 0], [0, 50, 0], [500.0, 0, 0], [500, 50, 0], [500, 25, 40]])
    edges = np.array([[0, 1], [2, 3], [3, 4], [4, 2]])
    flow = solve_flow(pos, edges, np.full(4, 4.0), np.array([30.0, 20.0, np.nan, np.nan, np.nan]))
    assert flow.velocity_mm_s[0] > 0.0
    assert (flow.velocity_mm_s[1:] == 0.0).all()


def test_reversing_an_edge_reverses_its_sign_only() -> None:
    pos, edges = straight(4, 30.0)
    known = np.array([30.0, np.nan, np.nan, 20.0])
    turned = edges.copy()
    turned[1] = turned[1, ::-1]
    one = solve_flow(pos, edges, np.full(3, 4.0), known).velocity_mm_s
    two = solve_flow(pos, turned, np.full(3, 4.0), known).velocity_mm_s
    np.testing.assert_allclose(two, one * np.array([1.0, -1.0, 1.0]))


def test_viscosity_has_the_minimum_that_pries_found() -> None:
    radius = np.linspace(2.6, 50.0, 400)
    lowest = 2.0 * radius[np.argmin(viscosity_pa_s(radius))]
    assert 5.0 < lowest < 9.0
    assert viscosity_pa_s(np.array([250.0]))[0] == pytest.approx(1.2e-3 * 3.2, rel=0.1)
