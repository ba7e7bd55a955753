"""Put a trained nano into the package: weights in bfloat16, and a card written from what the run and its reports recorded.

python scripts/embed_nano.py --run out/nano --data out/octa --report out/report \
    --build "chiasm build ..." --train "chiasm train ..." --note "What the commands do not say."
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from chiasm.models import Bundle, load_bundle, save

TARGET = Path(__file__).parents[1] / "src" / "chiasm" / "models" / "weights" / "nano"
LIMIT_MB = 15
SHOWN = ("auc", "balanced_accuracy", "quadratic_kappa", "score", "claim_precision", "claim_recall")
MODELS = ("nano", "nano (direct)")
FEWEST = 10
"""Figures of fewer items are left out."""

CARD = """\
# Chiasm nano

A {weights:.1f} million weight vision-language model in the Qwen3-VL architecture, trained from fresh weights on synthetic OCTA
eyes alone. It reads one en face OCTA image (3 or 6 mm, inner retina) and writes its reasoning and a surrogate stage of diabetic
retinopathy. **A research model, not a medical device**: no decision about a patient may rest on it.

## How it was made

    {build}
    {train}

| | |
|---|---|
| images | {images:,} synthetic images of {patients:,} synthetic patients{part}; no real image was used for training |
| data sha256 | `{data_hash}` |
| chiasm | {version} |
| seeds | data {data_seed}, weights and order {seed} |
| weights sha256 | `{weights_hash}` |

The imaging profiles were calibrated on the grey levels of NORMAL images of OCTA-500 (RTVue-XR, 3 and 6 mm) without any disease
label, and so were two numbers of the anatomy (rim of the FAZ, spacing of capillaries). Checkpoints were not chosen on real
images: the last step is taken.
{notes}
## Results

"(direct)": the probabilities of the answers right after the question; the others follow a written reasoning.
95 % intervals over patients; n are items. Methods: `docs/evaluation.md`; every look at real labels: `docs/log.md`.

{table}

## Limits

- Real images were judged on half of OCTA-500: few eyes with retinopathy, one device, no grade. Other devices, slabs and
  diseases are untested.
- The stage is a surrogate of synthetic findings (`chiasm.measure`), not the clinical ICDR grade.
- What its text says about lesions is right as often as the claim figures above say, and no more.
"""


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of `chiasm train sft`")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="folder of `chiasm build` that it was trained on; several add up",
    )
    parser.add_argument(
        "--shards", type=int, help="how many of its training shards were used, from the first; default: all"
    )
    parser.add_argument(
        "--report",
        type=Path,
        action="append",
        default=[],
        help="folder of `chiasm evaluate --model nano`, so of what this script has put there before; several add up",
    )
    parser.add_argument("--build", required=True, help="the command that built the data")
    parser.add_argument(
        "--train", required=True, action="append", help="a command that trained the model; several in order"
    )
    parser.add_argument("--note", action="append", default=[], help="a paragraph for the card; several in order")
    return parser.parse_args()


def main() -> None:
    """Convert, describe, and check the size."""
    args = options()
    bundle = load_bundle(args.run / "model", dtype="float32")
    if TARGET.exists():
        shutil.rmtree(TARGET)
    save(Bundle(bundle.model, bundle.processor, "nano"), TARGET, dtype="bfloat16")
    size = sum(path.stat().st_size for path in TARGET.iterdir())
    if size > LIMIT_MB * 1e6:
        msg = f"the folder is {size / 1e6:.1f} MB, and at most {LIMIT_MB} MB ship"
        raise SystemExit(msg)

    manifests = [json.loads((data / "manifest.json").read_text(encoding="utf-8")) for data in args.data]
    recipe = json.loads((args.run / "run.json").read_text(encoding="utf-8"))["recipe"]
    rows = [
        row
        for folder in args.report
        for row in json.loads((folder / "report.json").read_text(encoding="utf-8"))["rows"]
    ]
    shards = [shard for manifest in manifests for shard in manifest["shards"]]
    train = [shard["counts"] for shard in shards if shard["split"] == recipe["data"]["split"]][: args.shards]
    card = CARD.format(
        weights=bundle.parameters / 1e6,
        build=args.build,
        train="\n    ".join(args.train),
        images=sum(counts["images"] for counts in train),
        patients=sum(counts["patients"] for counts in train),
        part=f" (the first {args.shards} training shards)" if args.shards else "",
        data_hash="`, `".join(manifest["sha256"] for manifest in manifests),
        version=", ".join(sorted({manifest["versions"]["chiasm"] for manifest in manifests})),
        data_seed=" and ".join(str(manifest["plan"]["seed"]) for manifest in manifests),
        seed=recipe["optim"]["seed"],
        weights_hash=hashlib.sha256((TARGET / "model.safetensors").read_bytes()).hexdigest(),
        notes="".join(f"\n{note}\n" for note in args.note),
        table=results(rows),
    )
    (TARGET / "README.md").write_text(card, encoding="utf-8")
    print(f"{TARGET}: {size / 1e6:.1f} MB")


def results(rows: list[dict[str, Any]]) -> str:
    """The figures of the embedded model as a Markdown table."""
    lines = ["| data | field | question | figure | value | 95 % interval | n |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        asked = row["model"] in MODELS and row["group"] == "all" and row["n"] >= FEWEST
        if asked and row["metric"] in SHOWN and row["value"] is not None:
            field = f"{row['fov_mm']:g} mm" if row["fov_mm"] else "all"
            span = f"{row['lo']:.3f} to {row['hi']:.3f}" if row["lo"] is not None else "none"
            name = row["metric"] + (" (direct)" if row["model"].endswith("(direct)") else "")
            lines.append(
                f"| {row['data']} | {field} | {row['task']} | {name} | {row['value']:.3f} | {span} | {row['n']} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
