"""Training vision-language models: recipes, supervised fine-tuning, vision warm-up, streams.

`train_sft(load_recipe("nano"), dataset, out)` trains; called again it goes on where it stopped.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from chiasm.models import prepare_torch
from chiasm.training._config import (
    ChecksTable,
    DataTable,
    LoraTable,
    ModelTable,
    OptimTable,
    PhotometryTable,
    Recipe,
    SaveTable,
    StageTable,
    WarmupTable,
    load_recipe,
    parse_recipe,
    recipe_json,
    shipped_recipes,
)
from chiasm.training._dense import (
    DenseRows,
    DenseSample,
    DenseSource,
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

if TYPE_CHECKING:
    from chiasm.training._stream import StreamingRows
    from chiasm.training._warmup import WarmupResult, warm_up

_LAZY: Final = {
    "StreamingRows": "chiasm.training._stream",
    "WarmupResult": "chiasm.training._warmup",
    "warm_up": "chiasm.training._warmup",
}

__all__ = [
    "ChecksTable",
    "DataTable",
    "DenseRows",
    "DenseSample",
    "DenseSource",
    "LoraTable",
    "ModelTable",
    "OptimTable",
    "PhotometryTable",
    "Recipe",
    "RowIndex",
    "RowStore",
    "SaveTable",
    "SftResult",
    "StageTable",
    "StreamingRows",
    "WarmupResult",
    "WarmupTable",
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
    "warm_up",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch at the first use, so that recipes and rows are read without it."""
    if name in _LAZY:
        prepare_torch()
        return getattr(importlib.import_module(_LAZY[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
