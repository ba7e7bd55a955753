"""What a reader must not overlook: controls not beaten, items lost, cells too small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chiasm.evaluation._asking import Answers
from chiasm.evaluation._comparisons import Pair
from chiasm.evaluation._figures import main_metric
from chiasm.evaluation._marking import Marked
from chiasm.evaluation._question import Exam
from chiasm.evaluation._settings import EvaluationOptions

_SHOWN = 5


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
        shown = "; ".join(exam.problems[:_SHOWN])
        more = f"; and {len(exam.problems) - _SHOWN} more" if len(exam.problems) > _SHOWN else ""
        out.append(f"{exam.name}: {len(exam.problems)} entries were left out: {shown}{more}")
    out += _small(exam.name, marks[models[0]]) if models else []
    return out


def _completeness(data: str, name: str, marked: Sequence[Marked], needed: float) -> list[str]:
    lost = [m for m in marked if not m.scored]
    if not lost:
        return []
    reasons: dict[str, int] = {}
    for m in lost:
        reasons[m.reply.problem] = reasons.get(m.reply.problem, 0) + 1
    why = "; ".join(f"{n} x {reason}" for reason, n in sorted(reasons.items(), key=lambda r: -r[1])[:_SHOWN])
    share = 1 - len(lost) / len(marked)
    refused = f"; figures are withheld below {100 * needed:g} %" if share < needed else ""
    return [f"{data}: {name} is unscored on {len(lost)} of {len(marked)} items ({why}){refused}"]


def _not_beaten(name: str, pairs: Sequence[Pair]) -> list[str]:
    """One line for each control, with every task that the model is not clearly better on."""
    by_control: dict[str, list[str]] = {}
    fields = {(p.task, p.metric) for p in pairs if p.fov_mm is not None}
    for pair in pairs:
        if pair.difference is None or pair.lo is None or pair.hi is None or pair.lo > 0:
            continue
        if pair.fov_mm is None and (pair.task, pair.metric) in fields:
            continue  # its fields of view are judged by themselves
        field = "" if pair.fov_mm is None else f" at {pair.fov_mm:g} mm"
        worse = " (worse)" if pair.hi < 0 else ""
        numbers = f"{pair.difference:+.3f} [{pair.lo:+.3f}, {pair.hi:+.3f}], n = {pair.n}"
        line = f"{pair.task}{field}, {pair.metric.replace('_', ' ')} {numbers}{worse}"
        by_control.setdefault(pair.b.removeprefix(name + " "), []).append(line)
    return [
        f"{pairs[0].data}: {name} does not beat {control}: {'; '.join(lines)}" for control, lines in by_control.items()
    ]


def _ids(data: str, name: str, asked: Answers | None) -> list[str]:
    if asked is None or not asked.unknown_ids:
        return []
    shown = ", ".join(asked.unknown_ids[:_SHOWN])
    return [
        f"{data}: {name} holds {len(asked.unknown_ids)} answers to items that are not in the data ({shown}); ignored"
    ]


def _small(data: str, marked: Sequence[Marked]) -> list[str]:
    out = []
    for task in dict.fromkeys(m.item.task for m in marked):
        own = [m for m in marked if m.item.task == task]
        if len(own) < 10:
            out.append(f"{data}, {task}: {len(own)} items only; no figure of it means much")
        truths = {m.item.truth for m in own}
        if main_metric(own) == "balanced_accuracy" and len(truths) == 1:
            out.append(f"{data}, {task}: one class only ({truths.pop()}); balanced accuracy and AUC are undefined")
    return out
