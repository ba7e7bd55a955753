"""The ETDRS grid: areas, names, sides of the eye."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.case import Laterality
from chiasm.measure import etdrs_grid, horizontal_names, sector_of

MM = 6.5 / 650


@pytest.fixture(scope="module")
def grid() -> dict[str, np.ndarray]:
    return {r.name: r.mask for r in etdrs_grid((650, 650), MM, (325.0, 325.0), Laterality.OD)}


@pytest.mark.parametrize(
    ("name", "area_mm2"),
    [
        ("centre", math.pi * 0.25),
        ("inner", math.pi * 2.0),
        ("outer", math.pi * 6.75),
        ("inner.superior", math.pi / 2),
        ("inner.nasal", math.pi / 2),
        ("outer.temporal", math.pi * 6.75 / 4),
    ],
)
def test_areas_are_those_of_etdrs(grid: dict[str, np.ndarray], name: str, area_mm2: float) -> None:
    assert grid[name].sum() * MM**2 == pytest.approx(area_mm2, rel=0.01)


def test_sectors_divide_their_ring(grid: dict[str, np.ndarray]) -> None:
    for ring in ("inner", "outer"):
        sectors = [mask for name, mask in grid.items() if name.startswith(f"{ring}.")]
        assert len(sectors) == 4
        np.testing.assert_array_equal(np.sum(sectors, axis=0), grid[ring])


def test_nasal_is_right_in_a_right_eye_and_left_in_a_left_eye() -> None:
    assert horizontal_names(Laterality.OD) == ("temporal", "nasal")
    assert horizontal_names(Laterality.OS) == ("nasal", "temporal")
    assert horizontal_names(Laterality.UNKNOWN) == ("left", "right")
    right = {r.name: r.mask for r in etdrs_grid((304, 304), 0.01, (152.0, 152.0), Laterality.OD)}
    assert right["inner.nasal"][152, 152 + 100]
    assert right["inner.superior"][152 - 100, 152]


def test_mirrored_left_eye_has_the_same_regions_as_the_right() -> None:
    right = {r.name: r.mask for r in etdrs_grid((200, 200), 0.015, (90.0, 110.0), Laterality.OD)}
    left = {r.name: r.mask for r in etdrs_grid((200, 200), 0.015, (90.0, 90.0), Laterality.OS)}
    assert right.keys() == left.keys()
    for name, mask in right.items():
        np.testing.assert_array_equal(mask[:, ::-1], left[name])


@given(st.floats(0, 300), st.floats(0, 300), st.sampled_from([Laterality.OD, Laterality.OS, Laterality.UNKNOWN]))
def test_sector_of_a_point_is_the_sector_whose_mask_holds_it(row: float, col: float, side: Laterality) -> None:
    pixel = int(row), int(col)
    middle = pixel[0] + 0.5, pixel[1] + 0.5
    fovea = 150.25, 149.75
    for region in etdrs_grid((301, 301), 0.01, fovea, side):
        if "." in region.name and region.mask[pixel]:
            assert region.name.split(".")[1] == sector_of(middle, fovea, side)


def test_inside_share_falls_as_the_fovea_leaves_the_field() -> None:
    whole = {r.name: r.inside for r in etdrs_grid((304, 304), 3 / 304, (152.0, 152.0), Laterality.OD)}
    shifted = {r.name: r.inside for r in etdrs_grid((304, 304), 3 / 304, (152.0, 60.0), Laterality.OD)}
    assert whole["inner"] == pytest.approx(1.0, abs=0.01)
    assert shifted["inner"] < 0.8
    assert shifted["inner.temporal"] < shifted["inner.nasal"]
