"""What a reader does with an entry that it cannot read: tell, and go on only if asked to."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chiasm.errors import InvalidInput


class Problem(NamedTuple):
    """One entry of a source that could not be read."""

    where: str
    """File or row."""
    what: str
    """Which rule it breaks."""


OnProblem = Callable[[Problem], None]
"""Called for each unreadable entry, which is then left out. Without one, the first problem is raised."""


def report(on_problem: OnProblem | None, where: str, what: str) -> None:
    """Hand a problem to the caller, or raise it.

    Raises:
        InvalidInput: Nobody listens.
    """
    if on_problem is None:
        msg = f"{what} ({where})"
        raise InvalidInput(msg)
    on_problem(Problem(where, what))
