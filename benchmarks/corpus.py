"""Cost of the corpus alone: CPU and memory per case beyond world and questions, and time to check and to open for browsing.

    python benchmarks/corpus.py [CASES]

A world that hands out ready-made cases (one real OCTA case of each stage under new ids) is built, so that what is timed is
hashing, PNG, rows, graphs, Parquet, parts and shards. Memory is asked for at several sizes: it must not grow with them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chiasm.case import Case
from chiasm.corpus import BuildOptions, Patient, Plan, Workshop, browse_app, build, check
from chiasm.corpus._draw import draw_patient
from chiasm.corpus._octa import OctaMaker
from chiasm.questions import ask

PLAN = Plan(patients=1, questions=2, programs=("dropout-present", "dropout-count", "faz-diameter", "stage"))


class ReadyMaker:
    """Real cases under new ids; making them is free."""

    name, version = "ready", "1"

    def __init__(self) -> None:
        self._cases = []
        for number, stage in enumerate(("healthy", "early-npdr", "late-npdr", "pdr")):
            plan = Plan(seed=number, patients=1, stages=stage)
            self._cases += list(OctaMaker(plan).cases(draw_patient(plan, number), np.random.default_rng(number)))

    def check(self, plan: Plan) -> None:
        """Anything goes."""

    def cases(self, patient: Patient, rng: np.random.Generator) -> Iterator[Case]:
        """One of the four."""
        case = self._cases[patient.number % 4]
        yield case.model_copy(update={"case_id": patient.patient_id, "patient_id": patient.patient_id})


def main(cases: int) -> None:
    maker = ReadyMaker()
    spent = 0.0

    def timed_ask(*args: object, **kwargs: object) -> object:
        nonlocal spent
        start = time.process_time()
        item = ask(*args, **kwargs)  # type: ignore[arg-type]
        spent += time.process_time() - start
        return item

    for n, graphs in ((cases // 4, True), (cases, True), (cases, False)):
        with tempfile.TemporaryDirectory() as folder:
            spent = 0.0
            start = time.process_time()
            summary = build(
                PLAN.change(patients=n, graphs=graphs),
                folder,
                BuildOptions(workers=1),
                workshop=lambda plan: Workshop(maker, timed_ask),  # type: ignore[arg-type]
            )
            total = time.process_time() - start
            size = sum(f.size for s in summary.manifest.shards for f in s.files)
            start = time.process_time()
            report = check(folder, workers=1)
            checking = time.process_time() - start
            start = time.process_time()
            browse_app(folder)
            line = {
                "cases": n,
                "graphs": graphs,
                "corpus_cpu_ms_per_case": round(1e3 * (total - spent) / n, 1),
                "questions_cpu_ms_per_case": round(1e3 * spent / n, 1),
                "kB_per_case": round(size / n / 1e3, 1),
                "peak_mb": round(summary.worker_mb),
                "check_cpu_ms_per_row": round(1e3 * checking / report.rows, 2),
                "browse_open_s": round(time.process_time() - start, 2),
                "files": len(list(Path(folder).rglob("*.parquet"))),
            }
            print(json.dumps(line))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
