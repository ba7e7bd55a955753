"""From marks to figures: for each task and field of view, every metric that its kind of answer allows.

Names of metrics are stable; `docs/evaluation.md` lists them. A figure keeps its `Estimate`, from which paired comparisons are
made; a `Row` is what is written down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluation._claims import claim_figures
from chiasm.evaluation._class_figures import FEWEST, class_figures
from chiasm.evaluation._marking import Marked
from chiasm.evaluation.metrics import (
    AREA_STEP,
    ImageBoxes,
    area_of_boxes,
    average_precision_estimate,
    dice,
    hausdorff_95,
)
from chiasm.evaluation.statistics import Estimate, mean_quantity, mean_score, proportion
from chiasm.questions import (
    BoxesAnswer,
    CountAnswer,
    NumberAnswer,
    mean_relative_accuracy,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of `report.json`. None stands for a figure that is undefined or refused; `note` says why."""

    model: str
    data: str
    fov_mm: float | None
    task: str
    metric: str
    value: float | None
    lo: float | None
    hi: float | None
    n: int
    n_unscored: int
    group: str = "all"
    n_patients: int = 0
    method: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell:
    """The marked items of one task, field of view and subgroup."""

    task: str
    fov_mm: float | None
    group: str
    marked: tuple[Marked, ...]

    def patients(self) -> list[str]:
        """Patient of each item."""
        return [m.item.patient_id for m in self.marked]


def cells(marked: Sequence[Marked]) -> list[Cell]:
    """Whole tasks first, then their fields of view, then subgroups, then levels and answer types over all tasks.

    A subgroup of fewer than `FEWEST` items has no cell: its figures mean nothing, and there would be thousands.
    """
    out: list[Cell] = []
    tasks = list(dict.fromkeys(m.item.task for m in marked))
    for task in tasks:
        own = [m for m in marked if m.item.task == task]
        fields = sorted({m.item.fov_mm for m in own if m.item.fov_mm is not None})
        if len(fields) == 1 and all(m.item.fov_mm is not None for m in own):
            parts: list[tuple[float | None, list[Marked]]] = [(fields[0], own)]
        else:
            parts = [(None, own), *((f, [m for m in own if m.item.fov_mm == f]) for f in fields)]
        for fov_mm, part in parts:
            out.append(Cell(task=task, fov_mm=fov_mm, group="all", marked=tuple(part)))
            out.extend(_subgroups(task, fov_mm, part))
    if len(tasks) > 1:
        out.extend(_levels(marked))
    return out


def figures_of_cell(cell: Cell, rng: np.random.Generator, *, resample: bool = True) -> Iterator[tuple[str, Estimate]]:
    """Every (metric, estimate) of a cell; a subgroup or level gets only its main ones.

    Args:
        cell: Marked items.
        rng: For bootstraps.
        resample: Whether to compute what needs many samples (calibration, a chosen threshold, average precision) and what is
            told of words: for models, not for what they are compared with.
    """
    marked, patients = cell.marked, cell.patients()
    strict = np.array([m.strict.exact for m in marked])
    tolerant = np.array([m.tolerant.exact for m in marked])
    yield "accuracy", proportion(tolerant, clusters=patients)
    yield "score", mean_score([m.tolerant.graded for m in marked], clusters=patients)
    if _one_task(cell) and _same_classes(marked):
        yield from class_figures(marked, patients, rng, brief=cell.group != "all", resample=resample)
    if cell.group != "all":
        return
    yield "accuracy_strict", proportion(strict, clusters=patients)
    yield "readable", proportion(_readable(marked, lambda m: m.tolerant.parsed is not None), clusters=patients)
    yield "readable_strict", proportion(_readable(marked, lambda m: m.strict.parsed is not None), clusters=patients)
    if any(m.abstained for m in marked):
        yield "abstained", proportion(_readable(marked, lambda m: m.abstained), clusters=patients)
    if _one_task(cell):
        yield from _by_kind(marked, patients)
        if resample:
            yield from claim_figures(marked)
            yield from _of_boxes(marked, patients, rng)


def main_metric(marked: Sequence[Marked]) -> str:
    """The metric by which models are compared: balanced accuracy for classes, else the graded score."""
    return "balanced_accuracy" if _same_classes(marked) else "score"


def to_row(model: str, data: str, cell: Cell, metric: str, estimate: Estimate, completeness: float) -> Row:
    """One line; the value is withheld where too few items were scored. An undefined figure says why it is that."""
    total = estimate.n + estimate.n_unscored
    complete = estimate.n / total if total else 0.0
    note = estimate.note
    refused = estimate.defined and complete < completeness
    if refused:
        note = f"refused: {estimate.n} of {total} scored ({100 * complete:.1f} %), {100 * completeness:g} % needed"
    numbers = [None if refused or not math.isfinite(v) else v for v in (estimate.value, estimate.lo, estimate.hi)]
    return Row(
        model=model,
        data=data,
        fov_mm=cell.fov_mm,
        task=cell.task,
        metric=metric,
        value=numbers[0],
        lo=numbers[1],
        hi=numbers[2],
        n=estimate.n,
        n_unscored=estimate.n_unscored,
        group=cell.group,
        n_patients=estimate.n_clusters,
        method=estimate.method,
        note=note,
    )


def _subgroups(task: str, fov_mm: float | None, part: list[Marked]) -> Iterator[Cell]:
    names = sorted({name for m in part for name in m.item.groups})
    for name in names:
        values = sorted({m.item.groups[name] for m in part if name in m.item.groups})
        if len(values) < 2:
            continue
        for value in values:
            chosen = tuple(m for m in part if m.item.groups.get(name) == value)
            if len(chosen) >= FEWEST:
                yield Cell(task=task, fov_mm=fov_mm, group=f"{name} {value}", marked=chosen)


def _levels(marked: Sequence[Marked]) -> Iterator[Cell]:
    yield Cell(task="[all]", fov_mm=None, group="all", marked=tuple(marked))
    labels = [(f"[level: {m.item.level}]", f"[answer: {m.item.key.expects}]") for m in marked]
    for name in dict.fromkeys([level for level, _ in labels] + [answer for _, answer in labels]):
        chosen = tuple(m for m, own in zip(marked, labels, strict=True) if name in own)
        yield Cell(task=name, fov_mm=None, group="all", marked=chosen)


def _one_task(cell: Cell) -> bool:
    return not cell.task.startswith("[")


def _same_classes(marked: Sequence[Marked]) -> bool:
    """Whether all items choose among one set of classes (their order may differ between multiple-choice items)."""
    sets = {frozenset(m.item.classes) for m in marked}
    return len(sets) == 1 and len(next(iter(sets))) >= 2


def _readable(marked: Sequence[Marked], of: Callable[[Marked], bool]) -> NDArray[np.float64]:
    return np.array([float(of(m)) if m.scored else math.nan for m in marked])


def _by_kind(marked: Sequence[Marked], patients: list[str]) -> Iterator[tuple[str, Estimate]]:
    kinds = {m.item.key.expects for m in marked}
    if kinds == {"number"} or kinds == {"count"}:
        yield "mean_relative_accuracy", mean_score([_mra(m) for m in marked], clusters=patients)
        errors = [_error(m) for m in marked]
        yield "absolute_error", mean_quantity([abs(e) for e in errors], clusters=patients)
        yield "bias", mean_quantity(errors, clusters=patients)


def _of_boxes(
    marked: Sequence[Marked], patients: list[str], rng: np.random.Generator
) -> Iterator[tuple[str, Estimate]]:
    if {m.item.key.expects for m in marked} != {"boxes"}:
        return
    areas = [_areas(m) for m in marked]
    overlap = [math.nan if a is None else dice(*a) for a in areas]
    yield "box_dice", mean_score(overlap, clusters=patients)
    apart = [math.nan if a is None else hausdorff_95(*a, spacing=(AREA_STEP, AREA_STEP)) for a in areas]
    distance = mean_quantity(apart, clusters=patients)
    n_one_empty = sum(a is not None and math.isnan(x) for a, x in zip(areas, apart, strict=True))
    note = f"not defined for {n_one_empty} items where one side has no box" if n_one_empty else distance.note
    yield "box_hausdorff_95", replace(distance, n_unscored=distance.n_unscored - n_one_empty, note=note)
    boxes = [_image_boxes(m) for m in marked if m.scored]
    owners = [p for p, m in zip(patients, marked, strict=True) if m.scored]
    if any(b.truth for b in boxes):
        yield "ap50", average_precision_estimate(boxes, rng=rng, thresholds=(0.5,), clusters=owners)
        yield "ap", average_precision_estimate(boxes, rng=rng, clusters=owners)


def _areas(m: Marked) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """What the right boxes cover and what the answered ones do; None where unscored."""
    boxes = _image_boxes(m)
    return (area_of_boxes(boxes.truth), area_of_boxes(boxes.found)) if m.scored else None


def _mra(m: Marked) -> float:
    """VSI-Bench's mean relative accuracy; 0 for a reply without a number, NaN where unscored or not to be judged."""
    got, truth = m.tolerant.parsed, m.item.key.answer
    if not m.scored or not isinstance(truth, NumberAnswer | CountAnswer):
        return math.nan
    return mean_relative_accuracy(got.value, truth.value) if isinstance(got, NumberAnswer | CountAnswer) else 0.0


def _error(m: Marked) -> float:
    """Signed error in the key's unit; NaN where no number was read."""
    got, truth = m.tolerant.parsed, m.item.key.answer
    if isinstance(got, NumberAnswer | CountAnswer) and isinstance(truth, NumberAnswer | CountAnswer):
        return got.value - truth.value
    return math.nan


def _image_boxes(m: Marked) -> ImageBoxes:
    got, truth = m.tolerant.parsed, m.item.key.answer
    return ImageBoxes(
        truth.boxes if isinstance(truth, BoxesAnswer) else (), got.boxes if isinstance(got, BoxesAnswer) else ()
    )
