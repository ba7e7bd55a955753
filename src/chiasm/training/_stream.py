"""Training rows made on the fly: no disk, any number of workers, the same order each time.

Batch k is made from the indices k * eyes ... (k + 1) * eyes - 1, each index an eye that gives a fixed number of rows (several
images of one grown eye, several questions each). So a batch depends on its number alone: workers take batches in turn, and
the stream is the same for every number of workers, and can begin at any batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from chiasm.errors import InvalidInput
from chiasm.training._rows import Row, check_row

Make = Callable[[int], Sequence[Row]]
"""Rows of the k-th eye, the same ones each time, with at least `images` and `messages`."""


class StreamingRows(IterableDataset):  # type: ignore[misc]  # torch carries no types here
    """An endless stream of batches of rows.

    Use it in a `torch.utils.data.DataLoader` with `batch_size=None` and a collator.

    Args:
        make: Gives the rows of an eye by its index.
        eyes: Eyes per batch.
        rows_per_eye: Rows of each eye that enter its batch, drawn without replacement.
        seed: Of the choice and order within a batch.
        start: Number of the first batch: the batches already used when a run goes on.
        rank: This process among those that train together.
        world: Processes that train together.
    """

    def __init__(
        self, make: Make, *, eyes: int, rows_per_eye: int, seed: int, start: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        if eyes < 1 or rows_per_eye < 1 or start < 0 or not 0 <= rank < world:
            msg = f"need eyes, rows_per_eye >= 1, start >= 0, 0 <= rank < world, got {(eyes, rows_per_eye, start, rank, world)}"
            raise InvalidInput(msg)
        super().__init__()
        self._make, self._eyes, self._rows_per_eye = make, eyes, rows_per_eye
        self._seed, self._start, self._rank, self._world = seed, start, rank, world

    def __iter__(self) -> Iterator[list[Row]]:
        worker = get_worker_info()
        offset, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in itertools.count(self._start + offset, stride):
            yield self.batch(number * self._world + self._rank)

    def batch(self, number: int) -> list[Row]:
        """The rows of one batch.

        Raises:
            InvalidInput: An eye gave too few rows, or a row that cannot teach.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(3, number)))
        rows: list[Row] = []
        for index in range(number * self._eyes, (number + 1) * self._eyes):
            made = self._make(index)
            if len(made) < self._rows_per_eye:
                msg = f"eye {index} gave {len(made)} rows, and the stream takes {self._rows_per_eye} of each; lower rows_per_eye"
                raise InvalidInput(msg)
            chosen = rng.choice(len(made), self._rows_per_eye, replace=False)
            rows.extend(made[int(position)] for position in chosen)
        for row in rows:
            check_row(row, f"a row of batch {number} ({row.get('case_id', 'no case_id')})")
        order: Any = rng.permutation(len(rows))
        return [rows[int(position)] for position in order]
