"""Every question of many grown and imaged eyes: proved, read back, fair in its letters, its adjectives and its wording.

    python benchmarks/questions.py --cases 1000 --seed 1 --out DIR [--share 0/2]
    python benchmarks/questions.py --data SET --cases 1000 --out DIR

In the first form one patient in ten has two visits, one both eyes, one a counterfactual twin, one a 6 mm field; stages are drawn
evenly, and each patient is grown, imaged and asked every program once. The second takes the questions of a data set that `chiasm
build` made, also of one that is still growing. A patient's results (a shard's, with --data) are one file in DIR, so a stopped run
goes on, and processes with the shares 0/2 and 1/2 work side by side. Where all are there, the report is printed; the exit status
is 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import chisquare

from chiasm.case import Case
from chiasm.errors import InvalidInput
from chiasm.evaluation import Worded, text_only, worded
from chiasm.questions import (
    STYLES,
    Chart,
    ImageRef,
    Item,
    Key,
    Trace,
    ask_all,
    check_items,
    facts_of,
    pair_twins,
    programs,
)
from chiasm.questions._scales import scale
from chiasm.worlds.octa import FAMILIES, OctaRequest, OctaWorld, Shot, twin

KINDS = ("single", "wide", "visits", "single", "eyes", "single", "twin", "single", "single", "single")
ADJECTIVES = {"size": "faz size", "shape": "faz shape", "extent": "dropout extent", "amount": "amount"}
MEASURED = {
    "size": ("foveal avascular zone", "area"),
    "shape": ("foveal avascular zone", "ratio"),
    "extent": ("capillary dropout", "share"),
    "amount": ("microaneurysm", "count"),
}
SAID = {
    "size": ("faz.both", "area"),
    "shape": ("faz.both", "ratio"),
    "extent": ("dropout.some", "share"),
    "amount": ("found.amount", "n"),
}
"""Attribute -> the statement that tells it, and the slot of its number."""
STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")
ITEM_COLUMNS = (
    "item_id", "case_id", "patient_id", "program", "form", "language", "style", "reasoning", "key", "trace"
)  # fmt: skip
GRADES = ("mild", "moderate", "marked")
LEAST_SHARE, MOST_SHARE = 0.10, 0.60


def main() -> None:
    """Work through the share, then report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results, one file a patient")
    parser.add_argument("--data", type=Path, help="a data set to take instead of growing eyes")
    parser.add_argument("--share", default="0/1", help="I/N: of N processes this is number I, from 0")
    args = parser.parse_args()
    own, of = (int(n) for n in args.share.split("/"))
    args.out.mkdir(parents=True, exist_ok=True)
    work = of_data(args.data, args.cases) if args.data else of_seed(args.seed, args.cases)
    for number, (name, results) in enumerate(work):
        if number % of == own and not (args.out / name).exists():
            partial = args.out / f"{name}.{os.getpid()}"
            partial.write_text(json.dumps(results()), encoding="utf-8")
            partial.rename(args.out / name)
    files = [args.out / name for name, _ in work]
    missing = sum(not file.exists() for file in files)
    if missing:
        print(f"{missing} of {len(files)} files are still to come from the other shares; run again for the report")
        return
    sys.exit(report([patient for file in files for patient in json.loads(file.read_text(encoding="utf-8"))]))


Work = list[tuple[str, Callable[[], list[dict[str, Any]]]]]
"""Name of a file of results, and what makes them."""


def of_seed(seed: int, cases: int) -> Work:
    """One file for each patient that is grown."""
    return [(f"seed{seed}-{k:05d}.json", lambda k=k: [examine(seed, k)]) for k in range(cases)]  # type: ignore[misc]


def of_data(data: Path, cases: int) -> Work:
    """One file for each shard, until there are so many patients."""
    work: Work = []
    for path in sorted((data / "data").glob("*.parquet")):
        if cases > 0:
            cases -= len(set(pq.read_table(path, columns=["case_id"])["case_id"].to_pylist()))
            work.append((f"{path.stem}.json", lambda path=path: read_shard(path)))  # type: ignore[misc]
    return work


def read_shard(path: Path) -> list[dict[str, Any]]:
    """What each patient's questions in a shard are worth."""
    names = [*ITEM_COLUMNS, "level", "question", "views"]
    by_case: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in pq.read_table(path, columns=names).to_pylist():
        by_case[row["case_id"]].append(row)
    return [examine_rows(rows) for rows in by_case.values()]


def examine_rows(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The same as `examine`, of stored questions; adjectives are those said of each image, evidence is left to `chiasm check`."""
    items = [_stored(row) for row in rows]
    checked = check_items(items)
    said = [s for item in items if item.program == "explain-stage" for s in item.trace.statements]
    labels = Counter(f"{slot}={s.slots[slot]}" for s in said for slot in (*ADJECTIVES, "grade") if slot in s.slots)
    values = {name: [s.slots[slot] for s in said if s.key == key] for name, (key, slot) in SAID.items()}
    fov = f"{json.loads(rows[0]['views'][0]['attributes'])['fov_mm']:g} mm"
    return {
        "kind": "stored",
        "stages": [stage for s in said for stage in STAGES if s.key.startswith(f"stage.{stage}")],
        "n_wrong": checked.n_wrong_answers,
        "problems": [list(problem) for problem in checked.problems],
        "reasons": {},
        "labels": labels,
        "values": values,
        "items": [_row(item, fov) for item in items],
    }


def _stored(row: dict[str, Any]) -> Item:
    """The item of a row."""
    plain = {name: row[name] for name in ITEM_COLUMNS if name not in ("key", "trace")}
    images = tuple(ImageRef(view_id=view["view_id"], change=view["change"]) for view in row["views"])
    key, trace = Key.model_validate_json(row["key"]), Trace.model_validate_json(row["trace"])
    return Item(**plain, stage=row["level"], prompt=row["question"], images=images, key=key, trace=trace)


def grown(seed: int, k: int) -> Case:
    """Patient k."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
    kind = KINDS[k % len(KINDS)]
    side, other = [("OD", "OS"), ("OS", "OD")][int(rng.integers(2))]
    shots = [Shot(laterality=side)]
    if kind == "visits":
        shots.append(Shot(laterality=side, visit=1))
    elif kind == "eyes":
        shots.append(Shot(laterality=other))
    name = f"patient-{seed}-{k:05d}"
    fov_mm = 6.0 if kind == "wide" else 3.0
    world = OctaWorld(OctaRequest(case_id=name, patient_id=name, fov_mm=fov_mm, shots=tuple(shots)))
    params = world.sample(rng)
    case = world.render(params)
    if kind == "twin":
        for family in rng.permutation(FAMILIES):
            try:
                return pair_twins(case, world.render(twin(params, str(family))))
            except InvalidInput:  # this eye has nothing of that family
                continue
    return case


def examine(seed: int, k: int) -> dict[str, Any]:
    """What one patient's questions are worth, as plain data."""
    case = grown(seed, k)
    start = time.process_time()
    asking = ask_all(case, k, style=STYLES[k % len(STYLES)])
    spent = time.process_time() - start
    checked = check_items(asking.items, {case.case_id: case})
    chart = Chart(case)
    facts = [fact for view in case.views for fact in facts_of(chart.scene(view.view_id))]
    labels = Counter(f"{fact.attribute}={fact.value}" for fact in facts if fact.attribute in (*ADJECTIVES, "grade"))
    values = {name: [f.value for f in facts if (f.subject, f.attribute) == what] for name, what in MEASURED.items()}
    fov = f"{case.views[0].attributes['fov_mm']:g} mm"
    return {
        "kind": KINDS[k % len(KINDS)],
        "stages": [case.fact_value("stage_visible", view_id=view.view_id) for view in case.views],
        "cpu_s": spent,
        "n_wrong": checked.n_wrong_answers,
        "problems": [list(problem) for problem in checked.problems],
        "reasons": asking.reasons(),
        "labels": labels,
        "values": values,
        "items": [_row(item, fov) for item in asking.items],
    }


def _row(item: Item, fov: str) -> dict[str, Any]:
    letter = [item.answer_text, len(item.options)] if item.form == "choice" else []
    asks = item.prompt.split("\n")[1]
    return {"worded": list(worded(item, fov)), "program": item.program, "letter": letter, "asks": asks}


def report(patients: list[dict[str, Any]]) -> int:
    """Print every figure; 1 where a promise is broken, else 0."""
    items = [item for patient in patients for item in patient["items"]]
    wrong = sum(patient["n_wrong"] for patient in patients)
    broken = [problem for patient in patients for problem in patient["problems"]]
    stages = Counter(stage for patient in patients for stage in patient["stages"])
    print(f"{len(patients)} patients {dict(Counter(p['kind'] for p in patients))}, visible stages {dict(stages)}")
    print(f"{len(items)} items of {len({i['program'] for i in items})} programs, {wrong} wrong answers")
    print(f"{len(broken)} problems {dict(Counter(rule for _, rule, _ in broken))}")
    for problem in broken[:10]:
        print("  ", *problem)
    costs = sorted(20e3 * p["cpu_s"] / len(p["items"]) for p in patients if "cpu_s" in p)
    if costs:
        print(f"20 items cost {np.median(costs):.1f} CPU ms (90th percentile {costs[int(0.9 * len(costs))]:.1f})")
    sure = [not broken, _letters(items), _adjectives(patients), _texts(items), _wording(items)]
    _ranges(items)
    reasons: Counter[str] = sum((Counter(p["reasons"]) for p in patients), Counter())
    print("not asked:", ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(12)))
    return 0 if all(sure) else 1


def _letters(items: list[dict[str, Any]]) -> bool:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for item in items:
        if item["letter"]:
            counts[item["letter"][1]][item["letter"][0]] += 1
    fair = True
    for size, counter in sorted(counts.items()):
        p = float(chisquare([counter["ABCDEFGHIJ"[i]] for i in range(size)]).pvalue)
        print(f"right letter of {size}: {dict(sorted(counter.items()))}, chi-square p = {p:.3f}")
        fair &= p > 0.05 / len(counts)
    return fair


def _adjectives(patients: list[dict[str, Any]]) -> bool:
    labels = sum((Counter(p["labels"]) for p in patients), Counter())
    spread = True
    for attribute in (*ADJECTIVES, "grade"):
        words = GRADES if attribute == "grade" else scale(ADJECTIVES[attribute]).labels
        total = sum(labels[f"{attribute}={word}"] for word in words)
        shares = {word: labels[f"{attribute}={word}"] / total for word in words}
        told = ", ".join(f"{word} {share:.1%}" for word, share in shares.items())
        values = [value for p in patients for value in p["values"].get(attribute, [])]
        thirds = ", thirds at {:.3g} and {:.3g}".format(*np.quantile(values, [1 / 3, 2 / 3])) if values else ""
        print(f"{attribute} (n {total}): {told}{thirds}")
        spread &= all(LEAST_SHARE <= share <= MOST_SHARE for share in shares.values())
    return spread


def _ranges(items: list[dict[str, Any]]) -> None:
    """How often each range of a number is the right option; no promise, but a range that is never right teaches little."""
    right: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        if item["letter"] and programs()[item["program"]].expects in ("number", "count"):
            right[item["program"]][Worded(*item["worded"]).answer] += 1
    for name, counter in sorted(right.items()):
        total = counter.total()
        print(f"{name}: " + ", ".join(f"{option} {n / total:.0%}" for option, n in sorted(counter.items())))


def _texts(items: list[dict[str, Any]]) -> bool:
    asked: dict[str, set[str]] = defaultdict(set)
    for item in items:
        asked[item["program"]].add(item["asks"])
    shared = [(a, b) for a, b in combinations(sorted(asked), 2) if asked[a] & asked[b]]
    print(f"pairs of programs with a question in common: {shared or 'none'}")
    return not shared


def _wording(items: list[dict[str, Any]]) -> bool:
    every = [Worded(*item["worded"]) for item in items if item["program"] not in ("describe", "report")]
    rows = list({(row.case_id, row.group): row for row in every}.values())  # one of a group and case, to be independent
    judged = text_only(rows, np.random.default_rng(0))
    if not judged:
        print("too few items to judge the wording")
        return True
    fair = all(r.p > 0.05 for r in judged)
    for model in ("n-gram", "nearest"):
        mine = [r for r in judged if r.model == model]
        n = np.array([r.n for r in mine])
        right, majority = (np.average([getattr(r, name) for r in mine], weights=n) for name in ("right", "majority"))
        print(f"{model}: right {right:.3f}, majority {majority:.3f} over {n.sum()} items in {len(mine)} groups")
        fair &= right <= majority + 0.02
    excess = sorted(r.detectable for r in judged)
    print(f"excess seen with a power of 80 %: median {np.median(excess):.3f}, largest {excess[-1]:.3f}, first "
          f"tenth {excess[len(excess) // 10]:.3f}; smallest p after Holm {min(r.p for r in judged):.3f}")  # fmt: skip
    for r in sorted(judged, key=lambda r: r.p)[:3]:
        print(f"   {r.group} {r.model}: n {r.n}, right {r.right:.3f}, majority {r.majority:.3f}, p {r.p:.3f}")
    return fair


if __name__ == "__main__":
    main()
