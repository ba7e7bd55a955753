"""The files of an evaluation: figures as JSON, every answer as JSON Lines, the leaderboard as CSV, tables, and the report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.evaluation._settings import write_whole

if TYPE_CHECKING:
    from chiasm.evaluation._evaluate import Evaluation

SCHEMA_VERSION = 1
REPORT = "report.json"
ITEMS = "items.jsonl"
LEADERBOARD_COLUMNS = (
    "model", "data", "fov_mm", "task", "metric", "value", "lo", "hi", "n", "n_unscored", "data_sha256",
    "model_fingerprint", "command", "commit", "seed",
)  # fmt: skip
_LEADING = ("balanced_accuracy", "auc", "score", "quadratic_kappa")


def write_evaluation(evaluation: Evaluation, out: Path) -> None:
    """Write every file, each whole."""
    from chiasm.evaluation._table import render_tables
    from chiasm.evaluation.report import render_report

    write_whole(out / REPORT, json.dumps(report_json(evaluation), indent=1, allow_nan=False) + "\n")
    write_whole(out / ITEMS, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in _items(evaluation)))
    write_whole(out / "leaderboard.csv", leaderboard_csv(evaluation))
    write_whole(out / "table.md", render_tables(evaluation))
    write_whole(out / "report.html", render_report(evaluation))


def report_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that the report says in numbers."""
    from chiasm.evaluation._comparisons import win_tie_loss

    rows = [r.to_json() for r in evaluation.rows]
    return {
        "schema_version": SCHEMA_VERSION,
        "about": evaluation.about,
        "rows": [r for r in rows if r["group"] == "all"],
        "subgroup_rows": [r for r in rows if r["group"] != "all"],
        "comparisons": [p.to_json() for o in evaluation.outcomes for p in o.pairs],
        "win_tie_loss": [{"data": o.exam.name, **t} for o in evaluation.outcomes for t in win_tie_loss(o.pairs)],
        "error_chains": [
            {"data": o.exam.name, "model": name, **row._asdict()}
            for o in evaluation.outcomes
            for name, chain in o.chains.items()
            for row in chain
        ],
        "robustness": [row.to_json() for o in evaluation.outcomes for row in o.robustness],
        "warnings": list(evaluation.warnings),
        "asking": [
            {
                "data": o.exam.name,
                "model": name,
                "n": len(a.replies),
                "n_cached": a.n_cached,
                "seconds": round(a.seconds, 3),
                "unscored": dict(a.problems),
            }
            for o in evaluation.outcomes
            for name, a in o.answers.items()
        ],
    }


def terminal_table(evaluation: Evaluation) -> str:
    """Lines of model, data, task, metric, value, interval and n, for balanced accuracy, AUC and graded scores."""
    lines = []
    for outcome in evaluation.outcomes:
        classified = {r.task for r in outcome.rows if r.metric == "balanced_accuracy"}
        for row in outcome.rows:
            leading = row.metric in ("balanced_accuracy", "auc") or (
                row.metric == "score" and row.task not in classified
            )
            if row.group != "all" or not leading:
                continue
            field = "" if row.fov_mm is None else f" {row.fov_mm:g} mm"
            value = "withheld" if row.note.startswith("refused") else "undefined"
            if row.value is not None:
                value = f"{row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]"
            unscored = f" ({row.n_unscored} unscored)" if row.n_unscored else ""
            lines.append((row.data, f"{row.task}{field}", row.metric, row.model, value, f"n = {row.n}{unscored}"))
    heads = ("data", "task", "metric", "model", "value [95 %]", "items")
    widths = [max(len(x) for x in column) for column in zip(heads, *lines, strict=True)]
    shown = [heads, *sorted(lines, key=lambda x: x[:3])]
    return "\n".join("  ".join(x.ljust(w) for x, w in zip(line, widths, strict=True)).rstrip() for line in shown)


def leaderboard_csv(evaluation: Evaluation) -> str:
    """The leading figures of the models, each with what is needed to repeat it; cells that a sheet would run are quoted."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, LEADERBOARD_COLUMNS, lineterminator="\n")
    writer.writeheader()
    about = evaluation.about
    for outcome in evaluation.outcomes:
        for row in outcome.rows:
            if row.model not in outcome.models or row.group != "all" or row.metric not in _LEADING:
                continue
            plain = {k: v for k, v in row.to_json().items() if k in LEADERBOARD_COLUMNS}
            plain |= {
                "data_sha256": outcome.exam.sha256,
                "model_fingerprint": about["models"].get(row.model, ""),
                "command": about["command"],
                "commit": about["commit"],
                "seed": evaluation.options.seed,
            }
            writer.writerow({k: _safe(v) for k, v in plain.items()})
    return sink.getvalue()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _items(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "data": o.exam.name,
            "model": name,
            "is_model": name in o.models,
            "item_id": m.item.item_id,
            "patient_id": m.item.patient_id,
            "task": m.item.task,
            "fov_mm": m.item.fov_mm,
            "classes": list(m.item.classes),
            "truth": m.item.truth,
            "text": m.reply.text,
            "probabilities": None if m.probabilities is None else dict(m.probabilities),
            "problem": m.reply.problem,
            "answer": m.tolerant.answer,
            "exact": m.tolerant.exact if m.scored else None,
            "exact_strict": m.strict.exact if m.scored else None,
            "graded": m.tolerant.graded if m.scored else None,
            "reason": m.tolerant.reason,
        }
        for o in evaluation.outcomes
        for name, marked in o.marks.items()
        for m in marked
    ]
