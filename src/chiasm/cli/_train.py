"""`chiasm train`: supervised fine-tuning."""

from __future__ import annotations

import argparse
from typing import Any

from chiasm.cli._parser import add_command, positive, settings


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "train",
        run,
        summary="Train a vision-language model on a data set.",
        details=(
            "sft: supervised fine-tuning through TRL, loss on the answers only. The same command goes on after a stop or a kill,\n"
            "exactly. A recipe is a TOML file; those that ship: nano (a laptop's), nano-octa (with a\n"
            "vision warm-up), nano-octa-report (its second leg), nano-octa-places (its third),\n"
            "quickstart (a few minutes), svr-qwen3vl-8b (the SVR paper's).\n\n"
            "Examples:\n"
            "  chiasm train sft --data out/eyes --out out/model\n"
            "  chiasm train sft --data out/octa-100k --recipe svr-qwen3vl-8b --model Qwen/Qwen3-VL-8B-Instruct --out out/svr\n"
            "  chiasm train sft --data out/eyes --set optim.epochs=10 --set optim.lr=5e-4 --out out/longer"
        ),
    )
    parser.add_argument("method", choices=("sft",), metavar="METHOD", help="sft")
    parser.add_argument(
        "--data",
        required=True,
        metavar="DIR",
        help="a folder that `chiasm build` made, or Parquet with images and messages",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where checkpoints and, in the end, DIR/model go")
    parser.add_argument(
        "--recipe", default="nano", metavar="NAME|TOML", help="a recipe that ships, or a file (default: nano)"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="start from this instead of the recipe's: a preset (nano, small: fresh weights), embedded (the trained nano in "
        "the package), a folder or a hub id",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting of the recipe"
    )
    parser.add_argument(
        "--max-minutes", type=positive(float, 0.01, 1e6), metavar="MIN", help="stop with a checkpoint after this time"
    )


def run(args: argparse.Namespace) -> int:
    """Train, then say what to do next."""
    from chiasm.training import load_recipe, train_sft

    changes = settings(args.set)
    if args.model:
        changes["model.base"] = args.model
    result = train_sft(load_recipe(args.recipe, changes), args.data, args.out, max_minutes=args.max_minutes, say=print)
    if result.model is None:
        print(f"stopped at step {result.step} of {result.steps}; run the same command again to go on")
        return 0
    print(
        f"model: {result.model}\nnext: chiasm evaluate --model {result.model} --on {args.data} --out {args.out}/report"
    )
    return 0
