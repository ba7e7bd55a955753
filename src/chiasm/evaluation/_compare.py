"""Two evaluations, or two models of one, against each other: `chiasm compare A B`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation._comparisons import Answered, Pair, compare_all, win_tie_loss
from chiasm.evaluation._writing import ITEMS, REPORT


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """The result of `compare`."""

    a: str
    b: str
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    """What could not be compared, and what differs between the two evaluations."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "a": self.a,
            "b": self.b,
            "pairs": [p.to_json() for p in self.pairs],
            "win_tie_loss": win_tie_loss(self.pairs),
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """A table for the terminal."""
        lines = [f"A = {self.a}", f"B = {self.b}", ""]
        heads = (
            "data", "task", "metric", "A - B [95 %]", "p (Holm)", "only A", "only B", "n", "n to see it", "n shows",
        )  # fmt: skip
        rows = [heads]
        for p in self.pairs:
            field = "" if p.fov_mm is None else f" {p.fov_mm:g} mm"
            value = "undefined" if p.difference is None else f"{p.difference:+.3f} [{p.lo:+.3f}, {p.hi:+.3f}]"
            adjusted = "" if p.p_adjusted is None else f"{p.p_adjusted:.3g}"
            needed = "" if p.n_needed is None else str(p.n_needed)
            shown = "" if p.detectable is None else f"{p.detectable:.3f}"
            counts = (str(p.only_a), str(p.only_b), str(p.n), needed, shown)
            rows.append((p.data, f"{p.task}{field}", p.metric, value, adjusted, *counts))
        widths = [max(len(r[k]) for r in rows) for k in range(len(heads))]
        lines += ["  ".join(x.ljust(w) for x, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        for t in win_tie_loss(self.pairs):
            lines.append(f"\nA better on {t['win']} tasks, worse on {t['loss']}, not told apart on {t['tie']}")
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])


def compare(
    a: str | Path, b: str | Path, *, model_a: str | None = None, model_b: str | None = None, seed: int = 0
) -> Comparison:
    """Compare two evaluations on the items that both asked.

    Args:
        a: Folder that `evaluate` wrote.
        b: Another, or the same.
        model_a: Which model of `a`; None where it has one.
        model_b: Which model of `b`; None where it has one.
        seed: Of swap tests.

    Raises:
        InvalidInput: A folder without an evaluation, several models without a choice, or no item in common.
    """
    items_a, items_b = _items(Path(a)), _items(Path(b))
    name_a, name_b = _chosen(items_a, model_a, "A"), _chosen(items_b, model_b, "B")
    label_a, label_b = f"{name_a} ({a})", f"{name_b} ({b})"
    mine = {(r["data"], r["item_id"]): r for r in items_a if r["model"] == name_a}
    theirs = {(r["data"], r["item_id"]): r for r in items_b if r["model"] == name_b}
    shared = [key for key in mine if key in theirs]
    notes = _differences(Path(a), Path(b))
    if not shared:
        msg = f"{a} and {b} have no item in common: data sets and item ids must be the same"
        raise InvalidInput(msg)
    changed = [key for key in shared if mine[key]["truth"] != theirs[key]["truth"]]
    if changed:
        notes.append(f"{len(changed)} items have another right answer in B, such as {changed[0][1]}; left out")
    only = len(mine) + len(theirs) - 2 * len(shared)
    if only:
        notes.append(f"{only} items were asked in one of the two only; left out")
    kept = [key for key in shared if mine[key]["truth"] == theirs[key]["truth"]]
    rng = np.random.default_rng(seed)
    pairs: list[Pair] = []
    for data in dict.fromkeys(key[0] for key in kept):
        own = [key for key in kept if key[0] == data]
        marks = {label_a: [_answered(mine[k]) for k in own], label_b: [_answered(theirs[k]) for k in own]}
        pairs.extend(compare_all(marks, data, rng=rng, pairs=[(label_a, label_b)]))
    return Comparison(a=label_a, b=label_b, pairs=tuple(pairs), notes=tuple(notes))


def _items(folder: Path) -> list[dict[str, Any]]:
    path = folder / ITEMS
    if not path.is_file():
        msg = f"{folder} holds no finished evaluation ({ITEMS} is missing); run chiasm evaluate --out {folder}"
        raise InvalidInput(msg)
    try:
        # not splitlines: texts may hold other line ends, such as U+2028
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except ValueError as error:
        msg = f"{path} is damaged: {error}; run the evaluation again"
        raise InvalidInput(msg) from error


def _chosen(items: list[dict[str, Any]], wanted: str | None, side: str) -> str:
    names = [str(name) for name in dict.fromkeys(r["model"] for r in items)]
    models = [str(name) for name in dict.fromkeys(r["model"] for r in items if r["is_model"])]
    if wanted is not None:
        if wanted not in names:
            raise UnknownName(f"model of {side}", wanted, names)
        return wanted
    if len(models) != 1:
        msg = f"{side} holds {len(models)} models: {', '.join(models)}; say which"
        raise InvalidInput(msg)
    return models[0]


def _differences(a: Path, b: Path) -> list[str]:
    """What decided the figures and differs between the two."""
    abouts = []
    for folder in (a, b):
        about = json.loads((folder / REPORT).read_text(encoding="utf-8"))["about"]
        abouts.append({**{f"data {k}": v for k, v in about["data"].items()}, **about["options"]})
    shared = abouts[0].keys() & abouts[1].keys()
    return [f"{k} differs: {abouts[0][k]} and {abouts[1][k]}" for k in sorted(shared) if abouts[0][k] != abouts[1][k]]


def _answered(row: dict[str, Any]) -> Answered:
    classes, p = tuple(row["classes"]), row["probabilities"]
    unscored = row["exact"] is None
    return Answered(
        item_id=row["item_id"],
        patient_id=row["patient_id"],
        task=row["task"],
        fov_mm=row["fov_mm"],
        classes=classes,
        truth=row["truth"],
        answer=row["answer"],
        exact=math.nan if unscored else float(row["exact"]),
        graded=math.nan if unscored else float(row["graded"]),
        positive=math.nan if unscored or p is None or len(classes) < 2 else float(p[classes[1]]),
    )
