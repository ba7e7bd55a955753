"""What a model says on the way to its answer: claims against facts, stage against its own findings, and the first error.

The facts are those of the item's key where it has any (reports), else the claims of the perfect reasoning, read back by the
same reader. Numbers are compared as the reader of `chiasm.questions.reading` does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal, NamedTuple

import numpy as np

from chiasm.evaluation._marking import Marked
from chiasm.evaluation._question import ExamItem
from chiasm.evaluation.statistics import Estimate, proportion
from chiasm.measure import Stage, StageEvidence, stage
from chiasm.questions import FactClaim, Trace, language, reasoning_of
from chiasm.questions.reading import Claim, Judged, claims, judge_text

Eye = Literal["OD", "OS", "unknown", "none"]
HELD_OUT: Final = "stage_finding_consistency"
"""The metric that is never a reward: it lives here, where no training code may import from, so that a model trained on the
scorers of `chiasm.questions` can still be caught at saying what scores well instead of what it sees."""
_WORDINGS: Final = 4
FEWEST: Final = 4
"""Facts that an item must have for its claims to be judged; a reasoning of one sentence has no precision."""

Kind = Literal["seeing", "measuring", "comparing", "knowing"]
KINDS: Final[tuple[Kind, ...]] = ("seeing", "measuring", "comparing", "knowing")
OP_KINDS: Final[dict[str, Kind]] = {
    "look": "seeing",
    "find": "seeing",
    "count": "seeing",
    "within": "seeing",
    "inside": "seeing",
    "near": "seeing",
    "check": "seeing",
    "points": "seeing",
    "boxes": "seeing",
    "measure": "measuring",
    "measure_distance": "measuring",
    "nonperfusion": "measuring",
    "look_up_fact": "measuring",
    "area_by_quadrant": "measuring",
    "hidden_share": "measuring",
    "classify": "measuring",
    "largest": "comparing",
    "nearest": "comparing",
    "sector": "comparing",
    "quadrant": "comparing",
    "ring": "comparing",
    "locate": "comparing",
    "rank": "comparing",
    "compare": "comparing",
    "compare_panels": "comparing",
    "threshold": "comparing",
    "quadrants_above": "comparing",
    "apply_stage_rule": "knowing",
    "what_raises_the_stage": "knowing",
    "what_decides_the_stage": "knowing",
    "look_up_guideline": "knowing",
}
"""After DeepTumorVQA's stages (recognition, measurement, visual reasoning, medical reasoning), by primitive."""


class Link(NamedTuple):
    """Where the chain of one item first breaks."""

    outcome: Literal["right", "wrong"]
    """Of the final answer."""
    first: str
    """The kind of the first step that the model's words contradict; "left out" where facts are missing but none is wrong;
    "nothing wrong said"; "silent" where it wrote no reasoning."""
    kinds: frozenset[Kind] = frozenset()
    """Of every step that the words contradict."""


class ChainRow(NamedTuple):
    """One kind of first error."""

    first: str
    n_wrong: int
    """Items answered wrong whose chain breaks here first."""
    n_right: int
    """Items answered right all the same."""
    n_any: int
    """Items with an error of this kind anywhere in the chain."""


def facts_of_item(item: ExamItem) -> tuple[FactClaim, ...]:
    """What is true of the item's image, as far as its reasoning or its key tells."""
    if item.key.facts:
        return item.key.facts
    told = claims(item.reasoning, _eye(item)).claims
    return tuple(FactClaim(subject=c.subject, attribute=c.attribute, value=c.value, core=True) for c in told)


def claim_figures(marked: Sequence[Marked]) -> Iterator[tuple[str, Estimate]]:
    """Precision over verifiable claims, recall over core facts, hallucinated findings, stage against own findings.

    The first three count claims, facts and items; intervals are over patients all the same.
    """
    judged = [(m, judge_item(m)) for m in marked if m.scored]
    known = [(m, j) for m, j in judged if j is not None]
    if not known:
        return
    unscored = sum(not m.scored for m in marked)
    told = [
        (m.item.patient_id, hit) for m, j in known for hit in (*[1.0] * len(j.supported), *[0.0] * len(j.contradicted))
    ]
    core = [(m.item.patient_id, float(k >= len(j.missed))) for m, j in known for k in range(j.n_core)]
    invented = [(m.item.patient_id, float(bool(j.hallucinated))) for m, j in known]
    agreeing = [(m.item.patient_id, stage_agrees(m)) for m, _ in known]
    for name, units in (
        ("claim_precision", told),
        ("claim_recall", core),
        ("hallucinating_share", invented),
        (HELD_OUT, [u for u in agreeing if not math.isnan(u[1])]),
    ):
        if units:
            estimate = proportion([hit for _, hit in units], clusters=[patient for patient, _ in units])
            note = "kept apart: never a training reward" if name == HELD_OUT else estimate.note
            yield name, replace(estimate, n_unscored=unscored, note=note)


def judge_item(m: Marked) -> Judged | None:
    """The claims of a reply against the facts; None where there are too few facts, or no words beside the answer."""
    facts = facts_of_item(m.item)
    words = _words(m)
    if len(facts) < FEWEST or not words:
        return None
    return judge_text(words, facts, _eye(m.item))


def stage_agrees(m: Marked) -> float:
    """1 where the stage answered is what the rule gives for the findings that the model itself names, 0 where not.

    NaN where the answer is no stage, or the words leave the rule open (dropout without its share).
    """
    said = m.tolerant.answer
    if said not in {s.value for s in Stage}:
        return math.nan
    implied = implied_stage(claims(_words(m), _eye(m.item)).claims)
    return math.nan if implied is None else float(implied == said)


def implied_stage(said: Sequence[Claim]) -> str | None:
    """The stage by the written rule for the findings that a text names; None where it leaves the rule open."""
    present = {c.subject: bool(c.value) for c in said if c.attribute == "present"}
    counted = {c.subject: float(c.value) for c in said if c.attribute == "count" and not isinstance(c.value, str)}
    shares = [float(c.value) for c in said if (c.subject, c.attribute) == ("capillary dropout", "share")]

    def number(name: str) -> int | None:
        if name not in present:
            return None
        return max(1, int(counted.get(name, 1))) if present[name] else 0

    dropout = present.get("capillary dropout")
    share = shares[0] / 100 if shares else 0.0 if dropout is False else None
    named = [number(n) for n in ("microaneurysm", "intraretinal microvascular abnormality", "neovascularization")]
    lowest, highest = (
        stage(
            StageEvidence(
                n_ma=named[0] if named[0] is not None else unknown,
                n_irma=named[1] if named[1] is not None else unknown,
                n_nv=named[2] if named[2] is not None else unknown,
                nonperfusion_fraction=min(max(share, 0.0), 1.0) if share is not None else float(unknown),
            )
        ).stage.value
        for unknown in (0, 1)
    )
    return lowest if lowest == highest else None


def chain(m: Marked) -> Link | None:
    """Follow the perfect trace through the model's words; None where there is no trace with enough facts."""
    trace = m.item.trace()
    if not m.scored or trace is None:
        return None
    steps = _steps(trace, m.item)
    if sum(len(facts) for _, facts in steps) < FEWEST:
        return None
    outcome: Literal["right", "wrong"] = "right" if m.tolerant.exact == 1 else "wrong"
    words = _words(m)
    if not words:
        return Link(outcome, "silent")
    judged = [(kind, judge_text(words, facts, _eye(m.item))) for kind, facts in steps]
    broken = [kind for kind, j in judged if j.contradicted]
    if broken:
        return Link(outcome, broken[0], frozenset(broken))
    return Link(outcome, "left out" if any(j.missed for _, j in judged) else "nothing wrong said")


def chain_table(marked: Sequence[Marked]) -> list[ChainRow]:
    """First errors counted, in the order of the chain; empty where nothing applies."""
    links = [link for m in marked if (link := chain(m)) is not None]
    if not links:
        return []
    counts = Counter((link.outcome, link.first) for link in links)
    rows = (*KINDS, "left out", "silent", "nothing wrong said")
    anywhere: Counter[str] = Counter(kind for link in links for kind in link.kinds)
    return [ChainRow(name, counts["wrong", name], counts["right", name], anywhere[name]) for name in rows]


def _steps(trace: Trace, item: ExamItem) -> list[tuple[Kind, tuple[FactClaim, ...]]]:
    """Each step that says something, with the facts that its sentences add.

    The sentences are read as they grow into a text, because "the largest" means nothing without the one before. Only facts
    that the perfect reasoning tells too are core: what its style leaves out, a model may leave out.
    """
    words, text = language("en"), ""
    expected = {c[:3] for c in claims(item.reasoning, _eye(item)).claims}
    told: set[Claim] = set()
    out: list[tuple[Kind, tuple[FactClaim, ...]]] = []
    for step in trace.steps:
        if not step.statements:
            continue
        # some wordings part "the largest" from what is said of it: the one that tells most of the perfect reasoning is taken, and
        # no more are tried once every slot of the statements is told
        best: tuple[Claim, ...] = ()
        most, chosen = -1, text
        slots = sum(len(s.slots) for s in step.statements)
        for k in range(_WORDINGS):
            said = (words.say(s, "findings", np.random.default_rng(k)) for s in step.statements)
            grown = " ".join([text, *said])
            read = claims(grown, _eye(item)).claims
            tells = len({c[:3] for c in read if c not in told} & expected)
            if tells > most:
                most, best, chosen = tells, read, grown
            if tells >= slots:
                break
        text, new = chosen, [c for c in best if c not in told]
        told |= set(new)
        if new:
            facts = (FactClaim(subject=c[0], attribute=c[1], value=c[2], core=c[:3] in expected) for c in new)
            out.append((OP_KINDS.get(step.op, "seeing"), tuple(facts)))
    return out


def _words(m: Marked) -> str:
    """The reasoning of a reply; of a report, all of it."""
    text = m.reply.text or ""
    return text if m.item.key.expects == "report" else reasoning_of(text)


def _eye(item: ExamItem) -> Eye:
    return item.laterality if item.laterality in ("OD", "OS", "unknown") else "none"  # type: ignore[return-value]
