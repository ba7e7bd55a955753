"""Find a model by what the user wrote: a folder, a hub id, a server's address, or the one inside the package."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from chiasm.errors import InvalidInput, require
from chiasm.models._build import Bundle
from chiasm.models._environment import device_named, prepare_torch, quiet_transformers
from chiasm.models._messages import Chat

EMBEDDED = "nano"
"""Name of the model whose weights ship with the package."""
TRAINED = "embedded"
"""The same for training, where the name of a preset means fresh weights."""

ADAPTER = "adapter_config.json"
"""The file that makes a folder a low-rank adapter of another model."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load_chat(spec: str | Path, *, device: str | None = None, batch_size: int = 8) -> Chat:
    """Load anything that can answer about images.

    Args:
        spec: A folder; `nano` for the model inside the package; a hub id such as Qwen/Qwen3-VL-8B-Instruct; or the
            address of an OpenAI-compatible server, with the model after # where it serves several
            (http://localhost:8000/v1#NAME; the key is read from CHIASM_API_KEY or OPENAI_API_KEY).
        device: Where a local model computes; None takes a GPU if there is one.
        batch_size: Prompts per forward pass of a local model.

    Raises:
        InvalidInput: Nothing of that name, a model without images, or one without a chat template.
    """
    text = str(spec)
    if text.startswith(("http://", "https://")):
        from chiasm.models._remote import RemoteChat

        url, _, model = text.partition("#")
        return RemoteChat(url, model or None)
    bundle = load_bundle(spec)
    from chiasm.models._local import LocalChat

    return LocalChat(bundle, device=device_named(device), batch_size=batch_size)


def load_bundle(spec: str | Path, *, dtype: str | None = None) -> Bundle:
    """Load a model and its processor from a folder, the package or the hub.

    Args:
        spec: As for `load_chat`, without servers.
        dtype: Of the weights in memory; None takes float32 on a processor and the stored type on a GPU.

    Raises:
        InvalidInput: Nothing of that name, a model without images, or one without a chat template.
    """
    torch = prepare_torch()
    place, local = _place_of(spec)
    if local and (Path(place) / ADAPTER).is_file():
        return _with_adapter(Path(place), dtype)
    wanted = dtype if dtype is not None else "auto" if torch.cuda.is_available() else "float32"
    _refuse_text_only(place, local=local)
    from transformers import AutoModelForImageTextToText

    from chiasm.models._processor import load_processor

    processor = load_processor(place, local=local)
    require_template(processor, place)
    loaded = wanted if wanted == "auto" else getattr(torch, wanted)
    with quiet_transformers():
        model = AutoModelForImageTextToText.from_pretrained(place, dtype=loaded, local_files_only=local)
    return Bundle(model, processor, str(spec))


def merge_adapter(folder: str | Path) -> Bundle:
    """Load a low-rank adapter's base model with the adapter folded into its weights.

    Args:
        folder: Of the adapter; it names its base model.

    Returns:
        A plain model, to be written with `save`.
    """
    if not (Path(folder) / ADAPTER).is_file():
        msg = f"{folder} holds no {ADAPTER}, so it is no adapter to merge"
        raise InvalidInput(msg)
    prepare_torch()
    bundle = _with_adapter(Path(folder), "float32")
    return Bundle(bundle.model.merge_and_unload(), bundle.processor, bundle.name)


def _with_adapter(folder: Path, dtype: str | None) -> Bundle:
    """A base model with an adapter on it."""
    peft = require("peft", "train")
    named = peft.PeftConfig.from_pretrained(folder).base_model_name_or_path
    if not named:
        msg = f"the adapter in {folder} names no base model in its {ADAPTER}; write the base's folder or hub id there"
        raise InvalidInput(msg)
    base = load_bundle(named, dtype=dtype)
    return Bundle(peft.PeftModel.from_pretrained(base.model, folder), base.processor, str(folder))


def require_template(processor: Any, place: str) -> None:
    """Refuse a processor that cannot lay out a conversation."""
    if not getattr(processor, "chat_template", None):
        msg = (
            f"{place} has no chat template, so its conversations cannot be laid out; use an instruction-tuned model, or put "
            "chat_template.jinja into the folder"
        )
        raise InvalidInput(msg)


def local_folder(spec: str | Path) -> Path | None:
    """The folder of a model's files: the given one, or that of nano inside the package; None for a hub id.

    Raises:
        InvalidInput: Nothing of that name.
    """
    place, local = _place_of(spec)
    return Path(place) if local else None


def _place_of(spec: str | Path) -> tuple[str, bool]:
    """Folder or hub id, and whether it is a folder."""
    folder = Path(spec)
    if folder.is_dir():
        if not any((folder / name).is_file() for name in ("config.json", ADAPTER)):
            msg = f"a model folder holds config.json or {ADAPTER}, and {folder} holds neither"
            raise InvalidInput(msg)
        return str(folder), True
    if str(spec) in (EMBEDDED, TRAINED):
        weights = files("chiasm.models").joinpath("weights", EMBEDDED)
        if not weights.is_dir():
            msg = "this installation carries no nano weights; train some, and give their folder"
            raise InvalidInput(msg)
        return str(weights), True
    if isinstance(spec, str) and _HUB_ID.fullmatch(spec) and not spec.startswith((".", "~")):
        return spec, False
    msg = f"no model folder at {str(spec)!r}, and it is no hub id (ORG/NAME), no address (http://...) and not 'nano' or 'embedded'"
    raise InvalidInput(msg)


def _refuse_text_only(place: str, *, local: bool) -> None:
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(place, local_files_only=local)
    if type(config) not in AutoModelForImageTextToText._model_mapping:
        msg = f"{place} is a {config.model_type} model, which reads no images; choose an image-text-to-text model"
        raise InvalidInput(msg)
