"""Training vision-language models: recipes, supervised fine-tuning, vision warm-up, streams.

`train_sft(load_recipe("nano"), dataset, out)` trains; called again it goes on where it stopped.
"""

from chiasm.training._config import (
    ChecksTable,
    DataTable,
    LoraTable,
    ModelTable,
    OptimTable,
    Recipe,
    SaveTable,
    StageTable,
    load_recipe,
    parse_recipe,
    recipe_json,
    shipped_recipes,
)
from chiasm.training._parts import (
    part_of,
    train_only,
)
from chiasm.training._rows import (
    RowIndex,
    RowStore,
    join_turns,
    open_rows,
    scan_rows,
)
from chiasm.training._sft import (
    SftResult,
    starting_model,
    train_sft,
)

__all__ = [
    "ChecksTable",
    "DataTable",
    "LoraTable",
    "ModelTable",
    "OptimTable",
    "Recipe",
    "RowIndex",
    "RowStore",
    "SaveTable",
    "SftResult",
    "StageTable",
    "join_turns",
    "load_recipe",
    "open_rows",
    "parse_recipe",
    "part_of",
    "recipe_json",
    "scan_rows",
    "shipped_recipes",
    "starting_model",
    "train_only",
    "train_sft",
]
