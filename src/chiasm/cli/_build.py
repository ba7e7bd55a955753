"""`chiasm build`: a data set on disk."""

from __future__ import annotations

import argparse
from typing import Any

from chiasm.cli._parser import add_command, one_of, positive

WORLDS = ("octa",)
STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")
DETAILS = (
    "The same plan and seed give the same bytes on any number of workers. Stop it or kill it at any moment:\n"
    "the same command goes on where it stopped. A folder that holds another plan's data is refused.\n\n"
    "Presets:\n"
    "  octa-1k      1,000 eyes at 3 mm, an image each, with their vessel graphs\n"
    "  octa-10k     10,000 images of 5,000 eyes at 3 and 6 mm, with graphs\n"
    "  octa-100k    100,000 images of 25,000 eyes at 3 and 6 mm, two devices: to train on\n"
    "  octa-stages  4,000 eyes, larger validation and test splits\n"
    "  octa-twins   1,000 eyes, each also without its microaneurysms and without its dropout\n\n"
    "Examples:\n"
    "  chiasm build octa --n 64 --out out/eyes\n"
    "  chiasm build octa --preset octa-10k --out out/octa-10k --workers 8\n"
    "  chiasm build octa --preset octa-100k --n 5000 --set shard_mb=64 --out out/octa-20k\n"
    "  chiasm build octa --n 500 --stage pdr --fov-mm 6 --seed 7 --set artefacts=0 --out out/pdr"
)


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "build",
        run,
        summary="Build a data set: cases with truth, questions, reasoning; Parquet that `datasets` opens.",
        details=DETAILS,
    )
    parser.add_argument(
        "world", type=one_of("world", WORLDS), metavar="WORLD", help=f"what to generate: {', '.join(WORLDS)}"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="a new folder, one to go on with, or any fsspec URL"
    )
    parser.add_argument(
        "--n", type=positive(int, 1, 10_000_000), metavar="CASES", help="number of patients (default: the preset's)"
    )
    parser.add_argument(
        "--seed", type=positive(int, 0, 2**63 - 1), metavar="SEED", help="root of every random choice (default: 0)"
    )
    parser.add_argument("--preset", default="octa-1k", metavar="NAME", help="the plan to start from (default: octa-1k)")
    parser.add_argument(
        "--stage", type=one_of("stage", STAGES), metavar="STAGE", help=f"only this stage: {', '.join(STAGES)}"
    )
    parser.add_argument(
        "--fov-mm", type=positive(float, 2, 12), metavar="MM", help="side of the field [mm], e.g. 3 or 6"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting of the plan (docs/corpus.md lists them): images=4; stages.pdr=2 reaches inside",
    )
    parser.add_argument("--workers", type=positive(int, 1, 1024), metavar="N", help="processes (default: one per core)")
    parser.add_argument(
        "--engine", type=one_of("engine", ("local", "ray")), default="local", help="local (default), or ray: a cluster"
    )
    parser.add_argument("--ray-address", metavar="ADDRESS", help="the Ray cluster's address (default: start one here)")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what an earlier build wrote here; other files are never touched",
    )
    parser.add_argument(
        "--take-over", action="store_true", help="take over the lock that a killed builder on another machine left"
    )


def run(args: argparse.Namespace) -> int:
    """Build, describe, then say what is there and what to do next."""
    from chiasm.corpus import BuildOptions, ConsoleReport, build, describe, preset

    asked = {"world": args.world, "patients": args.n, "seed": args.seed, "stages": args.stage, "fov_mm": args.fov_mm}
    plan = (
        preset(args.preset)
        .change(**{key: value for key, value in asked.items() if value is not None})
        .override(args.set)
    )
    options = BuildOptions(
        workers=args.workers,
        engine=args.engine,
        ray_address=args.ray_address,
        overwrite=args.overwrite,
        take_over=args.take_over,
    )
    summary = build(plan, args.out, options, report=ConsoleReport())
    if "://" not in args.out:
        print(f"described in {', '.join(describe(args.out))}")
    print(summary.text())
    return 0
