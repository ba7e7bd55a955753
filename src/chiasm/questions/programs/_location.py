"""Show me: answers that are boxes or points."""

from __future__ import annotations

from typing import Final

from chiasm.questions._answers import BoxesAnswer, Key, PointsAnswer
from chiasm.questions._chart import Sight
from chiasm.questions._item import Ambiguous
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, program

RADIUS: Final = {"fovea": 30.0, "microaneurysm": 25.0}
"""How near a point must come [thousandths of the width]."""
MOST_POINTS: Final = 8


@program("locate-faz", "visual reasoning", "boxes")
def locate_faz(look: Look) -> Asked:
    """Box of the foveal avascular zone."""
    zone = look.anatomy("foveal avascular zone")
    look.say("measured.area", measure="faz area", area=look.area(zone).value)
    return Asked("locate", _boxes(look, [zone]), {"term": "foveal avascular zone"})


@program("locate-fovea", "visual reasoning", "points")
def locate_fovea(look: Look) -> Asked:
    """Point of the fovea."""
    look.anatomy("foveal avascular zone")
    look.say("centre")
    x, y = look.scene.frame.point(*look.scene.reference)
    key = Key(expects="points", answer=PointsAnswer(points=((x, y),)), tolerance=RADIUS["fovea"])
    return Asked("locate-fovea", key)


@program("locate-largest-dropout", "visual reasoning", "boxes")
def locate_largest_dropout(look: Look) -> Asked:
    """Box of the largest area of dropout."""
    largest = look.largest(look.some("capillary dropout"))
    look.say("size", term="capillary dropout", area=look.area(largest).value)
    _say_sector(look, largest)
    return Asked("locate-largest", _boxes(look, [largest]), {"term": "capillary dropout"})


@program("locate-dropouts", "visual reasoning", "boxes")
def locate_dropouts(look: Look) -> Asked:
    """Boxes of all areas of dropout, or none."""
    return _all_boxes(look, "capillary dropout")


@program("locate-irma", "visual reasoning", "boxes")
def locate_irma(look: Look) -> Asked:
    """Boxes of all IRMA, or none: often a control without any."""
    return _all_boxes(look, "intraretinal microvascular abnormality")


@program("locate-new-vessels", "visual reasoning", "boxes")
def locate_new_vessels(look: Look) -> Asked:
    """Boxes of all neovascularization, or none: often a control without any."""
    return _all_boxes(look, "neovascularization")


@program("locate-nearest-microaneurysm", "visual reasoning", "points")
def locate_nearest_microaneurysm(look: Look) -> Asked:
    """Point of the microaneurysm nearest to the fovea."""
    nearest = look.nearest(look.some("microaneurysm"))
    look.say("measured.distance", measure="nearest microaneurysm", distance=look.distance(nearest).value)
    _say_sector(look, nearest)
    return Asked("locate-nearest", _points(look, [nearest]), {"term": "microaneurysm"})


@program("locate-microaneurysms", "visual reasoning", "points")
def locate_microaneurysms(look: Look) -> Asked:
    """Points of all microaneurysms, or none."""
    found = look.find("microaneurysm")
    if not found:
        look.present("microaneurysm")
        look.say("absent", term="microaneurysm")
    elif len(found) > MOST_POINTS:
        raise Ambiguous("too many to point at each", f"{len(found)} microaneurysms")
    else:
        look.say("found", n=look.count(found), term="microaneurysm")
    return Asked("locate-all", _points(look, list(found)), {"term": "microaneurysm"})


def _all_boxes(look: Look, term: str) -> Asked:
    found = look.find(term)
    if found:
        look.say("found", n=look.count(found), term=term)
    else:
        look.present(term)
        look.say("absent", term=term)
    return Asked("locate-all", _boxes(look, list(found)), {"term": term})


def _say_sector(look: Look, sight: Sight) -> None:
    if sight.sector.margin >= 0.2:
        look.say("sector", sector=look.sector(sight))


def _boxes(look: Look, sights: list[Sight]) -> Key:
    boxes = tuple(look.scene.frame.box(*sight.box) for sight in sights)
    look.record("boxes", {"of": len(sights)}, [list(box) for box in boxes], sights)
    return Key(expects="boxes", answer=BoxesAnswer(boxes=boxes))


def _points(look: Look, sights: list[Sight]) -> Key:
    points = tuple(look.scene.frame.point(*sight.centre) for sight in sights)
    look.record("points", {"of": len(sights)}, [list(point) for point in points], sights)
    return Key(expects="points", answer=PointsAnswer(points=points), tolerance=RADIUS["microaneurysm"])
