"""Explain the image step by step and name the stage: SVR's five steps, with counts, sizes and distances, then the rule."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.case import Scalar
from chiasm.measure import Stage
from chiasm.questions._chart import LESIONS, Scene, Sight
from chiasm.questions._look import SURE, Look
from chiasm.questions._program import Asked, one_of, program, report
from chiasm.questions._sectors import SECTORS

STAGES = tuple(stage.value for stage in Stage)
COUNTED = 10
"""More microaneurysms than these are told to the nearest five, as about so many: nobody counts them one by one."""


@program("explain-stage", "medical reasoning", "category", choice=True)
def explain_stage(look: Look) -> Asked:
    """Explain the image step by step, then name the surrogate stage."""
    describe(look)
    stage = say_stage(look)
    return Asked("explain-stage", one_of(stage, STAGES, ordinal=True), table="stage")


@program("describe", "recognition", "report")
def describe_findings(look: Look) -> Asked:
    """Describe the findings."""
    describe(look)
    return Asked("describe", report(look.scene, core=LESIONS))


@program("report", "medical reasoning", "report")
def report_findings(look: Look) -> Asked:
    """Report findings and impression."""
    describe(look)
    say_stage(look)
    return Asked("report", report(look.scene, core=(*LESIONS, "diabetic retinopathy")))


def describe(look: Look) -> None:
    """The five steps."""
    say_faz(look)
    say_dropout(look)
    say_microaneurysms(look)
    say_new_vessels(look)
    say_course(look)


def say_faz(look: Look) -> None:
    """Step 1: the foveal avascular zone."""
    zone = look.anatomy("foveal avascular zone")
    area = look.area(zone)
    slots: dict[str, Scalar] = {"area": area.value, "size": look.classify(area.value, "faz size", sure=False)}
    if zone.finding.quantity("circularity") is not None:
        ratio = look.quantity(zone, "circularity").value
        shape = look.classify(ratio, "faz shape", sure=False)
        look.say("faz.both", **slots, ratio=ratio, shape=shape)
    else:
        look.say("faz.size", **slots)


def say_dropout(look: Look) -> None:
    """Step 2: capillary dropout; how many areas, how much of the field, where the largest is."""
    areas = look.find("capillary dropout")
    if not areas:
        deny(look, "capillary dropout")
        return
    share = look.nonperfusion()
    extent = look.classify(share.value, "dropout extent", sure=False)
    look.say("dropout.some", n=len(areas), term="capillary dropout", share=share.value, extent=extent)
    ordered = sorted(areas, key=lambda s: -s.area_mm2)
    if len(ordered) > 1 and ordered[1].area_mm2 > 0.85 * ordered[0].area_mm2:
        return
    largest = look.largest(areas) if len(areas) > 1 else areas[0]
    if largest.sector.margin < SURE:
        return
    sector = look.sector(largest)
    slots: dict[str, Scalar] = {
        "area": look.area(largest).value,
        "distance": look.distance(largest).value,
        "sector": sector,
    }
    look.say("dropout.largest" if len(areas) > 1 else "dropout.single", **slots)


def say_microaneurysms(look: Look) -> None:
    """Step 3: microaneurysms; how many, and the nearest to the fovea."""
    bulges = look.find("microaneurysm")
    if not bulges:
        deny(look, "microaneurysm")
        return
    n = look.count(bulges)
    if 1 < n <= COUNTED:
        look.say("found.amount", n=n, term="microaneurysm", amount=look.classify(n, "amount", sure=False))
    else:
        say_found(look, "microaneurysm", bulges)
    nearest = min(bulges, key=lambda s: s.distance_mm)
    if nearest.sector.margin >= SURE and (n == 1 or _clear(bulges)):
        look.nearest(bulges)
        sector = look.sector(nearest)
        look.say("ma.nearest" if n > 1 else "ma.single", distance=look.distance(nearest).value, sector=sector)


def say_new_vessels(look: Look) -> None:
    """Step 4: IRMA and neovascularization."""
    for name in ("intraretinal microvascular abnormality", "neovascularization"):
        found = look.find(name)
        if not found:
            deny(look, name)
            continue
        sectors = _sure_sectors(found)
        if sectors:
            look.say("found.where", n=len(found), term=name, sectors=sectors)
        else:
            look.say("found", n=len(found), term=name)


def say_course(look: Look) -> None:
    """Step 5: the course of the vessels."""
    twisted = look.find("vascular tortuosity")
    grade = twisted[0].finding.attributes.get("grade") if twisted else None
    if not twisted:
        if not look.scene.hidden("vascular tortuosity"):
            look.say("course.smooth")
    elif isinstance(grade, str):
        look.say("course.graded", grade=grade)
    else:
        look.say("course.twisted")


def say_stage(look: Look) -> str:
    """The rule: what decides the stage, and the stage."""
    stage = look.apply_stage_rule()
    look.say(f"stage.{_reason(look.scene, stage)}")
    return stage


def say_basis(look: Look) -> None:
    """What the stage rule needs, in its order: new vessels, IRMA, microaneurysms, non-perfusion."""
    for name in ("neovascularization", "intraretinal microvascular abnormality", "microaneurysm"):
        found = look.find(name)
        if found:
            say_found(look, name, found)
        else:
            deny(look, name)
    look.say("measured.share", measure="nonperfusion", share=look.nonperfusion().value)


def say_found(look: Look, name: str, found: Sequence[Sight]) -> None:
    """How many there are; of more than `COUNTED` microaneurysms, about how many."""
    n = len(found)
    if name != "microaneurysm" or n <= COUNTED:
        look.say("found", n=n, term=name)
    else:
        look.say("found.about", n=5 * round(n / 5), term=name, amount=look.classify(n, "amount", sure=False))


def deny(look: Look, name: str) -> None:
    """Say that there is none, unless the eye has some that the view does not show: of that the text is silent."""
    if not look.scene.hidden(name):
        look.say("absent", term=name)


def _reason(scene: Scene, stage: str) -> str:
    """Which clauses of the rule gave the stage."""
    fired = {clause.finding for clause in scene.staging.fired}
    names = {"n_ma": "ma", "n_irma": "irma", "n_nv": "nv", "nonperfusion_fraction": "share"}
    return "-".join([stage, *(names[f] for f in ("n_nv", "n_irma", "n_ma", "nonperfusion_fraction") if f in fired)])


def _clear(sights: tuple[Sight, ...]) -> bool:
    first, second = sorted(s.distance_mm for s in sights)[:2]
    return first < 0.85 * second


def _sure_sectors(sights: tuple[Sight, ...]) -> tuple[str, ...]:
    """Their directions; plain "upper" and "lower" last, since "upper and lower left" could be read as two corners."""
    if any(s.sector.margin < SURE for s in sights):
        return ()
    names = dict.fromkeys(s.sector.name for s in sights)
    return tuple(sorted(names, key=lambda name: (name in ("upper", "lower"), SECTORS.index(name))))
