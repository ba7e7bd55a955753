"""What the builder needs from other rooms, as small protocols: something that makes cases, and something that asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from chiasm.case import Case
from chiasm.corpus._draw import Patient
from chiasm.corpus._plan import Plan
from chiasm.errors import UnknownName


class CaseMaker(Protocol):
    """Makes every case of a patient; the same patient gives the same cases."""

    @property
    def name(self) -> str:
        """Name of the world."""

    @property
    def version(self) -> str:
        """Changes whenever the same parameters give other bytes."""

    def check(self, plan: Plan) -> None:
        """Refuse a plan that names what this world has not (stages, profiles, fields of view, findings)."""

    def cases(self, patient: Patient, rng: np.random.Generator) -> Iterator[Case]:
        """Every case of the patient: the eyes with their images, then a twin without each of the plan's findings."""


@runtime_checkable
class AskedItem(Protocol):
    """One question about a case with everything that is known about its answer (`chiasm.questions.Item`)."""

    item_id: str
    case_id: str
    program: str
    stage: str
    view_ids: Sequence[str]
    prompt: str
    options: Sequence[str]
    key: Any
    reasoning: str
    answer_text: str
    trace: Any
    evidence: Any

    def messages(self) -> list[dict[str, Any]]:
        """Chat rows, without pixels."""


class Skipped(Protocol):
    """A question that was not asked."""

    reason: str


class Ask(Protocol):
    """Asks one question about the named views of a case."""

    def __call__(
        self, case: Case, program: str, rng: np.random.Generator, view_ids: Sequence[str]
    ) -> AskedItem | Skipped: ...


@dataclass(frozen=True)
class Workshop:
    """Everything that turns a patient into questions with images."""

    maker: CaseMaker
    ask: Ask
    programs: Mapping[str, int]
    """Names of the programs that `ask` knows, with the number of views each takes."""


class OpenWorkshop(Protocol):
    """Opens a workshop for a plan; importable by name, as it is sent to worker processes."""

    def __call__(self, plan: Plan) -> Workshop: ...


def check_programs(plan: Plan, programs: Iterable[str]) -> None:
    """Refuse a plan that names a program which does not exist."""
    known = set(programs)
    for name in (*plan.every_image, *plan.programs):
        if name not in known:
            raise UnknownName("question program", name, known)
