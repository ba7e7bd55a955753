"""The table of a task of two classes: every model, their median, and every baseline on the same eyes, as Markdown.

One part for each task, field of view and age group, with the figures that readers of DR screening compare: AUC, its paired
difference to low-flow pixels, balanced accuracy, and precision, recall and F1 of each class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from chiasm.evaluation._class_figures import auc_of, class_answers
from chiasm.evaluation._figures import Cell, cells
from chiasm.evaluation._marking import Marked
from chiasm.evaluation._pixels import LOW_FLOW
from chiasm.evaluation.metrics import ClassAnswers
from chiasm.evaluation.statistics import Difference, Estimate, difference

if TYPE_CHECKING:
    from chiasm.evaluation._evaluate import Evaluation, Outcome

GROUPS = ("all", "age >= 40")
_FEWEST_FOR_MEDIAN = 3


class Line(NamedTuple):
    """One model or baseline on the items of a cell."""

    name: str
    is_model: bool
    auc: Estimate | None
    """None where the answers come without scores."""
    to_low_flow: Difference | None
    """Of the AUC, paired."""
    answers: ClassAnswers
    n_unscored: int


class Part(NamedTuple):
    """One cell with its lines."""

    data: str
    cell: Cell
    classes: tuple[str, ...]
    lines: tuple[Line, ...]


def render_tables(evaluation: Evaluation) -> str:
    """Markdown with every part of every data set; says so where there is none."""
    about = evaluation.about
    head = [
        "# Tasks of two classes: models and baselines on the same items",
        f"Command `{about['command']}`, commit {about['commit']}, seed {evaluation.options.seed}. 95 % intervals over patients;"
        " the difference is that of the AUC to low-flow pixels, paired.",
    ]
    parts = [_render(part) for outcome in evaluation.outcomes for part in parts_of(outcome)]
    return "\n\n".join([*head, *(parts or ["No task of two classes was asked."])]) + "\n"


def parts_of(outcome: Outcome) -> Iterator[Part]:
    """Every two-class task by field of view, for all patients and from 40 years on."""
    first = outcome.marks[outcome.models[0]]
    for cell in cells(first):
        classes = cell.marked[0].item.classes
        if cell.task.startswith("[") or cell.group not in GROUPS or len(classes) != 2:
            continue
        if any(m.item.classes != classes for m in cell.marked):
            continue
        wanted = {m.item.item_id for m in cell.marked}
        chosen = {name: [m for m in marked if m.item.item_id in wanted] for name, marked in outcome.marks.items()}
        lines = [_line(name, name in outcome.models, own, chosen.get(LOW_FLOW)) for name, own in chosen.items()]
        lines = [line for line in lines if line.is_model or line.n_unscored == 0]
        yield Part(outcome.exam.name, cell, classes, tuple(lines))


def _line(name: str, is_model: bool, marked: Sequence[Marked], low_flow: Sequence[Marked] | None) -> Line:
    patients = [m.item.patient_id for m in marked]
    unscored = sum(not m.scored for m in marked)
    area = auc_of(marked, patients) if any(m.probabilities is not None for m in marked) else None
    apart = None
    if area is not None and low_flow is not None and name != LOW_FLOW:
        both = [(m, r) for m, r in zip(marked, low_flow, strict=True) if _has_score(m) and _has_score(r)]
        if both:
            owners = [m.item.patient_id for m, _ in both]
            apart = difference(auc_of([m for m, _ in both], owners), auc_of([r for _, r in both], owners))
    return Line(name, is_model, area, apart, class_answers(marked, patients), unscored)


def _has_score(m: Marked) -> bool:
    return m.scored and m.probabilities is not None


def _render(part: Part) -> str:
    negative, positive = part.classes
    n = [sum(m.item.truth == name for m in part.cell.marked) for name in part.classes]
    field = "" if part.cell.fov_mm is None else f", {part.cell.fov_mm:g} mm"
    group = "" if part.cell.group == "all" else f", {part.cell.group}"
    title = f"## {part.data}: {part.cell.task}{field}{group} ({n[1]} {positive} against {n[0]} {negative})"
    first = [["model", "AUC", "AUC - low flow", "balanced accuracy", "unscored"]]
    kinds = ("precision", "recall", "F1")
    second = [["model", *(f"{kind} {name}" for name in part.classes for kind in kinds)]]
    for line in part.lines:
        name = f"**{line.name}**" if line.is_model else line.name
        accuracy = line.answers.balanced_accuracy()
        first.append([name, _figure(line.auc), _figure(line.to_low_flow), _figure(accuracy), str(line.n_unscored)])
        figures = [f for c in line.answers.per_class() for f in (c.precision, c.recall, c.f1)]
        second.append([name, *(_figure(f) for f in figures)])
    models = [line for line in part.lines if line.is_model]
    if len(models) >= _FEWEST_FOR_MEDIAN:
        place = 1 + len(models)
        areas = [line.auc for line in models]
        apart = [line.to_low_flow for line in models]
        first.insert(
            place,
            [
                f"median of the {len(models)} models (range)",
                _median(areas),
                _median(apart),
                _median([line.answers.balanced_accuracy() for line in models]),
                "",
            ],
        )
    return "\n\n".join([title, _markdown(first), _markdown(second)])


def _figure(found: Estimate | Difference | None) -> str:
    if found is None:
        return "-"
    if found.value != found.value:
        return f"undefined: {found.note}"
    sign = "+" if isinstance(found, Difference) else ""
    return f"{found.value:{sign}.3f} [{found.lo:{sign}.3f}, {found.hi:{sign}.3f}]"


def _median(found: Sequence[Estimate | Difference | None]) -> str:
    values = [f.value for f in found if f is not None and f.value == f.value]
    if len(values) < len(found):
        return "-"
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    safe = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in safe]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
