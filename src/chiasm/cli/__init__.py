"""The command line: thin, each command one call into the rooms."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# libgomp's spinning makes training many times slower when both cores are busy; it must be set before torch loads
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import chiasm
from chiasm.cli import _build, _dataset, _doctor, _evaluate, _measure, _power, _realism, _train
from chiasm.cli._parser import Parser
from chiasm.errors import ChiasmError

__all__ = ["main"]

STORY = """\
Synthetic medical cases with exact truth, questions whose answers can be proved, vision-language models trained on them, and
what those models see on real images.

A first tour:
  chiasm build octa --n 64 --out out/eyes          grow 64 eyes, image them, ask about them
  chiasm check out/eyes                            prove the data set
  chiasm browse out/eyes                           look at it
  chiasm train sft --data out/eyes --out out/model train the nano model on it
  chiasm evaluate --model out/model --on out/eyes --out out/report
  chiasm answer IMAGE                              what the model sees in an image
"""


def build_parser() -> Parser:
    """The whole grammar."""
    import argparse

    parser = Parser(
        "chiasm", description=STORY, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"chiasm {chiasm.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (_build, _dataset, _train, _evaluate, _power, _measure, _realism, _doctor):
        module.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit status."""
    parser = build_parser()
    args = parser.parse_strictly(argv)
    if not hasattr(args, "run"):
        parser.print_help()
        return 0
    try:
        status: int = args.run(args)
    except ChiasmError as error:
        print(f"chiasm: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("chiasm: interrupted; what is finished is kept, run the same command again to go on", file=sys.stderr)
        return 130
    return status
