"""What a reader must not overlook: controls not beaten, items lost, cells too small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chiasm.evaluation._asking import Answers
from chiasm.evaluation._class_figures import FEWEST
from chiasm.evaluation._comparisons import Pair
from chiasm.evaluation._figures import main_metric
from chiasm.evaluation._marking import Marked
from chiasm.evaluation._question import Exam
from chiasm.evaluation._settings import EvaluationOptions

_SHOWN = 5
_WORST = 2


def warnings_of(
    exam: Exam,
    marks: Mapping[str, Sequence[Marked]],
    models: Sequence[str],
    answers: Mapping[str, Answers],
    pairs: Sequence[Pair],
    options: EvaluationOptions,
) -> list[str]:
    """Every warning of one data set, the gravest first.

    Args:
        exam: The data.
        marks: By model and control.
        models: The names that are no controls.
        answers: How the asking went.
        pairs: Comparisons of models with controls.
        options: For the completeness that is asked for.
    """
    out: list[str] = []
    for name in models:
        out += _completeness(exam.name, name, marks[name], options.completeness)
        out += _not_beaten(name, [p for p in pairs if p.a == name and p.b not in models])
        out += _ids(exam.name, name, answers.get(name))
    if exam.problems:
        out.append(f"{exam.name}: {len(exam.problems)} entries were left out: {_listed(exam.problems)}")
    out += _small(exam.name, marks[models[0]]) if models else []
    return out


def _completeness(data: str, name: str, marked: Sequence[Marked], needed: float) -> list[str]:
    lost = [m for m in marked if not m.scored]
    if not lost:
        return []
    reasons: dict[str, int] = {}
    for m in lost:
        reasons[m.reply.problem] = reasons.get(m.reply.problem, 0) + 1
    why = _listed([f"{n} x {reason}" for reason, n in sorted(reasons.items(), key=lambda r: -r[1])])
    share = 1 - len(lost) / len(marked)
    refused = f"; figures are withheld below {100 * needed:g} %" if share < needed else ""
    return [f"{data}: {name} is unscored on {len(lost)} of {len(marked)} items ({why}){refused}"]


def _not_beaten(name: str, pairs: Sequence[Pair]) -> list[str]:
    """One line for each control: on how many figures the model is not clearly better, the worst of them first."""
    fields = {(p.task, p.metric) for p in pairs if p.fov_mm is not None}
    # a task with several fields of view is judged by each of them
    judged = [
        p for p in pairs if p.difference is not None and (p.fov_mm is not None or (p.task, p.metric) not in fields)
    ]
    out = []
    for control in dict.fromkeys(p.b for p in judged):
        own = [p for p in judged if p.b == control]
        lost = sorted((p for p in own if p.lo is not None and p.lo <= 0), key=lambda p: p.difference or 0.0)
        if lost:
            short = control.removeprefix(name + " ")
            head = f"{own[0].data}: {name} does not beat {short} on {len(lost)} of {len(own)} figures"
            telling = [p for p in lost if p.n >= FEWEST] or lost
            shown = "; ".join(_difference(p) for p in telling[:_WORST])
            out.append(f"{head}{', worst' if len(lost) > _WORST else ''}: {shown}")
    return out


def _difference(pair: Pair) -> str:
    field = "" if pair.fov_mm is None else f" at {pair.fov_mm:g} mm"
    worse = " (worse)" if pair.hi is not None and pair.hi < 0 else ""
    numbers = f"{pair.difference:+.3f} [{pair.lo:+.3f}, {pair.hi:+.3f}], n = {pair.n}"
    return f"{pair.task}{field}, {pair.metric.replace('_', ' ')} {numbers}{worse}"


def _ids(data: str, name: str, asked: Answers | None) -> list[str]:
    if asked is None or not asked.unknown_ids:
        return []
    shown = _listed(asked.unknown_ids, ", ")
    return [
        f"{data}: {name} holds {len(asked.unknown_ids)} answers to items that are not in the data ({shown}); ignored"
    ]


def _small(data: str, marked: Sequence[Marked]) -> list[str]:
    """Tasks of too few items, and of one class, each kind on one line."""
    tasks: dict[str, list[Marked]] = {}
    for m in marked:
        tasks.setdefault(m.item.task, []).append(m)
    few = [f"{task}: {len(own)} items only" for task, own in tasks.items() if len(own) < FEWEST]
    single = []
    for task, own in tasks.items():
        truths = {m.item.truth for m in own}
        if main_metric(own) == "balanced_accuracy" and len(truths) == 1:
            single.append(f"{task}: one class only ({truths.pop()})")
    out = []
    if few:
        out.append(f"{data}: {len(few)} of {len(tasks)} tasks mean little by themselves: {_listed(few)}")
    if single:
        head = f"{data}: balanced accuracy and AUC are undefined for {len(single)} of {len(tasks)} tasks"
        out.append(f"{head}: {_listed(single)}")
    return out


def _listed(parts: Sequence[str], mark: str = "; ") -> str:
    """The first few, and how many more."""
    more = f"{mark}and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return mark.join(parts[:_SHOWN]) + more
