"""Do granular explanations help? One tower, fresh language, four ways to write the same training answers, equal compute.

    CHIASM_DATA=... OMP_NUM_THREADS=1 python benchmarks/text_arms.py DATASET OUT [--arms answer fixed "no locations" full]
        [--tokens 500000] [--images N] [--seed 0]

DATASET: `chiasm build` with `styles=structured` and "explain-stage" among `every_image`. The vision tower and the projector are
those of the nano in the package and stay as they are; language starts from fresh weights and sees explain-stage questions alone,
balanced over stages, until so many tokens (image, question and answer) have gone through it. Judged: any retinopathy by the stage's
answer, on the data set's test images and on OCTA-500 (a look at real labels: docs/log.md counts them; nothing is chosen by it).
Each arm is asked the way it was taught. `--images` takes so many training images, for a curve of data size. An arm that is done is
not trained again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from chiasm.evaluation import EvaluationOptions, evaluate, load_exam
from chiasm.evaluation._chat_model import ChatModel
from chiasm.models import Bundle, budget_of, build, load_bundle
from chiasm.training import load_recipe, part_of, train_sft

COLUMNS = ["case_id", "program", "level", "form", "stage", "facts", "images", "messages"]
PLACE = re.compile(r"(upper|lower|left|right|and|\s)+|[\d.]+ mm from the fovea")
FIXED = {
    "healthy": "Capillaries fill the field evenly and the foveal avascular zone keeps its outline. No sign of retinopathy is seen.",
    "early-npdr": "Some capillaries are missing or bulge into microaneurysms while most of the field is perfused.",
    "late-npdr": "Capillaries are missing over wide areas and the vessels beside them are abnormal.",
    "pdr": "New vessels grow above the retina beside wide areas without capillaries.",
}


def full(think: str, answer: str) -> str:
    """The text as it is."""
    return f"<think>{think}</think>\n<answer>{answer}</answer>"


def fixed(think: str, answer: str) -> str:
    """One paragraph a stage."""
    return full(FIXED[answer], answer)


def unplaced(think: str, answer: str) -> str:
    """The text without where things lie."""
    kept = []
    for sentence in think.removesuffix(".").split(". "):
        name, _, words = sentence.partition(": ")
        parts = [part for part in words.split(", ") if not PLACE.fullmatch(part)]
        if name not in ("Largest", "Place", "Nearest to the fovea"):
            kept.append(f"{name}: {', '.join(parts)}")
    return full(". ".join(kept) + ".", answer)


def bare(think: str, answer: str) -> str:
    """The answer alone."""
    return f"<answer>{answer}</answer>"


ARMS: dict[str, Callable[[str, str], str]] = {"answer": bare, "fixed": fixed, "no locations": unplaced, "full": full}


def main() -> None:
    """Train and judge every arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="folder of `chiasm build`")
    parser.add_argument("out", type=Path, help="folder of the arms' data, models and reports")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--tokens", type=int, default=500_000)
    parser.add_argument("--images", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = list(explanations(args.dataset, "train"))
    order = np.random.default_rng([args.seed, 31]).permutation(len(rows))[: args.images]
    test = written(args.out / "test", "test", list(explanations(args.dataset, "test")))
    for arm in args.arms:
        run = args.out / f"{arm.replace(' ', '-')}-{len(order)}-{args.seed}"
        data = written(run / "data", "train", [rewritten(rows[k], ARMS[arm]) for k in order])
        steps = round(args.tokens / (8 * mean_tokens(data)))
        train(data, run / "run", steps, args.seed)
        style = "direct" if arm == "answer" else "reasoned"
        model = ChatModel.load(str(run / "run" / "model"), style=style, max_tokens=256, batch_size=32)
        exams = [load_exam(str(test)), load_exam(f"octa500:{os.environ['CHIASM_DATA']}/octa500")]
        options = EvaluationOptions(style=style, max_tokens=256, controls=False, batch_size=32)
        evaluate([model], exams, run / "report", options)
        print(f"{arm:14s}{len(order)} images, {steps} steps: {judged(run / 'report' / 'items.jsonl')}", flush=True)


def explanations(dataset: Path, split: str) -> Iterator[dict[str, Any]]:
    """Rows that ask for an explained stage in words, once an image."""
    for file in sorted(dataset.rglob(f"{split}-*.parquet")):
        asked = [("program", "=", "explain-stage"), ("form", "=", "free")]
        yield from pq.read_table(file, filters=asked).to_pylist()


def written(folder: Path, split: str, rows: list[dict[str, Any]]) -> Path:
    """A folder with these rows as one shard."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = rows if split == "test" else [{name: row[name] for name in COLUMNS} for row in rows]
    pq.write_table(pa.Table.from_pylist(shown), folder / f"{split}-00000.parquet", row_group_size=64)
    return folder


def rewritten(row: dict[str, Any], write: Callable[[str, str], str]) -> dict[str, Any]:
    """The row with its answer written another way."""
    said = "".join(item["text"] or "" for item in row["messages"][-1]["content"])
    found = re.fullmatch(r"<think>(.*)</think>\s*<answer>(.*)</answer>", said, re.DOTALL)
    if found is None:
        msg = f"{row['case_id']}: {said[:80]!r} is no explained stage; build with styles=structured"
        raise SystemExit(msg)
    told = {"role": "assistant", "content": [{"type": "text", "text": write(*found.groups())}]}
    return {**row, "messages": [*row["messages"][:-1], told]}


def mean_tokens(data: Path) -> float:
    """Tokens of a conversation, image tokens included."""
    processor = load_bundle("nano").processor
    budget = budget_of(processor)
    lengths = []
    for row in pq.read_table(data / "train-00000.parquet").slice(0, 256).to_pylist():
        text = "".join(item["text"] or "" for turn in row["messages"] for item in turn["content"])
        width, height = Image.open(io.BytesIO(row["images"][0]["bytes"])).size
        lengths.append(budget.tokens(height, width) + len(processor.tokenizer(text).input_ids) + 12)
    return float(np.mean(lengths))


def start(seed: int) -> Bundle:
    """The nano of the package with fresh language."""
    bundle, fresh = load_bundle("nano", dtype="float32"), build("nano", seed=seed)
    weights = dict(bundle.model.state_dict())
    weights |= {name: value for name, value in fresh.model.state_dict().items() if part_of(name) == "language"}
    bundle.model.load_state_dict(weights)
    return bundle


def train(data: Path, out: Path, steps: int, seed: int) -> None:
    """Language alone, on these rows."""
    table = {
        "warmup": None,
        "model.train": ["language"],
        "data.curriculum": [],
        "data.mixture": {"explain-stage": 1.0},
        "data.turns": 1,
        "data.apart": False,
        "data.direct": 0.0,
        "optim.steps": steps,
        "optim.lr": 2e-3,
        "optim.seed": seed,
        "checks.blind_rows": 0,
    }
    train_sft(load_recipe("nano-octa-places", table), data, out, start=start(seed), say=print)


def judged(items: Path) -> str:
    """AUC and balanced accuracy of any retinopathy, on rendered and on real images, and the stage's exact share."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    by_data: dict[str, list[dict[str, Any]]] = {}
    for line in items.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        by_data.setdefault(item["data"], []).append(item)
    parts = []
    for name, found in by_data.items():
        ill = [item["truth"] != "healthy" for item in found]
        said = [item["answer"] != "healthy" for item in found]
        chance = [1 - (item["probabilities"] or {}).get("healthy", 0.5) for item in found]
        exact = np.mean([item["exact"] or 0 for item in found])
        parts.append(
            f"{name} (n={len(found)}) AUC {roc_auc_score(ill, chance):.3f}, balanced accuracy "
            f"{balanced_accuracy_score(ill, said):.3f}, exact {exact:.3f}"
        )
    return "; ".join(parts)


if __name__ == "__main__":
    main()
