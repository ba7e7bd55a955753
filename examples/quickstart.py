"""The whole of Chiasm in one sitting: grow eyes, ask, prove, train a tiny model, judge it, let it answer.

    python examples/quickstart.py --out out/quickstart

Every step is a command that you can run by yourself; it is printed before it runs. A second run goes on where the first one
stopped. Real images are used where the environment variable CHIASM_DATA names the folder of real data sets.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from chiasm.cli import main as chiasm


def run(*words: str | Path) -> None:
    """Show a command, run it, and stop where it fails."""
    line = [str(word) for word in words]
    print(f"\n$ chiasm {' '.join(line)}", flush=True)
    status = chiasm(line)
    if status != 0:
        sys.exit(f"chiasm {line[0]} ended with status {status}; see its message above")


def write_first_image(dataset: Path, target: Path) -> str:
    """Write the first held-out image of a data set to a file, return its true stage: rows are plain Parquet, images PNG bytes."""
    (row,) = pq.read_table(next((dataset / "data").glob("test-*.parquet")), columns=["images", "stage"])[:1].to_pylist()
    target.write_bytes(row["images"][0]["bytes"])
    return str(row["stage"])


def main() -> None:
    """Run the steps in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/quickstart"), help="where everything goes")
    parser.add_argument("--cases", type=int, default=300, help="eyes to grow")
    args = parser.parse_args()
    started = time.monotonic()
    eyes, run_dir, report = args.out / "eyes", args.out / "training", args.out / "report"

    asked = 'programs=["dropout-present", "largest-dropout-sector"]'  # beside the explanation that every image gets
    run("build", "octa", "--n", str(args.cases), "--seed", "7", "--fov-mm", "3", "--set", asked, "--out", eyes)
    run("check", eyes)
    run("train", "sft", "--data", eyes, "--recipe", "quickstart", "--out", run_dir)

    judged_on = [str(eyes)]
    real = os.environ.get("CHIASM_DATA")
    if real and (Path(real) / "octa500").is_dir():
        judged_on.append(f"octa500:{Path(real) / 'octa500'}")
    else:
        print("\nCHIASM_DATA is not set: real OCTA-500 images are skipped. With them:")
        print(f"  chiasm evaluate --model {run_dir / 'model'} --on octa500:FOLDER --out {report}-real")
    run("evaluate", "--model", run_dir / "model", "--on", ",".join(judged_on), "--out", report)

    image = args.out / "eye.png"
    stage = write_first_image(eyes, image)
    run("answer", image, "--fov-mm", "3", "--model", run_dir / "model", "--picture", args.out / "answer.png")
    print(
        f"the truth about this eye: {stage} (a model of a few minutes is often wrong; leave out --model to ask the nano inside)"
    )
    print(f"\ndone in {(time.monotonic() - started) / 60:.1f} minutes; look at")
    for path in (report / "report.html", args.out / "answer.png", eyes / "README.md"):
        print(f"  {path}")


if __name__ == "__main__":
    main()
