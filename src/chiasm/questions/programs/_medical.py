"""What does it mean? Questions that apply a rule or a guideline to what was seen."""

from __future__ import annotations

from collections.abc import Callable

from chiasm.questions._judging import deciding, look_up, raising, stage_without
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, one_of, program, some_of, unjudged, yes_no
from chiasm.questions._scales import scale
from chiasm.questions.programs._explain import STAGES, say_basis, say_stage

STAGING_TERMS = ("capillary dropout", "microaneurysm", "intraretinal microvascular abnormality", "neovascularization")
LIMIT_PERCENT = 8.0


@program("stage", "medical reasoning", "category", choice=True)
def stage(look: Look) -> Asked:
    """Which surrogate stage of diabetic retinopathy does the image show?"""
    say_basis(look)
    return Asked("stage", one_of(say_stage(look), STAGES, ordinal=True), table="stage")


@program("any-retinopathy", "medical reasoning", "yesno")
def any_retinopathy(look: Look) -> Asked:
    """Does the image show any diabetic retinopathy?"""
    say_basis(look)
    return Asked("any-retinopathy", yes_no(say_stage(look) != "healthy"))


@program("proliferative", "medical reasoning", "yesno")
def proliferative(look: Look) -> Asked:
    """Is the retinopathy proliferative?"""
    yes = look.present("neovascularization")
    if yes:
        look.say("found", n=len(look.scene.sights("neovascularization")), term="neovascularization")
    else:
        look.say("absent", term="neovascularization")
    look_up(look, "surrogate stage")
    look.say("proliferative.yes" if yes else "proliferative.no")
    return Asked("proliferative", yes_no(yes))


@program("stage-drivers", "medical reasoning", "set")
def stage_drivers(look: Look) -> Asked:
    """Why is the stage not lower: which findings decide it?"""
    say_basis(look)
    say_stage(look)
    return Asked("stage-drivers", some_of(deciding(look), STAGING_TERMS))


@program("stage-raisers", "medical reasoning", "set")
def stage_raisers(look: Look) -> Asked:
    """Why is the stage not higher: which findings, if they appeared, would raise it?"""
    say_stage(look)
    found = raising(look)
    look.say("raisers", kinds=found)
    return Asked("stage-raisers", some_of(found, STAGING_TERMS))


def without(name: str, term: str) -> Callable[[Look], Asked]:
    """Register the question which stage would remain without a kind of finding."""

    def run(look: Look) -> Asked:
        say_basis(look)
        remaining = stage_without(look, term)
        look.say("without", term=term, stage=remaining)
        return Asked("stage-without", one_of(remaining, STAGES, ordinal=True), {"term": term}, table="stage")

    run.__doc__ = f"Which stage would remain without any {term}?"
    return program(f"stage-without-{name}", "medical reasoning", "category", choice=True)(run)


stage_without_microaneurysms = without("microaneurysms", "microaneurysm")
stage_without_dropout = without("dropout", "capillary dropout")
stage_without_irma = without("irma", "intraretinal microvascular abnormality")


@program("nonperfusion-limit", "medical reasoning", "yesno")
def nonperfusion_limit(look: Look) -> Asked:
    """Does non-perfusion exceed the limit of late NPDR?"""
    if not look.find("capillary dropout"):
        look.present("capillary dropout")
    share = look.nonperfusion()
    look_up(look, "surrogate stage")
    yes = look.above(share.value, LIMIT_PERCENT)
    look.say("limit.above" if yes else "limit.below", share=share.value, limit=LIMIT_PERCENT)
    return Asked("nonperfusion-limit", yes_no(yes), {"limit": LIMIT_PERCENT})


@program("faz-size", "medical reasoning", "category", choice=True)
def faz_size(look: Look) -> Asked:
    """Is the foveal avascular zone small, of typical size or enlarged?"""
    area = look.area(look.anatomy("foveal avascular zone"))
    look_up(look, "faz area")
    label = look.classify(area.value, "faz size")
    look.say("faz.size", area=area.value, size=label)
    return Asked("faz-size", one_of(label, scale("faz size").labels, ordinal=True), table="size")


@program("haemorrhage-control", "medical reasoning", "yesno")
def haemorrhage_control(look: Look) -> Asked:
    """Negative control: are there haemorrhages? OCTA cannot show them."""
    look_up(look, "haemorrhage")
    look.say("haemorrhage")
    return Asked("haemorrhage", unjudged("yesno"))
