"""A grown eye: the same from the same parameters, mirrored for the other side, perfused, without dead ends or overlaps."""

from collections.abc import Callable

import numpy as np
import pytest

from chiasm.case import Layer, Node, Vessel
from chiasm.errors import InvalidInput
from chiasm.worlds.octa.anatomy import Anatomy, AnatomyParams, audit, grow, overlapping_pairs, sample_anatomy
from chiasm.worlds.octa.anatomy._contact import nearest_wall
from chiasm.worlds.octa.anatomy._trees import grow_forest

SEEDS = (0, 1, 2, 3)


def test_the_same_parameters_give_the_same_bits(plain: AnatomyParams) -> None:
    one, two = grow(plain), grow(AnatomyParams.model_validate_json(plain.model_dump_json()))
    for name in ("position_um", "edges", "radius_um", "speed_mm_s", "pressure_mmhg", "vessel", "layer", "order"):
        np.testing.assert_array_equal(getattr(one.graph, name), getattr(two.graph, name))
    np.testing.assert_array_equal(one.faz_outline_um, two.faz_outline_um)


def test_another_seed_gives_another_eye(plain: AnatomyParams) -> None:
    other = grow(plain.model_copy(update={"growth_seed": 12}))
    assert other.graph.n_edges != grow(plain).graph.n_edges


@pytest.mark.parametrize("left", [np.empty((0, 2)), np.array([[0.0, 0.0], [90.0, 0.0], [0.0, 90.0]])])
def test_an_eye_without_a_ring_around_the_faz_is_grown_from_the_next_seed(
    plain: AnatomyParams, monkeypatch: pytest.MonkeyPatch, left: np.ndarray
) -> None:
    from chiasm.worlds.octa.anatomy import _grow

    kept, taken = _grow.capillary_ring, []

    def first_ring_lost(*args: object) -> object:
        taken.append(1)
        return left if len(taken) == 1 else kept(*args)

    monkeypatch.setattr(_grow, "capillary_ring", first_ring_lost)
    again = grow(plain)
    next_seed = grow(plain.model_copy(update={"growth_seed": plain.growth_seed + 1}))
    assert again.params == plain
    np.testing.assert_array_equal(again.graph.position_um, next_seed.graph.position_um)
    monkeypatch.setattr(_grow, "capillary_ring", lambda *_: left)
    with pytest.raises(InvalidInput, match="no closed ring of capillaries around the FAZ"):
        grow(plain)


def test_a_left_eye_is_the_mirror_image_of_a_right_one(plain: AnatomyParams) -> None:
    params = plain.model_copy(update={"fixation_nasal_um": 70.0, "fixation_row_um": -40.0})
    right = grow(params)
    left = grow(params.model_copy(update={"laterality": "OS"}))
    np.testing.assert_array_equal(right.graph.edges, left.graph.edges)
    np.testing.assert_allclose(right.graph.position_um[:, 1], 3000.0 - left.graph.position_um[:, 1], atol=1e-3)
    np.testing.assert_array_equal(right.graph.position_um[:, [0, 2]], left.graph.position_um[:, [0, 2]])
    assert right.fovea_um == (1460.0, 1570.0)
    assert left.fovea_um == (1460.0, 1430.0)


def test_a_wider_field_shows_the_same_arteries_and_veins(plain: AnatomyParams) -> None:
    near, wide = grow_forest(plain), grow_forest(plain.model_copy(update={"fov_mm": 6.0}))
    np.testing.assert_array_equal(near.pos_um, wide.pos_um)
    np.testing.assert_array_equal(near.radius_um, wide.radius_um)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_vessels_pass_through_each_other(eye: Callable[..., Anatomy], seed: int) -> None:
    graph = eye(seed).graph
    assert len(overlapping_pairs(graph.position_um, graph.edges, graph.radius_um)) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_every_edge_is_perfused_and_runs_down_the_pressure(eye: Callable[..., Anatomy], seed: int) -> None:
    graph = eye(seed).graph
    assert np.isfinite(graph.speed_mm_s).all()
    assert (graph.speed_mm_s > 0).all()
    drop = graph.pressure_mmhg[graph.edges[:, 0]] - graph.pressure_mmhg[graph.edges[:, 1]]
    # float32 pressures near 30 mmHg resolve 4e-6 mmHg; a slow capillary may lose less than that along 20 um.
    assert drop.min() >= -4e-6
    assert audit(eye(seed)).perfused_share >= 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_blood_is_conserved_at_junctions(eye: Callable[..., Anatomy], seed: int) -> None:
    graph = eye(seed).graph
    flow = graph.speed_mm_s.astype(np.float64) * graph.radius_um.astype(np.float64) ** 2
    balance = np.bincount(graph.edges[:, 1], flow, graph.n_nodes) - np.bincount(graph.edges[:, 0], flow, graph.n_nodes)
    passing = np.bincount(graph.edges.ravel(), np.repeat(flow, 2), graph.n_nodes)
    inner = ~np.isin(graph.node, [Node.INLET, Node.OUTLET, Node.BORDER])
    assert np.abs(balance[inner]).sum() / passing[inner].sum() < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_capillaries_end_blindly_almost_nowhere(eye: Callable[..., Anatomy], seed: int) -> None:
    assert audit(eye(seed)).dead_end_share < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ring_around_the_faz_is_closed_and_holds_its_area(eye: Callable[..., Anatomy], seed: int) -> None:
    anatomy = eye(seed)
    outline = anatomy.faz_outline_um
    steps = np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1)
    assert steps.max() < 90.0, "the ring has a gap"
    assert audit(anatomy).faz_area_mm2 == pytest.approx(anatomy.params.effective_faz_area_mm2, rel=0.12)


def test_no_capillary_lies_inside_the_faz(eye: Callable[..., Anatomy]) -> None:
    from skimage.measure import points_in_poly

    anatomy = eye(0)
    graph = anatomy.graph
    outline = anatomy.faz_outline_um
    superficial = graph.position_um[np.unique(graph.edges[graph.layer == Layer.SVC]), :2]
    inside = superficial[points_in_poly(superficial, outline)].astype(np.float64)
    rim, _ = nearest_wall(inside, outline, np.roll(outline, 1, axis=0), np.zeros(len(outline)), 50.0)
    assert rim.max(initial=0.0) < 0.01


def test_deeper_layers_have_the_larger_faz(eye: Callable[..., Anatomy]) -> None:
    anatomy = eye(1)
    graph = anatomy.graph
    middle = graph.position_um[graph.edges].mean(axis=1)[:, :2] - np.array(anatomy.fovea_um)
    nearest = [np.hypot(*middle[graph.layer == layer].T).min() for layer in (Layer.SVC, Layer.DCP)]
    assert nearest[0] < nearest[1]


def test_arteries_supply_and_veins_drain(eye: Callable[..., Anatomy]) -> None:
    graph = eye(0).graph
    inlet = np.isin(graph.edges[:, 0], np.flatnonzero(graph.node == Node.INLET))
    outlet = np.isin(graph.edges[:, 1], np.flatnonzero(graph.node == Node.OUTLET))
    assert inlet.any()
    assert outlet.any()
    assert (graph.vessel[inlet] == Vessel.ARTERY).all()
    assert (graph.vessel[outlet] == Vessel.VEIN).all()


def test_calibre_never_grows_away_from_the_root(plain: AnatomyParams) -> None:
    forest = grow_forest(plain)
    child = np.flatnonzero((forest.parent >= 0) & (forest.parent[forest.parent] >= 0))
    assert (forest.radius_um[child] <= forest.radius_um[forest.parent[child]] + 1e-9).all()


def test_strahler_order_starts_at_the_tips(plain: AnatomyParams) -> None:
    forest = grow_forest(plain)
    tips = np.setdiff1d(np.arange(len(forest.parent)), forest.parent)
    assert set(np.unique(forest.order[tips])) <= {1, 4}
    assert (forest.order >= 1).all()


def test_age_lowers_density_and_widens_the_faz(plain: AnatomyParams) -> None:
    young, old = (audit(grow(plain.model_copy(update={"age_years": age}))) for age in (10.0, 80.0))
    assert old.faz_area_mm2 > 1.3 * young.faz_area_mm2
    for layer in (Layer.SVC, Layer.ICP, Layer.DCP):
        assert old.capillary_density_per_mm[layer] < young.capillary_density_per_mm[layer]


def test_disease_thins_the_bed_more_outside_the_macula(plain: AnatomyParams) -> None:
    wide = plain.model_copy(update={"fov_mm": 6.0})
    healthy, ill = (audit(grow(wide.model_copy(update={"rarefaction": share}))) for share in (0.0, 0.15))
    inner, outer = (healthy.ring_mm > 0.8) & (healthy.ring_mm < 1.8), healthy.ring_mm > 2.4
    left = [ill.density_per_mm[ring].mean() / healthy.density_per_mm[ring].mean() for ring in (inner, outer)]
    assert 0.8 < left[0] < 0.95
    assert left[1] < left[0] - 0.08


def test_cells_lie_on_both_sides_of_every_sheet_capillary(eye: Callable[..., Anatomy]) -> None:
    anatomy = eye(0)
    for layer, tissue in anatomy.tissue.items():
        cells = anatomy.edge_cells[(anatomy.graph.layer == layer) & (anatomy.edge_cells[:, 0] >= 0)]
        labels = tissue.label[cells]
        assert (labels[:, 0] != labels[:, 1]).all()
        assert len(tissue.points_um) == len(tissue.label) == len(tissue.area_um2)


@pytest.mark.parametrize("fov_mm", [2.0, 3.0, 4.5, 6.0])
def test_any_field_can_be_grown(fov_mm: float) -> None:
    graph = grow(sample_anatomy(np.random.default_rng(5), fov_mm=fov_mm)).graph
    assert graph.fov_um == fov_mm * 1000.0
    assert graph.n_edges > 2000.0 * fov_mm**2


def test_the_nasal_macula_is_reached_from_the_disc() -> None:
    """Between three and five vessels enter; trunks of the arcades cut few of them off before 1.8 mm from the fovea."""
    counts = []
    for seed in range(12):
        forest = grow_forest(sample_anatomy(np.random.default_rng([3, seed]), fov_mm=6.0))
        inner = np.flatnonzero(forest.parent >= 0)
        here, before = forest.pos_um[inner], forest.pos_um[forest.parent[inner]]
        enters = (here[:, 1] < 1800.0) & (before[:, 1] >= 1800.0) & (np.abs(here[:, 0]) < 1000.0)
        counts.append(int((enters & (forest.radius_um[inner] >= 6.0)).sum()))
    assert min(counts) >= 1
    assert np.mean(counts) > 2.5
