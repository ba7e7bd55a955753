"""`chiasm doctor`: what this machine has, for bug reports."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
from pathlib import Path
from typing import Any

import chiasm
from chiasm.cli._parser import add_command

PACKAGES = (
    "numpy", "scipy", "numba", "scikit-image", "scikit-learn", "pyarrow", "pydantic", "pillow", "datasets", "torch",
    "transformers", "trl", "peft", "accelerate", "ray", "fastapi", "openai", "inspect-ai", "SimpleITK",
)  # fmt: skip


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "doctor",
        run,
        summary="Print versions, devices and threads, for bug reports.",
        details="Example:\n  chiasm doctor --json > doctor.json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    report = inspect_machine()
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for key, value in report.items():
            print(f"{key:16} {value}")
    return 0 if not report["problems"] else 1


def inspect_machine() -> dict[str, Any]:
    """Versions, devices, threads, and known problems with their remedy."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    problems = []
    if importlib.util.find_spec("torchvision") is not None and versions["torch"].endswith("+cpu"):
        problems.append(
            "torchvision is installed beside a CPU build of torch; if models fail to load: pip uninstall torchvision"
        )
    data = os.environ.get("CHIASM_DATA")
    if data and not Path(data).is_dir():
        problems.append(f"CHIASM_DATA is {data}, which is not a folder")
    return {
        "chiasm": chiasm.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
        "CHIASM_DATA": data or "not set: tests and evaluations on real images are skipped",
        "devices": _devices(),
        **versions,
        "problems": problems,
    }


def _devices() -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return ["cpu (torch is not installed)"]
    import torch

    names = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, f"cpu, {torch.get_num_threads()} torch threads"]
