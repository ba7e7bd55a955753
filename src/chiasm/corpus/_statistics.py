"""What a data set holds, in numbers: read once from the columns that are short, and from each distinct image's facts."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chiasm.corpus._dataset import DataSet, read_rows

_COLUMNS = (
    "patient_id",
    "split",
    "stage",
    "program",
    "level",
    "form",
    "reasoning",
    "facts",
    "views",
    "findings",
    "key",
)
GALLERY_PER_STAGE = 6


@dataclass
class Statistics:
    """Counts and distributions of a data set."""

    questions: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By split, then program."""
    stages: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Images by split, then stage."""
    levels: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    words: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Words of the reasoning, by program."""
    facts: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """Numeric facts of images: name with unit, then stage, then values."""
    findings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Images with at least one visible finding of a term, by term, then stage."""
    images: Counter[str] = field(default_factory=Counter)
    """Images by stage."""
    gallery: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    """For each stage, (file, row) of images of the first split, one a patient."""

    @property
    def stage_names(self) -> list[str]:
        """Stages that occur, mildest first where they are the four of diabetic retinopathy."""
        known = ("healthy", "early-npdr", "late-npdr", "pdr")
        return sorted(self.images, key=lambda s: (known.index(s) if s in known else len(known), s))

    def table_of_facts(self) -> list[dict[str, Any]]:
        """One row per numeric fact and stage: n, mean, standard deviation, 5th, 50th and 95th percentile."""
        rows = []
        for name, by_stage in sorted(self.facts.items()):
            for stage in self.stage_names:
                values = np.array(by_stage.get(stage, ()))
                if len(values) == 0:
                    continue
                low, middle, high = np.percentile(values, [5, 50, 95])
                sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
                spread = {
                    "mean": float(values.mean()),
                    "sd": sd,
                    "p5": float(low),
                    "p50": float(middle),
                    "p95": float(high),
                }
                rows.append({"fact": name, "stage": stage, "n": len(values), **spread})
        return rows

    def to_json(self) -> dict[str, Any]:
        """The numbers, as plain JSON."""
        words = {name: float(np.median(counts)) for name, counts in sorted(self.words.items())}
        return {
            "questions": {split: dict(sorted(c.items())) for split, c in self.questions.items()},
            "stages": {split: dict(sorted(c.items())) for split, c in self.stages.items()},
            "levels": dict(sorted(self.levels.items())),
            "forms": dict(sorted(self.forms.items())),
            "images_with_finding": {term: dict(sorted(c.items())) for term, c in sorted(self.findings.items())},
            "median_words_of_reasoning": words,
            "facts": self.table_of_facts(),
        }


def gather(data: DataSet) -> Statistics:
    """Read a data set's statistics; pixels are not touched."""
    found, pictured = Statistics(), set[str]()
    for file in data.files:
        last = ""
        for number, row in enumerate(read_rows(file.path, _COLUMNS, batch=500)):
            found.questions[row["split"]][row["program"]] += 1
            found.levels[row["level"]] += 1
            found.forms[row["form"]] += 1
            found.words[row["program"]].append(len(row["reasoning"].split()))
            shown = [view for view in row["views"] if view["change"] == "none"]
            if len(row["views"]) == 1 and shown and shown[0]["sha256"] != last:
                last = shown[0]["sha256"]  # rows of one image follow each other
                _add_image(found, row)
                chosen = found.gallery[row["stage"]]
                if file == data.files[0] and len(chosen) < GALLERY_PER_STAGE and row["patient_id"] not in pictured:
                    pictured.add(row["patient_id"])
                    chosen.append((str(file.path), number))
    return found


def _add_image(found: Statistics, row: dict[str, Any]) -> None:
    stage, view_id = row["stage"], row["views"][0]["view_id"]
    found.stages[row["split"]][stage] += 1
    found.images[stage] += 1
    for term in {f["term"] for f in row["findings"] if f["visible"]}:
        found.findings[term][stage] += 1
    for fact in json.loads(row["facts"]):
        value = fact["value"]
        if isinstance(value, int | float) and not isinstance(value, bool) and fact.get("view_id") in (None, view_id):
            unit = fact.get("unit") or "1"
            found.facts[fact["name"] + (f" [{unit}]" if unit != "1" else "")][stage].append(float(value))
