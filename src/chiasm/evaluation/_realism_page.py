"""The realism report as files: `realism.json` and `realism.html` with pictures side by side."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from chiasm.evaluation._realism import RealismReport

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Realism report</title>
<style>body{font:16px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .7rem;border-bottom:1px solid #ccc;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}img{width:100%;image-rendering:pixelated}
.row{display:grid;grid-template-columns:repeat(4,1fr);gap:.5rem;margin:.5rem 0}
figure{margin:0}figcaption{font-size:.85rem;color:#444}
</style><h1>Realism report</h1>
<p>{{ n }} synthetic against {{ m }} real images, seed {{ seed }}. AUC 0.5: the judge cannot tell them apart; 1: it always can.
The last column is the same judge on two halves of the real images: what no difference looks like.</p>
<table><tr><th>judge</th><th>AUC</th><th>95 % interval</th><th>real against real</th></tr>
{% for name, e, r in judges %}<tr><td>{{ name }}</td><td class=n>{{ '%.3f'|format(e.value) }}</td>
<td class=n>{{ '%.3f'|format(e.lo) }} to {{ '%.3f'|format(e.hi) }}</td>
<td class=n>{{ '%.3f (%.3f to %.3f)'|format(r.value, r.lo, r.hi) if r else '' }}</td></tr>{% endfor %}</table>
<p>Mean Kolmogorov-Smirnov distance over {{ ks_count }} features: <b>{{ '%.3f'|format(ks_mean) }}</b>.
Coverage {{ '%.2f'|format(coverage) }} (real halves: {{ '%.2f'|format(real_coverage) }}),
density {{ '%.2f'|format(density) }}.</p>
<h2>What tells them apart</h2><table><tr><th>feature</th><th>distance</th><th>share of the
forest's decisions</th></tr>
{% for name, ks, share in worst %}<tr><td>{{ name }}</td><td class=n>{{ '%.2f'|format(ks) }}</td>
<td class=n>{{ '%.3f'|format(share) }}</td></tr>
{% endfor %}</table>
<h2>Synthetic images and their nearest real ones</h2>
{% for synthetic, neighbours in pairs %}<div class=row>
<figure><img alt="synthetic image" src="{{ synthetic }}"><figcaption>synthetic</figcaption></figure>
{% for picture, number in neighbours %}
<figure><img alt="real image" src="{{ picture }}"><figcaption>real, no. {{ number }}</figcaption></figure>{% endfor %}</div>
{% endfor %}</html>
"""


def write_report(
    report: RealismReport, synthetic: Sequence[NDArray[np.uint8]], real: Sequence[NDArray[np.uint8]], out: Path
) -> None:
    """Write both files into the folder `out`. The page holds the images themselves: keep it where they may be kept."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "realism.json").write_text(json.dumps(report.to_json(), indent=1), encoding="utf-8")
    shown = np.linspace(0, len(synthetic) - 1, min(8, len(synthetic))).astype(int)
    pairs = [
        (_picture(synthetic[i]), [(_picture(real[j]), int(j)) for j in report.nearest[i][:3]]) for i in shown.tolist()
    ]
    page = Environment(autoescape=True).from_string(_PAGE)
    html = page.render(
        n=report.counts[0],
        m=report.counts[1],
        seed=report.seed,
        judges=[(name, e, report.real_auc.get(name)) for name, e in report.auc.items()],
        ks_count=len(report.ks),
        ks_mean=report.ks_mean,
        coverage=report.coverage,
        real_coverage=report.real_coverage,
        density=report.density,
        worst=[(name, ks, report.importance[name]) for name, ks in report.worst(20)],
        pairs=pairs,
    )
    (out / "realism.html").write_text(html, encoding="utf-8")


def _picture(pixels: NDArray[np.uint8]) -> str:
    """A data URI, so that the page is one file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
