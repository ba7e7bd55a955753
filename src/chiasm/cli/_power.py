"""`chiasm power`: how many patients it takes, before anyone collects them."""

from __future__ import annotations

import argparse
import math
from typing import Any, Final

from chiasm.cli._parser import add_command, positive
from chiasm.errors import InvalidInput

_DETAILS: Final = (
    "One of four questions:\n"
    "  --width W         items for a 95 % interval of a share (sensitivity, accuracy) no wider than W\n"
    "  --difference D    items to see that difference between two models' right answers, asked the same items (McNemar's test)\n"
    "  --auc A,B         patients to see that two AUCs differ\n"
    "  --items N         the smallest difference in right answers that N items show\n"
    "`chiasm compare` gives the shares and correlations of a pilot, and the items that each difference found would need.\n\n"
    "Examples:\n"
    "  chiasm power --width 0.1 --share 0.9\n"
    "  chiasm power --difference 0.05 --discordant 0.2\n"
    "  chiasm power --auc 0.94,0.85 --positive-share 0.16 --correlation 0.5\n"
    "  chiasm power --items 95 --discordant 0.2"
)


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "power",
        run_power,
        summary="How many cases it takes to see a difference, or to know a share so well.",
        details=_DETAILS,
    )
    inside = positive(float, 1e-6, 1 - 1e-6)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--width", type=inside, metavar="W", help="of the interval, in (0, 1)")
    asked.add_argument("--difference", type=inside, metavar="D", help="between two shares of right answers, in (0, 1)")
    asked.add_argument("--auc", type=_two_areas, metavar="A,B", help="two AUCs, each in (0, 1)")
    asked.add_argument("--items", type=positive(int, 1, 10**9), metavar="N", help="items that there are")
    parser.add_argument("--share", type=positive(float, 0, 1), default=0.5, help="expected (default: 0.5, the widest)")
    parser.add_argument(
        "--discordant", type=inside, metavar="SHARE", help="of items on which exactly one of the two models is right"
    )
    parser.add_argument("--positive-share", type=inside, metavar="SHARE", help="of patients who have the disease")
    parser.add_argument(
        "--correlation", type=positive(float, 0, 0.999), default=0.0, metavar="R", help="of the two AUCs (default: 0)"
    )
    parser.add_argument("--power", type=inside, default=0.8, help="chance to see the difference (default: 0.8)")
    parser.add_argument("--level", type=inside, default=0.95, help="of the interval or test (default: 0.95)")
    parser.add_argument(
        "--design-effect",
        type=positive(float, 1, 1000),
        default=1.0,
        metavar="X",
        help="of several items a patient on the variance of a share (default: 1, one item a patient)",
    )


def run_power(args: argparse.Namespace) -> int:
    """Compute and print one sentence."""
    from chiasm.evaluation import statistics

    sure = {"power": args.power, "level": args.level}
    chance = f"with a chance of {100 * args.power:g} %"
    if args.width is not None:
        n = statistics.cases_for_width(args.share, args.width, level=args.level, design_effect=args.design_effect)
        print(
            f"{n} items: the {100 * args.level:g} % interval of a share of {args.share:g} is then at most {args.width:g} wide"
        )
    elif args.auc is not None:
        a, b = args.auc
        share = _needed(args, "positive_share")
        n = statistics.cases_for_auc_difference(a, b, positive_share=share, correlation=args.correlation, **sure)
        print(f"{n} patients, {round(n * share)} of them ill: AUCs of {a:g} and {b:g} are then told apart {chance}")
    elif args.difference is not None:
        given = {"discordant": _needed(args, "discordant"), "design_effect": args.design_effect}
        n = statistics.cases_for_paired_shares(args.difference, **given, **sure)
        print(f"{n} items: a difference of {args.difference:g} in right answers is then seen {chance}")
    else:
        given = {"discordant": _needed(args, "discordant"), "design_effect": args.design_effect}
        found = statistics.detectable_paired_difference(args.items, **given, **sure)
        told = "no difference" if math.isnan(found) else f"a difference of {found:.3f} or more"
        print(f"{args.items} items show {told} in right answers {chance}")
    return 0


def _needed(args: argparse.Namespace, name: str) -> float:
    value: float | None = getattr(args, name)
    if value is None:
        msg = f"--{name.replace('_', '-')} is needed with this question, as it decides the answer"
        raise InvalidInput(msg)
    return value


def _two_areas(text: str) -> tuple[float, float]:
    try:
        a, b = (float(part) for part in text.split(","))
    except ValueError:
        a = b = -1.0
    if not (0 < a < 1 and 0 < b < 1 and a != b):
        msg = f"two different AUCs in (0, 1) with a comma between them, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return a, b
