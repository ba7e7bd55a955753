"""What the builder needs from other rooms: something that makes cases, and something that asks about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from chiasm.case import Case
from chiasm.corpus._draw import Patient
from chiasm.corpus._plan import ALL_PROGRAMS, Plan
from chiasm.errors import UnknownName
from chiasm.questions import LANGUAGES, STYLES, Chart, Item, Skip, Style, ask, programs


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
        """Every case of the patient, with all its images."""


class Ask(Protocol):
    """Asks one question about the named views of a case (`chiasm.questions.ask`)."""

    def __call__(
        self,
        case: Chart,
        program: str,
        rng: np.random.Generator,
        *,
        view_ids: Sequence[str],
        language_name: str,
        style: Style,
    ) -> Item | Skip: ...


@dataclass(frozen=True)
class Workshop:
    """Everything that turns a patient into questions with images."""

    maker: CaseMaker
    ask: Ask = ask
    programs: Mapping[str, str] | None = None
    """Names of the programs that `ask` knows, with the kind of pair each compares ("": one view); None: those of
    `chiasm.questions`."""

    @property
    def pairs(self) -> dict[str, str]:
        """What each program compares; empty for those that look at one view."""
        if self.programs is None:
            return {name: program.pair for name, program in programs().items()}
        return dict(self.programs)

    def settle(self, plan: Plan) -> Plan:
        """The plan with its programs spelled out, after checking every name in it; those that compare what it has not are left out.

        Raises:
            UnknownName: It names a program, language, style, or something of the world that does not exist.
        """
        known = self.pairs
        for name in (*plan.every_image, *(p for p in plan.programs if p != ALL_PROGRAMS)):
            if name not in known:
                raise UnknownName("question program", name, known)
        if plan.language not in LANGUAGES:
            raise UnknownName("language", plan.language, LANGUAGES)
        for style in plan.styles:
            if style not in STYLES:
                raise UnknownName("style", style, STYLES)
        self.maker.check(plan)
        if ALL_PROGRAMS not in plan.programs:
            return plan
        possible = {"": True, "visits": plan.visits > 1, "eyes": plan.eyes > 1, "twin": bool(plan.twins)}
        others = {name for name, pair in known.items() if possible[pair]} - set(plan.every_image)
        return plan.change(programs=tuple(sorted(others)))


class OpenWorkshop(Protocol):
    """Opens a workshop for a plan; importable by name, as it is sent to worker processes."""

    def __call__(self, plan: Plan) -> Workshop: ...
