"""Is the image good enough, and can the question be judged here?"""

from __future__ import annotations

from typing import Final

from chiasm.questions._item import Ambiguous
from chiasm.questions._judging import hidden_share, look_up
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, one_of, program, some_of, unjudged, yes_no
from chiasm.questions._sectors import QUADRANTS

QUALITIES: Final = ("poor", "acceptable", "good")
HIDDEN: Final = 0.5
"""A quadrant whose half is hidden cannot be judged."""
TOUCHED: Final = 0.2
"""A quadrant of which a fifth is hidden is disturbed."""
CENTRED_MM: Final = 0.1
"""Usual fixation leaves the fovea on either side of this distance."""


@program("quality", "recognition", "category", choice=True)
def quality(look: Look) -> Asked:
    """How good is the image?"""
    found = look.fact_word("quality")
    if found not in QUALITIES:
        raise Ambiguous("quality in other words", found)
    look.say("quality", quality=found)
    return Asked("quality", one_of(found, QUALITIES, ordinal=True), table="quality")


@program("gradable", "medical reasoning", "yesno")
def gradable(look: Look) -> Asked:
    """Is the image good enough to grade?"""
    found = look.fact_word("quality")
    if found not in QUALITIES:
        raise Ambiguous("quality in other words", found)
    look_up(look, "quality")
    look.say("quality", quality=found)
    return Asked("gradable", yes_no(found != "poor"))


@program("dropout-judgeable", "medical reasoning", "yesno")
def dropout_judgeable(look: Look) -> Asked:
    """Is there dropout in one quadrant, or can that not be judged because an artefact hides it?"""
    quadrant = look.pick(QUADRANTS)
    slots = {"term": "capillary dropout", "quadrant": quadrant}
    hidden = hidden_share(look, quadrant)
    if hidden >= HIDDEN:
        look.say("hidden", quadrant=quadrant, share=100 * hidden)
        return Asked("judgeable", unjudged("yesno"), slots)
    if hidden > 0.15:
        raise Ambiguous("a quadrant partly hidden", quadrant)
    inside = look.within(look.find("capillary dropout"), quadrant)
    if inside:
        look.say("quadrant.some", n=len(inside), term="capillary dropout", quadrant=quadrant)
    else:
        look.say("quadrant.none", term="capillary dropout", quadrant=quadrant)
    return Asked("judgeable", yes_no(bool(inside)), slots)


@program("disturbed-quadrants", "visual reasoning", "set")
def disturbed_quadrants(look: Look) -> Asked:
    """Which quadrants does an artefact hide in part?"""
    shares = {q: hidden_share(look, q) for q in QUADRANTS}
    if any(0.6 * TOUCHED < v < 1.4 * TOUCHED for v in shares.values()):
        raise Ambiguous("a quadrant near the limit")
    found = tuple(q for q in QUADRANTS if shares[q] >= TOUCHED)
    look.say("disturbed", quadrants=found)
    return Asked("disturbed-quadrants", some_of(found, QUADRANTS))


@program("centred", "recognition", "yesno")
def centred(look: Look) -> Asked:
    """Is the fovea in the middle of the image?"""
    middle = look.scene.frame.height / 2, look.scene.frame.width / 2
    off = look.scene.distance_mm(look.scene.reference, middle)
    if 0.7 * CENTRED_MM < off < 1.4 * CENTRED_MM:
        raise Ambiguous("a distance near its limit")
    look.measured("measure", {"quantity": "distance of the fovea from the middle"}, off, "mm", ())
    look.say("off-centre", distance=off)
    return Asked("centred", yes_no(off < CENTRED_MM), {"distance": CENTRED_MM})
