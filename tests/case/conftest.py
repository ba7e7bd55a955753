"""One fixture that exercises every lasting part of a Case: 3D, two visits, both eyes, a vessel graph."""

import numpy as np
import pytest

from chiasm.case import (
    Case,
    Fact,
    Finding,
    Laterality,
    Mask,
    Origin,
    Quantity,
    Region,
    VesselGraph,
    View,
    Visibility,
    eye_key,
)


def small_graph() -> VesselGraph:
    """A Y-junction: an inlet, a junction, a tip and a border node."""
    return VesselGraph(
        fov_um=3000.0,
        position_um=np.array([[0, 1500, 20], [900, 1500, 20], [1500, 1200, 25], [1500, 1800, 25]]),
        node=np.array([1, 3, 5, 6]),
        edges=np.array([[0, 1], [1, 2], [1, 3]]),
        edge_id=np.array([10, 4, 7]),
        radius_um=np.array([12.0, 8.0, 3.0]),
        vessel=np.array([1, 1, 3]),
        layer=np.array([2, 2, 3]),
        order=np.array([2, 1, 0]),
        speed_mm_s=np.array([8.0, 4.0, np.nan]),
        pressure_mmhg=np.array([40.0, 38.0, 30.0, np.nan]),
    )


@pytest.fixture
def graph() -> VesselGraph:
    return small_graph()


@pytest.fixture
def two_visits() -> Case:
    rng = np.random.default_rng(0)
    mask = np.zeros((4, 6, 5), dtype=bool)
    mask[1:3, 2:5, 1:3] = True
    volume = View(
        view_id="ct-v0",
        modality="CT",
        pixels=rng.integers(-1000, 1000, (4, 6, 5), dtype=np.int16),
        axes=("slice", "row", "col"),
        spacing_mm=(5.0, 0.8, 0.8),
    )
    eye = View(
        view_id="od-v1-inner",
        modality="OCTA en face",
        pixels=rng.integers(0, 255, (8, 9), dtype=np.uint8),
        spacing_mm=(0.01, 0.01),
        laterality=Laterality.OD,
        visit=1,
        attributes={"slab": "inner retina", "fov_mm": 3.0},
    )
    video = View(
        view_id="fa-v1",
        modality="fluorescein angiography",
        pixels=rng.random((3, 4, 4)).astype(np.float32),
        axes=("time", "row", "col"),
        spacing_mm=(None, None, None),
        laterality=Laterality.OS,
        visit=1,
    )
    dropout = Finding(
        finding_id="dropout-1",
        term="non-perfusion",
        laterality=Laterality.OD,
        visit=1,
        regions=(Region(view_id="od-v1-inner", mask=Mask.from_array(np.eye(8, 9, dtype=bool)), box=((0, 0), (8, 8))),),
        attributes={"completeness": "partial"},
        quantities=(Quantity(name="area", value=0.21, unit="mm2", tolerance=0.02),),
        visibility={"od-v1-inner": Visibility(visible=True, contrast_to_noise=2.5)},
    )
    lesion = Finding(
        finding_id="shadow-1",
        term="shadow",
        regions=(
            Region(
                view_id="ct-v0",
                mask=Mask.from_array(mask),
                box=((1, 2, 1), (3, 5, 3)),
                points=((1.5, 3.0, 2.0),),
                polyline=((1.0, 2.0, 1.0), (2.0, 4.0, 2.0)),
            ),
        ),
    )
    return Case(
        case_id="case-1",
        patient_id="p-1",
        views=(volume, eye, video),
        findings=(dropout, lesion),
        facts=(
            Fact(name="age", value=61, unit="years"),
            Fact(name="stage", value="healthy", laterality=Laterality.OD, visit=0),
            Fact(name="stage", value="early-npdr", laterality=Laterality.OD, visit=1),
        ),
        origin=Origin(kind="world", name="octa", version="1", params={"seed": 7, "faz": [0.3, None, True, "x"]}),
        graphs={eye_key(Laterality.OD, 1): small_graph()},
    )
