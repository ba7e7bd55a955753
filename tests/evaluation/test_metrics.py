"""Metrics equal their reference libraries."""

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation.metrics import (
    OTHER,
    ClassAnswers,
    ImageBoxes,
    area_under_risk_coverage,
    average_precision,
    average_precision_estimate,
    brier,
    dice,
    expected_calibration_error,
    hausdorff_95,
    mean_average_precision,
    reliability,
    risk_coverage,
    sensitivity_at_specificity,
)

CLASSES = ("a", "b", "c")
words = st.sampled_from(CLASSES)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(words, words), min_size=6, max_size=60))
def test_classification_figures_equal_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    pairs = [*pairs, *((c, c) for c in CLASSES)]  # each class met, as sklearn's averages assume
    truth, answers = [t for t, _ in pairs], [a for _, a in pairs]
    own = ClassAnswers(truth, answers, classes=CLASSES)
    assert own.accuracy().value == pytest.approx(sk.accuracy_score(truth, answers))
    assert own.balanced_accuracy().value == pytest.approx(sk.balanced_accuracy_score(truth, answers))
    assert own.macro_f1().value == pytest.approx(sk.f1_score(truth, answers, average="macro"))
    p, r, f, _ = sk.precision_recall_fscore_support(truth, answers, labels=CLASSES)
    for figures, *reference in zip(own.per_class(), p, r, f, strict=True):
        assert [figures.precision.value, figures.recall.value, figures.f1.value] == pytest.approx(reference)
        assert figures.f1.lo <= figures.f1.value <= figures.f1.hi
    np.testing.assert_array_equal(own.confusion().counts[:, :3], sk.confusion_matrix(truth, answers, labels=CLASSES))


def test_an_answer_outside_the_classes_is_wrong_and_shown() -> None:
    own = ClassAnswers(["a", "b"], ["a", "rubbish"], classes=("a", "b"))
    assert own.accuracy().value == 0.5
    assert own.confusion().counts[1, 2] == 1
    assert OTHER not in own.classes


def test_no_answer_is_unscored_not_wrong() -> None:
    own = ClassAnswers(["a", "b", "b"], ["a", None, "b"], classes=("a", "b"))
    assert own.accuracy().value == 1
    assert own.accuracy().n_unscored == 1
    assert own.balanced_accuracy().value == 1
    assert own.confusion().n_unscored == 1


def test_a_class_without_scored_items_leaves_balanced_accuracy_undefined() -> None:
    own = ClassAnswers(["a", "a", "b"], ["a", "b", None], classes=("a", "b"))
    figure = own.balanced_accuracy()
    assert not figure.defined
    assert "no scored b" in figure.note
    assert not own.recall("b").defined
    assert not ClassAnswers(["a", "b"], ["a", "a"], classes=("a", "b")).precision("b").defined


def test_unknown_classes_are_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'healthy'"):
        ClassAnswers(["helthy"], ["dr"], classes=("healthy", "dr"))
    with pytest.raises(InvalidInput, match="two different"):
        ClassAnswers(["a"], ["a"], classes=("a",))
    with pytest.raises(UnknownName):
        ClassAnswers(["a"], ["a"], classes=("a", "b")).recall("z")


def test_perfect_answers_have_intervals_below_one() -> None:
    own = ClassAnswers(["a", "b"] * 10, ["a", "b"] * 10, classes=("a", "b"))
    for figure in (own.balanced_accuracy(), own.macro_f1(), own.f1("a"), own.accuracy()):
        assert figure.value == 1
        assert figure.hi == 1
        assert figure.lo < 0.97


def test_sensitivity_at_specificity_by_hand() -> None:
    negative = np.arange(100.0)
    positive = np.array([50.0, 94.0, 94.5, 95.0, 200.0])
    truth = np.r_[np.zeros(100, bool), np.ones(5, bool)]
    figure = sensitivity_at_specificity(
        truth, np.r_[negative, positive], specificity=0.95, rng=np.random.default_rng(0)
    )
    assert figure.value == pytest.approx(3 / 5)  # the threshold is 94, the 95th negative
    assert figure.lo < 0.6 < figure.hi
    assert "100 negatives" in figure.note


def test_calibration_of_a_calibrated_and_an_overconfident_model() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 3000)
    good = expected_calibration_error(p, (rng.random(3000) < p).astype(float), rng=rng)
    bad = expected_calibration_error(p, (rng.random(3000) < 0.5).astype(float), rng=rng)
    assert good.value < 0.03
    assert bad.value == pytest.approx(0.25, abs=0.03)
    assert bad.lo > good.hi
    assert "perfectly calibrated" in good.note
    curve = reliability(p, (rng.random(3000) < p).astype(float))
    assert len(curve) == 10
    assert all(b.lo - 0.05 <= b.confidence <= b.hi + 0.05 for b in curve)
    with pytest.raises(InvalidInput, match="lie in"):
        reliability([1.2], [1.0])


def test_brier_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    p, y = rng.random(200), rng.random(200) < 0.4
    assert brier(p, y).value == pytest.approx(sk.brier_score_loss(y, p))


def test_risk_coverage_of_a_model_that_knows_its_errors() -> None:
    right = np.array([1.0] * 8 + [0.0] * 2)
    curve = risk_coverage(np.linspace(1, 0, 10), right)
    assert curve[0].risk == 0
    assert curve[-1].risk == pytest.approx(0.2)
    known = area_under_risk_coverage(np.linspace(1, 0, 10), right)
    useless = area_under_risk_coverage(np.ones(10), right)
    assert known.value < useless.value
    assert useless.value == pytest.approx(0.2)
    assert risk_coverage(np.ones(10), right) == risk_coverage(np.ones(10), right[::-1]) or len(curve) == 10


# Boxes, against pycocotools

coordinates = st.integers(0, 60)
box = st.tuples(coordinates, coordinates, st.integers(1, 40), st.integers(1, 40))
image = st.tuples(st.lists(box, max_size=5), st.lists(st.tuples(box, st.integers(0, 10)), max_size=6))


def coco_ap(images: list[ImageBoxes]) -> tuple[float, float]:
    """(AP, AP50) by the reference code."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    gt, dt = [], []
    for i, im in enumerate(images, 1):
        for x1, y1, x2, y2 in im.truth:
            size = (x2 - x1, y2 - y1)
            gt.append(
                {
                    "id": len(gt) + 1,
                    "image_id": i,
                    "category_id": 1,
                    "bbox": [x1, y1, *size],
                    "area": size[0] * size[1],
                    "iscrowd": 0,
                }
            )
        for (x1, y1, x2, y2), s in zip(im.found, im.scores, strict=True):
            dt.append({"image_id": i, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": s})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        ids = [{"id": i} for i in range(1, len(images) + 1)]
        coco.dataset = {"images": ids, "annotations": gt, "categories": [{"id": 1, "name": "x"}]}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(dt), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0]), float(run.stats[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(image, min_size=1, max_size=4))
def test_average_precision_equals_pycocotools(raw: list) -> None:  # type: ignore[type-arg]
    def corner(b: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
        return (b[0], b[1], b[0] + b[2], b[1] + b[3])

    images = [
        ImageBoxes(tuple(map(corner, t)), tuple(corner(b) for b, _ in f), tuple(s / 10 for _, s in f)) for t, f in raw
    ]
    if not any(im.truth for im in images):
        assert math.isnan(average_precision(images))
        return
    if not any(im.found for im in images):
        assert average_precision(images) == 0
        return
    ap, ap50 = coco_ap(images)
    assert mean_average_precision(images) == pytest.approx(ap, abs=1e-9)
    assert average_precision(images, 0.5) == pytest.approx(ap50, abs=1e-9)


def test_perfect_boxes_have_ap_one() -> None:
    images = [ImageBoxes(((0, 0, 10, 10),), ((0, 0, 10, 10),))] * 5
    assert mean_average_precision(images) == 1
    estimate = average_precision_estimate(images, rng=np.random.default_rng(0))
    assert estimate.value == 1


# Masks, against MONAI


@pytest.mark.slow  # importing MONAI takes longer than all other tests of this file
@pytest.mark.filterwarnings("ignore::FutureWarning")  # inside MONAI
def test_dice_and_hausdorff_equal_monai() -> None:
    pytest.importorskip("monai")
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    rng = np.random.default_rng(2)
    for _ in range(5):
        centre = rng.integers(8, 24, (2, 2))
        grid = np.indices((32, 40))
        a = (grid[0] - centre[0, 0]) ** 2 + (grid[1] - centre[0, 1]) ** 2 < rng.integers(9, 60)
        b = (grid[0] - centre[1, 0]) ** 2 / 2 + (grid[1] - centre[1, 1]) ** 2 < rng.integers(9, 60)
        ta, tb = (torch.from_numpy(m[None, None].astype(np.float32)) for m in (a, b))
        assert dice(a, b) == pytest.approx(float(compute_dice(ta, tb)), abs=1e-6)
        reference = float(compute_hausdorff_distance(ta, tb, percentile=95, spacing=(0.5, 2.0)))
        assert hausdorff_95(a, b, spacing=(0.5, 2.0)) == pytest.approx(reference, abs=1e-5)


def test_hausdorff_of_shifted_squares_is_the_shift() -> None:
    a, b = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    a[5:15, 5:15], b[5:15, 9:19] = True, True
    assert hausdorff_95(a, b, spacing=(1, 0.5)) == pytest.approx(2.0)
    assert dice(a, b) == pytest.approx(0.6)


def test_empty_masks() -> None:
    empty, some = np.zeros((4, 4), bool), np.eye(4, dtype=bool)
    assert dice(empty, empty) == 1
    assert dice(empty, some) == 0
    assert hausdorff_95(empty, empty, spacing=(1, 1)) == 0
    assert math.isnan(hausdorff_95(empty, some, spacing=(1, 1)))
    with pytest.raises(InvalidInput, match="one shape"):
        dice(empty, np.zeros((3, 3), bool))
    with pytest.raises(InvalidInput, match="spacing"):
        hausdorff_95(empty, some, spacing=(1,))
