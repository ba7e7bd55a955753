"""Sources by name: `octa500:PATH` and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from chiasm.case import Case
from chiasm.errors import InvalidInput, UnknownName
from chiasm.sources._image_folder import read_image_folder
from chiasm.sources._octa25k_faz import read_octa25k_faz
from chiasm.sources._octa500 import read_octa500
from chiasm.sources._problems import OnProblem
from chiasm.sources._rossa import read_rossa

_READERS: Final[dict[str, Callable[[Path, OnProblem | None], Iterator[Case]]]] = {
    "octa500": lambda root, on_problem: read_octa500(root, on_problem=on_problem),
    "octa25k-faz": lambda root, on_problem: read_octa25k_faz(root, on_problem=on_problem),
    "rossa": lambda root, on_problem: read_rossa(root, on_problem=on_problem),
    "images": lambda root, on_problem: read_image_folder(root, on_problem=on_problem),
}
SOURCES: Final = tuple(sorted(_READERS))
"""Every name that `read_source` knows."""


def split_source(text: str) -> tuple[str, Path] | None:
    """(name, path) of `name:path`, or None where the text is a plain path.

    Raises:
        UnknownName: It looks like `name:path` but the name is unknown.
    """
    name, colon, path = text.partition(":")
    if not colon or len(name) == 1 or Path(text).exists():  # one letter is a drive
        return None
    if name not in _READERS:
        raise UnknownName("source", name, SOURCES)
    if not path:
        msg = f"a source needs a path: {name}:PATH"
        raise InvalidInput(msg)
    return name, Path(path)


def read_source(text: str, *, on_problem: OnProblem | None = None) -> Iterator[Case]:
    """Cases of `name:path`, read one by one.

    Args:
        text: `octa500:PATH`, `octa25k-faz:PATH`, `rossa:PATH` or `images:PATH`.
        on_problem: Called for each unreadable entry, which is left out; None raises at the first.

    Raises:
        InvalidInput: Not of that form, an unknown name (UnknownName), or a folder that is not what it should be.
    """
    parts = split_source(text)
    if parts is None:
        msg = f"a source is named as NAME:PATH with NAME one of {', '.join(SOURCES)}, got {text!r}"
        raise InvalidInput(msg)
    name, path = parts
    if not path.is_dir():
        msg = f"source folder {path} does not exist ({text})"
        raise InvalidInput(msg)
    return _READERS[name](path, on_problem)
