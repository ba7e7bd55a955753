"""Where, which, how do they compare? Questions that need more than one look."""

from __future__ import annotations

from typing import Final

from chiasm.questions._answers import Key, OrderedAnswer
from chiasm.questions._item import Ambiguous, Missing
from chiasm.questions._judging import affected_quadrants, look_up, near
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, how_many, one_of, program, some_of, yes_no
from chiasm.questions._sectors import QUADRANTS, RINGS, SECTORS

AFFECTED_MM2: Final = 0.03
"""A quadrant with so much dropout counts as affected."""
BORDER_MM: Final = 0.1
"""A microaneurysm so near to dropout lies at its border."""
HALVES: Final = ("upper half", "lower half", "similar")


@program("largest-dropout-sector", "visual reasoning", "category")
def largest_dropout_sector(look: Look) -> Asked:
    """In which of eight directions from the fovea is the largest area of dropout?"""
    largest = look.largest(look.some("capillary dropout"))
    look.say("size", term="capillary dropout", area=look.area(largest).value)
    sector = look.sector(largest)
    look.say("sector", sector=sector)
    return Asked("largest-sector", one_of(sector, SECTORS), {"term": "capillary dropout"}, table="sector")


@program("largest-dropout-quadrant", "visual reasoning", "category", choice=True)
def largest_dropout_quadrant(look: Look) -> Asked:
    """In which quadrant is the largest area of dropout?"""
    largest = look.largest(look.some("capillary dropout"))
    look.say("size", term="capillary dropout", area=look.area(largest).value)
    quadrant = look.quadrant(largest)
    look.say("quadrant", quadrant=quadrant)
    return Asked("largest-quadrant", one_of(quadrant, QUADRANTS), {"term": "capillary dropout"}, table="quadrant")


@program("largest-dropout-ring", "visual reasoning", "category", choice=True)
def largest_dropout_ring(look: Look) -> Asked:
    """In which ring around the fovea is the largest area of dropout?"""
    largest = look.largest(look.some("capillary dropout"))
    distance = look.distance(largest)
    look.say("measured.distance", measure="largest dropout distance", distance=distance.value)
    ring = look.ring(largest)
    look.say("ring", ring=ring)
    return Asked("largest-ring", one_of(ring, RINGS, ordinal=True), {"term": "capillary dropout"}, table="ring")


@program("most-affected-quadrant", "visual reasoning", "category", choice=True)
def most_affected_quadrant(look: Look) -> Asked:
    """Which quadrant loses the most area to dropout?"""
    areas = look.area_by_quadrant(look.some("capillary dropout"))
    first = look.rank(areas)[0]
    look.say("quadrant.most", quadrant=first, area=areas[first])
    return Asked("most-affected", one_of(first, QUADRANTS), {"term": "capillary dropout"}, table="quadrant")


@program("affected-quadrants", "visual reasoning", "set")
def affected(look: Look) -> Asked:
    """Which quadrants does dropout reach?"""
    areas = look.area_by_quadrant(look.some("capillary dropout"))
    found = affected_quadrants(look, areas, AFFECTED_MM2)
    if not found:
        raise Ambiguous("dropout too small to count in any quadrant")
    look.say("quadrants", quadrants=found)
    return Asked("affected-quadrants", some_of(found, QUADRANTS), {"area": AFFECTED_MM2})


@program("quadrants-ranked", "visual reasoning", "ordered")
def quadrants_ranked(look: Look) -> Asked:
    """Order the quadrants that dropout reaches by the area that it takes."""
    areas = look.area_by_quadrant(look.some("capillary dropout"))
    reached = affected_quadrants(look, areas, AFFECTED_MM2)
    if len(reached) < 2:
        raise Missing("dropout in at least two quadrants")
    order = look.rank({name: areas[name] for name in reached}, all_apart=True)
    look.say("ranked", quadrants=order)
    key = Key(expects="ordered", answer=OrderedAnswer(values=order), options=QUADRANTS)
    return Asked("quadrants-ranked", key, {"area": AFFECTED_MM2})


@program("nearest-microaneurysm-sector", "visual reasoning", "category")
def nearest_microaneurysm_sector(look: Look) -> Asked:
    """In which of eight directions is the microaneurysm nearest to the fovea?"""
    nearest = look.nearest(look.some("microaneurysm"))
    look.say("measured.distance", measure="nearest microaneurysm", distance=look.distance(nearest).value)
    sector = look.sector(nearest)
    look.say("sector", sector=sector)
    return Asked("nearest-sector", one_of(sector, SECTORS), {"term": "microaneurysm"}, table="sector")


@program("richest-quadrant", "visual reasoning", "category", choice=True)
def richest_quadrant(look: Look) -> Asked:
    """Which quadrant holds the most microaneurysms?"""
    bulges = look.some("microaneurysm", 2)
    counts = {q: float(len(look.within(bulges, q))) for q in QUADRANTS}
    first = look.rank(counts)[0]
    look.say("quadrant.some", n=int(counts[first]), term="microaneurysm", quadrant=first)
    return Asked("richest-quadrant", one_of(first, QUADRANTS), {"term": "microaneurysm"}, table="quadrant")


@program("microaneurysms-in-quadrant", "visual reasoning", "count")
def microaneurysms_in_quadrant(look: Look) -> Asked:
    """How many microaneurysms are in one quadrant?"""
    quadrant = look.pick(QUADRANTS)
    inside = look.within(look.some("microaneurysm"), quadrant)
    if inside:
        look.say("quadrant.some", n=len(inside), term="microaneurysm", quadrant=quadrant)
    else:
        look.say("quadrant.none", term="microaneurysm", quadrant=quadrant)
    return Asked("count-in-quadrant", how_many(len(inside)), {"term": "microaneurysm", "quadrant": quadrant})


@program("parafoveal-microaneurysms", "visual reasoning", "count")
def parafoveal_microaneurysms(look: Look) -> Asked:
    """How many microaneurysms are in the parafovea?"""
    inside = look.within(look.some("microaneurysm"), "parafoveal", "ring")
    look.say("ring.some" if inside else "ring.none", **_counted(len(inside), "microaneurysm"), ring="parafoveal")
    return Asked("count-in-ring", how_many(len(inside)), {"term": "microaneurysm", "ring": "parafoveal"})


@program("microaneurysms-at-border", "visual reasoning", "count")
def microaneurysms_at_border(look: Look) -> Asked:
    """How many microaneurysms lie at the border of dropout?"""
    bulges, areas = look.some("microaneurysm"), look.some("capillary dropout")
    close = near(look, bulges, areas, BORDER_MM)
    look.say("border.some" if close else "border.none", **_counted(len(close), "microaneurysm"))
    return Asked("count-at-border", how_many(len(close)), {"term": "microaneurysm", "distance": BORDER_MM})


@program("dropout-halves", "visual reasoning", "category", choice=True)
def dropout_halves(look: Look) -> Asked:
    """Which half loses more area to dropout, upper or lower?"""
    areas = look.area_by_quadrant(look.some("capillary dropout"))
    upper = areas["upper left"] + areas["upper right"]
    lower = areas["lower left"] + areas["lower right"]
    sign = look.compare(upper, lower, 0.2 * max(upper, lower))
    look.say("halves", area=upper, area_2=lower)
    found = {1: "upper half", -1: "lower half", 0: "similar"}[sign]
    return Asked("halves", one_of(found, HALVES), {"term": "capillary dropout"}, table="half")


@program("faz-or-dropout", "visual reasoning", "category", choice=True)
def faz_or_dropout(look: Look) -> Asked:
    """Which is larger, the foveal avascular zone or the largest area of dropout?"""
    zone = look.area(look.anatomy("foveal avascular zone")).value
    look.say("measured.area", measure="faz area", area=zone)
    largest = look.area(max(look.some("capillary dropout"), key=lambda s: s.area_mm2)).value
    look.say("measured.area", measure="largest dropout", area=largest)
    sign = look.compare(zone, largest, 0.2 * max(zone, largest))
    names = ("foveal avascular zone", "capillary dropout", "similar")
    return Asked(
        "faz-or-dropout",
        one_of({1: names[0], -1: names[1], 0: names[2]}[sign], names),
        {"term": "capillary dropout"},
        table="larger",
    )


@program("dominant-dropout", "visual reasoning", "yesno")
def dominant_dropout(look: Look) -> Asked:
    """Does one area of dropout dominate: at least three, the largest three times the second?"""
    areas = look.some("capillary dropout", 2)
    look_up(look, "multifocal")
    ordered = sorted((s.area_mm2 for s in areas), reverse=True)
    times = ordered[0] / ordered[1]
    yes = len(areas) >= 3 and look.above(times, 3.0)
    look.say("dominant", n=len(areas), term="capillary dropout", times=times)
    return Asked("dominant", yes_no(yes), {"term": "capillary dropout"})


def _counted(n: int, term: str) -> dict[str, int | str]:
    return {"n": n, "term": term} if n else {"term": term}
