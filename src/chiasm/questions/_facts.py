"""What is true of a view, as claims: the truth that free text is judged against."""

from __future__ import annotations

import functools

from chiasm.questions._answers import FactClaim
from chiasm.questions._chart import LESIONS, Scene, Sight
from chiasm.questions._item import Missing
from chiasm.questions._scales import scale


def facts_of(scene: Scene) -> tuple[FactClaim, ...]:
    """Every fact of a view that a report may tell.

    Attributes by subject: every lesion has `present`, but for one that the eye has and the view does not show; where present
    also `count`, and for those with a place `sector` (one per sector that holds any), `largest sector`, `nearest sector`; sizes
    are `area` [mm2], `largest area` [mm2], `share` [%], `distance` [mm], `diameter` [um]. Dropout of which an artefact hides
    more is only present. The FAZ has `area`, `size`, `ratio` and `shape`; diabetic retinopathy its `stage`, unless an ill eye's
    view shows nothing or an artefact hides dropout; the image its `quality`.
    """
    facts: list[FactClaim] = []
    for name in LESIONS:
        facts += _lesion(scene, name)
    for zone in scene.sights("foveal avascular zone")[:1]:
        facts += _faz(zone)
    if not scene.misses_disease(scene.staging) and not scene.obscured:
        stage = scene.staging.stage.value
        facts.append(FactClaim(subject="diabetic retinopathy", attribute="stage", value=stage, core=True))
        facts.append(FactClaim(subject="diabetic retinopathy", attribute="present", value=stage != "healthy"))
    quality = scene.case.fact_value("quality", view_id=scene.view.view_id)
    if isinstance(quality, str):
        facts.append(FactClaim(subject="image", attribute="quality", value=quality))
    for artefact in scene.artefacts():
        facts.append(FactClaim(subject=artefact.term, attribute="present", value=True))
    return tuple(dict.fromkeys(facts))


def _lesion(scene: Scene, name: str) -> list[FactClaim]:
    seen = scene.sights(name)
    if not seen and scene.hidden(name):
        return []
    fact = functools.partial(FactClaim, subject=name)
    facts = [fact(attribute="present", value=bool(seen), core=True)]
    if not seen or (name == "capillary dropout" and scene.obscured):
        return facts
    if name == "vascular tortuosity":
        grade = seen[0].finding.attributes.get("grade")
        if isinstance(grade, str):
            facts.append(fact(attribute="grade", value=grade))
        return facts
    facts.append(fact(attribute="count", value=len(seen), core=name in ("capillary dropout", "microaneurysm")))
    facts += [fact(attribute="sector", value=s) for s in dict.fromkeys(s.sector.name for s in seen)]
    facts += [fact(attribute="distance", value=round(d, 3)) for d in sorted({s.distance_mm for s in seen})]
    nearest = min(seen, key=lambda s: s.distance_mm)
    facts += [
        fact(attribute="nearest distance", value=round(nearest.distance_mm, 3)),
        fact(attribute="nearest sector", value=nearest.sector.name),
    ]
    if name == "microaneurysm":
        facts.append(fact(attribute="amount", value=scale("amount").label(len(seen))))
        facts += [
            fact(attribute="diameter", value=round(q.value, 1)) for s in seen if (q := s.finding.quantity("diameter"))
        ]
    if name == "capillary dropout":
        share = scene.nonperfusion_percent
        facts += [
            fact(attribute="share", value=round(share, 2)),
            fact(attribute="extent", value=scale("dropout extent").label(share)),
        ]
    return facts + _sizes(seen) if name in ("capillary dropout", "neovascularization") else facts


def _sizes(seen: tuple[Sight, ...]) -> list[FactClaim]:
    fact = functools.partial(FactClaim, subject=seen[0].term)
    ordered = sorted(seen, key=lambda s: -s.area_mm2)
    facts = [fact(attribute="area", value=round(s.area_mm2, 4)) for s in ordered]
    facts.append(fact(attribute="total area", value=round(sum(s.area_mm2 for s in ordered), 4)))
    facts.append(fact(attribute="largest area", value=round(ordered[0].area_mm2, 4)))
    if len(ordered) == 1 or ordered[1].area_mm2 <= 0.85 * ordered[0].area_mm2:
        facts.append(fact(attribute="largest sector", value=ordered[0].sector.name))
        facts.append(fact(attribute="largest distance", value=round(ordered[0].distance_mm, 3)))
    return facts


def _faz(zone: Sight) -> list[FactClaim]:
    try:
        area = zone.area_mm2
    except Missing:
        return []
    facts = [
        FactClaim(subject="foveal avascular zone", attribute="area", value=round(area, 4)),
        FactClaim(subject="foveal avascular zone", attribute="size", value=scale("faz size").label(area)),
    ]
    circularity = zone.finding.quantity("circularity")
    if circularity is not None:
        facts += [
            FactClaim(subject="foveal avascular zone", attribute="ratio", value=round(circularity.value, 3)),
            FactClaim(
                subject="foveal avascular zone", attribute="shape", value=scale("faz shape").label(circularity.value)
            ),
        ]
    return facts
