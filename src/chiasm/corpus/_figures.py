"""Figures of a data set's card: stages, questions, biomarkers by stage, and a gallery of its own images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from chiasm.corpus._dataset import DataSet, open_parquet
from chiasm.corpus._statistics import Statistics

_COLOURS = ("#2a6f6f", "#d98e3c", "#a8413b", "#5b4a82", "#6a756f", "#3b6ea8")
_MOST_FACTS, _COLUMNS = 9, 3


def draw_figures(data: DataSet, found: Statistics) -> Iterator[tuple[str, bytes]]:
    """(name, PNG) of every figure that the data allows."""
    yield "stages.png", _draw(_stages, found, size=(6.4, 3.2))
    yield "questions.png", _draw(_questions, found, size=(7.2, 1.2 + 0.22 * len(_programs(found))))
    if found.facts:
        panels = min(len(found.facts), _MOST_FACTS)
        size = (3.0 * min(panels, _COLUMNS), 2.3 * -(-panels // _COLUMNS))
        yield "biomarkers.png", _draw(_biomarkers, found, size=size)
    gallery = _gallery(data, found)
    if gallery is not None:
        yield "gallery.png", gallery


def _draw(fill: Any, found: Statistics, *, size: tuple[float, float]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    fill(figure, found)
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


def _stages(figure: Any, found: Statistics) -> None:
    axes = figure.subplots()
    names = found.stage_names
    left = np.arange(len(names), dtype=float)
    splits = list(found.stages)
    width = 0.8 / max(len(splits), 1)
    for i, split in enumerate(splits):
        counts = [found.stages[split][name] for name in names]
        bars = axes.bar(left + i * width, counts, width, label=split, color=_COLOURS[i % len(_COLOURS)])
        axes.bar_label(bars, fontsize=7)
    axes.set_xticks(left + 0.4 - width / 2, [name or "unknown" for name in names])
    axes.set_ylabel("images")
    figure.legend(loc="outside upper right", ncols=4, frameon=False, fontsize=8)
    _plain(axes)


def _programs(found: Statistics) -> list[str]:
    return sorted({name for counts in found.questions.values() for name in counts})


def _questions(figure: Any, found: Statistics) -> None:
    axes = figure.subplots()
    names = _programs(found)
    base = np.zeros(len(names))
    for i, (split, counts) in enumerate(found.questions.items()):
        values = np.array([counts[name] for name in names], dtype=float)
        axes.barh(names, values, left=base, label=split, color=_COLOURS[i % len(_COLOURS)])
        base += values
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("questions")
    axes.tick_params(axis="y", labelsize=7)
    figure.legend(loc="outside upper right", ncols=4, frameon=False, fontsize=8)
    _plain(axes)


def _biomarkers(figure: Any, found: Statistics) -> None:
    by_size = sorted(found.facts, key=lambda name: (-sum(map(len, found.facts[name].values())), name))
    names = sorted(by_size[:_MOST_FACTS])
    columns = min(len(names), _COLUMNS)
    grid = figure.subplots(-(-len(names) // columns), columns, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        stages = [s for s in found.stage_names if found.facts[name].get(s)]
        boxes = axes.boxplot(
            [found.facts[name][s] for s in stages], whis=(5, 95), showfliers=False, patch_artist=True, widths=0.6
        )
        for i, patch in enumerate(boxes["boxes"]):
            patch.set(facecolor=_COLOURS[i % len(_COLOURS)], alpha=0.7)
        for line in boxes["medians"]:
            line.set(color="black")
        axes.set_xticks(range(1, len(stages) + 1), [s or "unknown" for s in stages], fontsize=6)
        axes.tick_params(axis="y", labelsize=7)
        axes.set_title(name, fontsize=8)
        _plain(axes)
    for axes in grid[len(names) :]:
        axes.set_axis_off()


def _gallery(data: DataSet, found: Statistics, side: int = 200, gap: int = 6) -> bytes | None:
    """Images of the first split, one row per stage, without any caption inside."""
    rows = [found.gallery[stage] for stage in found.stage_names if found.gallery[stage]]
    if not rows:
        return None
    columns = max(map(len, rows))
    sheet = Image.new("L", (columns * (side + gap) - gap, len(rows) * (side + gap) - gap), 255)
    pixels = _pixels(data, {place for row in rows for place in row})
    for r, row in enumerate(rows):
        for c, place in enumerate(row):
            with Image.open(io.BytesIO(pixels[place])) as image:
                tile = image.convert("L").resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(tile, (c * (side + gap), r * (side + gap)))
    sink = io.BytesIO()
    sheet.save(sink, "PNG", optimize=True)
    return sink.getvalue()


def _pixels(data: DataSet, places: set[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    """The first image of each (file, row); reads only the row groups they lie in."""
    found: dict[tuple[str, int], bytes] = {}
    for file in data.files:
        wanted = {row for name, row in places if name == str(file.path)}
        if not wanted:
            continue
        with open_parquet(file.path) as parquet:
            start = 0
            for group in range(parquet.num_row_groups):
                stop = start + parquet.metadata.row_group(group).num_rows
                inside = [row for row in wanted if start <= row < stop]
                if inside:
                    images = parquet.read_row_group(group, columns=["images"])["images"]
                    for row in inside:
                        found[(str(file.path), row)] = images[row - start].as_py()[0]["bytes"]
                start = stop
    return found


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
