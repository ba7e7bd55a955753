"""A tiny data set with an answer that only the image gives, and a tiny model to learn it."""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from chiasm.models import Bundle, build

QUESTION = "Is there a dark spot in this image?"
ANSWERS = {
    True: "<think>The field has a dark spot.</think><answer>yes</answer>",
    False: "<think>It is even.</think><answer>no</answer>",
}
TEXTS = [QUESTION, *ANSWERS.values(), "Where is it? <think>Left of the centre.</think><answer>left</answer> right"]


def png(pixels: np.ndarray) -> dict[str, Any]:
    """An image as a data set stores it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def spot_image(rng: np.random.Generator, *, spot: bool, size_px: int = 64) -> np.ndarray:
    """Grey noise, with or without a dark square."""
    pixels = rng.integers(120, 160, (size_px, size_px)).astype(np.uint8)
    if spot:
        row, col = rng.integers(4, size_px - 28, 2)
        pixels[row : row + 24, col : col + 24] = 20
    return pixels


def dialogue(question: str, answer: str, n_images: int = 1) -> list[dict[str, Any]]:
    """One question and its answer, in the data sets' layout."""
    images = [{"type": "image", "text": None} for _ in range(n_images)]
    return [
        {"role": "user", "content": [*images, {"type": "text", "text": question}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]


def rows_of(n: int, *, seed: int = 0, programs: int = 1, blind: bool = False) -> list[dict[str, Any]]:
    """Rows of n images with one question per program; with `blind` the answers do not depend on the image."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        spot = bool(number % 2)
        image = png(spot_image(rng, spot=spot if not blind else False))
        for program in range(programs):
            rows.append(
                {
                    "case_id": f"case-{number:04d}",
                    "patient_id": f"patient-{number:04d}",
                    "program": f"program-{program}",
                    "level": "recognition" if program == 0 else "measurement",
                    "images": [image],
                    "messages": dialogue(f"{QUESTION} ({program})" if program else QUESTION, ANSWERS[spot]),
                }
            )
    return rows


def write_rows(folder: Path, rows: list[dict[str, Any]], name: str = "train-00000.parquet") -> Path:
    """Write rows as one shard."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / name, row_group_size=16)
    return folder


@pytest.fixture(scope="session")
def toy() -> SimpleNamespace:
    """The functions above, for tests."""
    return SimpleNamespace(
        png=png, spot_image=spot_image, dialogue=dialogue, rows_of=rows_of, write_rows=write_rows, texts=TEXTS
    )


@pytest.fixture(scope="session")
def make_tiny() -> Callable[[int], Bundle]:
    """Build a tiny model from a seed."""
    return lambda seed: build("tiny", seed=seed, texts=TEXTS)


@pytest.fixture(scope="session")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images, one question each."""
    return write_rows(tmp_path_factory.mktemp("spots"), rows_of(48))
