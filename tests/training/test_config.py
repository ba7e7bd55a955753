"""Recipes and the plans they make."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from chiasm.errors import InvalidInput, UnknownName
from chiasm.models import PRESETS, local_folder
from chiasm.training import DataTable, OptimTable, RowIndex, load_recipe, recipe_json, shipped_recipes
from chiasm.training._plan import make_plan
from chiasm.training._rows import _shown_stage


def test_every_shipped_recipe_loads_and_the_published_one_says_what_was_published() -> None:
    assert {"nano", "svr-qwen3vl-8b"} <= set(shipped_recipes())
    for name in shipped_recipes():
        load_recipe(name)
    svr = load_recipe("svr-qwen3vl-8b")
    assert svr.model.train == ("vision", "projector")
    assert (svr.optim.lr, svr.optim.schedule, svr.optim.warmup, svr.optim.epochs) == (1e-5, "cosine", 0.1, 1)
    assert (svr.optim.batch, svr.optim.accumulate, svr.data.max_tokens, svr.model.max_pixels) == (
        16,
        2,
        2048,
        512 * 512,
    )


@pytest.mark.parametrize("leg", ["nano-octa-report", "nano-octa-places"])
def test_a_leg_begins_from_trained_weights(leg: str) -> None:
    base = load_recipe(leg).model.base
    assert base not in PRESETS  # a preset's name would silently mean fresh weights
    folder = local_folder(base)
    assert folder == local_folder("nano")
    assert folder is not None
    assert (folder / "model.safetensors").is_file()


def test_accelerate_configurations_are_complete() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    folder = files("chiasm.training").joinpath("accelerate")
    kinds = {entry.name: str(load_config_from_file(str(entry)).distributed_type) for entry in folder.iterdir()}
    expected = {
        "cpu.yaml": "NO",
        "multi-gpu.yaml": "MULTI_GPU",
        "fsdp.yaml": "FSDP",
        "deepspeed-zero3.yaml": "DEEPSPEED",
    }
    assert {name: kind.removeprefix("DistributedType.") for name, kind in kinds.items()} == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optim.rl": 1e-3}, "did you mean 'optim.lr'"),
        ({"optim.lr": -1.0}, "optim.lr: Input should be greater than 0 .got -1.0, in nano"),
        ({"optim.steps": 5}, "exactly one of epochs and steps"),
        ({"model.train": []}, "nothing would move"),
        ({"model.train": ["eyes"]}, "'vision', 'projector' or 'language'"),
        ({"data.mixture": {"a": 0.0}}, "weight above 0"),
        ({"data.curriculum": [{"share": 0.5, "mixture": {"a": 1.0}}]}, "sum to 0.5, not to 1"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_key_and_rule(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_recipe("nano", changes)


def test_recipes_are_found_by_name_or_path(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'nano'"):
        load_recipe("nanno")
    with pytest.raises(InvalidInput, match="no recipe at"):
        load_recipe(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text("[model\n")
    with pytest.raises(InvalidInput, match="is not TOML"):
        load_recipe(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text(files("chiasm.training").joinpath("recipes", "nano.toml").read_text())
    assert recipe_json(load_recipe(tmp_path / "mine.toml")) == recipe_json(load_recipe("nano"))


@pytest.fixture
def index() -> RowIndex:
    """30 images with four questions each, of two levels."""
    n = 120
    programs = np.array([f"program-{number % 4}" for number in range(n)])
    levels = np.array(["recognition" if number % 4 < 2 else "measurement" for number in range(n)])
    forms = np.array(["choice" if number // 4 % 2 else "free" for number in range(n)])
    characters = np.random.default_rng(0).integers(20, 400, n)
    stages = np.array(["pdr" if number // 4 % 5 == 0 else "healthy" for number in range(n)])
    return RowIndex(np.arange(n) // 4, programs, levels, forms, stages, characters, (((64, 64),),) * n, "")


def optim(**changes: object) -> OptimTable:
    return OptimTable(**({"lr": 1e-3, "batch": 4, "steps": 15} | changes))


def test_without_a_mixture_every_row_comes_once_per_pass(index: RowIndex) -> None:
    plan = make_plan(index, DataTable(), optim(steps=None, epochs=2))
    rows = [row for conversation in plan.conversations for row in conversation]
    assert plan.steps == 60
    assert np.bincount(rows, minlength=120).tolist() == [2] * 120


def test_turns_join_questions_of_the_same_image_only(index: RowIndex) -> None:
    plan = make_plan(index, DataTable(turns=3), optim(steps=None, epochs=1))
    assert all(len({int(index.group[row]) for row in rows}) == 1 for rows in plan.conversations)
    assert sorted(row for rows in plan.conversations for row in rows) == list(range(120))
    assert {len(rows) for rows in plan.conversations} == {3, 1}


def test_a_mixture_draws_programs_by_their_weights(index: RowIndex) -> None:
    plan = make_plan(index, DataTable(mixture={"program-0": 3.0, "measurement": 1.0}), optim(steps=1500))
    drawn = index.program[[rows[0] for rows in plan.conversations]]
    shares = [float(np.mean(drawn == f"program-{number}")) for number in range(4)]
    assert shares == pytest.approx([0.75, 0.0, 0.125, 0.125], abs=0.02)
    with pytest.raises(UnknownName, match=r"did you mean 'program-\d'"):
        make_plan(index, DataTable(mixture={"program-O": 1.0}), optim())
    lenient = DataTable(mixture={"program-O": 1.0, "program-1": 1.0}, missing="leave out")
    left = make_plan(index, lenient, optim())
    assert left.left_out == ("program-O",)
    assert {str(index.program[rows[0]]) for rows in left.conversations} == {"program-1"}


def test_a_curriculum_keeps_its_stages_and_shares(index: RowIndex) -> None:
    stages = ({"share": 0.25, "mixture": {"recognition": 1.0}}, {"share": 0.75, "mixture": {"measurement": 1.0}})
    plan = make_plan(index, DataTable.model_validate({"curriculum": stages}), optim(steps=40, accumulate=2))
    levels = [str(index.level[rows[0]]) for rows in plan.conversations]
    assert levels == ["recognition"] * 80 + ["measurement"] * 240
    assert set(plan.direct) == {0.0}


def test_a_stage_of_a_curriculum_can_be_taught_without_reasoning(index: RowIndex) -> None:
    stages = (
        {"share": 0.25, "mixture": {"recognition": 1.0}, "direct": 1.0},
        {"share": 0.75, "mixture": {"measurement": 1.0}},
    )
    data = DataTable.model_validate({"curriculum": stages, "direct": 0.5})
    plan = make_plan(index, data, optim(steps=40, accumulate=2))
    assert plan.direct == (1.0,) * 80 + (0.5,) * 240


def test_a_stage_of_a_curriculum_can_leave_letters_for_later(index: RowIndex) -> None:
    stages = (
        {"share": 0.25, "mixture": {"program-0": 1.0}, "forms": ["free"]},
        {"share": 0.75, "mixture": {"program-0": 1.0}},
    )
    plan = make_plan(index, DataTable.model_validate({"curriculum": stages}), optim(steps=40, accumulate=2))
    forms = [str(index.form[rows[0]]) for rows in plan.conversations]
    assert set(forms[:80]) == {"free"}
    assert 0.4 < forms[80:].count("choice") / 240 < 0.6
    stages[0]["forms"] = ["fre"]
    with pytest.raises(UnknownName, match="did you mean 'free'"):
        make_plan(index, DataTable.model_validate({"curriculum": stages}), optim())


def test_stages_get_their_shares_and_every_image_still_comes(index: RowIndex) -> None:
    data = DataTable(mixture={"recognition": 1.0}, balance={"healthy": 0.5, "pdr": 0.5})
    plan = make_plan(index, data, optim(steps=300))
    rows = [rows[0] for rows in plan.conversations]
    assert float(np.mean(index.stage[rows] == "pdr")) == pytest.approx(0.5, abs=0.04)
    assert len(np.unique(index.group[rows])) == 30
    for balance in ({"healthy": 0.5, "pdr": 0.4, "late": 0.1}, {"healthy": 1.0}):
        with pytest.raises(UnknownName, match="stage"):
            make_plan(index, DataTable(mixture={"recognition": 1.0}, balance=balance), optim())
    with pytest.raises(ValueError, match="share above 0, beside a mixture"):
        DataTable(balance={"healthy": 1.0})


def test_the_size_of_an_image_does_not_foretell_its_stage(index: RowIndex) -> None:
    """A small field shows health more often than a large one: the shares hold in each."""
    large = index.group % 2 == 0
    stages = np.array(
        ["pdr" if big and group % 3 else "healthy" for big, group in zip(large, index.group, strict=True)]
    )
    stages[(index.group == 1) | (index.group == 3)] = "pdr"
    sizes = tuple(((96, 96),) if big else ((64, 64),) for big in large)
    mixed = dataclasses.replace(index, stage=stages, sizes=sizes)
    data = DataTable(mixture={"recognition": 1.0}, balance={"healthy": 0.5, "pdr": 0.5})
    rows = np.array([rows[0] for rows in make_plan(mixed, data, optim(steps=600)).conversations])
    for kind in (True, False):
        of_kind = rows[large[rows] == kind]
        assert len(of_kind) > 200
        assert float(np.mean(stages[of_kind] == "pdr")) == pytest.approx(0.5, abs=0.05)


def test_stages_get_their_shares_where_every_image_has_a_size_of_its_own(index: RowIndex) -> None:
    own = dataclasses.replace(index, sizes=tuple(((64 + group, 64),) for group in index.group.tolist()))
    data = DataTable(mixture={"recognition": 1.0}, balance={"healthy": 0.5, "pdr": 0.5})
    rows = [rows[0] for rows in make_plan(own, data, optim(steps=300)).conversations]
    assert float(np.mean(own.stage[rows] == "pdr")) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("shown", "images", "counts_as"), [("healthy", 1, "healthy"), (None, 1, "pdr"), ("healthy", 2, "pdr")]
)
def test_a_row_counts_by_what_its_image_shows(shown: str | None, images: int, counts_as: str) -> None:
    facts = [{"name": "age", "value": 40}, {"name": "stage_visible", "value": shown, "view_id": "a"}]
    assert _shown_stage({"images": [b""] * images, "stage": "pdr", "facts": json.dumps(facts)}) == counts_as
    assert _shown_stage({"images": [b""], "stage": "pdr"}) == "pdr"


def test_batches_hold_conversations_of_similar_length(index: RowIndex) -> None:
    plan = make_plan(index, DataTable(), optim(batch=8, steps=15))
    lengths = index.characters[[rows[0] for rows in plan.conversations]].reshape(15, 8)
    assert float(np.mean(np.ptp(lengths, axis=1))) < 0.2 * float(np.ptp(index.characters))
    assert make_plan(index, DataTable(), optim(batch=8, steps=15)) == plan
    assert make_plan(index, DataTable(), optim(batch=8, steps=15, seed=1)) != plan
