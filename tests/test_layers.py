"""The house's floor plan, held by a test: a room imports only rooms above it."""

import ast
from pathlib import Path

import pytest

import chiasm

ROOT = Path(chiasm.__file__).parent
ROOMS = (
    "errors", "case", "measure", "worlds", "sources", "models", "questions", "corpus", "training", "agents", "evaluation",
    "review", "systems", "cli",
)  # fmt: skip
CORE = ("errors", "case", "measure", "worlds", "questions", "corpus")
HEAVY = {
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "ray",
    "fastapi",
    "openai",
    "monai",
    "inspect_ai",
}
LAZY = {"corpus/_browse_app.py"}
"""Modules that only a function loads, after `require` has named the extra: a web application needs its classes at the top."""
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names if node.module == "chiasm"}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_only_downward(path: Path) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    assert room in ROOMS, f"{room} is not a room of the house"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "chiasm" and len(parts) > 1 and parts[1] in ROOMS:
            assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{path} imports {name}, which is a later room"


@pytest.mark.parametrize(
    "path",
    [f for f in FILES if room_of(f) in CORE and f.relative_to(ROOT).as_posix() not in LAZY],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_core_loads_without_extras(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imports(path, top_level_only=True)} & HEAVY
    assert not heavy, f"{path} imports {heavy} at the top; use chiasm.errors.require inside the function"


def test_files_and_functions_stay_small() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        lines = sum(1 for line in text.splitlines() if line.strip())
        assert lines <= 400, f"{path} has {lines} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= 60, f"{path}:{node.name} has {length} lines"
