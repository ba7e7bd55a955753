"""Fault 12: missing or absurd pixel spacing and laterality: lengths are refused, never guessed; unknown is a value."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from chiasm.case import Case, Finding, Laterality, Mask, Origin, Region, View, Visibility
from chiasm.errors import Unanswerable
from chiasm.questions import Item, Skip, ask, programs


def case(**view: object) -> Case:
    """An image with a FAZ and one area of dropout, and whatever the view is said to be."""
    zone, area = np.zeros((100, 100), dtype=bool), np.zeros((100, 100), dtype=bool)
    zone[45:55, 45:55] = area[10:30, 60:90] = True
    eye = view.get("laterality", Laterality.NONE)
    findings = [
        Finding(
            finding_id=name,
            term=name,
            laterality=eye,
            regions=(Region(view_id="v", mask=Mask.from_array(mask)),),
            visibility={"v": Visibility(visible=True)},
        )
        for name, mask in (("foveal avascular zone", zone), ("capillary dropout", area))
    ]
    fovea = Finding(
        finding_id="fovea", term="fovea", laterality=eye, regions=(Region(view_id="v", points=((50.0, 50.0),)),)
    )
    pixels = np.full((100, 100), 90, np.uint8)
    origin = Origin(kind="world", name="phantom", version="1", params={})
    views = (View(view_id="v", modality="OCTA en face", pixels=pixels, **view),)
    return Case(case_id="c", patient_id="p", views=views, findings=(*findings, fovea), origin=origin)


@pytest.mark.parametrize("spacing", [(0.0, 0.01), (-0.01, 0.01), (float("nan"), 0.01), (float("inf"), 0.01), (0.01,)])
def test_absurd_spacing_is_refused(spacing):
    with pytest.raises(ValidationError, match=r"spacing_mm|finite"):
        case(spacing_mm=spacing)


def test_without_spacing_lengths_are_refused_and_no_question_needs_one():
    blind = case(spacing_mm=None)
    with pytest.raises(Unanswerable, match=r"no pixel spacing along 'row'.*state the field of view"):
        blind.views[0].axis_spacing_mm("row")
    for name, program in programs().items():
        if program.expects == "number" and not program.pair:
            asked = ask(blind, name, np.random.default_rng(1))
            if isinstance(asked, Item):  # shares and ratios need no spacing
                assert asked.key.answer.kind != "number" or asked.key.answer.unit in ("%", "1"), name
    seen = ask(blind, "dropout-present", np.random.default_rng(1))
    assert isinstance(seen, Item)
    assert " mm" not in seen.prompt


@pytest.mark.parametrize("eye", [Laterality.NONE, Laterality.UNKNOWN])
def test_without_a_known_eye_nothing_is_nasal_or_temporal(eye):
    unknown = case(spacing_mm=(0.03, 0.03), laterality=eye)
    for name, program in programs().items():
        if program.pair:
            continue
        asked = ask(unknown, name, np.random.default_rng(2))
        if isinstance(asked, Skip):
            continue
        words = f"{asked.prompt} {asked.reasoning} {asked.answer_text} {' '.join(asked.options)}"
        assert "nasal" not in words, (name, words)
        assert "temporal" not in words, (name, words)


def test_unknown_laterality_survives_json():
    there = case(spacing_mm=(0.03, 0.03), laterality=Laterality.UNKNOWN)
    assert Case.from_json(there.to_json()).views[0].laterality is Laterality.UNKNOWN
