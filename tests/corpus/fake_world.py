"""A world of discs and squares with exact truth, made in a millisecond: the corpus is tested with it."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.case import (
    Case,
    Fact,
    Finding,
    Laterality,
    Layer,
    Mask,
    Node,
    Origin,
    Quantity,
    Region,
    Vessel,
    VesselGraph,
    View,
    Visibility,
)
from chiasm.corpus import BuildOptions, Patient, Plan, Workshop, build
from chiasm.errors import UnknownName
from chiasm.questions import (
    CategoryAnswer,
    Chart,
    ChoiceAnswer,
    Evidence,
    ImageRef,
    Item,
    Key,
    NumberAnswer,
    Skip,
    Statement,
    Step,
    Style,
    Trace,
    YesNoAnswer,
    language,
)

SIZE = 48
STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")
PROGRAMS = {"explain": "", "dropout present": "", "dropout half": "", "faz size": ""}


@dataclass(frozen=True)
class FakeMaker:
    plan: Plan
    name: str = "fake"
    version: str = "1"

    def check(self, plan: Plan) -> None:
        for stage in plan.stages:
            if stage not in STAGES:
                raise UnknownName("stage", stage, STAGES)

    def cases(self, patient: Patient, rng: np.random.Generator) -> Iterator[Case]:
        _misbehave(patient.number, self.plan.world_config.get("raise"))
        squares = [tuple(int(x) for x in rng.integers(2, SIZE - 12, 2)) for _ in range(STAGES.index(patient.stage))]
        noise = int(rng.integers(2**31))
        for tag in ("", *(self.plan.twins if squares else ())):
            yield _case(patient, squares, noise, tag)


def fake_ask(
    case: Chart,
    program: str,
    rng: np.random.Generator,
    *,
    view_ids: Sequence[str],
    language_name: str = "en",
    style: Style = "short",
) -> Item | Skip:
    """Four tiny programs with typed keys; one of them is often ambiguous."""
    view_id = view_ids[0]
    seen = list(case.case.find("capillary dropout", view_id=view_id, visible=True))
    slots: dict[str, Any] = {"term": "capillary dropout"}
    said = Statement(key="found", slots=slots | {"n": len(seen)}) if seen else Statement(key="absent", slots=slots)
    if program == "dropout present":
        prompt, key = "Is there capillary dropout?", Key(expects="yesno", answer=YesNoAnswer(yes=bool(seen)))
    elif program == "dropout half":
        if len(seen) != 1:
            return Skip(program, "no single region", missing=False)
        box = seen[0].regions[0].box
        assert box is not None
        top = box[0][0] + 4 < SIZE / 2
        options = tuple(("top", "bottom")[i] for i in rng.permutation(2))
        answer = ChoiceAnswer(letter="AB"[options.index("top" if top else "bottom")])
        prompt, key = "In which half does it lie?", Key(expects="choice", answer=answer, options=options)
    elif program == "faz size":
        area = next(case.case.find("foveal avascular zone", view_id=view_id)).quantity("area")
        assert area is not None
        number = NumberAnswer(value=round(area.value, 2), unit="mm2")
        prompt, key = "How large is the FAZ?", Key(expects="number", answer=number, tolerance=0.05)
    else:
        stage = CategoryAnswer(value=str(case.case.fact_value("stage", view_id=view_id)))
        prompt, key = "Explain the image.", Key(expects="category", answer=stage, options=STAGES, ordinal=True)
    evidence = tuple(Evidence(view_id=view_id, finding_id=f.finding_id) for f in seen)
    return Item(
        item_id=f"{case.case.case_id}/{view_id}/{program}",
        case_id=case.case.case_id,
        patient_id=case.case.patient_id,
        program=program,
        stage="recognition",
        form="choice" if key.expects == "choice" else "free",
        language=language_name,
        style=style,
        images=(ImageRef(view_id=view_id),),
        prompt=prompt,
        key=key,
        reasoning=language(language_name).reasoning([said], style, rng),
        trace=Trace(steps=(Step(op="count", result=len(seen), evidence=evidence, statements=(said,)),)),
    )


def open_fake(plan: Plan) -> Workshop:
    return Workshop(FakeMaker(plan), fake_ask, PROGRAMS)


def fake_plan(**changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "world": "fake",
        "patients": 24,
        "patients_per_part": 4,
        "every_image": "explain",
    }
    return Plan().change(**(settings | {"questions": 2, "splits": {"train": 0.75, "test": 0.25}} | changes))


def _case(patient: Patient, squares: list[tuple[int, ...]], noise: int, tag: str) -> Case:
    views, findings, facts = [], [], [Fact(name="age", value=patient.age_years, unit="years")]
    for number, image in enumerate(patient.images):
        eye = Laterality(image.laterality)
        view_id = f"{eye.value.lower()}-v{image.visit}-inner-{number}"
        rng = np.random.default_rng((noise, number))
        pixels = rng.integers(60, 200, (SIZE, SIZE)).astype(np.uint8)
        rows, cols = np.mgrid[:SIZE, :SIZE]
        faz = (rows - 23.5) ** 2 + (cols - 23.5) ** 2 < 36
        pixels[faz] = 0
        mm = patient.fov_mm / SIZE
        found = [("foveal avascular zone", faz)]
        if tag != "capillary dropout":
            for row, col in squares:
                mask = np.zeros((SIZE, SIZE), dtype=bool)
                mask[row : row + 8, col : col + 8] = True
                pixels[mask] //= 4
                found.append(("capillary dropout", mask))
        views.append(
            View(
                view_id=view_id,
                modality="OCTA en face",
                pixels=pixels,
                spacing_mm=(mm, mm),
                laterality=eye,
                visit=image.visit,
                attributes={"profile": image.profile or "plain", "fov_mm": patient.fov_mm, "slab": "inner retina"},
            )
        )
        for i, (name, mask) in enumerate(found):
            at = np.argwhere(mask)
            start, stop = at.min(0).astype(float), at.max(0).astype(float) + 1
            findings.append(
                Finding(
                    finding_id=f"{view_id}-{i}",
                    term=name,
                    laterality=eye,
                    visit=image.visit,
                    regions=(Region(view_id=view_id, mask=Mask.from_array(mask), box=(tuple(start), tuple(stop))),),
                    quantities=(Quantity(name="area", value=float(mask.sum()) * mm**2, unit="mm2"),),
                    visibility={view_id: Visibility(visible=True)},
                )
            )
    stage = patient.stage if tag != "capillary dropout" else "healthy"
    facts.append(Fact(name="stage", value=stage))
    suffix = f"-without {tag}" if tag else ""
    return Case(
        case_id=patient.patient_id + suffix,
        patient_id=patient.patient_id,
        views=tuple(views),
        findings=tuple(findings),
        facts=tuple(facts),
        origin=Origin(kind="world", name="fake", version="1", params={"squares": [list(s) for s in squares]}),
        graphs={f"{v.laterality.value}@{v.visit}": _graph(patient.fov_mm * 1000) for v in views},
    )


def _graph(fov_um: float) -> VesselGraph:
    return VesselGraph(
        fov_um=fov_um,
        position_um=np.array([[0, fov_um / 2, 10], [fov_um, fov_um / 2, 10]], dtype=np.float32),
        node=np.array([Node.INLET, Node.OUTLET]),
        edges=np.array([[0, 1]]),
        edge_id=np.array([0]),
        radius_um=np.array([20.0]),
        vessel=np.array([Vessel.ARTERY]),
        layer=np.array([Layer.SVC]),
        order=np.array([3]),
        speed_mm_s=np.array([5.0]),
        pressure_mmhg=np.array([40.0, 30.0]),
    )


def _misbehave(index: int, failing: int | None) -> None:
    """Let a test break or slow a worker.

    FAKE_DIE=<patient>:<marker file> kills the process once, FAKE_RAISE=<patient> raises, FAKE_SLEEP=<seconds> slows it.
    """
    time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
    die, _, marker = os.environ.get("FAKE_DIE", "").partition(":")
    if die == str(index) and not (marker and Path(marker).exists()):
        if marker:
            Path(marker).touch()
        os._exit(9)
    if os.environ.get("FAKE_RAISE") == str(index) or failing == index:
        msg = "the vessel has no beginning"
        raise RuntimeError(msg)


def digests(folder: Path) -> dict[str, str]:
    """Every visible file by its hash."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and ".chiasm" not in p.parts]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


if __name__ == "__main__":  # a build to be killed: python fake_world.py OUT WORKERS
    build(
        fake_plan(patients=60, shard_mb=0.05), sys.argv[1], BuildOptions(workers=int(sys.argv[2])), workshop=open_fake
    )
