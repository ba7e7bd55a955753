"""Erasing capillaries: only inside the region, with the image's own texture, and the questions know where."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.evaluation.exams import Constant, Oracle

from chiasm.case import Case, Fact, Laterality, Origin, View
from chiasm.errors import InvalidInput, Unanswerable
from chiasm.evaluation import EvaluationOptions, evaluate, load_exam, low_flow_share
from chiasm.evaluation._semireal import SHARE, Texture, erase, erase_somewhere, flow_free_texture, semireal_exam

SIZE, FOV_MM = 304, 3.0
BARE = EvaluationOptions(quiet=True, controls=False)


def healthy_eye(seed: int = 0) -> np.ndarray:
    """A textured field with a dark disc in the middle and two bright trunks: what landmarks need, and no more."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE, :SIZE]
    mesh = 105 + 60 * np.sin(rows / 2.2 + 2 * np.sin(cols / 9)) * np.sin(cols / 2.4)
    image = mesh + gaussian_filter(rng.normal(0, 40, mesh.shape), 0.7)
    away = np.hypot(rows - 152, cols - 150)
    image = np.where(away < 28, 22 + gaussian_filter(rng.normal(0, 14, mesh.shape), 0.8), image)
    for col in (70, 240):
        image = np.where(np.abs(cols - col - 12 * np.sin(rows / 50)) < 4, 235, image)
    return np.uint8(np.clip(image, 0, 255))


def test_texture_of_filtered_noise_is_recovered() -> None:
    rng = np.random.default_rng(1)
    field = gaussian_filter(rng.normal(size=(200, 200)), 1.2)
    pixels = np.uint8(np.clip(40 + 30 * field / field.std(), 0, 255))
    rows, cols = np.ogrid[:200, :200]
    texture = flow_free_texture(pixels, np.hypot(rows - 100, cols - 100) < 60)
    assert texture.correlation_px == pytest.approx(1.2, abs=0.15)
    assert texture.quantiles[50] == pytest.approx(40, abs=4)
    with pytest.raises(Unanswerable, match="pixels inside"):
        flow_free_texture(pixels, np.hypot(rows - 100, cols - 100) < 3)


def test_erase_touches_the_region_only_and_keeps_vessels() -> None:
    pixels = healthy_eye()
    region = np.zeros(pixels.shape, bool)
    region[40:90, 180:230] = True
    keep = np.zeros(pixels.shape, bool)
    keep[:, 200:206] = True
    texture = Texture(np.linspace(10, 40, 101), 0.8)
    out = erase(pixels, region, keep, texture, np.random.default_rng(0))
    far = np.ones(pixels.shape, bool)
    far[34:96, 174:236] = False
    np.testing.assert_array_equal(out[far], pixels[far])
    np.testing.assert_array_equal(out[keep], pixels[keep])
    inside = out[46:84, 208:224]
    assert inside.min() >= 8
    assert inside.max() <= 44
    np.testing.assert_array_equal(out, erase(pixels, region, keep, texture, np.random.default_rng(0)))


@pytest.mark.parametrize("direction", [0, 2, 5])
def test_the_region_lies_where_it_is_said_to(direction: int) -> None:
    pixels = healthy_eye()
    erased = erase_somewhere(pixels, FOV_MM, direction, np.random.default_rng(direction))
    rows, cols = np.nonzero(erased.region)
    angle = np.arctan2(152 - rows.mean(), cols.mean() - 150)
    assert abs(np.angle(np.exp(1j * (angle - direction * np.pi / 4)))) < 0.35
    assert SHARE[0] <= erased.region.mean() < 0.13
    assert low_flow_share(erased.pixels) > low_flow_share(pixels) + 0.02
    with pytest.raises(InvalidInput, match="direction"):
        erase_somewhere(pixels, FOV_MM, 8, np.random.default_rng(0))


def eye(name: str, seed: int, disease: str = "NORMAL") -> Case:
    view = View(
        view_id="octa",
        modality="OCTA en face",
        pixels=healthy_eye(seed),
        spacing_mm=(FOV_MM / SIZE, FOV_MM / SIZE),
        laterality=Laterality.OD,
        attributes={"slab": "inner retina", "fov_mm": FOV_MM},
    )
    origin = Origin(kind="source", name="phantom", version="1", file="x", sha256="0" * 64, licence="none")
    return Case(
        case_id=name, patient_id=name, views=(view,), facts=(Fact(name="disease", value=disease),), origin=origin
    )


def test_questions_before_and_after_differ_in_the_truth_and_not_in_words(tmp_path: Path) -> None:
    exam = semireal_exam([eye("a", 0), eye("b", 1), eye("c", 2, "DR")], seed=0)
    assert {i.patient_id for i in exam.items} == {"a", "b"}
    presence = [i for i in exam.items if i.task == "semi-real dropout-present"]
    assert sorted(i.truth for i in presence) == ["no", "no", "yes", "yes"]
    assert len({i.question.prompt for i in presence if i.patient_id == "a"}) == 1
    stages = [i for i in exam.items if i.task == "semi-real any-stage"]
    assert sorted(i.truth for i in stages) == ["dr", "dr", "healthy", "healthy"]
    sectors = [i for i in exam.items if "sector" in i.task]
    assert all(i.groups["image"] == "erased" for i in sectors)
    assert all("semi-real" in i.task for i in exam.items)
    assert semireal_exam([eye("a", 0), eye("b", 1)], seed=0).sha256 == exam.sha256
    row = evaluate([Constant("no")], [exam], tmp_path / "a", BARE).find(
        task="semi-real dropout-present", metric="balanced_accuracy"
    )
    assert row.value == 0.5
    rows = {
        (r.level, r.metric): r for r in evaluate([Oracle(exam)], [exam], tmp_path / "b", BARE).outcomes[0].robustness
    }
    assert rows["dropout-present", "both right"].after == 1
    assert rows["dropout-present", "both right"].n == 2
    assert rows["any-stage", "answer changed"].n == 2
    assert ("largest-dropout-sector", "both right") not in rows  # asked of the erased image alone


def test_an_eye_without_a_zone_is_named_and_left_out() -> None:
    flat = eye("flat", 0)
    grey = flat.views[0].model_copy(update={"pixels": np.full((SIZE, SIZE), 90, np.uint8)})
    exam = semireal_exam([eye("a", 0), flat.model_copy(update={"views": (grey,)})], seed=0)
    assert {i.patient_id for i in exam.items} == {"a"}
    assert exam.problems[0].startswith("flat")


@pytest.mark.slow
def test_real_healthy_eyes(real_data: Path) -> None:
    exam = load_exam(f"semi-real:{real_data / 'octa500'}", limit=60)
    assert len(exam.items) == 60
