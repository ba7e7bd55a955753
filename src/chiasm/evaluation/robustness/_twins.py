"""Twins: the same eye with and without one kind of lesion.

A model that sees answers "yes" for one and "no" for the other, and changes nothing else. The pairs are made on the spot from
the synthetic world: one set of drawn parameters, rendered twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from chiasm.case import Case
from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation._asking import ask_all_items
from chiasm.evaluation._cache import AnswerCache
from chiasm.evaluation._marking import Marked, mark_all
from chiasm.evaluation._model import Model
from chiasm.evaluation._question import Exam, ExamItem, make_exam
from chiasm.evaluation._real import exam_item_of
from chiasm.evaluation.statistics import Estimate, proportion
from chiasm.questions import Item, ask

PRESENCE: Final = {
    "dropout": "dropout-present",
    "microaneurysm": "microaneurysm-present",
    "irma": "irma-present",
    "neovascularization": "neovascularization-present",
    "tortuosity": "tortuosity-present",
}
"""For each family of lesions, the program that asks for it."""


class TwinExam(NamedTuple):
    """Items in pairs: the k-th of `with_lesion` and of `without` are the same question about twins."""

    with_lesion: Exam
    without: Exam


class TwinFigures(NamedTuple):
    """Whether answers change when, and only when, the lesion does."""

    both_right: Estimate
    """Pairs whose truth differs: share with both answers right."""
    changed: Estimate
    """Pairs whose truth differs: share whose answers differ at all."""
    stable: Estimate
    """Pairs whose truth is one and the same: share with the same answer."""


def pair_items(cases: Sequence[tuple[Case, Case]], programs: Sequence[str], *, seed: int) -> TwinExam:
    """Ask both of each pair of twins the same questions, in the same words.

    Args:
        cases: (with the lesion, without it).
        programs: Names of question programs; a question that one of the two cannot be asked is left out.
        seed: Of the wording.

    Raises:
        InvalidInput: No question could be asked of both.
    """
    ill: list[ExamItem] = []
    well: list[ExamItem] = []
    for k, (one, other) in enumerate(cases):
        for number, program in enumerate(programs):
            items = [
                ask(
                    case,
                    program,
                    np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k, number))),
                    form="free",
                )
                for case in (one, other)
            ]
            if isinstance(items[0], Item) and isinstance(items[1], Item):
                ill.append(_named(exam_item_of(items[0], one), f"{k}-{program}-with"))
                well.append(_named(exam_item_of(items[1], other), f"{k}-{program}-without"))
    if not ill:
        msg = f"none of {', '.join(programs)} could be asked of both twins of {len(cases)} pairs"
        raise InvalidInput(msg)
    return TwinExam(make_exam("twins with", ill, []), make_exam("twins without", well, []))


def make_twins(family: str, n: int, *, seed: int, fov_mm: float = 3.0) -> list[tuple[Case, Case]]:
    """Grow `n` eyes with a family of lesions and image each twice, with and without it.

    Args:
        family: A name of `PRESENCE`.
        n: Pairs.
        seed: Of the eyes.
        fov_mm: Side of the field [mm].
    """
    from chiasm.worlds.octa import OctaRequest, OctaWorld, twin

    if family not in PRESENCE:
        raise UnknownName("family of lesions", family, PRESENCE)
    pairs: list[tuple[Case, Case]] = []
    stage = "pdr" if family == "neovascularization" else "late-npdr"
    for k in range(20 * n):
        name = f"twin-{family}-{seed}-{k}"
        world = OctaWorld(
            OctaRequest.model_validate({"case_id": name, "patient_id": name, "stage": stage, "fov_mm": fov_mm})
        )
        params = world.sample(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,))))
        if any(eye.pathology.has(family) for eye in params.eyes):
            pairs.append((world.render(params), world.render(twin(params, family))))
        if len(pairs) == n:
            return pairs
    msg = f"only {len(pairs)} of {20 * n} eyes of stage {stage} have {family}; {n} pairs were asked for"
    raise InvalidInput(msg)


def twin_figures(
    model: Model, exam: TwinExam, *, cache: AnswerCache | None = None, batch_size: int = 16, quiet: bool = False
) -> TwinFigures:
    """Ask a model about twins."""
    marks = []
    for part in exam:
        asked = ask_all_items(model, part.items, cache=cache, batch_size=batch_size, quiet=quiet, label=part.name)
        marks.append(mark_all(part.items, asked.replies))
    pairs = list(zip(*marks, strict=True))
    patients = [x.item.patient_id for x, _ in pairs]
    differ = [_truth(x) != _truth(y) for x, y in pairs]

    def share(values: list[float], wanted: bool) -> Estimate:
        hits = [v if d == wanted else math.nan for v, d in zip(values, differ, strict=True)]
        lost = sum(math.isnan(v) for v, d in zip(values, differ, strict=True) if d == wanted)
        kept = [(h, p) for h, p in zip(hits, patients, strict=True) if not math.isnan(h)]
        estimate = proportion([h for h, _ in kept], clusters=[p for _, p in kept])
        return estimate if not lost else _with_lost(estimate, lost)

    both = [_both(x, y, float(x.tolerant.exact == 1 and y.tolerant.exact == 1)) for x, y in pairs]
    moved = [_both(x, y, float(_said(x) != _said(y))) for x, y in pairs]
    kept = [_both(x, y, float(_said(x) == _said(y))) for x, y in pairs]
    return TwinFigures(share(both, True), share(moved, True), share(kept, False))


def _both(x: Marked, y: Marked, value: float) -> float:
    return value if x.scored and y.scored else math.nan


def _with_lost(estimate: Estimate, lost: int) -> Estimate:

    return replace(estimate, n_unscored=lost)


def _named(item: ExamItem, name: str) -> ExamItem:

    return replace(item, question=replace(item.question, question_id=name))


def _truth(m: Marked) -> object:
    return m.item.truth or m.item.key.answer


def _said(m: Marked) -> object:
    return m.tolerant.answer or m.tolerant.parsed
