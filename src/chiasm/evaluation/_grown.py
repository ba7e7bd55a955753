"""Matched pairs grown on the spot from the synthetic world, as data that `--on` names.

    twins:FAMILY[:N]        the same eye with and without one family of lesions: twins:dropout
    devices:DEVICE[:N]      the same eye imaged by the default device and by another: devices:mixed
    confusing:A-B[:N]       an eye without lesion B and the same eye without A, which is taken for it:
                            confusing:irma-neovascularization, confusing:microaneurysm-irma; or an eye with dropout and the same
                            eye without, under a shadow in place of its largest: confusing:dropout-shadow, of eyes whose
                            largest visible dropout has the size of a moderate shadow

N pairs of eyes (default 30), with the presence of every family and the stage asked of both in the same words. Images are free of
artefacts but for the shadow, so that one thing differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
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
    from chiasm.worlds.octa.imaging import Artefact

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
_SHADOW_RADIUS: Final = (0.08, 0.18)
"""[share of the field] of moderate shadows, as images are drawn with (docs/imaging.md); of another size the control would differ
from the dropout in more than what it is."""
_SHADOW_AMOUNT: Final = 0.6
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
            yield replace(one, question=replace(one.question, question_id=name), pairings=(pairing,))


def _twins(family: str, n: int, seed: int) -> list[tuple[Shown, Shown]]:
    from chiasm.worlds.octa import OctaWorld, twin

    _known("family of lesions", family, PRESENCE)
    world = OctaWorld()
    pairs = (
        (_shown(world.render(params)), _shown(world.render(twin(params, family))))
        for params in _eyes_with((family,), n, seed)
    )
    return _enough(pairs, n, f"have {family}")


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
        what = f"have {first} of {_SHADOW_RADIUS[0]:g} to {_SHADOW_RADIUS[1]:g} of the field as their largest"
        return _enough(_shadowed(first, n, seed), n, what)
    pairs = (
        (_shown(world.render(twin(params, second))), _shown(world.render(twin(params, first))))
        for params in _eyes_with((first, second), n, seed)
    )
    return _enough(pairs, n, f"have {first} and {second}")


def _shadowed(family: str, n: int, seed: int) -> Iterator[tuple[Shown, Shown]]:
    from chiasm.worlds.octa import OctaWorld, twin

    world = OctaWorld()
    for params in _eyes_with((family,), n, seed):
        lesion = world.render(params)
        shadow = shadow_in_place(lesion)
        if shadow is not None:
            yield _shown(lesion), _shown(world.render(_under(twin(params, family), shadow)))


def _eyes_with(families: tuple[str, ...], n: int, seed: int) -> Iterator[OctaParams]:
    """Those of `_TRIES` * `n` drawn eyes that have every one of some families."""
    from chiasm.worlds.octa import OctaWorld

    stage = Stage.PDR if "neovascularization" in families else Stage.LATE_NPDR
    for k in range(_TRIES * n):
        world = OctaWorld(_request(f"{'-'.join(families)}-{seed}-{k}", stage))
        params = world.sample(_rng(seed, k))
        if all(params.eyes[0].pathology.has(family) for family in families):
            yield params


def _enough(pairs: Iterable[tuple[Shown, Shown]], n: int, what: str) -> list[tuple[Shown, Shown]]:
    found = list(islice(pairs, n))
    if len(found) < n:
        msg = f"only {len(found)} of {_TRIES * n} drawn eyes {what}; {n} pairs were asked for"
        raise InvalidInput(msg)
    return found


def shadow_in_place(lesion: Case) -> Artefact | None:
    """A moderate shadow with the place and the radius of the largest visible dropout; None where no shadow has that radius."""
    from chiasm.worlds.octa.imaging import Artefact

    view_id = lesion.views[0].view_id
    seen = [f.region(view_id) for f in lesion.findings if f.term == "capillary dropout" and f.visible_in(view_id)]
    masks = [region.mask.to_array() for region in seen if region is not None and region.mask is not None]
    if not masks:
        return None  # the eye has dropout, and none of it lies inside the field or can be seen
    largest = max(masks, key=lambda mask: int(mask.sum()))
    radius = float(np.sqrt(largest.mean() / np.pi))
    if not _SHADOW_RADIUS[0] <= radius <= _SHADOW_RADIUS[1]:
        return None
    row, col = (float(at.mean() + 0.5) / side for at, side in zip(np.nonzero(largest), largest.shape, strict=True))
    return Artefact(
        kind="shadow", form="shadow", severity="moderate", position=(row, col), extent=radius, amount=_SHADOW_AMOUNT
    )


def _under(params: OctaParams, shadow: Artefact) -> OctaParams:
    """The eye imaged under a shadow."""
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
