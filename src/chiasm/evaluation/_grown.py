"""Matched pairs grown on the spot from the synthetic world, as data that `--on` names.

    twins:FAMILY[:N]        the same eye with and without one family of lesions: twins:dropout
    devices:DEVICE[:N]      the same eye imaged by the default device and by another: devices:mixed
    confusing:A-B[:N]       an eye without lesion B and the same eye without A, which is taken for it:
                            confusing:irma-neovascularization, confusing:microaneurysm-irma; or an eye with dropout and the same
                            eye without, under a shadow in its place: confusing:dropout-shadow

N pairs of eyes (default 30), with the presence of every family and the stage asked of both in the same words. Images are free of
artefacts but for the shadow, so that one thing differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from chiasm.case import Case
from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation._question import Exam, ExamItem, Pairing, make_exam
from chiasm.evaluation._real import exam_item_of
from chiasm.measure import Stage
from chiasm.questions import Item, ask

if TYPE_CHECKING:
    from chiasm.worlds.octa import OctaParams, OctaRequest

PRESENCE: Final = {
    "dropout": "dropout-present",
    "microaneurysm": "microaneurysm-present",
    "irma": "irma-present",
    "neovascularization": "neovascularization-present",
    "tortuosity": "tortuosity-present",
}
"""For each family of lesions, the program that asks for it."""
STAGE: Final = "explain-stage"
CONFUSING: Final = ("irma-neovascularization", "microaneurysm-irma", "dropout-shadow")
PAIRS: Final = 30
_TRIES: Final = 20
_FOV_MM: Final = 3.0


class Shown(NamedTuple):
    """One side of a pair."""

    case: Case
    view_id: str


def grown_exam(spec: str, *, seed: int) -> Exam:
    """The exam of a name of the forms above.

    Args:
        spec: The name; it begins with one of `GROWN`.
        seed: Of the eyes and of the wording.

    Raises:
        InvalidInput: A number of pairs that is none, or fewer eyes with that lesion than asked for.
        UnknownName: No such family, device or pair.
    """
    kind, _, rest = spec.partition(":")
    name, _, number = rest.partition(":")
    if number and not (number.isdecimal() and 0 < int(number) <= 100_000):
        msg = f"the number of pairs must be 1 to 100000, got {number!r} in {spec}"
        raise InvalidInput(msg)
    pairs = _MAKERS[kind](name, int(number) if number else PAIRS, seed)
    return pair_exam(spec, _TESTS[kind], _level(kind, name), pairs, seed=seed)


def pair_exam(name: str, test: str, level: str, pairs: list[tuple[Shown, Shown]], *, seed: int) -> Exam:
    """Ask both sides of each pair the same questions, in the same words.

    Args:
        name: Of the exam.
        test: What is tested, for the table of robustness.
        level: What differs.
        pairs: The two sides.
        seed: Of the wording.

    Raises:
        InvalidInput: No question could be asked of both sides of any pair.
    """
    items = [item for number, pair in enumerate(pairs) for item in _asked(test, level, number, pair, seed)]
    if not items:
        msg = f"{name}: no question could be asked of both sides of any of {len(pairs)} pairs; ask for more"
        raise InvalidInput(msg)
    return make_exam(name, items, [])


def _asked(test: str, level: str, number: int, pair: tuple[Shown, Shown], seed: int) -> Iterator[ExamItem]:
    for place, program in enumerate((*PRESENCE.values(), STAGE)):
        found = []
        for shown in pair:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, place)))
            item = ask(shown.case, program, rng, view_ids=(shown.view_id,), form="free")
            if isinstance(item, Item):
                found.append(exam_item_of(item, shown.case))
        if len(found) < len(pair):
            continue  # too close to call on one side
        for changed, one in zip((False, True), found, strict=True):
            name = f"{number}-{program}-{'second' if changed else 'first'}"
            pairing = Pairing(test, level, f"{number}-{program}", changed)
            yield replace(one, question=replace(one.question, question_id=name), pairing=pairing)


def _twins(family: str, n: int, seed: int) -> list[tuple[Shown, Shown]]:
    from chiasm.worlds.octa import OctaWorld, twin

    _known("family of lesions", family, PRESENCE)
    world = OctaWorld()
    return [
        (_shown(world.render(params)), _shown(world.render(twin(params, family))))
        for params in _eyes_with((family,), n, seed)
    ]


def _devices(device: str, n: int, seed: int) -> list[tuple[Shown, Shown]]:
    from chiasm.worlds.octa import OctaWorld, Shot, profile_for
    from chiasm.worlds.octa.imaging import load_profile

    load_profile(profile_for(device, _FOV_MM))  # names the known ones where there is no such device
    shots = (Shot(artefacts="none"), Shot(artefacts="none", profile=device))
    pairs = []
    for k in range(n):
        world = OctaWorld(_request(f"device-{seed}-{k}", list(Stage)[k % len(Stage)], shots=shots))
        case = world.render(world.sample(_rng(seed, k)))
        first, second = (view.view_id for view in case.views)
        pairs.append((Shown(case, first), Shown(case, second)))
    return pairs


def _confusing(name: str, n: int, seed: int) -> list[tuple[Shown, Shown]]:
    from chiasm.worlds.octa import OctaWorld, twin

    _known("confusing pair", name, CONFUSING)
    first, _, second = name.partition("-")
    world = OctaWorld()
    if second == "shadow":
        return [
            (_shown(lesion := world.render(params)), _shown(world.render(_shaded(twin(params, first), lesion))))
            for params in _eyes_with((first,), n, seed)
        ]
    return [
        (_shown(world.render(twin(params, second))), _shown(world.render(twin(params, first))))
        for params in _eyes_with((first, second), n, seed)
    ]


def _eyes_with(families: tuple[str, ...], n: int, seed: int) -> Iterator[OctaParams]:
    """`n` eyes that have every one of some families, drawn anew where one lacks."""
    from chiasm.worlds.octa import OctaWorld

    stage = Stage.PDR if "neovascularization" in families else Stage.LATE_NPDR
    found = 0
    for k in range(_TRIES * n):
        world = OctaWorld(_request(f"{'-'.join(families)}-{seed}-{k}", stage))
        params = world.sample(_rng(seed, k))
        if all(params.eyes[0].pathology.has(family) for family in families):
            found += 1
            yield params
        if found == n:
            return
    msg = f"only {found} of {_TRIES * n} eyes of stage {stage.value} have {' and '.join(families)}; {n} pairs were asked for"
    raise InvalidInput(msg)


def _shaded(params: OctaParams, lesion: Case) -> OctaParams:
    """The eye with a moderate shadow where another image of it has its largest dropout."""
    from chiasm.worlds.octa.imaging import Artefact

    masks = [
        region.mask.to_array()
        for finding in lesion.findings
        if finding.term == "capillary dropout"
        for region in finding.regions
        if region.mask is not None
    ]
    largest = max(masks, key=lambda mask: int(mask.sum()))
    row, col = (float(at.mean() + 0.5) / side for at, side in zip(np.nonzero(largest), largest.shape, strict=True))
    radius = min(max(float(np.sqrt(largest.mean() / np.pi)), 0.05), 0.15)
    shadow = Artefact(kind="shadow", form="shadow", severity="moderate", position=(row, col), extent=radius, amount=0.6)
    (eye,) = params.eyes
    (scan,) = eye.scans
    shaded = scan.model_copy(update={"imaging": scan.imaging.model_copy(update={"artefacts": (shadow,)})})
    return params.model_copy(update={"eyes": (eye.model_copy(update={"scans": (shaded,)}),)})


def _request(name: str, stage: Stage, **fields: object) -> OctaRequest:
    from chiasm.worlds.octa import OctaRequest, Shot

    plain = {"case_id": name, "patient_id": name, "stage": stage, "fov_mm": _FOV_MM, "shots": (Shot(artefacts="none"),)}
    return OctaRequest.model_validate(plain | fields)


def _shown(case: Case) -> Shown:
    return Shown(case, case.views[0].view_id)


def _rng(seed: int, k: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))


def _known(kind: str, name: str, names: Iterable[str]) -> None:
    if name not in (known := list(names)):
        raise UnknownName(kind, name, known)


def _level(kind: str, name: str) -> str:
    from chiasm.worlds.octa import profile_for

    return f"{profile_for(None, _FOV_MM)} to {profile_for(name, _FOV_MM)}" if kind == "devices" else name


_MAKERS: Final[dict[str, Callable[[str, int, int], list[tuple[Shown, Shown]]]]] = {
    "twins": _twins,
    "devices": _devices,
    "confusing": _confusing,
}
_TESTS: Final = {"twins": "twins", "devices": "device shift", "confusing": "confusing pair"}
GROWN: Final = tuple(f"{kind}:" for kind in _MAKERS)
"""How the names of such exams begin."""
