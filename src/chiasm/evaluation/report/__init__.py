"""The report of an evaluation: one HTML file, offline and printable."""

from chiasm.evaluation.report._page import render_report
from chiasm.evaluation.report._plots import (
    Interval,
    confusion_matrix,
    forest,
    reliability_curve,
    risk_coverage_curve,
    stacked_bar,
)

__all__ = [
    "Interval",
    "confusion_matrix",
    "forest",
    "reliability_curve",
    "render_report",
    "risk_coverage_curve",
    "stacked_bar",
]
