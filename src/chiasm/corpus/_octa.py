"""The plan's patients, made by the OCTA world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from chiasm.case import Case
from chiasm.corpus._draw import Patient
from chiasm.corpus._plan import Plan
from chiasm.corpus._workshop import Workshop
from chiasm.errors import InvalidInput, UnknownName
from chiasm.measure import Stage
from chiasm.worlds.octa import FAMILIES, EyeVisit, OctaParams, OctaRequest, OctaWorld, Shot, twin

_SET_BY_PLAN = frozenset({"case_id", "patient_id", "stage", "age_years", "fov_mm", "years_between_visits", "shots"})


def open_octa(plan: Plan) -> Workshop:
    """The workshop of a plan of the OCTA world."""
    return Workshop(OctaMaker(plan))


class OctaMaker:
    """Cases of patients: eyes grown once and imaged as often as the plan says, then twins."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def name(self) -> str:
        """Name of the world."""
        return OctaWorld.name

    @property
    def version(self) -> str:
        """Version of the world."""
        return OctaWorld.version

    def check(self, plan: Plan) -> None:
        """Refuse what the world has not.

        Raises:
            UnknownName: A stage, a family of findings or a setting that does not exist.
            InvalidInput: A value out of the world's range.
        """
        stages = [stage.value for stage in Stage]
        for stage in plan.stages:
            if stage not in stages:
                raise UnknownName("stage", stage, stages)
        for family in plan.twins:
            if family not in FAMILIES:
                raise UnknownName("family of findings", family, FAMILIES)
        free = set(OctaRequest.model_fields) - _SET_BY_PLAN
        for name in plan.world_config:
            if name not in free:
                raise UnknownName("setting of the octa world", name, free)
        for fov_mm in plan.fov_mm:
            for age_years in plan.age_years:
                for profile in plan.profiles or (None,):
                    for slab in plan.slabs:
                        shot = _shot("OD", 0, profile, slab, artefacts=True)
                        self._request(fov_mm=fov_mm, age_years=age_years, shots=(shot,))

    def cases(self, patient: Patient, rng: np.random.Generator) -> Iterator[Case]:
        """The patient as one case; twins stand in it as visits of their own, so that a question can show both."""
        request = self._request(
            case_id=patient.patient_id,
            patient_id=patient.patient_id,
            stage=Stage(patient.stage),
            age_years=patient.age_years,
            fov_mm=patient.fov_mm,
            years_between_visits=self._plan.years_between_visits,
            shots=tuple(_shot(i.laterality, i.visit, i.profile, i.slab, artefacts=i.artefacts) for i in patient.images),
        )
        world = OctaWorld(request)
        yield world.render(_with_twins(world.sample(rng), self._plan.twins))

    def _request(self, **fields: Any) -> OctaRequest:
        return _checked(OctaRequest, {**self._plan.world_config, **fields})


_Record = TypeVar("_Record", OctaRequest, Shot)


def _checked(kind: type[_Record], fields: dict[str, Any]) -> _Record:
    """A record of the world, or every rule of the world that its fields break."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']}" for e in error.errors())
        msg = f"the octa world cannot make this: {told}"
        raise InvalidInput(msg) from error


def _shot(laterality: str, visit: int, profile: str | None, slab: str, *, artefacts: bool) -> Shot:
    fields: dict[str, Any] = {"laterality": laterality, "visit": visit, "slab": slab}
    if profile is not None:
        fields["profile"] = profile
    return _checked(Shot, fields | {"artefacts": "profile" if artefacts else "none"})


def _with_twins(params: OctaParams, families: tuple[str, ...]) -> OctaParams:
    """The patient with a twin of each eye that has any of a family, at visit numbers after the true ones."""
    visits = 1 + max(eye.visit for eye in params.eyes)
    eyes = list(params.eyes)
    for family in families:
        if not any(eye.pathology.has(family) for eye in params.eyes):
            continue
        for eye, without in zip(params.eyes, twin(params, family).eyes, strict=True):
            if eye.pathology.has(family):  # another eye would only be shown twice
                eyes.append(_at_visit(without, eye.visit + visits))
        visits += 1 + max(eye.visit for eye in params.eyes)
    return OctaParams(
        case_id=params.case_id, patient_id=params.patient_id, age_years=params.age_years, eyes=tuple(eyes)
    )


def _at_visit(eye: EyeVisit, visit: int) -> EyeVisit:
    """The eye under another visit number, with its views named after it."""
    scans = tuple(
        scan.model_copy(update={"view_id": scan.view_id.replace(f"-v{eye.visit}-", f"-v{visit}-", 1)})
        for scan in eye.scans
    )
    return eye.model_copy(update={"visit": visit, "scans": scans})
