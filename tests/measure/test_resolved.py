"""What a beam resolves, on phantoms: lone, parallel, faint and wide vessels."""

import numpy as np
import phantoms
import pytest
from numpy.typing import NDArray

from chiasm.case import Laterality
from chiasm.measure import Biomarkers, Scale, measure_resolved, resolved_vessels, trace_skeleton

CAPILLARY_MM = 0.008
PX = 3.0 / 304


def parallel(gap_mm: float, width_mm: float = CAPILLARY_MM, tilt: float = 0.1) -> NDArray[np.float32]:
    """Two straight vessels across the field whose middles are `gap_mm` apart."""
    lines = [phantoms.tube_through(tilt, width_mm, (1.5 + shift * gap_mm, 1.5))[0] for shift in (-0.5, 0.5)]
    return phantoms.coverage(phantoms.union(*lines))


def measure(projection: NDArray[np.float32], fovea: tuple[float, float] | None = None) -> Biomarkers:
    return measure_resolved(projection, 3.0, fovea, Laterality.OD)


@pytest.mark.parametrize("tilt", [0.0, 0.1, 0.5, np.pi / 4])
def test_a_lone_capillary_is_resolved_in_full_length(tilt: float) -> None:
    tube, length_mm = phantoms.tube_through(tilt, CAPILLARY_MM)
    found = measure(phantoms.coverage(tube))
    assert found.value("resolved_skeleton_density") == pytest.approx(length_mm / 9, rel=0.02)
    assert found.value("resolved_vessel_area_density") * 9 / length_mm == pytest.approx(0.0145, abs=0.006)  # 1 to 2 px


@pytest.mark.parametrize(("gap_mm", "seen"), [(0.060, 2), (0.030, 2), (0.010, 1), (0.006, 1)])
def test_vessels_closer_than_the_beam_merge(gap_mm: float, seen: int) -> None:
    _, length_mm = phantoms.tube_through(0.1, CAPILLARY_MM)
    density = measure(parallel(gap_mm)).value("resolved_skeleton_density")
    assert density == pytest.approx(seen * length_mm / 9, rel=0.03)


@pytest.mark.parametrize(("contrast", "seen"), [(1.0, True), (0.5, True), (0.15, False)])
def test_faint_vessels_are_not_resolved(contrast: float, seen: bool) -> None:
    tube, _ = phantoms.tube_through(0.3, CAPILLARY_MM)
    vessels = resolved_vessels(contrast * phantoms.coverage(tube), Scale(PX * 1000))
    assert bool(vessels.any()) is seen


def test_a_wide_vessel_has_one_centre_line_and_its_own_width() -> None:
    tube, length_mm = phantoms.tube_through(0.1, 0.08)
    found = measure(phantoms.coverage(tube))
    assert found.value("resolved_skeleton_density") == pytest.approx(length_mm / 9, rel=0.02)
    assert found.value("resolved_vessel_area_density") * 9 / length_mm == pytest.approx(0.08, rel=0.1)


def test_a_faint_vessel_beside_a_bright_one_is_hidden() -> None:
    bright, length_mm = phantoms.tube_through(0.1, CAPILLARY_MM, (1.5, 1.5))
    faint, _ = phantoms.tube_through(0.1, CAPILLARY_MM, (1.512, 1.5))
    both = np.maximum(phantoms.coverage(bright), 0.5 * phantoms.coverage(faint))
    assert measure(both).value("resolved_skeleton_density") == pytest.approx(length_mm / 9, rel=0.03)


def test_a_crowded_mesh_resolves_less_than_it_holds_and_an_open_one_all() -> None:
    for spacing_mm, all_of_it in ((0.1, True), (0.018, False)):
        mesh = phantoms.coverage(phantoms.grid(spacing_mm, CAPILLARY_MM))
        exact = 2 / spacing_mm
        found = measure(mesh).value("resolved_skeleton_density")
        assert (found > 0.9 * exact) is all_of_it


def test_regions_average_to_the_field_and_mirror_with_the_eye() -> None:
    mesh = phantoms.coverage(phantoms.grid(0.09, CAPILLARY_MM))
    right = measure_resolved(mesh, 3.0, (150.0, 140.0), Laterality.OD)
    left = measure_resolved(mesh[:, ::-1], 3.0, (150.0, 164.0), Laterality.OS)
    assert right.has("resolved_skeleton_density", "inner.nasal")
    for value in right.values:
        assert left.value(value.name, value.region) == pytest.approx(value.value, rel=0.03)
    field = right.value("resolved_skeleton_density")
    assert right.value("resolved_skeleton_density", "inner") == pytest.approx(field, rel=0.1)


def test_an_empty_projection_has_no_vessels() -> None:
    nothing = np.zeros((64, 64), np.float32)
    assert not resolved_vessels(nothing, Scale(10.0)).any()
    assert trace_skeleton(resolved_vessels(nothing, Scale(10.0))).total_px == 0
