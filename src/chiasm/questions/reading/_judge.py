"""Claims against facts: what a text says right, says wrong, invents and leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from chiasm.case import terms
from chiasm.questions._answers import FactClaim
from chiasm.questions._scales import scale
from chiasm.questions._sectors import SECTORS
from chiasm.questions.reading._claims import LESIONS, Claim, Eye, claims

Verdict = Literal["supported", "contradicted", "unverifiable"]
CLOSE: Final = 0.1
"""A measured value is right within a tenth, as a key's tolerance is."""
ROUGH: Final = 0.25
"""A value said to be an estimate is right within a quarter."""
FLOOR: Final = {"area": 0.02, "distance": 0.05, "diameter": 5.0, "share": 0.5, "ratio": 0.02}
"""Least absolute tolerance by the last word of the attribute, in its unit."""
SCALES: Final = {"amount": "amount", "extent": "dropout extent", "size": "faz size", "shape": "faz shape"}
MEASURED_BY: Final = {"amount": "count", "extent": "share", "size": "area", "shape": "ratio"}
HALVES: Final = {
    "upper half": SECTORS[1:4],
    "lower half": SECTORS[5:8],
    "left half": SECTORS[3:6],
    "right half": (SECTORS[7], *SECTORS[:2]),
}


class Judged(NamedTuple):
    """What a text is worth against the facts."""

    supported: tuple[Claim, ...]
    contradicted: tuple[Claim, ...]
    unverifiable: tuple[Claim, ...]
    """Claims that the facts do not speak to."""
    missed: tuple[FactClaim, ...]
    """Core facts that no supported claim tells."""
    unread: tuple[str, ...]
    """Sentences on which the reader abstained."""
    n_core: int

    @property
    def hallucinated(self) -> tuple[str, ...]:
        """Findings said to be present that are not."""
        return tuple(
            dict.fromkeys(c.subject for c in self.contradicted if c.attribute == "present" and c.value is True)
        )

    @property
    def sectors_right(self) -> tuple[int, int]:
        """(right, told) over every claim of a direction."""
        right = sum(c.attribute.endswith("sector") for c in self.supported)
        return right, right + sum(c.attribute.endswith("sector") for c in self.contradicted)

    @property
    def precision(self) -> float:
        """Supported share of the claims that can be verified; 0 where there is none."""
        told = len(self.supported) + len(self.contradicted)
        return len(self.supported) / told if told else 0.0

    @property
    def recall(self) -> float:
        """Share of the core facts that are told; 1 where there are none."""
        return 1 - len(self.missed) / self.n_core if self.n_core else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def judge_text(text: str, facts: Sequence[FactClaim], eye: Eye = "none") -> Judged:
    """Read a text and judge its claims.

    Args:
        text: Any text.
        facts: What is true, as `facts_of` gives it.
        eye: Which eye, so that "nasal" can be read.
    """
    reading = claims(text, eye)
    table = _Table(facts)
    verdicts = [(claim, table.verdict(claim)) for claim in reading.claims]
    supported = tuple(c for c, v in verdicts if v == "supported")
    told = {(c.subject, c.attribute) for c in supported}
    core = [f for f in facts if f.core]
    return Judged(
        supported=supported,
        contradicted=tuple(c for c, v in verdicts if v == "contradicted"),
        unverifiable=tuple(c for c, v in verdicts if v == "unverifiable"),
        missed=tuple(f for f in core if (f.subject, f.attribute) not in told),
        unread=reading.unread,
        n_core=len(core),
    )


class _Table:
    def __init__(self, facts: Sequence[FactClaim]) -> None:
        self._values: dict[tuple[str, str], list[bool | float | str]] = {}
        for fact in facts:
            self._values.setdefault((fact.subject, fact.attribute), []).append(fact.value)

    def verdict(self, claim: Claim) -> Verdict:
        """Judge one claim."""
        known = self._values.get((claim.subject, claim.attribute), [])
        absent = claim.subject in LESIONS and self._values.get((claim.subject, "present"), [None])[0] is False
        if claim.attribute == "present":
            artefact = any(t.name == claim.subject for t in terms("artefact"))
            truth = known[0] if known else (False if artefact else None)
            return _verdict(None if truth is None else truth == claim.value)
        if claim.attribute == "absent in":
            return _verdict(absent or not self._any_in(claim, "sector"))
        if absent:
            return "contradicted"
        if claim.attribute == "sector" and known:
            return _verdict(self._any_in(claim, "sector"))
        if claim.attribute in SCALES or claim.attribute in ("stage", "quality", "grade"):
            return _verdict(None if not known else self._word(claim, str(known[0])))
        if not known:
            return "unverifiable"
        return _verdict(any(_same(claim, value) for value in known))

    def _any_in(self, claim: Claim, attribute: str) -> bool:
        places = {str(v) for v in self._values.get((claim.subject, attribute), [])}
        return bool(places & set(HALVES.get(str(claim.value), (str(claim.value),))))

    def _word(self, claim: Claim, truth: str) -> bool:
        said = str(claim.value)
        if said.startswith("not "):
            return said.removeprefix("not ") != truth
        if said == truth or (claim.attribute == "stage" and said == "npdr" and truth.endswith("-npdr")):
            return True
        measured = self._values.get((claim.subject, MEASURED_BY.get(claim.attribute, "")), [])
        if not measured or claim.attribute not in SCALES:
            return False
        used, value = scale(SCALES[claim.attribute]), float(measured[0])
        neighbours = abs(used.labels.index(said) - used.labels.index(truth)) == 1 if said in used.labels else False
        return neighbours and any(
            used.label(value * (1 + side * CLOSE)) == said and claim.attribute != "amount" for side in (-1, 1)
        )


def _verdict(right: bool | None) -> Verdict:
    return "unverifiable" if right is None else "supported" if right else "contradicted"


def _same(claim: Claim, truth: bool | float | str) -> bool:
    if isinstance(truth, str) or isinstance(claim.value, str):
        return claim.value == truth
    if claim.attribute == "count":
        return abs(claim.value - truth) <= (ROUGH * truth if claim.hedged else 0)
    wide = ROUGH if claim.hedged else CLOSE
    floor = FLOOR.get(claim.attribute.rpartition(" ")[2], 0.0)
    return abs(claim.value - truth) <= max(wide * abs(truth), floor)
