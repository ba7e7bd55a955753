"""Pictures of figures as inline SVG: forest plot, confusion matrix, reliability and risk-coverage curves.

Written by hand rather than drawn by a plotting library: the file stays small, text stays text, colours follow the page's
(`currentColor` and CSS classes), and a report with a hundred of them takes milliseconds. All words are escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from chiasm.evaluation.metrics import OTHER, Confusion, ReliabilityBin, RiskPoint


class Interval(NamedTuple):
    """One line of a forest plot."""

    label: str
    value: float | None
    lo: float | None
    hi: float | None
    note: str = ""
    strong: bool = False
    """A model, rather than a control."""


_ROW = 22
_LABEL = 300
_PLOT = 360
_TEXT = 190


def forest(
    lines: Sequence[Interval], *, title: str, low: float = 0.0, high: float = 1.0, reference: float | None = None
) -> Markup:
    """Values with their intervals on one axis.

    Args:
        lines: Top to bottom.
        title: For those who cannot see the picture.
        low: Left end of the axis; values outside are drawn at its ends.
        high: Right end.
        reference: A dashed vertical line, such as chance.
    """
    height = _ROW * len(lines) + 34
    width = _LABEL + _PLOT + _TEXT
    parts = [_open(width, height, title)]
    span = high - low
    for k in range(5):
        x = _LABEL + _PLOT * k / 4
        parts.append(f'<line class="grid" x1="{x}" y1="4" x2="{x}" y2="{height - 26}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{height - 10}" text-anchor="middle">{low + span * k / 4:.2f}</text>'
        )
    if reference is not None:
        x = _at(reference, low, high)
        parts.append(f'<line class="reference" x1="{x}" y1="4" x2="{x}" y2="{height - 26}"/>')
    for number, line in enumerate(lines):
        y = 4 + _ROW * number + _ROW / 2
        kind = "model" if line.strong else "control"
        parts.append(
            f'<text class="{kind}" x="{_LABEL - 10}" y="{y + 4}" text-anchor="end">{_short(line.label, 46)}</text>'
        )
        if line.value is None or line.lo is None or line.hi is None:
            parts.append(
                f'<text class="tick" x="{_LABEL + 4}" y="{y + 4}">{_short(line.note or "undefined", 58)}</text>'
            )
            continue
        a, b, v = (_at(x, low, high) for x in (line.lo, line.hi, line.value))
        parts.append(f'<line class="{kind}" x1="{a:.1f}" y1="{y}" x2="{b:.1f}" y2="{y}"/>')
        parts.append(f'<circle class="{kind}" cx="{v:.1f}" cy="{y}" r="4"/>')
        text = f"{line.value:.3f} [{line.lo:.3f}, {line.hi:.3f}]"
        parts.append(f'<text class="number" x="{_LABEL + _PLOT + 10}" y="{y + 4}">{text}</text>')
    return Markup("".join([*parts, "</svg>"]))


def confusion_matrix(table: Confusion, *, title: str) -> Markup:
    """Truth in rows, answers in columns; shade is the share of the row, the number its count."""
    columns = [*table.classes, *([OTHER] if table.counts[:, -1].any() else [])]
    cell, left, top = 64, 150, 84
    width, height = left + cell * len(columns) + 12, top + 40 * len(table.classes) + 12
    parts = [_open(width, height, title)]
    parts.append(f'<text class="tick" x="{left}" y="14">answered</text>')
    for j, name in enumerate(columns):
        x = left + cell * j + cell / 2
        parts.append(
            f'<text class="tick" transform="translate({x + 4},{top - 8}) rotate(-35)">{_short(name, 18)}</text>'
        )
    for i, name in enumerate(table.classes):
        y, total = top + 40 * i, max(int(table.counts[i].sum()), 1)
        parts.append(f'<text class="tick" x="{left - 8}" y="{y + 24}" text-anchor="end">{_short(name, 22)}</text>')
        for j in range(len(columns)):
            count = int(table.counts[i, j])
            share = count / total
            kind = "right" if i == j else "wrong"
            parts.append(
                f'<rect class="{kind}" x="{left + cell * j}" y="{y}" width="{cell - 2}" height="38" fill-opacity="{share:.3f}"/>'
            )
            dark = " on" if share > 0.6 else ""
            x = left + cell * j + cell / 2 - 1
            parts.append(f'<text class="count{dark}" x="{x}" y="{y + 24}" text-anchor="middle">{count}</text>')
    return Markup("".join([*parts, "</svg>"]))


def reliability_curve(bins: Sequence[ReliabilityBin], *, title: str) -> Markup:
    """Accuracy over stated confidence, with Wilson intervals; the diagonal is perfect calibration."""
    parts = [_square(title, "stated probability", "share right")]
    parts.append(f'<line class="reference" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>')
    points = " ".join(f"{_x(b.confidence):.1f},{_y(b.accuracy):.1f}" for b in bins)
    parts.append(f'<polyline class="curve" points="{points}"/>')
    for b in bins:
        x = _x(b.confidence)
        parts.append(f'<line class="model" x1="{x:.1f}" y1="{_y(b.lo):.1f}" x2="{x:.1f}" y2="{_y(b.hi):.1f}"/>')
        parts.append(
            f'<circle class="model" cx="{x:.1f}" cy="{_y(b.accuracy):.1f}" r="4"><title>n = {b.n}</title></circle>'
        )
    return Markup("".join([*parts, "</svg>"]))


def risk_coverage_curve(points: Sequence[RiskPoint], *, title: str) -> Markup:
    """Error among the surest answers, as more of them are given."""
    parts = [_square(title, "share answered", "share wrong")]
    line = " ".join(f"{_x(p.coverage):.1f},{_y(p.risk):.1f}" for p in points)
    parts.append(f'<polyline class="curve" points="{line}"/>')
    if len(points) <= _MARKED:  # one confidence for all is one point, which a line does not show
        parts += [f'<circle class="model" cx="{_x(p.coverage):.1f}" cy="{_y(p.risk):.1f}" r="3"/>' for p in points]
    return Markup("".join([*parts, "</svg>"]))


def stacked_bar(shares: Sequence[tuple[str, int]], *, title: str) -> Markup:
    """Counts side by side in one bar, with a legend; for where the first error of a chain happens."""
    total = max(sum(n for _, n in shares), 1)
    width, y = 720, 8
    parts = [_open(width, 44 + 18 * len(shares), title)]
    x = 0.0
    for k, (name, n) in enumerate(shares):
        step = width * n / total
        hint = f"<title>{escape(name)}: {n}</title>"
        parts.append(f'<rect class="part{k % 6}" x="{x:.1f}" y="{y}" width="{step:.1f}" height="24">{hint}</rect>')
        x += step
        row = 52 + 18 * k
        parts.append(f'<rect class="part{k % 6}" x="0" y="{row - 10}" width="12" height="12"/>')
        parts.append(f'<text class="tick" x="18" y="{row}">{_short(name, 60)}: {n} ({100 * n / total:.0f} %)</text>')
    return Markup("".join([*parts, "</svg>"]))


_SIDE = 260
_EDGE = 46
_MARKED = 20
"""Points of a curve that are also drawn as dots, where there are no more."""


def _square(title: str, across: str, up: str) -> str:
    whole = _SIDE + _EDGE + 12
    parts = [_open(whole, whole, title)]
    for k in range(5):
        v = k / 4
        parts.append(f'<line class="grid" x1="{_x(v)}" y1="{_y(0)}" x2="{_x(v)}" y2="{_y(1)}"/>')
        parts.append(f'<line class="grid" x1="{_x(0)}" y1="{_y(v)}" x2="{_x(1)}" y2="{_y(v)}"/>')
        parts.append(f'<text class="tick" x="{_x(v)}" y="{_y(0) + 16}" text-anchor="middle">{v:g}</text>')
        parts.append(f'<text class="tick" x="{_x(0) - 6}" y="{_y(v) + 4}" text-anchor="end">{v:g}</text>')
    parts.append(f'<text class="tick" x="{_x(0.5)}" y="{_y(0) + 34}" text-anchor="middle">{escape(across)}</text>')
    parts.append(
        f'<text class="tick" transform="translate(12,{_y(0.5)}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
    )
    return "".join(parts)


def _x(share: float) -> float:
    return _EDGE + _SIDE * share


def _y(share: float) -> float:
    return 8 + _SIDE * (1 - share)


def _at(value: float, low: float, high: float) -> float:
    """Horizontal place of a value; what lies outside the axis is drawn at its end."""
    return _LABEL + _PLOT * min(max((value - low) / (high - low), 0.0), 1.0)


def _open(width: float, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px" '
        f'role="img"><title>{escape(title)}</title>'
    )


def _short(text: str, most: int) -> Markup:
    return escape(text if len(text) <= most else text[: most - 1] + "…")
