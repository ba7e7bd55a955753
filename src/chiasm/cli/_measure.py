"""`chiasm measure`: biomarkers of one image."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from chiasm.cli._parser import add_command, one_of, positive


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "measure",
        run,
        summary="Measure the biomarkers of an en face OCTA image, and say what one image cannot tell.",
        details=(
            "Foveal avascular zone, densities overall and by ETDRS sector, non-perfusion, fractal dimension, tortuosity ...\n"
            "Definitions, units and sources: docs/biomarkers.md. Without --fov-mm lengths stay in pixels.\n\n"
            "Examples:\n"
            "  chiasm measure eye.png --fov-mm 3 --eye OD\n"
            "  chiasm measure eye.png --fov-mm 3 --json --picture measured.png"
        ),
    )
    parser.add_argument("image", metavar="IMAGE", help="an image file: PNG, JPEG, BMP, TIFF or WEBP")
    parser.add_argument("--fov-mm", type=positive(float, 0.5, 30), metavar="MM", help="side of the square field [mm]")
    parser.add_argument(
        "--eye",
        type=one_of("eye", ("OD", "OS", "unknown")),
        default="unknown",
        help="OD, OS or unknown: names nasal and temporal",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--picture", metavar="PNG", help="draw the zone and the vessels into this file")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from PIL import Image

    from chiasm.case import Laterality
    from chiasm.measure import draw_measurement, familiarity, measure_image
    from chiasm.sources import load_image

    loaded = load_image(args.image)
    measured = measure_image(loaded.pixels, args.fov_mm, Laterality(args.eye))
    like = familiarity(loaded.pixels)
    notes = (*loaded.notes, *measured.notes) if like.is_octa else (*loaded.notes, *measured.notes, f"WARNING: {like}")
    if args.json:
        print(
            json.dumps(
                {"image": args.image, "loading": loaded.notes, "like_octa": like.is_octa, **measured.to_json()},
                indent=2,
            )
        )
    else:
        print(measured.biomarkers.table())
        for note in notes:
            print(f"note: {note}")
    if args.picture:
        Path(args.picture).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_measurement(loaded.pixels, measured)).save(args.picture)
        if not args.json:
            print(f"picture: {args.picture}")
    return 0
