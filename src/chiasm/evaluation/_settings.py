"""How an evaluation is run, and what is written about it so that it can be repeated."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import Conflict, InvalidInput
from chiasm.evaluation._chat_model import Style

CONFIG = "evaluation.json"
_PACKAGES = ("chiasm", "numpy", "scipy", "scikit-learn", "torch", "transformers", "openai")


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Everything that is chosen, and decides the figures."""

    seed: int = 0
    """Of shuffled pictures, folds, bootstraps and wordings."""
    split: str | None = None
    """Of built data sets; None: "test" where there is one."""
    limit: int | None = None
    """At most so many items of each data set; None: all."""
    style: Style = "reasoned"
    """Whether models reason before they answer, or are asked for the answer at once."""
    max_tokens: int = 512
    """A longer reply is cut."""
    robustness: tuple[str, ...] = ()
    """Tests of `chiasm.evaluation.robustness.TESTS` to run as well; each asks every item several times more."""
    severities: tuple[int, ...] = (1, 3, 5)
    """Of corruptions, 1 to 5."""
    controls: bool = True
    """Whether to ask the model without and with a wrong image, and to run the baselines."""
    cnn: str | None = None
    """A built data set to train a small network on, as a baseline of stage questions; one cross-validated on the exam's own
    labels is then run as well. None: neither."""
    completeness: float = 0.95
    """A figure is withheld where a smaller share of its items was scored, in (0, 1]."""
    batch_size: int = 16
    """Questions handed to a model at once; changes no answer."""
    device: str | None = None
    """Of local models; None: a GPU if there is one."""
    examples: int = 6
    """Best, worst and random examples a model and data set in the report, of each so many."""
    quiet: bool = False
    """No progress bars."""

    def __post_init__(self) -> None:
        if not 0 < self.completeness <= 1:
            msg = f"completeness must lie in (0, 1], got {self.completeness}"
            raise InvalidInput(msg)
        if self.batch_size < 1 or self.max_tokens < 1 or self.examples < 0 or self.seed < 0:
            msg = f"need batch_size >= 1, max_tokens >= 1, examples >= 0 and seed >= 0, got {self}"
            raise InvalidInput(msg)

    def deciding(self) -> dict[str, Any]:
        """The options that can change a figure."""
        apart = ("batch_size", "device", "examples", "quiet")
        return {k: v for k, v in asdict(self).items() if k not in apart}


def claim_folder(out: Path, config: dict[str, Any]) -> None:
    """Make the folder this evaluation's, or go on with it.

    Raises:
        Conflict: It holds another evaluation; the message names what differs.
    """
    path = out / CONFIG
    if out.exists() and not out.is_dir():
        msg = f"{out} is a file; an evaluation is written into a folder"
        raise InvalidInput(msg)
    if path.is_file():
        try:
            there = _flat(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, AttributeError) as error:
            msg = f"{path} is damaged ({error}); remove it, or give another folder"
            raise Conflict(msg) from error
        now = _flat(json.loads(json.dumps(config)))
        different = sorted(k for k in {*there, *now} if there.get(k) != now.get(k))
        if different:
            what = "; ".join(f"{k}: there {there.get(k)!r}, now {now.get(k)!r}" for k in different)
            msg = f"{out} holds another evaluation ({what[:600]}); give another folder"
            raise Conflict(msg)
        return
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """One level: {"options seed": 0}."""
    return {f"{part} {key}": value for part, inner in config.items() for key, value in inner.items()}


def write_whole(path: Path, text: str) -> None:
    """Write a file that is either the old or the whole new one."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def provenance() -> dict[str, Any]:
    """Command, versions and commit, for the report."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv and sys.argv[0] else "python"
    return {"command": command, "commit": _commit(), "python": platform.python_version(), "versions": versions}


def _commit() -> str:
    """Of the source tree this package runs from; "unknown" outside one, "+changes" where files differ from it."""
    here = Path(__file__).resolve().parent
    try:
        known = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
        changed = subprocess.run(
            ["git", "-C", str(here), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if known.returncode != 0:
        return "unknown"
    return known.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
