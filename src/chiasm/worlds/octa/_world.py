"""The OCTA world: draw a patient, then render a Case from what was drawn.

`sample` makes every random choice; `render` is pure: the same params give the same bytes. Growth is the dear part, so an
eye that several params share (twins, visits, devices) is grown once per process.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from chiasm.case import Case, Laterality, Origin, View, eye_key
from chiasm.errors import InvalidInput, UnknownName
from chiasm.measure import Stage
from chiasm.worlds.octa._params import (
    WORLD_VERSION,
    EyeVisit,
    OctaParams,
    OctaRequest,
    Scan,
    Shot,
    profile_for,
    view_name,
)
from chiasm.worlds.octa._plane import Plane
from chiasm.worlds.octa._truth import Exposed, case_facts, eye_facts, eye_findings
from chiasm.worlds.octa.anatomy import Anatomy, AnatomyParams, fellow_anatomy, grow, sample_anatomy
from chiasm.worlds.octa.imaging import Backdrop, Exposure, Eye, Projector, image, load_profile, sample_imaging
from chiasm.worlds.octa.pathology import (
    FAMILIES,
    DiseasedEye,
    PathologyParams,
    apply_pathology,
    progress_pathology,
    sample_pathology,
    sample_rarefaction,
)

SLAB_WORDS = {"inner": "inner retina", "svc": "SVC", "dvc": "DVC", "vri": "vitreoretinal interface"}
_STAGES = tuple(Stage)


class OctaWorld:
    """Generates retinal OCTA cases.

    Args:
        request: What is asked for; fields left None are drawn.
    """

    name = "octa"
    version = WORLD_VERSION

    def __init__(self, request: OctaRequest | None = None) -> None:
        self.request = request or OctaRequest()

    def sample(self, rng: np.random.Generator) -> OctaParams:
        """Draw one patient: age, stage, each eye's anatomy, disease and images."""
        ask = self.request
        age = float(rng.uniform(20, 80)) if ask.age_years is None else float(ask.age_years)
        stage = _STAGES[int(rng.integers(len(_STAGES)))] if ask.stage is None else ask.stage
        first: dict[str, tuple[AnatomyParams, PathologyParams]] = {}
        eyes = []
        for (side, visit), shots in _by_eye(ask.shots).items():
            if side not in first:
                first[side] = self._first_visit(rng, side, age, stage, first)
            anatomy, pathology = first[side]
            years = visit * ask.years_between_visits
            # The healthy eye stays as it was grown: ageing by 0.3 to 0.6 % a year is less than a repeated scan varies,
            # while growing it anew at another density would move every capillary.
            if visit > 0:
                pathology = progress_pathology(pathology, years)
            scans = tuple(self._scan(rng, shot, i, shots) for i, shot in enumerate(shots))
            eyes.append(
                EyeVisit(
                    laterality=side,
                    visit=visit,
                    stage_requested=stage,
                    anatomy=anatomy,
                    pathology=pathology,
                    scans=scans,
                )
            )
        return OctaParams(case_id=ask.case_id, patient_id=ask.patient_id, age_years=age, eyes=tuple(eyes))

    def render(self, params: OctaParams) -> Case:
        """The case that the params describe: views, findings, facts and graphs."""
        views: list[View] = []
        findings, facts, graphs = [], case_facts(params), {}
        for eye in params.eyes:
            seen, diseased = _expose(eye)
            views += [_view(eye, scan, exposed) for scan, exposed in zip(eye.scans, seen, strict=True)]
            found = eye_findings(eye, diseased, seen)
            findings += found
            facts += eye_facts(eye, found, diseased, seen)
            graphs[eye_key(Laterality(eye.laterality), eye.visit)] = diseased.graph
        return Case(
            case_id=params.case_id,
            patient_id=params.patient_id,
            views=tuple(views),
            findings=tuple(findings),
            facts=tuple(facts),
            origin=Origin(kind="world", name=self.name, version=self.version, params=params.model_dump(mode="json")),
            graphs=graphs,
        )

    def _first_visit(
        self,
        rng: np.random.Generator,
        side: str,
        age: float,
        stage: Stage,
        first: dict[str, tuple[AnatomyParams, PathologyParams]],
    ) -> tuple[AnatomyParams, PathologyParams]:
        if first:
            other, _ = next(iter(first.values()))
            anatomy = fellow_anatomy(other, rng)
        else:
            anatomy = sample_anatomy(rng, fov_mm=self.request.fov_mm, age_years=age, laterality=side)
        anatomy = anatomy.model_copy(update={"rarefaction": sample_rarefaction(rng, stage)})
        return anatomy, sample_pathology(rng, stage, anatomy)

    def _scan(self, rng: np.random.Generator, shot: Shot, index: int, shots: tuple[Shot, ...]) -> Scan:
        number = sum(s.slab == shot.slab for s in shots[:index])
        imaging = sample_imaging(
            rng,
            load_profile(profile_for(shot.profile, self.request.fov_mm)),
            fov_mm=self.request.fov_mm,
            size_px=self.request.size_px,
            slab=shot.slab,
            artefacts=shot.artefacts,
        )
        return Scan(view_id=view_name(shot.laterality, shot.visit, shot.slab, number), imaging=imaging)


def twin(params: OctaParams, family: str) -> OctaParams:
    """The same patient without one family of findings: equal noise, equal exposure, equal elsewhere.

    Args:
        params: The patient.
        family: One of `chiasm.worlds.octa.FAMILIES`.

    Raises:
        UnknownName: No such family.
        InvalidInput: No eye has anything of that family, so that the twin would be the patient again.
    """
    if family not in FAMILIES:
        raise UnknownName("family of findings", family, FAMILIES)
    eyes = []
    for eye in params.eyes:
        seen, _ = _expose(eye)
        scans = tuple(
            scan.model_copy(update={"exposure": (shot.imaged.exposure.black, shot.imaged.exposure.white)})
            for scan, shot in zip(eye.scans, seen, strict=True)
        )
        update = {"pathology": eye.pathology.without(family), "scans": scans, "without": family}
        eyes.append(eye.model_copy(update=update))
    if all(a.pathology == b.pathology for a, b in zip(eyes, params.eyes, strict=True)):
        msg = f"case {params.case_id} has no {family} to take out; choose a family that it has"
        raise InvalidInput(msg)
    return params.model_copy(update={"case_id": f"{params.case_id}-without-{family}", "eyes": tuple(eyes)})


def grow_eyes(params: OctaParams) -> list[Eye]:
    """The patient's eyes as the scanner meets them, with their disease: what `imaging.image` and calibration take."""
    return [
        _scanned(anatomy, apply_pathology(anatomy, e.pathology)) for e in params.eyes for anatomy in [_grown_for(e)]
    ]


@lru_cache(maxsize=4)
def _grown(anatomy_json: str) -> Anatomy:
    return grow(AnatomyParams.model_validate_json(anatomy_json))


def _expose(eye: EyeVisit) -> tuple[list[Exposed], DiseasedEye]:
    """Every scan of one eye, beside the healthy twin's image that says what can be seen."""
    anatomy = _grown_for(eye)
    diseased = apply_pathology(anatomy, eye.pathology)
    target, healthy = Projector(_scanned(anatomy, diseased)), None
    if diseased.lesions:
        healthy = Projector(_scanned(anatomy, apply_pathology(anatomy, eye.pathology.without_all())))
    planes: dict[tuple[str, int], Plane] = {}
    out = []
    for scan in eye.scans:
        of_plane = (scan.imaging.slab, scan.imaging.size_px)
        if of_plane not in planes:
            planes[of_plane] = Plane(diseased, Laterality(eye.laterality), scan.imaging)
        given = Exposure(*scan.exposure) if scan.exposure else None
        imaged = image(target.eye, scan.imaging, given, target.flow(scan.imaging))
        backdrop = None
        if healthy is not None:
            twin_image = image(healthy.eye, scan.imaging, imaged.exposure, healthy.flow(scan.imaging))
            backdrop = Backdrop(twin_image.pixels)
        out.append(Exposed(scan, imaged, backdrop, planes[of_plane]))
    return out, diseased


def _grown_for(eye: EyeVisit) -> Anatomy:
    return _grown(eye.anatomy.model_dump_json())


def _scanned(anatomy: Anatomy, eye: DiseasedEye) -> Eye:
    """What the scanner meets; the pit and the bed are the healthy eye's, so that twins differ at the lesion alone."""
    return Eye(
        graph=eye.graph,
        blobs=eye.blobs,
        fovea_um=eye.fovea_um,
        faz_radius_um=eye.pit_radius_um,
        bed=anatomy.graph,
        nasal=anatomy.params.nasal,
    )


def _view(eye: EyeVisit, scan: Scan, exposed: Exposed) -> View:
    pitch = scan.imaging.fov_mm / scan.imaging.size_px
    return View(
        view_id=scan.view_id,
        modality="OCTA en face",
        pixels=exposed.imaged.pixels,
        spacing_mm=(pitch, pitch),
        laterality=Laterality(eye.laterality),
        visit=eye.visit,
        attributes={
            "slab": SLAB_WORDS[scan.imaging.slab],
            "profile": scan.imaging.profile,
            "fov_mm": scan.imaging.fov_mm,
        },
    )


def _by_eye(shots: tuple[Shot, ...]) -> dict[tuple[str, int], tuple[Shot, ...]]:
    groups: dict[tuple[str, int], tuple[Shot, ...]] = {}
    for shot in shots:
        key = (shot.laterality, shot.visit)
        groups[key] = (*groups.get(key, ()), shot)
    return groups
