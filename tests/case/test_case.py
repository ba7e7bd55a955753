import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from chiasm.case import Case, Fact, Finding, Mask, Origin, Quantity, Region, View, read_cases, term, write_cases
from chiasm.errors import ChiasmError, InvalidInput, Unanswerable, UnknownName


def test_json_round_trip_keeps_everything(two_visits: Case) -> None:
    back = Case.from_json(two_visits.to_json())
    assert back == two_visits.model_copy(update={"graphs": {}})
    assert back.sha256 == two_visits.sha256
    assert [v.pixels.dtype for v in back.views] == [np.int16, np.uint8, np.float32]


def test_parquet_round_trip_keeps_everything_and_the_graph(two_visits: Case, tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    write_cases([two_visits, two_visits.model_copy(update={"case_id": "case-2"})], path)
    first, second = read_cases(path)
    assert first.model_copy(update={"graphs": {}}) == two_visits.model_copy(update={"graphs": {}})
    assert second.case_id == "case-2"
    a, b = first.graphs["OD@1"], two_visits.graphs["OD@1"]
    for name in (
        "position_um",
        "edges",
        "edge_id",
        "radius_um",
        "vessel",
        "layer",
        "order",
        "speed_mm_s",
        "pressure_mmhg",
    ):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.fov_um == b.fov_um


def test_changed_row_is_refused_by_its_hash(two_visits: Case, tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    write_cases([two_visits], path)
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["case"] = rows[0]["case"].replace('"value": 61', '"value": 16')
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    with pytest.raises(InvalidInput, match="does not match its hash"):
        list(read_cases(path))


def test_truncated_parquet_is_refused(two_visits: Case, tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    write_cases([two_visits], path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match="not a readable Parquet"):
        list(read_cases(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=2), "schema_version must be 1, got 2"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d["findings"][0].update(term="dropot"), "did you mean"),
        (lambda d: d["findings"][0]["regions"][0].update(view_id="nowhere"), "no view 'nowhere'"),
        (lambda d: d["findings"][0]["regions"][0]["mask"].update(counts="5"), "sum to the mask's size"),
        (lambda d: d["findings"][0]["regions"][0].update(box=[[0, 0], [9, 9]]), "coordinates must lie in"),
        (lambda d: d["findings"][1]["regions"][0].update(points=[[1, 2]]), "coordinates need 3 numbers"),
        (lambda d: d["findings"][0]["quantities"][0].update(unit="furlong"), "unit must be one of"),
        (lambda d: d["views"][0].update(spacing_mm=[5.0, -0.8, 0.8]), "spacing_mm must be > 0"),
        (lambda d: d["views"][0]["pixels"].update(shape=[4, 6, 6]), "do not match"),
        (lambda d: d["views"][0]["pixels"].update(dtype="|O"), "do not match"),
        (lambda d: d["views"].append(d["views"][0]), "view ids must be unique"),
        (lambda d: d["facts"][0].update(view_id="x"), "no view 'x'"),
        (lambda d: d["origin"].update(params=None), "needs its params"),
    ],
)
def test_broken_record_is_refused_with_its_place(two_visits: Case, change, message: str) -> None:
    data = json.loads(two_visits.to_json())
    change(data)
    with pytest.raises(InvalidInput, match=message):
        Case.from_json(json.dumps(data))


def test_not_json_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must be JSON"):
        Case.from_json(b"<html>")
    with pytest.raises(InvalidInput, match="schema_version"):
        Case.from_json("[1]")


def test_records_are_frozen(two_visits: Case) -> None:
    with pytest.raises(ValidationError):
        two_visits.case_id = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        two_visits.views[0].pixels[0, 0, 0] = 1


def test_view_keeps_its_own_copy_of_the_pixels() -> None:
    pixels = np.zeros((2, 2), dtype=np.uint8)
    view = View(view_id="a", modality="CT", pixels=pixels)
    pixels[0, 0] = 9
    assert view.pixels[0, 0] == 0


def test_find_respects_eye_visit_and_visibility(two_visits: Case) -> None:
    assert [f.finding_id for f in two_visits.find("capillary dropout", view_id="od-v1-inner", visible=True)] == [
        "dropout-1"
    ]
    assert not list(two_visits.find("capillary dropout", view_id="od-v1-inner", visible=False))
    assert not list(two_visits.find("capillary dropout", view_id="fa-v1"))  # the other eye
    assert not list(two_visits.find("capillary dropout", view_id="ct-v0"))  # the other visit


def test_fact_prefers_the_closest_statement(two_visits: Case) -> None:
    assert two_visits.fact_value("stage", view_id="od-v1-inner") == "early-npdr"
    assert two_visits.fact_value("age", view_id="od-v1-inner") == 61
    assert two_visits.fact_value("stage", view_id="fa-v1") is None


def test_missing_spacing_refuses_lengths(two_visits: Case) -> None:
    assert two_visits.view("ct-v0").axis_spacing_mm("slice") == 5.0
    with pytest.raises(Unanswerable, match="state the field of view"):
        two_visits.view("fa-v1").axis_spacing_mm("row")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValidationError):
        Quantity(name="area", value=value, unit="mm2")
    with pytest.raises(ValidationError):
        Fact(name="age", value=value)
    with pytest.raises(ValidationError):
        View(view_id="a", modality="CT", pixels=np.array([[value]]))


def test_origin_refuses_foreign_params(two_visits: Case) -> None:
    origin = Origin(kind="world", name="octa", version="1", params={"a": np.float32(1)})
    with pytest.raises(ValidationError, match="plain JSON"):
        Case(case_id="c", patient_id="p", views=(), origin=origin)


def test_source_origin_needs_hash_and_licence() -> None:
    with pytest.raises(ValidationError, match="needs file, sha256 and licence"):
        Origin(kind="source", name="octa500", version="1", file="a.png")


def test_synonyms_name_the_same_term() -> None:
    assert term("MA").name == term("microaneurysms").name == "microaneurysm"
    assert Finding(finding_id="1", term="IRMA").term == "intraretinal microvascular abnormality"
    with pytest.raises(UnknownName, match="did you mean 'microaneurysm'"):
        term("microaneurism")


def test_region_needs_content_and_order() -> None:
    with pytest.raises(ValidationError, match="needs a mask"):
        Region(view_id="a")
    with pytest.raises(ValidationError, match="start <= stop"):
        Region(view_id="a", box=((3, 3), (2, 4)))


def test_mask_area_counts_pixels() -> None:
    mask = np.zeros((5, 7), dtype=bool)
    mask[2, 3:6] = True
    assert Mask.from_array(mask).area == 3
    assert issubclass(InvalidInput, ChiasmError)
