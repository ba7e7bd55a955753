"""Dense truth for the vision tower."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from chiasm.case import Mask
from chiasm.errors import InvalidInput
from chiasm.models import Bundle
from chiasm.training import DenseRows, DenseSample, WarmupTable, load_recipe, part_of, train_sft, warm_up
from chiasm.training._config import AXES
from chiasm.training._dense import cell_shares, turned, with_places
from chiasm.training._warmup import SPREAD


def quiet(line: str) -> None:
    """Take a line and say nothing."""


class Spots:
    """Images with a dark square, its mask and its area."""

    def __init__(self, toy: SimpleNamespace, n: int) -> None:
        rng = np.random.default_rng(0)
        images = [toy.spot_image(rng, spot=bool(number % 2)) for number in range(n)]
        masks = [image < 60 for image in images]
        self._samples = [
            DenseSample(image, {"spot": mask}, {"area": float(mask.mean())})
            for image, mask in zip(images, masks, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> DenseSample:
        return self._samples[index]

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self))


def table(**changes: Any) -> WarmupTable:
    base = {
        "steps": 4,
        "batch": 8,
        "lr": 3e-3,
        "maps": ("spot",),
        "scalars": ("area",),
        "bf16": False,
        "save_steps": 100,
    }
    return WarmupTable.model_validate(base | changes)


def test_a_stopped_warm_up_goes_on_to_the_same_weights(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path
) -> None:
    source = Spots(toy, 20)
    whole, first, second = make_tiny(0), make_tiny(0), make_tiny(1)
    before = {name: weight.clone() for name, weight in whole.model.state_dict().items()}
    warm_up(table(), whole, source, tmp_path / "whole", say=quiet)
    stopped = warm_up(table(), first, source, tmp_path / "parts", say=quiet, stop_at=2)
    assert (stopped.model, stopped.step) == (None, 2)
    second.model.load_state_dict(before)
    done = warm_up(table(), second, source, tmp_path / "parts", say=quiet)
    assert done.model is not None
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["model"]
    after, resumed = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(after[name], resumed[name]) for name in after)
    moved = {part_of(name) for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"vision", "projector"}


def test_the_tower_learns_where_things_are(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path
) -> None:
    lines: list[str] = []
    warm_up(table(steps=80, log_steps=20), make_tiny(0), Spots(toy, 64), tmp_path / "run", say=lines.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines]
    assert len(losses) == 4
    assert losses[-1] < 0.6 * losses[0]
    assert all("images/s" in line for line in lines)


def test_with_everywhere_a_single_token_tells_the_whole_image(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path
) -> None:
    """The last token, which the square may be far from, tells other images' areas by a line, and better than without."""
    source = Spots(toy, 96)
    areas = np.array([source[number].scalars["area"] for number in range(96)])
    learnt, told = slice(0, 64), slice(64, 96)

    def told_by_one_token(*, everywhere: bool) -> float:
        bundle = make_tiny(0)
        warm_up(
            table(steps=60, everywhere=everywhere, scalar_weight=1.0),
            bundle,
            source,
            tmp_path / f"{everywhere}",
            say=quiet,
        )
        images = [Image.fromarray(source[number].image).convert("RGB") for number in range(96)]
        pixels = bundle.processor.image_processor(images=images, return_tensors="pt")
        with torch.no_grad():
            out = bundle.model.model.get_image_features(pixels["pixel_values"], pixels["image_grid_thw"])
        branches = zip(out.pooler_output, out.deepstack_features[0], strict=True)
        given = np.array([(pooled[-1] + deep[-1]).numpy() for pooled, deep in branches])
        design = np.column_stack([given, np.ones(96)])
        ridge = design[learnt].T @ design[learnt] + np.eye(design.shape[1])
        line = np.linalg.solve(ridge, design[learnt].T @ areas[learnt])
        return float(np.corrcoef(design[told] @ line, areas[told])[0, 1])

    with_it, without = told_by_one_token(everywhere=True), told_by_one_token(everywhere=False)
    assert with_it > 0.9
    assert with_it > without


def test_warmed_tokens_are_centred_and_of_stated_spread(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path
) -> None:
    source, bundle = Spots(toy, 16), make_tiny(0)
    warm_up(table(), bundle, source, tmp_path / "run", say=quiet)
    images = [Image.fromarray(source[number].image).convert("RGB") for number in range(16)]
    pixels = bundle.processor.image_processor(images=images, return_tensors="pt")
    with torch.no_grad():
        out = bundle.model.model.get_image_features(pixels["pixel_values"], pixels["image_grid_thw"])
    given = torch.cat(out.pooler_output) + torch.cat(out.deepstack_features[0])
    assert float(given.mean(0).abs().max()) < 1e-4
    assert float(given.std()) == pytest.approx(SPREAD, rel=1e-3)


def test_turns_move_image_and_maps_together_and_leave_numbers_alone(toy: SimpleNamespace) -> None:
    sample = Spots(toy, 2)[1]
    seen = set()
    for number in range(60):
        moved = turned(sample, np.random.SeedSequence(number))
        assert np.array_equal(moved.maps["spot"], moved.image < 60)
        assert moved.scalars == sample.scalars
        seen.add(moved.image.tobytes())
    assert len(seen) == 8


def test_cell_shares_follow_the_order_of_language_tokens() -> None:
    mask = np.zeros((64, 96), dtype=bool)
    mask[32:, 64:] = True  # the last of 2 x 3 tokens
    mask[0:8, 40:48] = True  # second token: row 0, column 1 of its 4 x 4 cells
    shares = cell_shares(DenseSample(mask.astype(np.uint8), {"a": mask}, {}), ("b", "a"), (64, 96), 32, 4)
    assert shares.shape == (6, 2, 16)
    assert shares[:, 0].sum() == 0
    assert shares[5, 1].tolist() == [1.0] * 16
    assert [int(cell) for cell in shares[1, 1].nonzero()[:, 0]] == [1]
    assert shares.sum() == 17


def dense_rows(toy: SimpleNamespace, n: int) -> list[dict[str, Any]]:
    """Rows as a built data set stores them: two questions per image, with masks and facts."""
    rows = toy.rows_of(n, programs=2)
    rng = np.random.default_rng(0)
    for number, row in enumerate(rows):
        mask = np.zeros((64, 64), dtype=bool)
        row_px, column_px = rng.integers(0, 40, 2)
        mask[row_px : row_px + 9, column_px : column_px + 5] = True
        encoded = Mask.from_array(mask)
        finding = {
            "term": "microaneurysm",
            "visible": True,
            "mask_size": list(encoded.size),
            "mask_counts": encoded.counts,
        }
        hidden = {**finding, "visible": False, "mask_counts": Mask.from_array(~mask).counts}
        other = {**finding, "term": "shadow"}
        row["findings"] = [finding, hidden, other] if number % 4 > 1 else []
        row["views"] = [{"sha256": f"image {number // 2}", "change": "none"}]
        row["facts"] = json.dumps([{"name": "area", "value": number // 2}, {"name": "stage", "value": "healthy"}])
    return rows


def test_rows_give_each_image_once_with_its_visible_masks_and_numbers(toy: SimpleNamespace, tmp_path: Path) -> None:
    shard = toy.write_rows(tmp_path / "data", dense_rows(toy, 6)) / "train-00000.parquet"
    source = DenseRows([shard], table(maps=("microaneurysm", "neovascularization")))
    assert len(source) == 6
    assert [source[index].scalars for index in range(6)] == [{"area": float(index)} for index in range(6)]
    areas = [int(source[index].maps["microaneurysm"].sum()) for index in range(6)]
    assert areas == [0, 45, 0, 45, 0, 45]
    assert not source[1].maps["neovascularization"].any()
    with pytest.raises(InvalidInput, match="gives no dense targets"):
        DenseRows([toy.write_rows(tmp_path / "bare", toy.rows_of(2)) / "train-00000.parquet"], table())


def test_counts_classes_and_octants_are_told_and_turn_with_the_image(toy: SimpleNamespace, tmp_path: Path) -> None:
    rows = dense_rows(toy, 6)
    for number, row in enumerate(rows):
        facts = json.loads(row["facts"])
        row["facts"] = json.dumps([*facts, {"name": "stage_visible", "value": ("healthy", "pdr")[number // 2 % 2]}])
    shard = toy.write_rows(tmp_path / "data", rows) / "train-00000.parquet"
    asked = table(
        maps=("microaneurysm",),
        counts=("microaneurysm",),
        classes={"stage_visible": ("healthy", "pdr")},
        octants=("microaneurysm",),
    )
    source = DenseRows([shard], asked)
    assert len(asked.numbers()) == 1 + 1 + 2 + 8
    assert len(asked.all_maps()) == 1 + 8
    assert [source[k].scalars["count of microaneurysm"] for k in range(6)] == [0, 1, 0, 1, 0, 1]
    assert [source[k].scalars["stage_visible = pdr"] for k in range(6)] == [0, 1, 0, 1, 0, 1]
    assert [source[k].scalars["stage_visible = healthy"] for k in range(6)] == [1, 0, 1, 0, 1, 0]
    mask = np.zeros((64, 64), dtype=bool)
    mask[28:36, 50:60] = True  # to the right of the centre
    sample = DenseSample(mask.astype(np.uint8), {"microaneurysm": mask}, {})
    for number in range(20):
        moved = turned(sample, np.random.SeedSequence(number))
        divided = with_places(moved, asked)
        shares = [divided.scalars[f"microaneurysm in octant {k}"] for k in range(8)]
        row_px, column_px = np.argwhere(moved.maps["microaneurysm"]).mean(0) - 31.5
        place = {(0, 1): 0, (1, 0): 2, (0, -1): 4, (-1, 0): 6}[round(row_px / 24), round(column_px / 24)]
        assert shares[place] == pytest.approx(80 / 4096)
        assert sum(shares) == pytest.approx(80 / 4096)
        drawn = [divided.maps[f"microaneurysm in octant {k}"] for k in range(8)]
        assert np.array_equal(np.sum(drawn, axis=0), moved.maps["microaneurysm"])
        assert [bool(eighth.any()) for eighth in drawn] == [share > 0 for share in shares]
    with pytest.raises(ValueError, match="vein is not in maps"):
        table(octants=("vein",))


def test_tokens_are_asked_for_their_own_place_as_it_is_after_turning() -> None:
    asked = table(axes=True)
    assert asked.all_maps()[-2:] == AXES
    image = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96).astype(np.uint8)
    sample = DenseSample(image, {}, {})
    shares = cell_shares(with_places(turned(sample, np.random.SeedSequence(1)), asked), AXES, (64, 64), 32, 1)
    across, down = shares[:, 0, 0], shares[:, 1, 0]
    assert across.tolist() == pytest.approx([0.25, 0.75, 0.25, 0.75], abs=1e-5)
    assert down.tolist() == pytest.approx([0.25, 0.25, 0.75, 0.75], abs=1e-5)
    assert with_places(sample, table()).maps == {}


def test_a_recipe_with_a_warm_up_runs_it_first(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path
) -> None:
    data = toy.write_rows(tmp_path / "data", dense_rows(toy, 12))
    warmup = {"steps": 2, "batch": 4, "maps": ["microaneurysm"], "scalars": ["area"], "log_steps": 1}
    changes = {"optim.steps": 2, "optim.epochs": None, "optim.batch": 2, "checks.blind_rows": 0, "warmup": warmup}
    lines: list[str] = []
    result = train_sft(load_recipe("nano", changes), data, tmp_path / "run", start=make_tiny(0), say=lines.append)
    assert result.model is not None
    assert [line.split()[0] for line in lines[:2]] == ["warm-up", "warm-up"]
    assert result.step == 2


def test_unknown_targets_are_refused(make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no image knows depth"):
        warm_up(table(scalars=("depth",)), make_tiny(0), Spots(toy, 10), tmp_path / "run", say=quiet)
    with pytest.raises(InvalidInput, match="a warm-up batch of 8 needs as many images, got 3"):
        warm_up(table(), make_tiny(0), Spots(toy, 3), tmp_path / "run", say=quiet)


def test_a_pass_mixes_images_but_stays_within_a_few_row_groups(toy: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "train-00000.parquet"
    pq.write_table(pa.Table.from_pylist(dense_rows(toy, 64)), path, row_group_size=4)  # two images a row group
    source = DenseRows([path], table(maps=("microaneurysm",), scalars=()))
    order = source.shuffled(np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(64))
    assert np.mean(np.diff(order) == 1) < 0.2
    assert [len(np.unique(order[start : start + 16] // 2)) for start in range(0, 64, 16)] == [8] * 4
