"""The errors Chiasm raises on purpose, one small tree.

    ChiasmError
    |-- InvalidInput        a value, file or option breaks a stated rule (also a ValueError)
    |   `-- UnknownName     a name that is not in its list; carries the nearest valid one
    |-- MissingExtra        an optional dependency is absent (also an ImportError)
    |-- Conflict            two things exclude each other: another config's folder, a second writer
    |-- Unanswerable        a question asked of a case that lacks what it needs
    `-- TrainingFailed      a run that cannot go on: its loss is not a number, or the model does not look

Inner code raises plain Python; a boundary (reading a file, taking an option, building a record) turns it into one of
these. A message says the rule, the value, where it was found, and what to do.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class ChiasmError(Exception):
    """Base of every error that Chiasm raises on purpose."""


class InvalidInput(ChiasmError, ValueError):
    """A value, file or option breaks a stated rule."""


class UnknownName(InvalidInput):
    """A name that is not in its list.

    Args:
        kind: What was named, for the message ("preset", "program").
        name: What the user wrote.
        known: Every valid name.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known: {', '.join(names)}")
        self.name, self.suggestion = name, near[0] if near else None


class MissingExtra(ChiasmError, ImportError):
    """An optional dependency is absent."""


class Conflict(ChiasmError):
    """Two things exclude each other, such as one folder and two configurations."""


class Unanswerable(ChiasmError):
    """A question was asked of a case that lacks what the question needs."""


class TrainingFailed(ChiasmError):
    """A training run that cannot go on: its loss is not a number, or the model does not look at the images."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    Args:
        module: Dotted module name.
        extra: The extra of this package that installs it.

    Raises:
        MissingExtra: The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != root:
            raise
        msg = f"{root} is not installed, and this step needs it; install it with: pip install 'chiasm[{extra}]'"
        raise MissingExtra(msg) from error
