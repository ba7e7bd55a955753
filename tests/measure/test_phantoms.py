"""Biomarkers on analytic phantoms: within 2 % (fractal dimension 5 %), on resampled copies within 5 %."""

import math

import numpy as np
import phantoms
import pytest
from numpy.typing import NDArray
from skimage.transform import resize

from chiasm.measure import Biomarkers, fractal_dimension, measure_masks, trace_skeleton

SIZES = (304, 400)
ANGLES = (0, 17, 45, 71, 122)
ELLIPSE_MM = (0.8, 0.5)


def measured(
    field: phantoms.Field, size_px: int = 304, faz: phantoms.Field | None = None, resample: int | None = None
) -> Biomarkers:
    """Biomarkers of a phantom, drawn at size_px and resampled to `resample` if that is given."""
    vessels = phantoms.coverage(field, size_px)
    hole = None if faz is None else phantoms.coverage(faz, size_px)
    if resample is not None:
        vessels = resampled(vessels, resample)
        hole = None if hole is None else resampled(hole, resample)
    return measure_masks(vessels, phantoms.FOV_MM, faz=None if hole is None else hole >= 0.5).biomarkers


def resampled(mask: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    copy = resize(mask, (size_px, size_px), order=1, anti_aliasing=size_px < len(mask))
    return np.clip(copy, 0, 1).astype(np.float32)


def ring_around(hole: phantoms.Field) -> phantoms.Field:
    return lambda r, c: ~np.asarray(hole(r, c))


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("radius_mm", [0.15, 0.29, 0.5])
def test_disc_faz(size_px: int, radius_mm: float) -> None:
    hole = phantoms.disc(radius_mm)
    found = measured(ring_around(hole), size_px, hole)
    assert found.value("faz_area") == pytest.approx(math.pi * radius_mm**2, rel=0.02)
    assert found.value("faz_perimeter") == pytest.approx(2 * math.pi * radius_mm, rel=0.02)
    assert found.value("faz_circularity") == pytest.approx(1.0, rel=0.02)
    assert found.value("faz_axis_ratio") == pytest.approx(1.0, rel=0.02)


def ellipse_truth() -> dict[str, float]:
    a, b = ELLIPSE_MM[0] / 2, ELLIPSE_MM[1] / 2
    h = ((a - b) / (a + b)) ** 2
    perimeter = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))  # Ramanujan
    area = math.pi * a * b
    return {
        "faz_area": area,
        "faz_perimeter": perimeter,
        "faz_circularity": 4 * math.pi * area / perimeter**2,
        "faz_axis_ratio": a / b,
    }


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("angle", np.deg2rad([0, 20, 45, 115]))
def test_ellipse_faz(size_px: int, angle: float) -> None:
    hole = phantoms.ellipse(*ELLIPSE_MM, angle)
    found = measured(ring_around(hole), size_px, hole)
    for name, truth in ellipse_truth().items():
        assert found.value(name) == pytest.approx(truth, rel=0.02), name


@pytest.mark.parametrize("radius_mm", [0.2, 0.35])
def test_faz_by_definition_is_the_disc_that_vessels_leave(radius_mm: float) -> None:
    found = measured(ring_around(phantoms.disc(radius_mm)))
    assert found.value("faz_area") == pytest.approx(math.pi * radius_mm**2, rel=0.02)


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("width_mm", [0.015, 0.03, 0.1])
def test_straight_tube_of_any_direction(size_px: int, width_mm: float) -> None:
    for angle in np.deg2rad(ANGLES):
        tube, length_mm = phantoms.tube_through(angle, width_mm)
        found = measured(tube, size_px)
        area = phantoms.FOV_MM**2
        assert found.value("skeleton_density") == pytest.approx(length_mm / area, rel=0.02)
        assert found.value("vessel_area_density") == pytest.approx(length_mm * width_mm / area, rel=0.02)
        assert found.value("vessel_diameter_index") == pytest.approx(1000 * width_mm, rel=0.02)
        assert found.value("tortuosity") == pytest.approx(1.0, rel=0.02)
        assert found.value("fractal_dimension") == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("size_px", SIZES)
def test_semicircle_has_tortuosity_half_pi(size_px: int) -> None:
    def arc(r: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.bool_]:
        ends = (np.hypot(r - 1.5, c - 0.7) <= 0.02) | (np.hypot(r - 1.5, c - 2.3) <= 0.02)
        return ends | ((np.abs(np.hypot(r - 1.5, c - 1.5) - 0.8) <= 0.02) & (r < 1.5))

    assert measured(arc, size_px).value("tortuosity") == pytest.approx(math.pi / 2, rel=0.02)


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("width_mm", [0.02, 0.06])
def test_y_junction(size_px: int, width_mm: float) -> None:
    junction, length_mm = phantoms.y_junction(width_mm)
    mask = phantoms.coverage(junction, size_px)
    skeleton = trace_skeleton(mask >= 0.5)
    assert len(skeleton.arc_px) == 3
    assert skeleton.free.all()
    found = measured(junction, size_px)
    assert found.value("skeleton_density") == pytest.approx(length_mm / phantoms.FOV_MM**2, rel=0.02)
    assert found.value("tortuosity") == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize(("spacing_mm", "width_mm"), [(0.1, 0.02), (0.12, 0.03)])
def test_grid(size_px: int, spacing_mm: float, width_mm: float) -> None:
    found = measured(phantoms.grid(spacing_mm, width_mm), size_px)
    assert found.value("vessel_area_density") == pytest.approx(1 - (1 - width_mm / spacing_mm) ** 2, rel=0.02)
    assert found.value("skeleton_density") == pytest.approx(2 / spacing_mm, rel=0.02)
    assert found.value("intercapillary_distance") == pytest.approx(1000 * (spacing_mm - width_mm), rel=0.02)
    assert found.value("tortuosity") == pytest.approx(1.0, rel=0.02)
    assert found.value("nonperfusion_fraction") == 0.0


@pytest.mark.parametrize("size_px", SIZES)
def test_nonperfused_half_of_a_grid(size_px: int) -> None:
    """Across a straight border the local density falls as a Gaussian integral: 55 % is met 0.126 sigma inside the grid."""
    border_mm, sigma_mm = 2.1, 0.08

    def halved(r: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.bool_]:
        return phantoms.grid(0.05, 0.015)(r, c) & (c < border_mm)

    truth = phantoms.FOV_MM - border_mm + 0.126 * sigma_mm
    found = measured(halved, size_px)
    assert found.value("nonperfusion_area") == pytest.approx(truth * phantoms.FOV_MM, rel=0.02)
    assert found.value("nonperfusion_fraction") == pytest.approx(truth / phantoms.FOV_MM, rel=0.02)


@pytest.mark.parametrize("size_px", SIZES)
def test_fractal_dimension_of_known_fractals(size_px: int) -> None:
    assert fractal_dimension(np.ones((size_px, size_px), bool)) == pytest.approx(2.0, rel=0.05)
    at = phantoms.koch() * 0.95 + [0.3, 0.02]
    between = np.linspace(0, 1, 4)[:, None, None]
    points = ((at[:-1] + (at[1:] - at[:-1]) * between).reshape(-1, 2) * size_px).astype(int)
    curve = np.zeros((size_px, size_px), bool)
    curve[points[:, 0], points[:, 1]] = True
    assert fractal_dimension(curve) == pytest.approx(math.log(4) / math.log(3), rel=0.05)
    pick = np.arange(size_px) * 243 // size_px
    assert fractal_dimension(carpet(5)[pick][:, pick]) == pytest.approx(math.log(8) / math.log(3), rel=0.05)


def carpet(depth: int) -> NDArray[np.bool_]:
    """Sierpinski's carpet."""
    mask = np.ones((1, 1), bool)
    for _ in range(depth):
        hole = np.zeros_like(mask)
        mask = np.block([[mask, mask, mask], [mask, hole, mask], [mask, mask, mask]])
    return mask


@pytest.mark.parametrize("resample", [228, 400, 512])
def test_resampled_copies_agree(resample: int) -> None:
    tube = phantoms.tube_through(np.deg2rad(35), 0.05)[0]
    cases = [
        (ring_around(phantoms.ellipse(*ELLIPSE_MM, 0.4)), phantoms.ellipse(*ELLIPSE_MM, 0.4)),
        (tube, None),
        (phantoms.y_junction(0.06)[0], None),
        (phantoms.grid(0.1, 0.03), None),
    ]
    for field, faz in cases:
        before, after = measured(field, 304, faz), measured(field, 304, faz, resample)
        assert {(v.name, v.region) for v in after.values} == {(v.name, v.region) for v in before.values}
        for value in before.values:
            again = after.value(value.name, value.region)
            assert again == pytest.approx(value.value, rel=0.05), f"{value.name} {value.region}"
