"""Exams over real collections, which know a label but no findings.

OCTA-500 is asked one question, with the image and nothing about the patient: age alone separates its classes. Asked directly, it is
whether there is any diabetic retinopathy, in the words of the program any-retinopathy: of four stages "healthy" can be the
likeliest word where the other three together are likelier, and eyes were called healthy by that (docs/log.md). Where reasoning is
wanted, the image is to be explained and its stage named, as explain-stage words it; any stage but healthy counts as DR, its score
is the probability of that. Diseases other than DR and NORMAL are left out, as the data's readme asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from chiasm.case import Case, View
from chiasm.errors import InvalidInput
from chiasm.evaluation._chat_model import Style
from chiasm.evaluation._classes import classes_of_key
from chiasm.evaluation._question import Exam, ExamItem, Overlay, Picture, Question, make_exam
from chiasm.measure import Stage
from chiasm.questions import CategoryAnswer, Item, Key, YesNoAnswer, ask_all, prompt_about
from chiasm.sources import Problem, read_octa500, read_source

STAGES: Final = tuple(stage.value for stage in Stage)
DR_CLASSES: Final = ("healthy", "dr")
_NO_YES: Final = ("no", "yes")
"""Canonical answers, in the order of `DR_CLASSES`."""


def real_exam(name: str, path: Path, *, seed: int = 0, style: Style = "reasoned") -> Exam:
    """The exam of a real collection.

    Args:
        name: A name of `chiasm.sources.SOURCES`.
        path: Its folder.
        seed: Of the wording, where a program words its question.
        style: How its models answer: OCTA-500 is asked accordingly.
    """
    found: list[Problem] = []
    cases = (
        read_octa500(path, masks=False, on_problem=found.append)
        if name == "octa500"
        else read_source(f"{name}:{path}", on_problem=found.append)
    )
    items = list(_MAKERS[name](cases, seed, style))
    return make_exam(name, items, [f"{p.where}: {p.what}" for p in found])


def stage_prompt(view: View) -> str:
    """The stage question about a view, as the program explain-stage words it; nothing about the patient."""
    return prompt_about(view, "explain-stage", stage_key())


def stage_key() -> Key:
    """How a stage answer is read."""
    return Key(expects="category", answer=CategoryAnswer(value=STAGES[0]), options=STAGES, ordinal=True)


def dr_item(
    case: Case, view: View, truth: str, groups: dict[str, str], age: float | None = None, style: Style = "reasoned"
) -> ExamItem:
    """The question "dr" about one view: is there any retinopathy?

    Args:
        case: Whose patient and id it is.
        view: 2D uint8.
        truth: "healthy" or "dr".
        groups: Subgroups of the item.
        age: Of the patient [years]; not shown to models.
        style: "direct": asked with yes or no; "reasoned": to be explained, and the stage named.
    """
    fov_mm = view.attributes.get("fov_mm")
    key, options, prompt = stage_key(), STAGES, stage_prompt(view)
    merge = {stage: DR_CLASSES[stage != Stage.HEALTHY.value] for stage in STAGES}
    if style == "direct":
        key, options = Key(expects="yesno", answer=YesNoAnswer(yes=truth == "dr")), _NO_YES
        prompt, merge = prompt_about(view, "any-retinopathy", key), dict(zip(_NO_YES, DR_CLASSES, strict=True))
    return ExamItem(
        question=Question(
            question_id=f"dr-{case.case_id}",
            prompt=prompt,
            pictures=(Picture.from_array(view.pixels),),
            options=options,
        ),
        case_id=case.case_id,
        patient_id=case.patient_id,
        task="dr",
        level="medical reasoning",
        key=key,
        classes=DR_CLASSES,
        truth=truth,
        merge=merge,
        fov_mm=float(fov_mm) if isinstance(fov_mm, int | float) else None,
        groups=groups,
        age=age,
        laterality=view.laterality.value,
    )


def stage_answers(item: ExamItem) -> Mapping[str, str]:
    """From each stage to the answer it means, for an item that asks for the stage or for any but healthy; empty for others."""
    if set(item.question.options) >= set(STAGES):
        return {stage: stage for stage in STAGES}
    if item.classes == DR_CLASSES and item.question.options == _NO_YES:
        return {stage: _NO_YES[stage != Stage.HEALTHY.value] for stage in STAGES}
    return {}


def _octa500(cases: Iterable[Case], _seed: int, style: Style) -> Iterable[ExamItem]:
    for case in cases:
        disease = case.fact_value("disease")
        if disease not in ("NORMAL", "DR"):
            continue
        age, sex = case.fact_value("age"), case.fact_value("sex")
        years = float(age) if isinstance(age, int | float) else None
        groups = {"sex": str(sex)} | ({} if years is None else {"age": ">= 40" if years >= 40 else "< 40"})
        yield dr_item(case, case.views[0], "dr" if disease == "DR" else "healthy", groups, years, style)


def _labelled(cases: Iterable[Case], _seed: int, _style: Style) -> Iterable[ExamItem]:
    known = list(cases)
    labels = tuple(sorted({str(c.fact_value("label")) for c in known}))
    if len(labels) < 2:
        msg = f"an image folder needs at least two labels to be told apart, got {', '.join(labels) or 'none'}"
        raise InvalidInput(msg)
    for case in known:
        truth = str(case.fact_value("label"))
        key = Key(expects="category", answer=CategoryAnswer(value=truth), options=labels)
        classes = classes_of_key(key)
        prompt = f"Which of these does the image show: {', '.join(labels)}?\nAnswer with one of: {', '.join(labels)}."
        picture = Picture.from_array(case.views[0].pixels)
        yield ExamItem(
            question=Question(
                question_id=f"label-{case.case_id}", prompt=prompt, pictures=(picture,), options=classes.options
            ),
            case_id=case.case_id,
            patient_id=case.patient_id,
            task="label",
            level="recognition",
            key=key,
            classes=classes.names,
            truth=truth,
        )


def _masked(cases: Iterable[Case], seed: int, _style: Style) -> Iterable[ExamItem]:
    """The programs whose answer rests on a mask of the case; what is not annotated is not absent, and is not asked about."""
    for case in cases:
        for item in ask_all(case, seed).items:
            if item.evidence:
                yield exam_item_of(item, case)


def exam_item_of(item: Item, case: Case) -> ExamItem:
    """An item of a program, with the pictures of its case.

    Raises:
        InvalidInput: The item changes its pictures; those come from a built data set.
    """
    if any(image.change != "none" for image in item.images):
        msg = f"item {item.item_id} shows changed pictures; build a data set and evaluate on that"
        raise InvalidInput(msg)
    classes = classes_of_key(item.key)
    fov_mm = case.view(item.view_ids[0]).attributes.get("fov_mm")
    return ExamItem(
        question=Question(
            question_id=item.item_id,
            prompt=item.prompt,
            pictures=tuple(Picture.from_array(case.view(v).pixels) for v in item.view_ids),
            options=classes.options,
        ),
        case_id=item.case_id,
        patient_id=item.patient_id,
        task=item.program,
        level=item.stage,
        key=item.key,
        classes=classes.names,
        truth=classes.truth,
        ordinal=classes.ordinal,
        fov_mm=float(fov_mm) if isinstance(fov_mm, int | float) else None,
        trace_json=item.trace.model_dump_json(),
        reasoning=item.reasoning,
        laterality=case.view(item.view_ids[0]).laterality.value,
        overlays=tuple(_overlays(item, case)),
    )


def _overlays(item: Item, case: Case) -> Iterator[Overlay]:
    """Boxes around the regions that prove the answer."""
    evidence = {(e.view_id, e.finding_id) for e in item.evidence}
    for finding in case.findings:
        for number, view_id in enumerate(item.view_ids):
            region = finding.region(view_id)
            if (view_id, finding.finding_id) not in evidence or region is None or region.mask is None:
                continue
            mask = region.mask.to_array()
            if mask.any():
                rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
                edges = rows[0] / mask.shape[0], cols[0] / mask.shape[1]
                ends = (rows[-1] + 1) / mask.shape[0], (cols[-1] + 1) / mask.shape[1]
                yield Overlay(number, (float(edges[0]), float(edges[1]), float(ends[0]), float(ends[1])), finding.term)


_MAKERS: Final[dict[str, Callable[[Iterable[Case], int, Style], Iterable[ExamItem]]]] = {
    "octa500": _octa500,
    "images": _labelled,
    "octa25k-faz": _masked,
    "rossa": _masked,
}
