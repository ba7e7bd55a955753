"""The stage of diabetic retinopathy by a written, tunable rule over findings that OCTA can show.

The rule (default thresholds; `StageRule` tunes them), first clause that holds:
    1. pdr:        neovascularization is present
    2. late-npdr:  IRMA is present, or non-perfusion outside the FAZ covers more than 8 % of the field
    3. early-npdr: a microaneurysm is present, or non-perfusion covers at least 2 % of the field
    4. healthy:    none of these

It is a surrogate. ICDR (Wilkinson 2003) grades by haemorrhages, venous beading and quadrants of a wide field, none of which
a macular OCTA shows; `ICDR_LEVELS` therefore maps a stage to the ICDR levels it may correspond to, and `ICDR_LIMITS` says why.
The thresholds 2 % and 8 % follow reported non-perfused shares: 4.4 % in diabetics without retinopathy and 7.8 % with it
(J Ophthalmol 2020:2473949), 7.5 % in severe NPDR and 18.9 % in PDR (wide field).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from chiasm.case import Record

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Stage(StrEnum):
    """The four surrogate stages, in order of severity."""

    HEALTHY = "healthy"
    EARLY_NPDR = "early-npdr"
    LATE_NPDR = "late-npdr"
    PDR = "pdr"

    @property
    def level(self) -> int:
        """0 (healthy) to 3 (pdr)."""
        return list(Stage).index(self)

    @property
    def three(self) -> str:
        """Merged to three classes: healthy, npdr, pdr."""
        return {Stage.HEALTHY: "healthy", Stage.PDR: "pdr"}.get(self, "npdr")

    @property
    def two(self) -> str:
        """Merged to two classes: healthy, dr."""
        return "healthy" if self is Stage.HEALTHY else "dr"


ICDR_LEVELS: Final[dict[Stage, tuple[int, ...]]] = {
    Stage.HEALTHY: (0,),
    Stage.EARLY_NPDR: (1, 2),
    Stage.LATE_NPDR: (2, 3),
    Stage.PDR: (4,),
}
"""The ICDR levels (0 none, 1 mild, 2 moderate, 3 severe, 4 proliferative) that a stage may correspond to."""

ICDR_LIMITS: Final = (
    "OCTA shows flow, not blood: haemorrhages, hard exudates and cotton-wool spots are invisible and venous beading is hard "
    "to judge, so mild and moderate, and moderate and severe, cannot be told apart",
    "a macular field holds a small part of the retina: neovascularization is mostly outside it, so pdr may be missed",
    "ICDR counts quadrants of the whole fundus; the rule counts findings in the field",
    "microaneurysms without flow are invisible, so ICDR 1 may be staged healthy",
)


class StageEvidence(Record):
    """What was found, as the rule needs it."""

    n_ma: Count = 0
    """Microaneurysms."""
    n_irma: Count = 0
    """Foci of intraretinal microvascular abnormality."""
    n_nv: Count = 0
    """Neovascularizations."""
    nonperfusion_fraction: Share = 0.0
    """Non-perfused area outside the FAZ / area of the field [0, 1]."""


class StageRule(Record):
    """The thresholds of the rule."""

    nonperfusion_min: Share = 0.02
    """At least this share of the field is early NPDR [0, 1]; below it is within what healthy eyes show."""
    late_nonperfusion: Share = 0.08
    """More than this share of the field is late NPDR [0, 1]."""
    ma_min: Annotated[int, Field(ge=1)] = 1
    """At least so many microaneurysms are early NPDR."""
    irma_min: Annotated[int, Field(ge=1)] = 1
    """At least so many IRMA foci are late NPDR."""
    nv_min: Annotated[int, Field(ge=1)] = 1
    """At least so many neovascularizations are PDR."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.0 < self.nonperfusion_min <= self.late_nonperfusion < 1.0:
            msg = (
                "StageRule needs 0 < nonperfusion_min <= late_nonperfusion < 1, got "
                f"{self.nonperfusion_min} and {self.late_nonperfusion}"
            )
            raise ValueError(msg)
        return self


class Clause(Record):
    """One condition of the rule, judged."""

    finding: str
    """Field of `StageEvidence`."""
    value: float
    relation: str
    """">=" or ">"."""
    threshold: float
    holds: bool
    stage: Stage
    """What the clause gives when it holds and none above it does."""

    def __str__(self) -> str:
        return f"{self.finding} {self.value:g} {self.relation} {self.threshold:g}: {'yes' if self.holds else 'no'}"


class Change(Record):
    """One finding changed alone, just enough to change the stage."""

    finding: str
    by: float
    """Signed; in counts, or as a fraction of the field."""
    to: Stage


class Staging(Record):
    """A stage with its proof."""

    stage: Stage
    clauses: tuple[Clause, ...]
    """Every clause in the order of the rule, with its verdict."""
    changes: tuple[Change, ...]
    """Each single finding whose smallest sufficient change gives another stage, smallest step first within a finding."""

    @property
    def fired(self) -> tuple[Clause, ...]:
        """The clauses that gave the stage; empty when healthy."""
        return tuple(c for c in self.clauses if c.holds and c.stage is self.stage)

    @property
    def nonperfusion_margin(self) -> float | None:
        """How far the non-perfused share is from a value that alone would change the stage; None when none would."""
        steps = [abs(c.by) for c in self.changes if c.finding == "nonperfusion_fraction"]
        return min(steps, default=None)


DEFAULT_RULE: Final = StageRule()


def stage(evidence: StageEvidence, rule: StageRule = DEFAULT_RULE) -> Staging:
    """Apply the rule.

    Args:
        evidence: What was found: all findings for the fact `stage`, those visible in the views for `stage_visible`.
        rule: Thresholds.

    Returns:
        The stage, every clause with its verdict, and the margins.
    """
    clauses = _judge(evidence, rule)
    verdict = _verdict(clauses)
    return Staging(stage=verdict, clauses=clauses, changes=_changes(evidence, rule, verdict))


def _judge(evidence: StageEvidence, rule: StageRule) -> tuple[Clause, ...]:
    table = (
        ("n_nv", ">=", rule.nv_min, Stage.PDR),
        ("n_irma", ">=", rule.irma_min, Stage.LATE_NPDR),
        ("nonperfusion_fraction", ">", rule.late_nonperfusion, Stage.LATE_NPDR),
        ("n_ma", ">=", rule.ma_min, Stage.EARLY_NPDR),
        ("nonperfusion_fraction", ">=", rule.nonperfusion_min, Stage.EARLY_NPDR),
    )
    clauses = []
    for finding, relation, threshold, result in table:
        value = getattr(evidence, finding)
        holds = value >= threshold if relation == ">=" else value > threshold
        clauses.append(
            Clause(finding=finding, value=value, relation=relation, threshold=threshold, holds=holds, stage=result)
        )
    return tuple(clauses)


def _verdict(clauses: tuple[Clause, ...]) -> Stage:
    return max((c.stage for c in clauses if c.holds), key=lambda s: s.level, default=Stage.HEALTHY)


def _changes(evidence: StageEvidence, rule: StageRule, verdict: Stage) -> tuple[Change, ...]:
    """Try each finding at the nearest values on either side of its thresholds, all else kept."""
    just = 1e-9  # past a strict threshold, and far below any measurable share of a field
    trials: dict[str, tuple[float, ...]] = {
        "n_nv": (rule.nv_min - 1, rule.nv_min),
        "n_irma": (rule.irma_min - 1, rule.irma_min),
        "n_ma": (rule.ma_min - 1, rule.ma_min),
        "nonperfusion_fraction": (
            rule.nonperfusion_min - just,
            rule.nonperfusion_min,
            rule.late_nonperfusion,
            rule.late_nonperfusion + just,
        ),
    }
    changes = []
    for finding, values in trials.items():
        nearest: dict[Stage, float] = {}
        for value in values:
            step = value - getattr(evidence, finding)
            other = _verdict(_judge(evidence.model_copy(update={finding: value}), rule))
            if other is not verdict and abs(step) < abs(nearest.get(other, float("inf"))):
                nearest[other] = step
        steps = sorted(nearest.items(), key=lambda item: abs(item[1]))
        changes += [Change(finding=finding, by=round(step, 8), to=other) for other, step in steps]
    return tuple(changes)
