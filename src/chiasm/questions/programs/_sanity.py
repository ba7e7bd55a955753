"""Would you notice? Wrong modality, wrong side, mirrored and corrupted panels, and a destroyed image."""

from __future__ import annotations

from typing import Final

from chiasm.case import Laterality
from chiasm.questions._item import ImageRef, Missing
from chiasm.questions._look import Look
from chiasm.questions._panels import CORRUPTIONS, DECOYS
from chiasm.questions._program import Asked, one_of, program, unjudged, yes_no

PANELS: Final = ("first", "second", "third", "fourth", "none")


@program("modality-check", "recognition", "yesno")
def modality_check(look: Look) -> Asked:
    """Is this an en face OCTA image at all?"""
    genuine = look.coin()
    _record(look, "modality", genuine)
    look.say("modality.right" if genuine else "modality.wrong")
    images = (_image(look, "none" if genuine else look.pick(DECOYS)),)
    return Asked("modality-check", yes_no(genuine), images=images, header="no modality")


@program("side-check", "visual reasoning", "yesno")
def side_check(look: Look) -> Asked:
    """Is the scan labelled with the right side?"""
    side = look.scene.laterality
    if side not in (Laterality.OD, Laterality.OS):
        raise Missing("laterality", f"view {look.scene.view.view_id} does not state the eye")
    label = look.pick(("OD", "OS"))
    agrees = look.coin()
    shown = label if agrees else {"OD": "OS", "OS": "OD"}[label]
    _record(look, "side", agrees)
    look.say("side", eye=shown)
    images = (_image(look, "none" if shown == side.value else "mirror"),)
    return Asked("side-check", yes_no(agrees), {"eye": label}, images=images, header="no eye")


@program("mirrored-pair", "visual reasoning", "yesno")
def mirrored_pair(look: Look) -> Asked:
    """Is the second picture the mirror image of the first?"""
    mirrored = look.coin()
    _record(look, "mirrored", mirrored)
    look.say("mirror.yes" if mirrored else "mirror.no")
    images = (_image(look, "none"), _image(look, "mirror" if mirrored else "brightness"))
    return Asked("mirrored-pair", yes_no(mirrored), images=images, header="no eye")


@program("corrupted-panel", "recognition", "category", choice=True)
def corrupted_panel(look: Look) -> Asked:
    """Which of four pictures is corrupted, if any?"""
    return _odd_panel(look, "corrupted-panel", look.pick(CORRUPTIONS))


@program("turned-panel", "visual reasoning", "category", choice=True)
def turned_panel(look: Look) -> Asked:
    """Which of four pictures is upside down, if any?"""
    return _odd_panel(look, "turned-panel", "upside down")


@program("foreign-panel", "recognition", "category", choice=True)
def foreign_panel(look: Look) -> Asked:
    """Which of four pictures is of another modality, if any?"""
    return _odd_panel(look, "foreign-panel", look.pick(DECOYS))


@program("destroyed-control", "medical reasoning", "yesno")
def destroyed_control(look: Look) -> Asked:
    """Negative control: is there dropout, where the picture may be destroyed?"""
    if look.coin():
        _record(look, "legible", False)
        look.say("destroyed")
        return Asked(
            "present-if-legible",
            unjudged("yesno"),
            {"term": "capillary dropout"},
            (_image(look, look.pick(CORRUPTIONS)),),
        )
    yes = look.present("capillary dropout")
    if yes:
        look.say("found", n=len(look.scene.sights("capillary dropout")), term="capillary dropout")
    else:
        look.say("absent", term="capillary dropout")
    return Asked("present-if-legible", yes_no(yes), {"term": "capillary dropout"}, (_image(look, "none"),))


def _odd_panel(look: Look, text: str, change: str) -> Asked:
    odd = look.pick(PANELS)
    images = tuple(_image(look, change if name == odd else "brightness") for name in PANELS[:4])
    look.record("compare_panels", {"panels": 4}, odd)
    if odd == "none":
        look.say("panel.none")
    else:
        look.say("panel.odd", panel=odd)
    return Asked(text, one_of(odd, PANELS), images=images, table="panel", header="no modality")


def _image(look: Look, change: str) -> ImageRef:
    seed = int(look.rng.integers(2**31)) if change != "none" else 0
    return ImageRef(view_id=look.scene.view.view_id, change=change, seed=seed)


def _record(look: Look, what: str, result: bool) -> None:
    look.record("check", {"what": what}, result)
