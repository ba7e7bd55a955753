"""Biomarkers of the graph: exact lengths, clipping, branches."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from chiasm.case import Layer, Node, Vessel, VesselGraph
from chiasm.errors import Unanswerable
from chiasm.measure import branch_tortuosity, length_inside_um, measure_graph


def make(
    points: NDArray[np.float64], edges: list[tuple[int, int]], radius_um: float | list[float] = 5.0
) -> VesselGraph:
    n, e = len(points), len(edges)
    return VesselGraph(
        fov_um=3000.0,
        position_um=points,
        node=np.full(n, Node.JOINT),
        edges=np.array(edges, dtype=np.int32).reshape(-1, 2),
        edge_id=np.arange(e),
        radius_um=np.broadcast_to(radius_um, e),
        vessel=np.full(e, Vessel.CAPILLARY),
        layer=np.full(e, Layer.SVC),
        order=np.zeros(e),
        speed_mm_s=np.full(e, np.nan),
        pressure_mmhg=np.full(n, np.nan),
    )


def chain(points: NDArray[np.float64]) -> VesselGraph:
    return make(points, [(i, i + 1) for i in range(len(points) - 1)])


def arc(centre: tuple[float, float], radius: float, n: int = 200) -> NDArray[np.float64]:
    at = np.linspace(0, math.pi, n)
    return np.stack([centre[0] + radius * np.sin(at), centre[1] + radius * np.cos(at), np.full(n, 30.0)], axis=1)


def test_straight_line_has_its_length_and_tortuosity_one() -> None:
    found = measure_graph(chain(np.linspace([100, 200, 0], [1300, 1800, 0], 9)))
    assert found.value("length_density") == pytest.approx(2.0 / 9, rel=1e-5)
    assert found.value("branch_tortuosity") == pytest.approx(1.0, abs=1e-5)
    assert found.value("mean_radius", "capillary") == pytest.approx(5.0)


def test_semicircle_has_tortuosity_half_pi() -> None:
    assert branch_tortuosity(chain(arc((1500, 1500), 400))) == pytest.approx(math.pi / 2, rel=1e-3)


def test_y_junction_is_three_branches() -> None:
    points = np.array([[1500, 1500, 0], [1000, 1500, 0], [1800, 1900, 0], [1800, 1100, 0]], dtype=float)
    found = measure_graph(make(points, [(1, 0), (0, 2), (0, 3)]))
    assert found.value("length_density") == pytest.approx((0.5 + 2 * 0.5) / 9, rel=1e-5)
    assert found.value("branch_tortuosity") == pytest.approx(1.0, abs=1e-5)


def test_vessels_are_clipped_at_the_field() -> None:
    points = np.array(
        [[-500, 1500, 0], [500, 1500, 0], [2000, -100, 0], [2000, -50, 0], [-10, -10, 0], [3010, 3010, 0]], dtype=float
    )
    inside = length_inside_um(make(points, [(0, 1), (2, 3), (4, 5)]))
    np.testing.assert_allclose(inside, [500, 0, 3000 * math.sqrt(2)], rtol=1e-5)


def test_vessels_along_the_outside_do_not_count() -> None:
    inside = length_inside_um(make(np.array([[-5, 100, 0], [-5, 900, 0]], dtype=float), [(0, 1)]))
    assert inside.sum() == 0


def test_mean_radius_is_weighted_by_length() -> None:
    points = np.array([[100, 100, 0], [400, 100, 0], [500, 100, 0]], dtype=float)
    found = measure_graph(make(points, [(0, 1), (1, 2)], [4.0, 12.0]))
    assert found.value("mean_radius") == pytest.approx(6.0)


def test_absent_vessels_have_zero_density_and_no_radius() -> None:
    found = measure_graph(chain(np.linspace([100, 200, 0], [1300, 1800, 0], 9)))
    assert found.value("length_density", "artery") == 0
    with pytest.raises(Unanswerable, match="no such vessel"):
        found.get("mean_radius", "artery")


def test_loops_have_no_tortuosity() -> None:
    ring = np.stack(
        [
            1500 + 300 * np.sin(np.arange(60) / 60 * 2 * np.pi),
            1500 + 300 * np.cos(np.arange(60) / 60 * 2 * np.pi),
            np.zeros(60),
        ],
        axis=1,
    )
    assert math.isnan(branch_tortuosity(make(ring, [(i, (i + 1) % 60) for i in range(60)])))


def test_empty_graph_is_measured_as_empty() -> None:
    found = measure_graph(make(np.zeros((0, 3)), []))
    assert found.value("length_density") == 0
