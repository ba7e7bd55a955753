"""Rows made on the fly."""

from collections.abc import Callable
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils.data import DataLoader

from chiasm.errors import InvalidInput
from chiasm.training import StreamingRows


@pytest.fixture
def make(toy: SimpleNamespace) -> Callable[[int], list[dict[str, Any]]]:
    """Four rows of the k-th eye, told apart by their identifiers."""

    def rows(index: int) -> list[dict[str, Any]]:
        base = toy.rows_of(1, seed=index)[0]
        return [{**base, "case_id": f"{index}-{number}"} for number in range(4)]

    return rows


def identifiers(stream: StreamingRows, n: int, workers: int = 0) -> list[list[str]]:
    loader = DataLoader(
        stream, batch_size=None, num_workers=workers, collate_fn=lambda rows: [row["case_id"] for row in rows]
    )
    return list(islice(loader, n))


def test_the_stream_is_the_same_for_any_number_of_workers_and_goes_on_anywhere(make: Any) -> None:
    whole = identifiers(StreamingRows(make, eyes=2, rows_per_eye=3, seed=5), 6)
    assert identifiers(StreamingRows(make, eyes=2, rows_per_eye=3, seed=5), 6, workers=2) == whole
    assert identifiers(StreamingRows(make, eyes=2, rows_per_eye=3, seed=5, start=4), 2) == whole[4:]
    assert identifiers(StreamingRows(make, eyes=2, rows_per_eye=3, seed=6), 6) != whole


def test_processes_share_the_batches_between_them(make: Any) -> None:
    whole = identifiers(StreamingRows(make, eyes=2, rows_per_eye=2, seed=5), 4)
    halves = [
        identifiers(StreamingRows(make, eyes=2, rows_per_eye=2, seed=5, rank=rank, world=2), 2) for rank in (0, 1)
    ]
    assert [halves[0][0], halves[1][0], halves[0][1], halves[1][1]] == whole


def test_an_eye_with_too_few_rows_is_refused(make: Any) -> None:
    with pytest.raises(InvalidInput, match="eye 0 gave 4 rows, and the stream takes 5"):
        StreamingRows(make, eyes=1, rows_per_eye=5, seed=0).batch(0)
