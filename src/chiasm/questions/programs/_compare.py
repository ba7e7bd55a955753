"""What has changed, which is worse? Two visits, two eyes, an eye and its twin."""

from __future__ import annotations

from typing import Final

from chiasm.questions._chart import LESIONS, Scene
from chiasm.questions._item import Ambiguous, ImageRef, Missing
from chiasm.questions._judging import kinds
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, number, one_of, program, some_of

CHANGES: Final = ("decreased", "unchanged", "increased")
EYES: Final = ("right eye", "left eye", "similar")
BOTH: Final = ("first", "second")
SHARE_SIMILAR: Final = 1.0
"""Non-perfusion that differs by so many percent of the field is unchanged."""
FAZ_SIMILAR: Final = 0.03
"""Foveal avascular zones that differ by so much [mm2] are similar."""


@program("nonperfusion-progress", "visual reasoning", "category", choice=True, pair="visits")
def nonperfusion_progress(look: Look) -> Asked:
    """Has non-perfusion changed between two visits?"""
    before, after = (look.nonperfusion(scene=scene).value for scene in _scenes(look))
    look.say("change.share", measure="nonperfusion", share=before, share_2=after)
    sign = look.compare(after, before, SHARE_SIMILAR)
    return Asked("nonperfusion-progress", one_of(CHANGES[sign + 1], CHANGES, ordinal=True), table="change")


@program("nonperfusion-change", "measurement", "number", pair="visits")
def nonperfusion_change(look: Look) -> Asked:
    """By how many percentage points has non-perfusion changed?"""
    before, after = (look.nonperfusion(scene=scene) for scene in _scenes(look))
    look.say("change.share", measure="nonperfusion", share=before.value, share_2=after.value)
    difference = look.measured("subtract", {"a": after.value, "b": before.value}, after.value - before.value, "%", ())
    key = number(difference._replace(tolerance=0.1 * max(before.value, after.value) + 0.5), 1)
    return Asked("nonperfusion-change", key)


@program("microaneurysm-progress", "visual reasoning", "category", choice=True, pair="visits")
def microaneurysm_progress(look: Look) -> Asked:
    """Has the number of microaneurysms changed between two visits?"""
    before, after = (len(look.find("microaneurysm", scene=scene)) for scene in _scenes(look))
    look.say("change.count", term="microaneurysm", n=before, n_2=after)
    sign = look.compare(after, before, 1.4)
    return Asked("microaneurysm-progress", one_of(CHANGES[sign + 1], CHANGES, ordinal=True), table="change")


@program("stage-progress", "medical reasoning", "category", choice=True, pair="visits")
def stage_progress(look: Look) -> Asked:
    """Has the stage changed between two visits?"""
    before, after = (look.apply_stage_rule(scene=scene) for scene in _scenes(look))
    look.say("change.stage", stage=before, stage_2=after)
    levels = [scene.staging.stage.level for scene in _scenes(look)]
    sign = (levels[1] > levels[0]) - (levels[1] < levels[0])
    return Asked("stage-progress", one_of(CHANGES[sign + 1], CHANGES, ordinal=True), table="change")


@program("new-kinds", "visual reasoning", "set", pair="visits")
def new_kinds(look: Look) -> Asked:
    """Which kinds of lesion are new at the second visit?"""
    before, after = (kinds(look, scene=scene) for scene in _scenes(look))
    new = tuple(name for name in after if name not in before)
    look.say("change.kinds", kinds=before, kinds_2=after)
    return Asked("new-kinds", some_of(new, LESIONS))


@program("worse-eye", "visual reasoning", "category", choice=True, pair="eyes")
def worse_eye(look: Look) -> Asked:
    """Which eye has more non-perfusion?"""
    scenes = _by_eye(look)
    right, left = (look.nonperfusion(scene=scene).value for scene in scenes)
    look.say("eyes.share", measure="nonperfusion", share=right, share_2=left)
    sign = look.compare(right, left, SHARE_SIMILAR)
    return _which_eye(look, "worse-eye", sign)


@program("larger-faz", "visual reasoning", "category", choice=True, pair="eyes")
def larger_faz(look: Look) -> Asked:
    """Which eye has the larger foveal avascular zone?"""
    right, left = (_faz(look, scene) for scene in _by_eye(look))
    look.say("eyes.area", measure="faz area", area=right, area_2=left)
    sign = look.compare(right, left, FAZ_SIMILAR)
    return _which_eye(look, "larger-faz", sign)


@program("twin-difference", "visual reasoning", "category", choice=True, pair="twin")
def twin_difference(look: Look) -> Asked:
    """Two pictures of one eye differ in one kind of finding: in which?"""
    counts = _twin_counts(look)
    changed = [name for name, (a, b) in counts.items() if a != b]
    if len(changed) != 1:
        raise Ambiguous("twins that differ in none or several kinds", ", ".join(changed))
    look.say("twin", term=changed[0])
    return Asked(
        "twin-difference", one_of(changed[0], LESIONS), images=_shuffled(look), table="term.any", header="no eye"
    )


@program("twin-which", "visual reasoning", "category", choice=True, pair="twin")
def twin_which(look: Look) -> Asked:
    """Which of two pictures of one eye shows more disease?"""
    counts = _twin_counts(look)
    changed = [name for name, (a, b) in counts.items() if a != b]
    if len(changed) != 1:
        raise Ambiguous("twins that differ in none or several kinds", ", ".join(changed))
    images = _shuffled(look)
    a, b = counts[changed[0]]
    fuller = look.view_ids[0 if a > b else 1]
    position = BOTH[[image.view_id for image in images].index(fuller)]
    look.say("twin.which", term=changed[0], panel=position)
    return Asked("twin-which", one_of(position, BOTH), images=images, table="panel", header="no eye")


def _which_eye(look: Look, text: str, sign: int) -> Asked:
    """The pictures in an order drawn evenly, with their eyes named in the question."""
    images = _shuffled(look)
    first, second = (look.chart.scene(image.view_id).laterality.value for image in images)
    key = one_of({1: EYES[0], -1: EYES[1], 0: EYES[2]}[sign], EYES)
    return Asked(text, key, {"eye": first, "eye_2": second}, images=images, table="whicheye", header="no eye")


def _scenes(look: Look) -> tuple[Scene, Scene]:
    first, second = sorted((look.chart.scene(v) for v in look.view_ids), key=lambda s: s.view.visit)
    return first, second


def _by_eye(look: Look) -> tuple[Scene, Scene]:
    """The right eye's scene, then the left's."""
    first, second = sorted((look.chart.scene(v) for v in look.view_ids), key=lambda s: s.laterality.value)
    return first, second


def _faz(look: Look, scene: Scene) -> float:
    zones = scene.sights("foveal avascular zone")
    if not zones:
        raise Missing("foveal avascular zone", f"view {scene.view.view_id} shows none")
    args = {"quantity": "area", "finding": zones[0].finding_id}
    return look.measured("measure", dict(args), zones[0].area_mm2, "mm2", zones[:1], scene=scene).value


def _twin_counts(look: Look) -> dict[str, tuple[int, int]]:
    first, second = (look.chart.scene(v) for v in look.view_ids)
    return {name: (len(look.find(name, scene=first)), len(look.find(name, scene=second))) for name in LESIONS}


def _shuffled(look: Look) -> tuple[ImageRef, ...]:
    order = look.rng.permutation(len(look.view_ids))
    return tuple(ImageRef(view_id=look.view_ids[int(i)]) for i in order)
