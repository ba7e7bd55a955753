"""Scores against values known by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.questions import giou, iou, mean_relative_accuracy, ordinal_accuracy, relative_accuracy, set_f1
from chiasm.questions._metrics import matched_distances, matched_ious, order_agreement
from chiasm.questions._numbers import convert, read_numbers

coordinate = st.floats(0, 1000, allow_nan=False)
boxes = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def test_iou_of_known_boxes() -> None:
    assert iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_giou_of_known_boxes() -> None:
    assert giou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7 - 2 / 9)
    assert giou((0, 0, 1, 1), (2, 0, 3, 1)) == pytest.approx(-1 / 3)


@given(boxes, boxes)
def test_giou_is_at_most_iou_and_both_are_symmetric(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert -1 <= giou(a, b) <= iou(a, b) + 1e-9 <= 1 + 1e-9
    assert iou(a, b) == pytest.approx(iou(b, a))


def test_matching_pairs_each_box_once() -> None:
    a, b = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 30.0, 30.0)
    assert matched_ious([b, a], [a, b]) == [1.0, 1.0]
    assert matched_ious([a, a], [a]) == [1.0]
    assert matched_ious([], [a]) == []
    assert matched_distances([(0.0, 0.0), (3.0, 4.0)], [(3.0, 4.0), (0.0, 1.0)]) == [1.0, 0.0]


def test_set_f1_of_known_sets() -> None:
    assert set_f1(set(), set()) == 1
    assert set_f1({"a"}, set()) == 0
    assert set_f1({"a", "b"}, {"b", "c"}) == 0.5


def test_ordinal_accuracy_falls_by_steps_to_zero() -> None:
    order = ("a", "b", "c", "d")
    assert [ordinal_accuracy(x, "a", order) for x in order] == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_order_agreement_is_the_longest_common_subsequence() -> None:
    assert order_agreement("abc", "abc") == 1
    assert order_agreement("acb", "abc") == pytest.approx(2 / 3)
    assert order_agreement("", "") == 1
    assert order_agreement("abcd", "dcba") == 0.25


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_relative_accuracies_stay_in_the_unit_interval(got: float, truth: float) -> None:
    assert 0 <= relative_accuracy(got, truth) <= 1
    assert 0 <= mean_relative_accuracy(got, truth) <= 1


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,234,567", 1234567, None),
        ("0,350", 0.35, None),
        ("12,5 mm", 12.5, "mm"),
        ("1.234,5", 1234.5, None),
        ("-3.2 %", -3.2, "%"),
        ("2e3", 2000, None),
        ("4 × 10^-2 mm²", 0.04, "mm2"),
        ("19.6 /mm", 19.6, "1/mm"),
        ("62 years old", 62, "years"),
    ],
)
def test_numbers_are_read_with_their_units(text: str, value: float, unit: str | None) -> None:
    from chiasm.questions._extract import fold

    (found,) = read_numbers(fold(text))
    assert found.value == pytest.approx(value)
    assert found.unit == unit


@given(st.floats(1e-3, 1e5), st.sampled_from(["mm", "um", "cm"]))
def test_a_written_length_converts_back(value: float, unit: str) -> None:
    (found,) = read_numbers(f"{value:.6f} {unit}")
    assert found.unit is not None
    back = convert(found.value, found.unit, "mm")
    assert back is not None
    assert math.isclose(back, convert(round(value, 6), unit, "mm") or 0, rel_tol=1e-9)


def test_units_of_different_things_do_not_convert() -> None:
    assert convert(1, "mm", "mm2") is None
    assert convert(1, "mm", "parsec") is None
    assert convert(37, "%", "1") == pytest.approx(0.37)
