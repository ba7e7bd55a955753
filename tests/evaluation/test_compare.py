"""Two evaluations against each other."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.exams import Constant, Looker, Oracle, stage, yes_no

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation import EvaluationOptions, compare, evaluate, make_exam

BARE = EvaluationOptions(quiet=True, controls=False)


def test_folders_are_compared_item_by_item(tmp_path: Path) -> None:
    exam = make_exam("stages", [stage(k, k % 4) for k in range(120)], [])
    wrong = [i.item_id for i in exam.items][:30]
    evaluate([Oracle(exam, name="one")], [exam], tmp_path / "a", BARE)
    evaluate([Oracle(exam, name="two", wrong=wrong)], [exam], tmp_path / "b", BARE)
    result = compare(tmp_path / "a", tmp_path / "b")
    (pair,) = result.pairs
    assert pair.difference == pytest.approx(0.25)
    assert (pair.only_a, pair.only_b, pair.n) == (30, 0, 120)
    assert pair.n_needed is not None
    assert pair.n_needed < 120
    assert 0 < pair.detectable < 0.25
    assert result.notes == ()
    assert "A better on 1 tasks" in result.text()
    assert compare(tmp_path / "b", tmp_path / "a").pairs[0].difference == pytest.approx(-0.25)


def test_a_folder_equals_itself(tmp_path: Path) -> None:
    exam = make_exam("bright", [yes_no(k, k % 2 == 0) for k in range(40)], [])
    evaluate([Looker()], [exam], tmp_path, BARE)
    for pair in compare(tmp_path, tmp_path).pairs:
        assert pair.difference == 0
        assert pair.p_adjusted == 1


def test_controls_and_several_models_are_chosen_by_name(tmp_path: Path) -> None:
    exam = make_exam("bright", [yes_no(k, k % 2 == 0) for k in range(40)], [])
    evaluate([Looker(), Constant("no")], [exam], tmp_path, EvaluationOptions(quiet=True))
    with pytest.raises(InvalidInput, match="looker, constant; say which"):
        compare(tmp_path, tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'looker'"):
        compare(tmp_path, tmp_path, model_a="loker")
    result = compare(tmp_path, tmp_path, model_a="looker", model_b="looker (image-blind)")
    assert result.pairs[0].difference == pytest.approx(0.5)


def test_only_shared_items_with_one_truth_are_compared(tmp_path: Path) -> None:
    items = [yes_no(k, k % 2 == 0) for k in range(40)]
    turned = [replace(items[5], truth="yes"), *items[:5], *items[6:30]]
    evaluate([Looker()], [make_exam("x", items, [])], tmp_path / "a", BARE)
    evaluate([Looker()], [make_exam("x", turned, [])], tmp_path / "b", BARE)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.pairs[0].n == 29
    text = "\n".join(result.notes)
    assert "1 items have another right answer" in text
    assert "10 items were asked in one" in text
    assert "data x differs" in text


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no finished evaluation"):
        compare(tmp_path, tmp_path)
    evaluate([Constant("x")], [make_exam("x", [yes_no(k, True) for k in range(10)], [])], tmp_path / "a", BARE)
    evaluate([Constant("x")], [make_exam("y", [stage(k, 1) for k in range(10)], [])], tmp_path / "b", BARE)
    with pytest.raises(InvalidInput, match="no item in common"):
        compare(tmp_path / "a", tmp_path / "b")
