"""Fault 7: a question without a unique answer is not asked, and counted by its reason."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from fake_world import fake_plan, open_fake

from chiasm.case import Case, Finding, Laterality, Mask, Origin, Quantity, Region, View, Visibility
from chiasm.corpus import BuildOptions, build
from chiasm.questions import Item, Skip, ask


def two_areas(rows_of_second: int) -> Case:
    """Two areas of dropout left and right of a fovea; the second so many rows high, the first 20."""
    view = View(view_id="v", modality="OCTA en face", pixels=np.full((100, 100), 90, np.uint8), spacing_mm=(0.03, 0.03))
    findings = [
        Finding(finding_id="fovea", term="fovea", regions=(Region(view_id="v", points=((50.0, 50.0),)),)),
    ]
    for number, (col, rows) in enumerate(((5, 20), (70, rows_of_second))):
        mask = np.zeros((100, 100), dtype=bool)
        mask[40 : 40 + rows, col : col + 20] = True
        findings.append(
            Finding(
                finding_id=f"dropout-{number}",
                term="capillary dropout",
                regions=(Region(view_id="v", mask=Mask.from_array(mask)),),
                quantities=(Quantity(name="area", value=float(mask.sum()) * 0.0009, unit="mm2"),),
                visibility={"v": Visibility(visible=True)},
            )
        )
    origin = Origin(kind="world", name="phantom", version="1", params={})
    return Case(case_id="c", patient_id="p", views=(view,), findings=tuple(findings), origin=origin)


def asked(case: Case) -> Item | Skip:
    return ask(case, "largest-dropout-sector", np.random.default_rng(0))


def test_a_tie_for_the_largest_is_not_asked():
    tie = asked(two_areas(20))
    assert isinstance(tie, Skip)
    assert not tie.missing
    assert tie.reason
    clear = asked(two_areas(40))
    assert isinstance(clear, Item)
    assert Laterality.NONE.value == two_areas(40).views[0].laterality.value


def test_nothing_to_choose_from_is_said_to_be_missing():
    case = two_areas(40)
    empty = case.model_copy(update={"findings": case.findings[:1]})
    skip = asked(empty)
    assert isinstance(skip, Skip)
    assert skip.missing


def test_what_was_not_asked_is_counted_by_reason_in_manifest_and_summary(tmp_path):
    plan = fake_plan(programs=("dropout half",), questions=1)
    summary = build(plan, tmp_path, BuildOptions(workers=1), workshop=open_fake)
    counts = summary.manifest.counts()
    skipped = counts["skipped:dropout half:ambiguous: no single region"]
    assert skipped + counts["program:dropout half"] == counts["images"]
    assert f"{skipped} questions were not asked" in summary.text()
    rows = [r for p in (tmp_path / "data").iterdir() for r in pq.read_table(p).to_pylist()]
    for row in rows:
        if row["program"] == "dropout half":
            assert sum(f["term"] == "capillary dropout" for f in row["findings"]) == 1
