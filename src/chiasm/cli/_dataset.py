"""`chiasm check`, `browse`, `export` and `rewrite`: prove a data set, look at it, write it in another form or other words."""

from __future__ import annotations

import argparse
import os
from typing import Any

from chiasm.cli._parser import add_command, one_of, positive

_USES = {
    "sharegpt": "LLaMA-Factory with dataset_dir: {at}, media_dir: {at}, dataset: chiasm_train",
    "llava": "LLaVA's training with --data_path {at}/train.json --image_folder {at}",
    "openai": "any client of the chat form: one conversation a line of {at}/train.jsonl, images inside",
    "coco": "pycocotools.coco.COCO('{at}/instances_train.json'); file names are relative to {at}",
    "webdataset": "webdataset.WebDataset('{at}/train-00000.tar').decode('pil'): pictures 0.png, 1.png ..., the row json",
    "lmms-eval": "python -m lmms_eval --include_path {at.parent} --tasks {at.stem} --model ... --batch_size 1",
    "inspect-ai": "cd {at.parent} && inspect eval {at.name} --model ...",
}
"""What to do with each form."""


def add(commands: Any) -> None:
    """Add the commands."""
    parser = add_command(
        commands,
        "check",
        run_check,
        summary="Prove a data set: schema, hashes, gold answers, read-back, leaks, duplicates, balance.",
        details=(
            "Ends with status 1 where anything is wrong. Other people's Parquet is checked as far as its columns allow.\n\n"
            "Examples:\n  chiasm check out/eyes\n  chiasm check out/eyes --out out/eyes-check   (also report.json and report.html)"
        ),
    )
    parser.add_argument("data", metavar="DIR", help="a folder that `chiasm build` made, or any folder of Parquet")
    parser.add_argument("--out", metavar="DIR", help="write the report as JSON and HTML into this folder")
    parser.add_argument("--workers", type=positive(int, 1, 1024), metavar="N", help="processes (default: one per core)")
    parser = add_command(
        commands,
        "browse",
        run_browse,
        summary="Look at a data set in a browser: images with overlays, questions, reasoning that lights its evidence.",
        details="Served on this machine only; nothing is fetched from outside.\n\nExample:\n  chiasm browse out/eyes --port 8000",
    )
    parser.add_argument("data", metavar="DIR", help="a folder that `chiasm build` made")
    parser.add_argument(
        "--port", type=positive(int, 1, 65535), default=8000, metavar="PORT", help="TCP port (default: 8000)"
    )
    parser = add_command(
        commands,
        "export",
        run_export,
        summary="Write a data set in another program's form.",
        details=(
            "Forms to train on: sharegpt (LLaMA-Factory), llava, openai (chat JSONL), coco, webdataset.\n"
            "Forms to evaluate with, of all that `chiasm evaluate --on` reads: lmms-eval (a task folder) and inspect-ai (a task\n"
            "file); both score with chiasm's own scorer.\n\n"
            "Examples:\n  chiasm export out/eyes --form sharegpt --out out/eyes-sharegpt\n"
            "  chiasm export octa500:$CHIASM_DATA/octa500 --form lmms-eval --name octa500_dr --out out/task"
        ),
    )
    parser.add_argument(
        "data", metavar="DATA", help="a folder that `chiasm build` made, or for a harness any --on name"
    )
    parser.add_argument("--form", required=True, type=one_of("export form", tuple(_USES)), help=", ".join(_USES))
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--name", default="chiasm_exam", metavar="NAME", help="of the task, for a harness")
    parser.add_argument("--split", metavar="NAME", help="of a built data set, for a harness (default: test)")
    parser.add_argument("--limit", type=positive(int, 1, 10**9), metavar="N", help="most items, for a harness")
    _add_rewrite(commands)


def _add_rewrite(commands: Any) -> None:
    parser = add_command(
        commands,
        "rewrite",
        run_rewrite,
        summary="Copy a data set with its reasoning in other words, from any OpenAI-compatible server.",
        details=(
            "A reply whose claims differ from the original's is thrown away and counted; the original text stays. Replies are\n"
            "kept in rewrites.jsonl, so the same command goes on where it stopped. A key is taken from OPENAI_API_KEY.\n\n"
            "Example:\n"
            "  chiasm rewrite out/eyes --out out/eyes-reworded --rewrite-url http://localhost:8000/v1 --rewrite-model qwen"
        ),
    )
    parser.add_argument("data", metavar="DIR", help="a folder that `chiasm build` made")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder, or one to go on with")
    parser.add_argument("--rewrite-url", required=True, metavar="URL", help="base address of the server, ending in /v1")
    parser.add_argument("--rewrite-model", required=True, metavar="NAME", help="name of the model on that server")
    parser.add_argument(
        "--rewrite-in-flight",
        type=positive(int, 1, 256),
        default=16,
        metavar="N",
        help="requests at a time (default: 16)",
    )


def run_check(args: argparse.Namespace) -> int:
    """Check, print, and write the report where asked."""
    from chiasm.corpus import check, write_check_report

    report = check(args.data, workers=args.workers)
    print(report.text())
    if args.out:
        for path in write_check_report(report, args.out):
            print(f"report: {path}")
    return 0 if report.ok else 1


def run_browse(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from chiasm.corpus import browse

    print(f"http://127.0.0.1:{args.port}  (Ctrl-C ends it)", flush=True)
    browse(args.data, port=args.port)
    return 0


def run_rewrite(args: argparse.Namespace) -> int:
    """Rewrite, then say how much was kept and why the rest was not."""
    from chiasm.corpus import reword
    from chiasm.questions import RewriteOptions

    options = RewriteOptions(
        url=args.rewrite_url,
        model=args.rewrite_model,
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
        in_flight=args.rewrite_in_flight,
    )
    made = reword(args.data, args.out, options)
    print(f"{made.where}: {made.rows} rows, {made.paraphrases.summary()}")
    for thrown in made.paraphrases.thrown[:5]:
        print(f"  {thrown.item_id}: {thrown.reason} {thrown.detail}".rstrip())
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Export, then say what was written and how to use it."""
    from chiasm.corpus import EXPORTS, export

    if args.form not in EXPORTS:
        from chiasm.evaluation.interop import export_exam

        task = export_exam(args.data, args.out, args.form, name=args.name, split=args.split, limit=args.limit)
        print(f"next: {_USES[args.form].format(at=task)}")
        return 0
    made = export(args.data, args.out, args.form)
    print(f"{made.where}: {made.rows} rows, {made.images} images; tables: {', '.join(made.files)}")
    print(f"next: {_USES[args.form].format(at=made.where)}")
    return 0
