"""A tiny model with fresh weights, in memory and as a folder."""

from pathlib import Path

import pytest

from chiasm.models import Bundle, build, save

TEXTS = [
    "Is there capillary dropout?",
    "<think>It is even.</think>\n<answer>no</answer>",
    "early-npdr late-npdr healthy",
]


@pytest.fixture(scope="session")
def tiny() -> Bundle:
    return build("tiny", seed=3, texts=TEXTS)


@pytest.fixture(scope="session")
def tiny_folder(tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tiny, tmp_path_factory.mktemp("models") / "tiny")
