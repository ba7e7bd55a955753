"""`chiasm calibrate` and `chiasm realism`: fit the scanner to unlabelled images, and judge what it makes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.cli._parser import add_command, positive
from chiasm.errors import InvalidInput

Pixels = NDArray[np.uint8]


def add(commands: Any) -> None:
    """Add the commands."""
    _add_calibrate(commands)
    parser = add_command(
        commands,
        "realism",
        run_realism,
        summary="Can a judge tell synthetic images from real ones? AUC of several judges, and what gives them away.",
        details=(
            "0.5 is perfect; beside it stands real against real. Any two folders of greyscale images of one size.\n\n"
            "Example:\n  chiasm realism out/synthetic out/real --out out/realism"
        ),
    )
    parser.add_argument("synthetic", metavar="SYNTH", help="a folder of images")
    parser.add_argument("real", metavar="REAL", help="a folder of images")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="where realism.html and realism.json go; they show the images"
    )
    parser.add_argument("--seed", type=positive(int, 0, 2**31), default=0, metavar="SEED", help="of folds and forests")


def _add_calibrate(commands: Any) -> None:
    parser = add_command(
        commands,
        "calibrate",
        run_calibrate,
        summary="Fit the scanner's parameters to a folder of unlabelled OCTA images of one device.",
        details=(
            "20 images suffice; about 8 minutes of one core at 304 px, 14 at 400 px (estimated). No label is read.\n"
            "Use the profile with `chiasm build octa --set profiles.FILE.toml=1`.\n\n"
            "Example:\n  chiasm calibrate clinic/ --fov-mm 3 --out clinic-3mm.toml"
        ),
    )
    parser.add_argument("images", metavar="IMAGES", help="a folder of square greyscale images of one size")
    parser.add_argument(
        "--fov-mm", type=positive(float, 2, 12), required=True, metavar="MM", help="side of the square field [mm]"
    )
    parser.add_argument(
        "--out", required=True, metavar="TOML", help="the profile; before/after pictures and a report go beside it"
    )
    parser.add_argument(
        "--start", metavar="PROFILE", help="profile to start from (default: the shipped one of this field)"
    )
    parser.add_argument(
        "--stages",
        default="healthy",
        metavar="STAGE[=W],...",
        help="patients in the images: healthy (default), or a mixture such as healthy=3,early-npdr=1",
    )
    parser.add_argument(
        "--eyes", type=positive(int, 4, 200), default=64, metavar="N", help="eyes to render (default: 64)"
    )
    parser.add_argument(
        "--rounds", type=positive(int, 1, 50), default=3, metavar="N", help="steps of the search (default: 3)"
    )
    parser.add_argument("--seed", type=positive(int, 0, 2**31), default=0, metavar="SEED", help="of eyes and renders")
    parser.add_argument(
        "--use-the-rest", action="store_true", help="go on without images that cannot be used; each is named"
    )


def run_calibrate(args: argparse.Namespace) -> int:
    """Read, fit, write profile and report."""
    from tqdm import tqdm

    from chiasm.worlds.octa import OctaRequest, OctaWorld, grow_eyes, profile_for
    from chiasm.worlds.octa.imaging import calibrate, load_profile, write_calibration

    names, images = _read(args.images)
    eyes = []
    for k, stage in enumerate(_mixture(args.stages, args.eyes)):
        rng = np.random.default_rng(np.random.SeedSequence(args.seed, spawn_key=(k,)))
        eyes += grow_eyes(OctaWorld(OctaRequest(stage=stage, fov_mm=args.fov_mm)).sample(rng))
    with tqdm(desc="calibrating", unit=" renders") as bar:

        def tell(state: Any) -> None:
            bar.set_postfix_str(f"distance {state.cost:.3f}", refresh=False)
            bar.update(state.evaluations - bar.n)

        result = calibrate(
            images,
            eyes,
            load_profile(profile_for(args.start, args.fov_mm)),
            name=Path(args.out).stem,
            names=names,
            use_the_rest=args.use_the_rest,
            rounds=args.rounds,
            seed=args.seed,
            progress=tell,
        )
    for path in write_calibration(result, Path(args.out), images, eyes):
        print(path)
    print(f"next: chiasm build octa --fov-mm {args.fov_mm:g} --set 'profiles={{\"{args.out}\": 1}}' --out out/eyes")
    return 0


def run_realism(args: argparse.Namespace) -> int:
    """Judge and print."""
    from chiasm.evaluation import realism

    report = realism(_read(args.synthetic)[1], _read(args.real)[1], Path(args.out), seed=args.seed)
    print(json.dumps({k: v for k, v in report.to_json().items() if k not in ("ks", "importance")}, indent=2))
    for name, distance in report.worst():
        print(f"differs: {name:40} {distance:.3f}")
    print(f"report: {Path(args.out) / 'realism.html'}")
    return 0


def _read(folder: str) -> tuple[list[str], list[Pixels]]:
    """Every image file of a folder; one that cannot be read is named, and nothing is skipped."""
    from chiasm.sources import IMAGE_SUFFIXES, load_image

    if not Path(folder).is_dir():
        msg = f"{folder} is not a folder; give one with image files"
        raise InvalidInput(msg)
    paths = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        msg = f"{folder} holds no image file ({', '.join(sorted(IMAGE_SUFFIXES))})"
        raise InvalidInput(msg)
    return [p.name for p in paths], [load_image(p).pixels for p in paths]


def _mixture(text: str, n: int) -> Sequence[str]:
    """Stages of n eyes in the stated proportions, by largest remainder."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight or 1)
        except ValueError as error:
            msg = f"--stages needs STAGE or STAGE=WEIGHT, separated by commas; got {part!r}"
            raise InvalidInput(msg) from error
    total = sum(weights.values())
    exact = {name: n * w / total for name, w in weights.items()}
    counts = {name: int(x) for name, x in exact.items()}
    for name in sorted(exact, key=lambda k: counts[k] - exact[k])[: n - sum(counts.values())]:
        counts[name] += 1
    return [name for name, count in counts.items() for _ in range(count)]
