"""Primitives of judgement and comparison, on top of `Look`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from chiasm.case import Finding
from chiasm.measure import StageEvidence, stage
from chiasm.questions._chart import FIELDS, LESIONS, Scene, Sight
from chiasm.questions._item import Ambiguous, Missing
from chiasm.questions._knowledge import Entry, entry
from chiasm.questions._look import STAGE_MARGIN, UNSEEN, Look
from chiasm.questions._sectors import QUADRANTS, quadrant_counts

DISTURBING: Final = ("moderate", "severe")
"""Severities of an artefact that hide what lies under it."""


def kinds(look: Look, *, scene: Scene | None = None) -> tuple[str, ...]:
    """The kinds of lesion that the view shows; ambiguous where a kind is there but not visible."""
    return tuple(name for name in LESIONS if look.present(name, scene=scene))


def near(look: Look, sights: Sequence[Sight], others: Sequence[Sight], within_mm: float) -> tuple[Sight, ...]:
    """Those whose centre lies within a distance of any of the others' masks; ambiguous within a fifth of the limit."""
    if not others:
        return ()
    spacing = np.array(look.scene.spacing_mm)
    pixels = np.concatenate([np.stack(other.pixels, axis=1) for other in others]) * spacing
    close = []
    for sight in sights:
        distance = float(np.sqrt(((pixels - np.array(sight.centre) * spacing) ** 2).sum(axis=1).min()))
        if 0.8 * within_mm < distance < 1.2 * within_mm:
            raise Ambiguous("a distance near its limit", sight.finding_id)
        if distance <= within_mm:
            close.append(sight)
    look.record("near", {"of": len(sights), "to": others[0].term, "within_mm": within_mm}, len(close), close)
    return tuple(close)


def disturbing(look: Look) -> tuple[Sight, ...]:
    """Artefacts of at least moderate severity; ambiguous where there are only mild ones."""
    found = tuple(look.scene.artefacts())
    worse = tuple(a for a in found if a.finding.attributes.get("severity") in DISTURBING)
    if found and not worse:
        raise Ambiguous("only a mild artefact")
    look.record("find", {"term": "artefact", "severity": "at least moderate"}, len(worse), worse)
    return worse


def hidden_share(look: Look, quadrant: str) -> float:
    """Share of a quadrant that disturbing artefacts cover, in [0, 1]; the largest of any one."""
    worst = [a for a in look.scene.artefacts() if a.finding.attributes.get("severity") in DISTURBING]
    share = max((_covered(look.scene, a, quadrant) for a in worst), default=0.0)
    look.record("hidden_share", {"quadrant": quadrant}, round(share, 4), worst)
    return share


def look_up(look: Look, name: str) -> Entry:
    """An entry of the guideline and its source."""
    found = entry(name)
    look.record("look_up_guideline", {"entry": name}, found.text)
    return found


def stage_without(look: Look, name: str) -> str:
    """The surrogate stage if every finding of a term were gone."""
    evidence = _evidence(look.scene).model_copy(update={FIELDS[name]: 0})
    staging = stage(evidence)
    margin = staging.nonperfusion_margin
    if margin is not None and margin < STAGE_MARGIN:
        raise Ambiguous("non-perfusion on the border of a stage")
    if look.scene.misses_disease(staging, (kind for kind in FIELDS if kind != name)):
        raise Ambiguous(UNSEEN, look.scene.view.view_id)
    look.record("apply_stage_rule", {"without": name}, staging.stage.value, look.scene.sights(name), margin)
    return staging.stage.value


def raising(look: Look) -> tuple[str, ...]:
    """The findings whose new or further appearance would by itself raise the stage."""
    staging = look.scene.staging
    names = {field: name for name, field in FIELDS.items()}
    ups = {names[c.finding] for c in staging.changes if c.by > 0 and c.to.level > staging.stage.level}
    ordered = tuple(name for name in LESIONS if name in ups)
    look.record("what_raises_the_stage", {"stage": staging.stage.value}, list(ordered))
    return ordered


def deciding(look: Look) -> tuple[str, ...]:
    """The findings that give the stage; none where it is healthy."""
    fired = {clause.finding for clause in look.scene.staging.fired}
    found = tuple(name for name, field in FIELDS.items() if field in fired)
    look.record("what_decides_the_stage", {"stage": look.scene.staging.stage.value}, list(found))
    return found


def affected_quadrants(look: Look, areas: dict[str, float], least: float) -> tuple[str, ...]:
    """Quadrants whose value reaches a limit; ambiguous within a third of it."""
    for name, value in areas.items():
        if least / 1.5 < value < least * 1.5:
            raise Ambiguous("a quadrant near the limit", name)
    found = tuple(name for name in QUADRANTS if areas[name] >= least)
    look.record("quadrants_above", {"limit": least}, list(found))
    return found


def attribute(finding: Finding, name: str) -> str:
    """A word that a finding carries; Missing where it does not."""
    value = finding.attributes.get(name)
    if not isinstance(value, str):
        raise Missing(f"{name} of {finding.term}", f"finding {finding.finding_id} has no attribute {name!r}")
    return value


def _evidence(scene: Scene) -> StageEvidence:
    clauses = {c.finding: c.value for c in scene.staging.clauses}
    return StageEvidence(
        n_ma=int(clauses["n_ma"]),
        n_irma=int(clauses["n_irma"]),
        n_nv=int(clauses["n_nv"]),
        nonperfusion_fraction=clauses["nonperfusion_fraction"],
    )


def _covered(scene: Scene, artefact: Sight, quadrant: str) -> float:
    row0, col0 = scene.reference
    height, width = scene.frame
    tall = row0 if quadrant.startswith("upper") else height - row0
    wide = col0 if quadrant.endswith("left") else width - col0
    inside = quadrant_counts(*artefact.pixels, scene.reference)[quadrant]
    return inside / max(tall * wide, 1.0)
