"""Bring torch in with the settings that keep it fast beside other work."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from chiasm.errors import Conflict, require


def prepare_torch() -> ModuleType:
    """Import torch, or say which extra brings it.

    Two settings are made unless the user made them: idle OpenMP threads sleep (spinning ones make training several
    times slower as soon as anything else runs on the machine), and tokenizers do not fork threads of their own.

    Raises:
        Conflict: A torchvision is installed that cannot work with this torch; `transformers` would then fail to load
            even what does not need it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch = require("torch", "train")
    require("transformers", "train")
    if importlib.util.find_spec("torchvision") is not None and not _vision_works():
        msg = (
            f"the installed torchvision was built for another torch than {torch.__version__}, and breaks transformers; "
            "chiasm does not need it: pip uninstall torchvision"
        )
        raise Conflict(msg)
    return torch


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the loading and saving bars of `transformers` out of the way while something small is read or written."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def device_named(name: str | None) -> str:
    """The device to compute on: the given one, or the first GPU, or the processor."""
    if name is not None:
        return name
    return "cuda" if prepare_torch().cuda.is_available() else "cpu"


def fast_bf16() -> bool:
    """Whether this machine computes bfloat16 faster than float32."""
    torch = prepare_torch()
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _vision_works() -> bool:
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, ImportError):
        return False
    return True
