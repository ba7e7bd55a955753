"""What the harness costs beside generation: CPU seconds inside the model, marking, figures, everything.

    python benchmarks/evaluation.py --model out/model --on out/eyes --items 1000

CPU seconds of this process (all threads). "Harness" is everything that is not inside the model: reading the data, controls,
baselines, marking, intervals, comparisons, and writing the report.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from chiasm.evaluation import EvaluationOptions, Model, Question, Reply, evaluate, load_model
from chiasm.evaluation._marking import mark_all


class Timed:
    """A model that adds up the CPU seconds spent inside it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.seconds = 0.0

    @property
    def name(self) -> str:
        """That of the model inside."""
        return self._model.name

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """Its answers, timed."""
        began = time.process_time()
        try:
            return self._model.answer(questions)
        finally:
            self.seconds += time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--on", required=True)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--split", help="of the data set; default: test")
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--out", help="folder of the report; default: a temporary one")
    args = parser.parse_args()
    model = Timed(load_model(args.model, max_tokens=args.max_tokens))
    options = EvaluationOptions(limit=args.items, split=args.split, controls=not args.no_controls, quiet=True)
    with tempfile.TemporaryDirectory() as temporary:
        began = time.process_time()
        result = evaluate([model], [args.on], args.out or Path(temporary) / "report", options)
        total = time.process_time() - began
    (outcome,) = result.outcomes
    replies = outcome.answers[model.name].replies
    began = time.process_time()
    mark_all(outcome.exam.items, replies)
    marking = time.process_time() - began
    asked = sum(len(a.replies) for a in outcome.answers.values())
    rest = total - model.seconds
    print(
        f"{len(outcome.exam.items)} items, {asked} replies with controls"
        if options.controls
        else f"{len(replies)} items"
    )
    print(f"in the model {model.seconds:.1f} s, harness {rest:.1f} s = {100 * rest / model.seconds:.1f} % of it")
    print(f"marking {len(replies)} replies {marking:.2f} s")


if __name__ == "__main__":
    main()
