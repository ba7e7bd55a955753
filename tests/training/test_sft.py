"""The training run: exact resume, frozen parts, checks before and during a run."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from numpy.random import default_rng

from chiasm.errors import Conflict, InvalidInput, TrainingFailed
from chiasm.models import Bundle, Decoding, load_bundle, load_chat, prompt_of_row, save
from chiasm.training import Recipe, SftResult, load_recipe, open_rows, part_of, train_sft


def quick(**changes: Any) -> Recipe:
    """A recipe of few, small steps."""
    base = {
        "optim.steps": 4,
        "optim.epochs": None,
        "optim.batch": 4,
        "optim.lr": 1e-3,
        "optim.bf16": False,
        "data.turns": 1,
    }
    base |= {"checks.blind_rows": 0, "save.log_steps": 1, "save.every_steps": 100}
    return load_recipe("nano", base | {key.replace("__", "."): value for key, value in changes.items()})


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def quiet(line: str) -> None:
    """Take a line and say nothing."""


def test_four_steps_equal_two_and_two_after_resuming(
    make_tiny: Callable[[int], Bundle], spots: Path, tmp_path: Path
) -> None:
    recipe = quick(optim__accumulate=2)
    whole = train_sft(recipe, spots, tmp_path / "whole", start=make_tiny(0), say=quiet)
    first = train_sft(recipe, spots, tmp_path / "parts", start=make_tiny(0), stop_at=2, say=quiet)
    assert first == SftResult(None, 2, 4)
    assert [path.name for path in (tmp_path / "parts" / "checkpoints").iterdir()] == ["checkpoint-2"]
    second = train_sft(recipe, spots, tmp_path / "parts", start=make_tiny(1), say=quiet)
    assert whole.model is not None
    assert second.model is not None
    one = (whole.model / "model.safetensors").read_bytes()
    two = (second.model / "model.safetensors").read_bytes()
    assert one == two
    fresh = weights(make_tiny(0).model)
    trained = weights(load_bundle(whole.model).model)
    assert all(not torch.equal(fresh[name], trained[name]) for name in fresh if part_of(name) == "vision")


def test_a_share_of_the_answers_is_taught_without_reasoning(toy: SimpleNamespace, tmp_path: Path) -> None:
    from chiasm.training._plan import make_plan
    from chiasm.training._rows import open_rows, scan_rows
    from chiasm.training._run import planned_rows

    store = open_rows(toy.write_rows(tmp_path / "data", toy.rows_of(40)), "train")
    recipe = load_recipe("nano", {"data.direct": 0.5, "data.turns": 1})
    plan = make_plan(scan_rows(store), recipe.data, recipe.optim)

    def replies(seed: int) -> list[str]:
        rows = planned_rows(store, plan, recipe.data, seed)
        return [rows[k]["messages"][-1]["content"][0]["text"] for k in range(len(rows))]

    texts = replies(0)
    bare = [text for text in texts if "<think>" not in text]
    assert 0.3 < len(bare) / len(texts) < 0.7
    assert set(bare) <= {"<answer>yes</answer>", "<answer>no</answer>"}
    assert replies(0) == texts
    assert replies(1) != texts


def test_frozen_parts_stay_bit_equal_and_the_others_move(
    make_tiny: Callable[[int], Bundle], spots: Path, tmp_path: Path
) -> None:
    bundle = make_tiny(0)
    before = weights(bundle.model)
    train_sft(quick(model__train=["projector"], optim__steps=2), spots, tmp_path / "run", start=bundle, say=quiet)
    moved = {part_of(name) for name, weight in weights(bundle.model).items() if not torch.equal(weight, before[name])}
    assert moved == {"projector"}


def test_a_share_of_the_starting_weights_is_saved(
    make_tiny: Callable[[int], Bundle], spots: Path, tmp_path: Path
) -> None:
    begun = make_tiny(0)
    save(begun, tmp_path / "begun")
    table = {"model__base": str(tmp_path / "begun"), "model__train": ["vision"]}
    plain, mixed = (
        train_sft(quick(**table, model__start_share=share), spots, tmp_path / str(share), say=quiet)
        for share in (0.0, 0.25)
    )
    assert plain.model is not None
    assert mixed.model is not None
    start, end, saved = (
        weights(load_bundle(folder).model) for folder in (tmp_path / "begun", plain.model, mixed.model)
    )
    for name in start:
        assert torch.allclose(saved[name], 0.75 * end[name] + 0.25 * start[name], atol=1e-6)
        assert torch.equal(saved[name], start[name]) == (part_of(name) != "vision")
    with pytest.raises(InvalidInput, match=r"start_share 0\.25 .* starts from others"):
        train_sft(quick(model__start_share=0.25), spots, tmp_path / "fresh", say=quiet)


def test_a_finished_run_is_not_trained_again_and_another_recipe_is_refused(
    make_tiny: Callable[[int], Bundle], spots: Path, tmp_path: Path
) -> None:
    recipe = quick(optim__steps=1)
    done = train_sft(recipe, spots, tmp_path / "run", start=make_tiny(0), say=quiet)
    assert train_sft(recipe, spots, tmp_path / "run", start=make_tiny(0), say=quiet) == done
    with pytest.raises(Conflict, match=r"optim\.lr was 0\.001, is 0\.002"):
        train_sft(quick(optim__steps=1, optim__lr=2e-3), spots, tmp_path / "run", start=make_tiny(0), say=quiet)


@pytest.mark.parametrize("apart", [False, True])
def test_the_model_learns_what_only_the_image_tells_and_answers_from_its_folder(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path, apart: bool
) -> None:
    data = toy.write_rows(tmp_path / "data", toy.rows_of(64, programs=2))
    lines: list[str] = []
    steps = {"optim__steps": 160, "optim__batch": 8, "optim__lr": 3e-3}
    recipe = quick(**steps, data__turns=2, data__apart=apart, checks__blind_rows=16, checks__blind_from=1.0)
    result = train_sft(recipe, data, tmp_path / "run", start=make_tiny(0), say=lines.append)
    assert any("conversations/s" in line for line in lines)
    assert any(line.startswith("blind check at step 160") for line in lines)
    held_out = toy.rows_of(24, seed=9)
    shard = open_rows(toy.write_rows(tmp_path / "held-out", held_out), "train")
    assert result.model is not None
    replies = load_chat(result.model).reply([prompt_of_row(shard[row]) for row in range(24)], Decoding(max_tokens=40))
    right = [reply.text == held_out[row]["messages"][-1]["content"][0]["text"] for row, reply in enumerate(replies)]
    assert sum(right) >= 20


def test_a_model_that_cannot_gain_from_looking_is_stopped(
    make_tiny: Callable[[int], Bundle], toy: SimpleNamespace, tmp_path: Path
) -> None:
    data = toy.write_rows(tmp_path / "data", toy.rows_of(24, blind=True))
    recipe = quick(checks__blind_rows=24, checks__blind_from=0.5)
    with pytest.raises(TrainingFailed, match="does not look: at step 2"):
        train_sft(recipe, data, tmp_path / "run", start=make_tiny(0), say=quiet)


def test_a_loss_that_is_not_a_number_stops_the_run(
    make_tiny: Callable[[int], Bundle], spots: Path, tmp_path: Path
) -> None:
    bundle = make_tiny(0)
    with torch.no_grad():
        bundle.model.model.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingFailed, match=r"loss became nan at step 0: lower optim\.lr"):
        train_sft(quick(), spots, tmp_path / "run", start=bundle, say=quiet)


def _no_image(row: dict[str, Any], toy: SimpleNamespace) -> dict[str, Any]:
    return {**row, "images": []}


def _two_placeholders(row: dict[str, Any], toy: SimpleNamespace) -> dict[str, Any]:
    return {**row, "messages": toy.dialogue("which?", "this", n_images=2)}


def _no_answer(row: dict[str, Any], toy: SimpleNamespace) -> dict[str, Any]:
    return {**row, "messages": row["messages"][:1]}


def _too_long(row: dict[str, Any], toy: SimpleNamespace) -> dict[str, Any]:
    return {**row, "messages": toy.dialogue("why?", "because " * 900)}


def _too_large(row: dict[str, Any], toy: SimpleNamespace) -> dict[str, Any]:
    return {**row, "images": [toy.png(toy.spot_image(default_rng(0), spot=True, size_px=300))]}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_image, "row 3 .case-0003. has no image"),
        (_two_placeholders, "row 3 .case-0003. has 2 image placeholders and 1 images"),
        (_no_answer, "last turn of row 3 .case-0003. is not the assistant's"),
        (_too_long, r"rows \[3\] make a conversation of about .* over data.max_tokens"),
        (_too_large, "300x300 px would be shrunk to 128x128 .*row 3"),
    ],
)
def test_a_bad_row_is_refused_before_the_first_step_by_name(
    spoil: Callable[[dict[str, Any], SimpleNamespace], dict[str, Any]],
    message: str,
    make_tiny: Callable[[int], Bundle],
    toy: SimpleNamespace,
    tmp_path: Path,
) -> None:
    rows = toy.rows_of(12)
    rows[3] = spoil(rows[3], toy)
    data = toy.write_rows(tmp_path / "data", rows)
    with pytest.raises(InvalidInput, match=message):
        train_sft(quick(data__max_tokens=700), data, tmp_path / "run", start=make_tiny(0), say=quiet)
