"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from chiasm.evaluation._claims import ChainRow
from chiasm.evaluation._class_figures import class_answers, confidence
from chiasm.evaluation._comparisons import win_tie_loss
from chiasm.evaluation._figures import Cell, Row, cells, main_metric
from chiasm.evaluation._marking import Marked
from chiasm.evaluation._question import Overlay, Picture
from chiasm.evaluation.metrics import reliability, risk_coverage
from chiasm.evaluation.report._plots import (
    Interval,
    confusion_matrix,
    forest,
    reliability_curve,
    risk_coverage_curve,
    stacked_bar,
)
from chiasm.questions import write_answer

if TYPE_CHECKING:
    from chiasm.evaluation._evaluate import Evaluation, Outcome

_LONGEST_SIDE = 320
_LONGEST_TEXT = 2000
_LONGEST_RIGHT = 300
_COLOURS = 6
_FEW = 4
_MOST_PLOTS = 12
"""Tasks with a forest plot of their own; the table has all."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """One item as shown."""

    why: str
    marked: Marked
    pictures: tuple[str, ...]
    """As data addresses."""
    overlays: tuple[Overlay, ...]
    colours: dict[str, int]
    """Of the boxes, by label."""
    text: str
    verdict: str


def render_report(evaluation: Evaluation) -> str:
    """The page; every word from data or models is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chiasm.evaluation.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"figure": _figure, "three": _three, "p": _p_value, "words": _words}
    template = environment.get_template("report.html.jinja")
    return template.render(
        about=evaluation.about,
        options=evaluation.options,
        warnings=[
            (o.exam.name, [w.removeprefix(f"{o.exam.name}: ") for w in o.warnings])
            for o in evaluation.outcomes
            if o.warnings
        ],
        outcomes=[_outcome(o, evaluation) for o in evaluation.outcomes],
    )


def _outcome(outcome: Outcome, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "name": outcome.exam.name,
        "sha256": outcome.exam.sha256,
        "n_items": len(outcome.exam.items),
        "n_patients": len({i.patient_id for i in outcome.exam.items}),
        "problems": outcome.exam.problems,
        "models": outcome.models,
        "tables": _tables(outcome),
        "forests": list(islice(_forests(outcome), _MOST_PLOTS)),
        "pairs": outcome.pairs,
        "wins": win_tie_loss(outcome.pairs),
        "details": [_detail(outcome, name) for name in outcome.models],
        "subgroups": _subgroups(outcome),
        "examples": {name: _examples(outcome, name, evaluation) for name in outcome.models},
        "chains": {name: (_chain_plot(rows), rows) for name, rows in outcome.chains.items() if rows},
        "robustness": outcome.robustness,
        "drops": [(name, _drops(outcome, name)) for name in outcome.models if outcome.robustness],
        "prompts": _prompts(outcome),
        "asking": {name: outcome.answers[name] for name in outcome.answers},
    }


def _tables(outcome: Outcome) -> list[dict[str, Any]]:
    """One table for each metric that leads: tasks down, models and controls across."""
    out = []
    for metric in ("balanced_accuracy", "auc", "score"):
        rows = [r for r in outcome.rows if r.metric == metric and r.group == "all"]
        if metric == "score":  # graded scores only where no balanced accuracy stands above
            classified = {(r.task, r.fov_mm) for r in outcome.rows if r.metric == "balanced_accuracy"}
            rows = [r for r in rows if (r.task, r.fov_mm) not in classified]
        if not rows:
            continue
        places = list(dict.fromkeys((r.task, r.fov_mm) for r in rows))
        names = [n for n in outcome.marks if any(r.model == n for r in rows)]
        by = {(r.task, r.fov_mm, r.model): r for r in rows}
        heads = [f"{t}{_field(f)}" for t, f in places]
        if len(places) <= _FEW:  # few tasks: models down, so that long names have room
            lines = [(n, n in outcome.models, [by.get((t, f, n)) for t, f in places]) for n in names]
            out.append({"metric": metric, "corner": "model", "heads": [(h, False) for h in heads], "lines": lines})
        else:
            lines = [(h, False, [by.get((t, f, n)) for n in names]) for h, (t, f) in zip(heads, places, strict=True)]
            tops = [(n, n in outcome.models) for n in names]
            out.append({"metric": metric, "corner": "task", "heads": tops, "lines": lines})
    return out


def _field(fov_mm: float | None) -> str:
    return "" if fov_mm is None else f", {fov_mm:g} mm"


def _forests(outcome: Outcome) -> Iterator[Markup]:
    places = dict.fromkeys((c.task, c.fov_mm) for c in cells(outcome.marks[outcome.models[0]]) if c.group == "all")
    classified = {r.task for r in outcome.rows if r.metric == "balanced_accuracy"}
    known = _whole_rows(outcome)
    for task, fov_mm in places:
        if task.startswith("["):
            continue
        for metric in ("balanced_accuracy", "auc", "score"):
            rows = [r for r in known[task, fov_mm] if r.metric == metric]
            if all(r.value is None for r in rows) or (metric == "score" and task in classified):
                continue
            lines = [Interval(r.model, r.value, r.lo, r.hi, r.note, r.model in outcome.models) for r in rows]
            title = f"{task}{_field(fov_mm)}: {_words(metric)}"
            chance = 0.5 if metric == "auc" else None
            plot = forest(lines, title=title, reference=chance)
            yield Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(plot, title)


def _whole_rows(outcome: Outcome) -> dict[tuple[str, float | None], list[Row]]:
    """By task and field of view, the rows that are of no subgroup."""
    known: dict[tuple[str, float | None], list[Row]] = defaultdict(list)
    for row in outcome.rows:
        if row.group == "all":
            known[row.task, row.fov_mm].append(row)
    return known


def _detail(outcome: Outcome, name: str) -> dict[str, Any]:
    """Every figure of one model, with its confusion, reliability and risk-coverage pictures."""
    parts = []
    known = _whole_rows(outcome)
    for cell in cells(outcome.marks[name]):
        if cell.group != "all":
            continue
        rows = [r for r in known[cell.task, cell.fov_mm] if r.model == name]
        parts.append({"task": cell.task, "fov_mm": cell.fov_mm, "rows": rows, "plots": _plots(cell)})
    return {"name": name, "parts": parts}


def _drops(outcome: Outcome, name: str) -> Markup:
    rows = [r for r in outcome.robustness if r.model == name and r.metric == "score"]
    lines = [Interval(f"{r.test}: {r.level}", r.difference, r.lo, r.hi, "", True) for r in rows]
    return forest(lines, title=f"change of score of {name}", low=-1.0, high=1.0, reference=0.0) if lines else Markup("")


def _chain_plot(rows: Sequence[ChainRow]) -> Markup:
    shares = [(r.first, r.n_wrong) for r in rows if r.n_wrong]
    return stacked_bar(shares, title="where the first error of wrong answers happens") if shares else Markup("")


def _plots(cell: Cell) -> list[Markup]:
    scored = [m for m in cell.marked if m.scored]
    if cell.task.startswith("[") or not scored or main_metric(scored) != "balanced_accuracy":
        return []
    answers = class_answers(scored, [m.item.patient_id for m in scored])
    plots = (
        [confusion_matrix(answers.confusion(), title=f"confusion of {cell.task}")] if len(answers.classes) <= 12 else []
    )
    sure = np.array([confidence(m) for m in scored])
    right = np.array([m.tolerant.exact for m in scored])
    if not np.isnan(sure).all():
        plots.append(reliability_curve(reliability(sure, right), title=f"reliability of {cell.task}"))
        plots.append(risk_coverage_curve(risk_coverage(sure, right), title=f"risk and coverage of {cell.task}"))
    return plots


def _subgroups(outcome: Outcome) -> list[Row]:
    metrics = ("balanced_accuracy", "auc", "score")
    classified = {r.task for r in outcome.rows if r.metric == "balanced_accuracy"}
    return [
        r
        for r in outcome.rows
        if r.group != "all"
        and r.model in outcome.models
        and r.metric in metrics
        and not (r.metric == "score" and r.task in classified)
    ]


def _examples(outcome: Outcome, name: str, evaluation: Evaluation) -> list[Example]:
    """Best, worst and random items: the surest right, the surest wrong, and any."""
    wanted = evaluation.options.examples
    scored = [m for m in outcome.marks[name] if m.scored]
    if not scored or not wanted:
        return []

    def sure(m: Marked) -> float:
        known = confidence(m)
        return known if math.isfinite(known) else 0.0

    best = sorted(scored, key=lambda m: (-m.tolerant.graded, -sure(m)))[:wanted]
    worst = sorted(scored, key=lambda m: (m.tolerant.graded, -sure(m)))[:wanted]
    rng = np.random.default_rng(np.random.SeedSequence(evaluation.options.seed, spawn_key=(5,)))
    drawn = [scored[int(i)] for i in rng.permutation(len(scored))[:wanted]]
    seen: set[str] = set()
    out = []
    for why, chosen in (("worst", worst), ("best", best), ("random", drawn)):
        for m in chosen:
            if m.item.item_id not in seen:
                seen.add(m.item.item_id)
                out.append(_example(why, m))
    return out


def _example(why: str, m: Marked) -> Example:
    text = m.reply.text or ""
    return Example(
        why=why,
        marked=m,
        pictures=tuple(_address(p) for p in m.item.question.pictures),
        overlays=m.item.overlays,
        colours={label: k % _COLOURS for k, label in enumerate(dict.fromkeys(v.label for v in m.item.overlays))},
        verdict=_verdict(m),
        text=text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " … (cut)",
    )


def _verdict(m: Marked) -> str:
    """What was answered and what is right, in words."""
    if m.item.classes:
        same = m.tolerant.answer == m.item.truth
        return m.item.truth if same else f"answered {m.tolerant.answer}, right is {m.item.truth}"
    return f"{m.tolerant.reason}; right is {write_answer(m.item.key.answer)[:_LONGEST_RIGHT]}"


def _address(picture: Picture) -> str:
    """A JPEG no larger than needed on the page, as a data address."""
    image = Image.fromarray(picture.array())
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode("ascii")


def _prompts(outcome: Outcome) -> list[tuple[str, str, int]]:
    """(task, one prompt, number of different ones)."""
    prompts: dict[str, list[str]] = {}
    for item in outcome.exam.items:
        prompts.setdefault(item.task, []).append(item.question.prompt)
    return [(task, texts[0], len(set(texts))) for task, texts in prompts.items()]


def _words(metric: str) -> str:
    """A metric's name as read: "AUC", "F1[healthy]"."""
    name, bracket, of_class = metric.partition("[")
    shown = " ".join({"auc": "AUC", "f1": "F1", "ap": "AP", "ap50": "AP50"}.get(w, w) for w in name.split("_"))
    return shown + bracket + of_class


def _figure(row: Row | None) -> Markup:
    """A cell of a table: value, interval, n; or why there is none."""
    if row is None:
        return Markup('<span class="faint">–</span>')
    if row.value is None or row.lo is None or row.hi is None:
        short = "withheld" if row.note.startswith("refused") else "undefined"
        return Markup('<span class="faint" title="{}">{}</span>').format(row.note, short)
    counts = f"n = {row.n}" + (f", {row.n_unscored} unscored" if row.n_unscored else "")
    return Markup(
        '<b>{}</b> <span class="interval">[{}, {}]</span><br><span class="faint" title="{}">{}</span>'
    ).format(f"{row.value:.3f}", f"{row.lo:.3f}", f"{row.hi:.3f}", row.note, counts)


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
