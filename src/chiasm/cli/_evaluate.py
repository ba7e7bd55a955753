"""`chiasm evaluate`, `chiasm compare` and `chiasm answer`: what models see."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from chiasm.cli._parser import add_command, one_of, positive


def add(commands: Any) -> None:
    """Add the commands."""
    _add_evaluate(commands)
    _add_compare(commands)
    _add_answer(commands)


_EVALUATE: Final = (
    "Models: nano (embedded), a folder, a hub id, http://HOST/v1#NAME, answers:FILE.jsonl, python:MODULE:CLASS.\n"
    "Data: a folder that `chiasm build` made (its test split), a Parquet file of items, octa500:PATH, octa25k-faz:PATH,\n"
    "rossa:PATH, images:PATH, semi-real:PATH (healthy OCTA-500 eyes, capillaries erased), and pairs grown on the spot:\n"
    "twins:dropout[:N], devices:mixed[:N], confusing:irma-neovascularization[:N] (docs/evaluation.md names them all).\n"
    "Stopped, the same command goes on. A request that fails is unscored, never wrong; where a model gave no answer at all\n"
    "the exit status is 1.\n"
    "table.md sets models, their median and all baselines side by side for tasks of two classes.\n\n"
    "Examples:\n"
    "  chiasm evaluate --model out/model --on out/eyes --out out/report\n"
    "  chiasm evaluate --model out/model,nano --on out/eyes,octa500:$CHIASM_DATA/octa500 --out out/report\n"
    "  chiasm evaluate --model s0/model,s1/model,s2/model --on octa500:DIR --cnn out/eyes --out out/report"
)


def _add_evaluate(commands: Any) -> None:
    parser = add_command(
        commands,
        "evaluate",
        run_evaluate,
        summary="Judge models on data: figures with intervals, controls and baselines beside them, one HTML report.",
        details=_EVALUATE,
    )
    parser.add_argument("--model", required=True, metavar="M[,M2...]", help="one or several models")
    parser.add_argument("--on", required=True, metavar="DATA[,...]", help="one or several data sets")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the report")
    parser.add_argument("--split", metavar="NAME", help="split of built data sets (default: test where there is one)")
    parser.add_argument(
        "--limit", type=positive(int, 1, 10**9), metavar="N", help="at most so many items of each data set"
    )
    parser.add_argument(
        "--style",
        type=one_of("style", ("reasoned", "direct")),
        default="reasoned",
        help="reasoned (default), or direct: no reasoning; OCTA-500 is then asked with yes or no, else for the stage",
    )
    parser.add_argument(
        "--max-tokens", type=positive(int, 1, 100_000), default=512, metavar="N", help="longest reply (default: 512)"
    )
    parser.add_argument(
        "--batch-size", type=positive(int, 1, 4096), default=16, metavar="N", help="questions at once (default: 16)"
    )
    parser.add_argument(
        "--seed", type=positive(int, 0, 2**31), default=0, metavar="SEED", help="of controls, folds and bootstraps"
    )
    parser.add_argument(
        "--robustness",
        default="",
        metavar="TEST[,...]",
        help="also ask under stress (slow): corruption, wording, paraphrase, option order, negative control; or all",
    )
    parser.add_argument(
        "--severities",
        default=(1, 3, 5),
        type=_severities,
        metavar="S[,...]",
        help="of corruptions, 1 (hardly seen) to 5 (default: 1,3,5)",
    )
    parser.add_argument(
        "--completeness",
        type=positive(float, 0.01, 1),
        default=0.95,
        metavar="SHARE",
        help="withhold figures below it (default: 0.95)",
    )
    parser.add_argument(
        "--cnn",
        metavar="DATASET",
        help="also train small networks as baselines of stage questions: on this built data set, and cross-validated on --on",
    )
    parser.add_argument(
        "--no-controls", action="store_true", help="leave out the blind and shuffled controls and the baselines"
    )


def _add_compare(commands: Any) -> None:
    parser = add_command(
        commands,
        "compare",
        run_compare,
        summary="Compare two evaluations item by item: differences with intervals, wins and losses.",
        details="Examples:\n  chiasm compare out/report-a out/report-b\n"
        "  chiasm compare out/report out/report --model-a nano --model-b majority",
    )
    parser.add_argument("a", metavar="A", help="a folder that `chiasm evaluate` wrote")
    parser.add_argument("b", metavar="B", help="another, or the same")
    parser.add_argument("--model-a", metavar="M", help="which model of A, where it has several")
    parser.add_argument("--model-b", metavar="M", help="which model of B, where it has several")
    parser.add_argument("--seed", type=positive(int, 0, 2**31), default=0, metavar="SEED", help="of the swap tests")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _severities(text: str) -> tuple[int, ...]:
    if not text or not set(text.split(",")) <= set("12345"):
        msg = f"severities are some of 1 to 5 with commas between them, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return tuple(int(s) for s in text.split(","))


def _add_answer(commands: Any) -> None:
    parser = add_command(
        commands,
        "answer",
        run_answer,
        summary="Let a model look at one image: reasoning, stage, probabilities, and a picture of what it says it sees.",
        details="A picture whose statistics are not those of en face OCTA is not judged.\n"
        "A research model, not a medical device.\n\nExamples:\n"
        "  chiasm answer eye.png --fov-mm 3 --eye OD\n"
        "  chiasm answer eye.png --fov-mm 3 --model out/model --json",
    )
    parser.add_argument("image", metavar="IMAGE", help="an image file: PNG, JPEG, BMP, TIFF or WEBP")
    parser.add_argument(
        "--model",
        default="nano",
        metavar="MODEL",
        help="folder, hub id or server (default: nano inside the package)",
    )
    parser.add_argument("--fov-mm", type=positive(float, 0.5, 30), metavar="MM", help="side of the square field [mm]")
    parser.add_argument(
        "--eye", type=one_of("eye", ("OD", "OS", "unknown")), default="unknown", help="OD, OS or unknown (default)"
    )
    parser.add_argument(
        "--picture", metavar="PNG", help="where the picture goes (default: IMAGE-answer.png beside the working folder)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate, then say where the report is."""
    from chiasm.evaluation import EvaluationOptions, evaluate
    from chiasm.evaluation.robustness import TESTS

    options = EvaluationOptions(
        seed=args.seed,
        split=args.split,
        limit=args.limit,
        style=args.style,
        max_tokens=args.max_tokens,
        controls=not args.no_controls,
        cnn=args.cnn,
        robustness=TESTS if args.robustness == "all" else tuple(name for name in args.robustness.split(",") if name),
        severities=args.severities,
        completeness=args.completeness,
        batch_size=args.batch_size,
    )
    evaluation = evaluate(args.model.split(","), args.on.split(","), args.out, options)
    print(evaluation.text())
    for warning in evaluation.warnings:
        print(f"warning: {warning}")
    out = Path(args.out)
    print(f"report: {out / 'report.html'}, figures: {out / 'report.json'}, tables: {out / 'table.md'}")
    # a script must notice when nothing was learned, such as when the server was down
    return 0 if all(any(m.scored for m in o.marks[name]) for o in evaluation.outcomes for name in o.models) else 1


def run_compare(args: argparse.Namespace) -> int:
    """Compare and print."""
    from chiasm.evaluation import compare

    found = compare(args.a, args.b, model_a=args.model_a, model_b=args.model_b, seed=args.seed)
    print(json.dumps(found.to_json(), indent=2) if args.json else found.text())
    return 0


def run_answer(args: argparse.Namespace) -> int:
    """Answer, print, draw."""
    from PIL import Image

    from chiasm.case import Laterality
    from chiasm.evaluation import answer_image, draw_answer, load_model
    from chiasm.sources import load_image

    loaded = load_image(args.image)
    answer = answer_image(load_model(args.model), loaded.pixels, args.fov_mm, Laterality(args.eye))
    picture = Path(args.picture) if args.picture else Path(f"{Path(args.image).stem}-answer.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_answer(answer, args.fov_mm)).save(picture)
    if args.json:
        print(
            json.dumps(
                {"image": args.image, "picture": str(picture), "loading": loaded.notes, **answer.to_json()}, indent=2
            )
        )
        return 0
    print(answer.reasoning or "(no reasoning)")
    print(f"\nstage: {answer.stage or ('none named' if answer.judged else 'cannot be judged')}")
    for stage, share in answer.probabilities.items():
        print(f"  {stage:12} {share:.3f}")
    if answer.any_retinopathy is not None:
        print(f"any stage but healthy: {answer.any_retinopathy:.3f}")
    unnamed = "which eye is unknown: with --eye OD or OS the question names it, as those that nano was trained on do"
    for note in (*loaded.notes, *filter(None, (answer.doubt, unnamed if args.eye == "unknown" else ""))):
        print(f"note: {note}")
    print(f"picture: {picture}\nA research model, not a medical device.")
    return 0
