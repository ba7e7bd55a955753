"""Fault 13: malformed run lengths, polygons outside the image, unknown labels: refused in Python, before any C decoder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chiasm.case import Case, Finding, Mask, Origin, Region, View, counts_to_mask, text_to_counts
from chiasm.corpus._export_coco import Coco
from chiasm.errors import InvalidInput, UnknownName

SIZE = (6, 5)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_text_is_a_mask_of_the_size_or_refused(text):
    try:
        mask = counts_to_mask(text_to_counts(text), SIZE)
    except InvalidInput:
        return
    assert mask.shape == SIZE


@given(st.lists(st.integers(-(2**40), 2**40), max_size=12))
def test_any_counts_are_a_mask_of_the_size_or_refused(counts):
    if all(c >= 0 for c in counts) and sum(counts) == 30:
        assert counts_to_mask(counts, SIZE).shape == SIZE
    else:
        with pytest.raises(InvalidInput, match="RLE counts must"):
            counts_to_mask(counts, SIZE)


@pytest.mark.parametrize("size", [(-1, -30), (10**9, 10**9), (0, 0), (30,)])
def test_absurd_sizes_are_refused_or_empty(size):
    if size == (30,):
        assert Mask(size=size, counts="n0").to_array().shape == size
    else:
        with pytest.raises(ValidationError):
            Mask(size=size, counts="n0")


def view() -> View:
    return View(view_id="v", modality="OCTA en face", pixels=np.zeros(SIZE, np.uint8))


@pytest.mark.parametrize(
    "region",
    [
        {"polyline": ((0.0, 0.0), (7.0, 2.0))},
        {"points": ((-1.0, 2.0),)},
        {"box": ((0.0, 0.0), (6.0, 5.5))},
        {"mask": Mask.from_array(np.ones((5, 6), dtype=bool))},
    ],
)
def test_regions_outside_the_image_are_refused(region):
    finding = Finding(finding_id="f", term="microaneurysm", regions=(Region(view_id="v", **region),))
    with pytest.raises(ValidationError, match=r"must lie in|mask of"):
        Case(
            case_id="c",
            patient_id="p",
            views=(view(),),
            findings=(finding,),
            origin=Origin(kind="world", name="phantom", version="1", params={}),
        )


def test_unknown_labels_are_refused_with_the_nearest():
    with pytest.raises((UnknownName, ValidationError), match="did you mean 'microaneurysm'"):
        Finding(finding_id="f", term="microanuerism")


def test_export_never_hands_a_malformed_mask_on():
    finding = {"finding_id": "f", "term": "microaneurysm", "box": None, "visible": True, "attributes": "{}"}
    with pytest.raises(InvalidInput, match="finding f has a malformed mask"):
        Coco().add("a.png", SIZE, [finding | {"mask_size": [6, 5], "mask_counts": "0000"}], {"attributes": "{}"})
