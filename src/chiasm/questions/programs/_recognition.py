"""Is it there, and what is it?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from chiasm.case import terms
from chiasm.questions._answers import BoxValue
from chiasm.questions._chart import LESIONS, Sight
from chiasm.questions._item import Ambiguous, Missing
from chiasm.questions._judging import disturbing, kinds
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, one_of, program, some_of, yes_no
from chiasm.questions._sectors import QUADRANTS
from chiasm.questions.programs._explain import say_found

ARTEFACTS: Final = tuple(t.name for t in terms("artefact"))
MARKED: Final = ("none", *LESIONS[:4])
"""What a marked square may hold."""
SQUARE_MM: Final = 0.5
"""Side of a marked square; one size for all, so that the size tells nothing."""


def presence(name: str, term: str) -> Callable[[Look], Asked]:
    """Register the question of presence of one term."""

    def run(look: Look) -> Asked:
        yes = look.present(term)
        if yes:
            say_found(look, term, look.scene.sights(term))
        else:
            look.say("absent", term=term)
        return Asked("present", yes_no(yes), {"term": term})

    run.__doc__ = f"Is there any {term}?"
    return program(f"{name}-present", "recognition", "yesno")(run)


def in_quadrant(name: str, term: str) -> Callable[[Look], Asked]:
    """Register the question whether one quadrant holds any of a term."""

    def run(look: Look) -> Asked:
        seen = look.find(term)
        quadrant = _balanced_quadrant(look, seen)
        inside = look.within(seen, quadrant)
        if inside:
            look.say("quadrant.some", n=len(inside), term=term, quadrant=quadrant)
        else:
            look.say("quadrant.none", term=term, quadrant=quadrant)
        return Asked("in-quadrant", yes_no(bool(inside)), {"term": term, "quadrant": quadrant})

    run.__doc__ = f"Does a quadrant hold any {term}?"
    return program(f"{name}-in-quadrant", "recognition", "yesno")(run)


dropout_present = presence("dropout", "capillary dropout")
microaneurysm_present = presence("microaneurysm", "microaneurysm")
irma_present = presence("irma", "intraretinal microvascular abnormality")
neovascularization_present = presence("neovascularization", "neovascularization")
tortuosity_present = presence("tortuosity", "vascular tortuosity")
dropout_in_quadrant = in_quadrant("dropout", "capillary dropout")
microaneurysm_in_quadrant = in_quadrant("microaneurysm", "microaneurysm")


@program("lesion-kinds", "recognition", "set")
def lesion_kinds(look: Look) -> Asked:
    """Which kinds of lesion are there?"""
    found = kinds(look)
    look.say("kinds", kinds=found)
    return Asked("lesion-kinds", some_of(found, LESIONS))


@program("irma-or-new-vessels", "recognition", "category", choice=True)
def irma_or_new_vessels(look: Look) -> Asked:
    """Are the abnormal vessels IRMA, neovascularization, both, or is there neither?"""
    irma = look.present("intraretinal microvascular abnormality")
    look.say("found" if irma else "absent", **_number(look, "intraretinal microvascular abnormality"))
    new = look.present("neovascularization")
    look.say("found" if new else "absent", **_number(look, "neovascularization"))
    names = {(True, True): "both", (True, False): "irma", (False, True): "new vessels", (False, False): "neither"}
    return Asked("abnormal-vessels", one_of(names[irma, new], tuple(names.values())), table="vessels")


@program("artefact-present", "recognition", "yesno")
def artefact_present(look: Look) -> Asked:
    """Is there an artefact that disturbs reading?"""
    found = disturbing(look)
    if found:
        look.say("artefact.some", artefacts=tuple(dict.fromkeys(a.term for a in found)))
    else:
        look.say("artefact.none")
    return Asked("artefact-present", yes_no(bool(found)))


@program("artefact-kind", "recognition", "category", choice=True)
def artefact_kind(look: Look) -> Asked:
    """Of which kind is the artefact that disturbs reading?"""
    found = disturbing(look)
    if not found:
        raise Missing("a disturbing artefact")
    names = tuple(dict.fromkeys(a.term for a in found))
    if len(names) > 1:
        raise Ambiguous("several kinds of artefact")
    look.say("artefact.some", artefacts=names)
    return Asked("artefact-kind", one_of(names[0], ARTEFACTS), table="artefact")


@program("marked-square", "recognition", "category", choice=True)
def marked_square(look: Look) -> Asked:
    """What does the marked square show? The squares are of one size, and one in several shows nothing."""
    wanted = look.pick(("none", *(name for name in MARKED[1:] if look.scene.sights(name))))
    square = _square(look, wanted)
    look.record("inside", {"box": list(look.scene.frame.box(*square))}, wanted)
    if wanted == "none":
        look.say("square.none")
    else:
        look.say("square.some", term=wanted)
    box: BoxValue = look.scene.frame.box(*square)
    text = "[" + ", ".join(str(int(v)) for v in box) + "]"
    return Asked("marked-square", one_of(wanted, MARKED), {"box": text}, table="marked")


def _number(look: Look, term: str) -> dict[str, int | str]:
    n = len(look.scene.sights(term))
    return {"n": n, "term": term} if n else {"term": term}


def _balanced_quadrant(look: Look, seen: tuple[Sight, ...]) -> str:
    """A quadrant with or without, by a fair coin where both exist, so that the quadrant does not tell the answer."""
    full = [q for q in QUADRANTS if any(s.quadrant.name == q for s in seen)]
    empty = [q for q in QUADRANTS if q not in full]
    if not full or not empty:
        return look.pick(QUADRANTS)
    return look.pick(full if look.coin() else empty)


Square = tuple[tuple[float, float], tuple[float, float]]


def _square(look: Look, wanted: str) -> Square:
    """A square that holds the wanted kind and no other; ambiguous where none is found in a few draws."""
    scene = look.scene
    half = np.array([SQUARE_MM / 2 / s for s in scene.spacing_mm])
    lesions = [(s.term, s) for name in LESIONS[:4] for s in (*scene.sights(name), *scene.hidden(name))]
    for _ in range(12):
        if wanted == "none":
            middle = look.rng.uniform(half, np.array(scene.frame) - half)
        else:
            target = scene.sights(wanted)[int(look.rng.integers(len(scene.sights(wanted))))]
            middle = np.array(target.centre) + look.rng.uniform(-0.4, 0.4, 2) * half
        start, stop = middle - half, middle + half
        if (start < 0).any() or (stop > np.array(scene.frame)).any():
            continue
        square = (float(start[0]), float(start[1])), (float(stop[0]), float(stop[1]))
        held = {name for name, sight in lesions if _overlaps(sight, square)}
        centre_off = np.hypot(*((middle - np.array(scene.reference)) * np.array(scene.spacing_mm)))
        if held == ({wanted} - {"none"}) and centre_off > SQUARE_MM:
            return square
    raise Ambiguous("no square that shows one kind only")


def _overlaps(sight: Sight, square: Square) -> bool:
    (r0, c0), (r1, c1) = sight.box
    (a0, b0), (a1, b1) = square
    return r0 < a1 and r1 > a0 and c0 < b1 and c1 > b0
