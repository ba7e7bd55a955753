"""The corpus is tested with a fake world; worker processes import it by name, hence the path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_world import fake_plan, open_fake

from chiasm.corpus import BuildOptions, BuildSummary, Plan, build

Built = Callable[..., BuildSummary]


@pytest.fixture
def make(tmp_path: Path) -> Built:
    """Build a plan of the fake world in a folder of the test."""

    def made(name: str = "set", plan: Plan | None = None, **options: Any) -> BuildSummary:
        return build(
            plan or fake_plan(), tmp_path / name, BuildOptions(**({"workers": 1} | options)), workshop=open_fake
        )

    return made
