"""Capillary sheets: borders of a partition, hence loops without dead ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.worlds.octa.anatomy._lattice import hash01, jittered_lattice
from chiasm.worlds.octa.anatomy._sheet import LABEL_FAZ, LABEL_OUTSIDE, Sheet, cut, mark, unite, weave

BOX = np.array([[-500.0, 500.0], [-500.0, 500.0]])


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    lattice = jittered_lattice(3, 100, 50.0, BOX + np.array([-100.0, 100.0]), 0.3)
    label = mark(lattice, BOX, np.full(len(lattice.points_um), 150.0))
    along = np.tile([1.0, 0.0], (len(label), 1))
    return weave(lattice, label, along, np.full(len(label), 3.0))


def test_no_junction_is_a_dead_end(sheet: Sheet) -> None:
    degree = np.bincount(sheet.edges.ravel(), minlength=len(sheet.pos_um))
    assert set(np.unique(degree)) <= {0, 2, 3}


def test_the_faz_is_ringed_and_empty(sheet: Sheet) -> None:
    in_faz = sheet.label[sheet.sides] == LABEL_FAZ
    assert not in_faz.all(axis=1).any()
    ring = sheet.edges[in_faz.any(axis=1)]
    degree = np.bincount(ring.ravel(), minlength=len(sheet.pos_um))
    assert set(np.unique(degree)) == {0, 2}


def test_nothing_lies_outside_the_perfused_box(sheet: Sheet) -> None:
    assert not (sheet.label[sheet.sides] == LABEL_OUTSIDE).all(axis=1).any()


def test_cells_are_long_in_the_direction_they_are_told(sheet: Sheet) -> None:
    step = sheet.pos_um[sheet.edges[:, 1]] - sheet.pos_um[sheet.edges[:, 0]]
    along, across = np.abs(step).sum(axis=0)
    assert along > 1.3 * across


def test_area_of_tissue_is_the_area_covered(sheet: Sheet) -> None:
    inside = (np.abs(sheet.points_um) < 500.0).all(axis=1)
    assert sheet.area_um2[inside].sum() == pytest.approx(1e6, rel=0.08)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_cutting_edges_keeps_junctions_whole(sheet: Sheet, seed: int) -> None:
    drop = np.random.default_rng(seed).random(len(sheet.edges)) < 0.1
    rest = cut(sheet, drop)
    degree = np.bincount(rest.edges.ravel(), minlength=len(rest.pos_um))
    assert (degree != 1).mean() > 0.995
    assert len(rest.edges) < len(sheet.edges)


def test_uniting_never_joins_two_special_labels() -> None:
    label = np.array([-1, 1, 2, -2])
    assert unite(label, np.array([[0, 3]])).tolist() == [-1, 1, 2, -2]
    assert unite(label, np.array([[0, 1], [1, 2]])).tolist() == [-1, -1, -1, -2]


def test_hash_is_uniform_and_belongs_to_its_place() -> None:
    i = np.arange(20_000)
    values = hash01(7, 3, i, i % 13)
    assert 0.0 <= values.min() < values.max() < 1.0
    assert np.abs(np.histogram(values, 10, (0.0, 1.0))[0] / 20_000 - 0.1).max() < 0.01
    np.testing.assert_array_equal(values[100:200], hash01(7, 3, i[100:200], i[100:200] % 13))
    assert np.abs(np.corrcoef(values, hash01(8, 3, i, i % 13))[0, 1]) < 0.03


def test_hash_is_pinned_so_that_eyes_stay_the_same_across_machines() -> None:
    expected = [float.fromhex(x) for x in ("0x1.d5a4d5473e050p-2", "0x1.00a84829efc00p-4", "0x1.fc023e06bfe0bp-1")]
    assert hash01(1, 2, np.array([0, 1, -1]), 0).tolist() == expected
