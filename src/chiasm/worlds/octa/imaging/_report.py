"""A calibration as files: the profile, its report, and pictures before and after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.worlds.octa.imaging._calibrate import Calibration
from chiasm.worlds.octa.imaging._eye import Eye
from chiasm.worlds.octa.imaging._image import image
from chiasm.worlds.octa.imaging._profile import Profile
from chiasm.worlds.octa.imaging._sample import sample_imaging

_SHOWN = 4

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Calibration of {name}</title>
<style>body{{font:16px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}}
table{{border-collapse:collapse}}td,th{{padding:.25rem .7rem;border-bottom:1px solid #ccc;text-align:left}}img{{width:100%}}</style>
<h1>Calibration of {name}</h1>
<p>{n} real images, {evaluations} renders of all eyes, {elapsed:.0f} s. Distances are mean differences of quantiles in real
standard deviations: 0 is equal.</p>
<table><tr><th>family</th><th>before</th><th>after</th></tr>{families}</table>
<h2>What still differs most</h2><table><tr><th>statistic</th><th>distance</th></tr>{worst}</table>
<h2>Real, before, after</h2><img alt="rows: real images, start profile, fitted profile" src="{picture}">
{problems}</html>
"""


def write_calibration(
    result: Calibration, path: Path, images: Sequence[NDArray[Any]], eyes: Sequence[Eye], *, seed: int = 0
) -> tuple[Path, ...]:
    """Write the profile to `path` (TOML) and, beside it, `.json`, `.html` and `.png` of the same stem.

    The picture shows real images: keep it where they may be kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = tuple(path.with_suffix(suffix) for suffix in (".toml", ".json", ".html", ".png"))
    files[0].write_text(result.profile.to_toml(), encoding="utf-8")
    record = {
        "profile": result.profile.name,
        "n_images": result.n_images,
        "evaluations": result.evaluations,
        "elapsed_s": result.elapsed_s,
        "before": result.before,
        "after": result.after,
        "worst": [{"family": f, "name": n, "distance": d} for f, n, d in result.worst],
        "left_out": [{"name": p.name, "reason": p.reason} for p in result.problems],
    }
    files[1].write_text(json.dumps(record, indent=1), encoding="utf-8")
    left_out = {p.index for p in result.problems}
    usable = [np.asarray(pixels) for i, pixels in enumerate(images) if i not in left_out][:_SHOWN]
    rows = [usable, _renders(result.start, eyes, seed), _renders(result.profile, eyes, seed)]
    width = min(len(row) for row in rows)
    Image.fromarray(np.vstack([np.hstack(row[:width]) for row in rows])).save(files[3])
    files[2].write_text(_page(result, files[3].name), encoding="utf-8")
    return files


def _renders(profile: Profile, eyes: Sequence[Eye], seed: int) -> list[NDArray[np.uint8]]:
    return [
        image(eye, sample_imaging(np.random.default_rng([seed, i]), profile)).pixels
        for i, eye in enumerate(eyes[:_SHOWN])
    ]


def _page(result: Calibration, picture: str) -> str:
    families = "".join(
        f"<tr><td>{family}</td><td>{before:.2f}</td><td>{result.after[family]:.2f}</td></tr>"
        for family, before in result.before.items()
    )
    worst = "".join(f"<tr><td>{f}: {n}</td><td>{d:.2f}</td></tr>" for f, n, d in result.worst)
    problems = ""
    if result.problems:
        rows = "".join(f"<li>{_escape(p.name)}: {_escape(p.reason)}</li>" for p in result.problems)
        problems = f"<h2>Left out</h2><ul>{rows}</ul>"
    return _PAGE.format(
        name=_escape(result.profile.name),
        n=result.n_images,
        evaluations=result.evaluations,
        elapsed=result.elapsed_s,
        families=families,
        worst=worst,
        picture=_escape(picture),
        problems=problems,
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
