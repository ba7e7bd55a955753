"""A check's report as JSON for machines and as one HTML page for people; text from the data is escaped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jinja2

import chiasm
from chiasm.corpus._check import CheckReport
from chiasm.corpus._problem import RULES


def write_check_report(report: CheckReport, out: str | Path) -> tuple[Path, Path]:
    """Write `check.json` and `check.html` into a folder; returns their paths."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_html = folder / "check.json", folder / "check.html"
    data = dataclasses.asdict(report) | {
        "ok": report.ok,
        "errors": report.errors,
        "examples": [p._asdict() for p in report.examples],
        "version": chiasm.__version__,
    }
    as_json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chiasm.corpus"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("check.html").render(report=report, rules=RULES, version=chiasm.__version__)
    as_html.write_text(page)
    return as_json, as_html
