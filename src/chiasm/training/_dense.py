"""Dense targets for the vision tower: where each vessel, zone, lesion and artefact lies, and whole-image numbers.

A synthetic case knows every pixel, so its images can teach a vision tower far more than their few answers could.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.nn import functional

from chiasm.case import Mask
from chiasm.errors import InvalidInput
from chiasm.training._config import AXES, WarmupTable, class_name, count_name, octant_name

_COLUMNS = ("images", "views", "findings", "facts")
WINDOW_GROUPS = 8
"""Row groups whose images are mixed with each other: a wholly random order would read a row group for every image."""


@dataclass(frozen=True)
class DenseSample:
    """One image and what is true of it.

    Attributes:
        image: (H, W) uint8.
        maps: By name (H, W) bool or float in [0, 1]; a name that is missing here is not known of this image.
        scalars: By name a number; a name that is missing here is not known of this image.
    """

    image: npt.NDArray[np.uint8]
    maps: Mapping[str, npt.NDArray[Any]]
    scalars: Mapping[str, float]


class DenseSource(Protocol):
    """Anything that gives the k-th dense sample, the same one each time."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def shuffled(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """All indices once, in a random order that is cheap to read."""
        ...

    def __getitem__(self, index: int) -> DenseSample:
        """The sample at `index`."""
        ...


class DenseRows:
    """The images of a dataset with the masks and facts stored in their rows, each image once.

    Args:
        shards: Parquet files with the columns images, views, findings and facts.
        table: Which maps to draw and which facts to tell; an image without a finding of a map has an empty one.
    """

    def __init__(self, shards: Sequence[Path], table: WarmupTable) -> None:
        self.table = table
        self._shards = tuple(shards)
        self._places: list[tuple[int, int, int]] = []  # (shard, row group, row)
        seen: set[str] = set()
        for shard, path in enumerate(shards):
            file = pq.ParquetFile(path)
            if not set(_COLUMNS) <= set(file.schema_arrow.names):
                msg = f"{path} lacks one of the columns {', '.join(_COLUMNS)}, so it gives no dense targets; skip the warm-up"
                raise InvalidInput(msg)
            for group in range(file.num_row_groups):
                views = file.read_row_group(group, columns=["views"]).column("views").to_pylist()
                for row, shown in enumerate(views):
                    if len(shown) == 1 and shown[0].get("change", "none") == "none" and shown[0]["sha256"] not in seen:
                        seen.add(shown[0]["sha256"])
                        self._places.append((shard, group, row))
        self._rows: dict[tuple[int, int], list[int]] = {}  # of each row group, those whose image comes first
        for shard, group, row in self._places:
            self._rows.setdefault((shard, group), []).append(row)
        self._files: dict[int, pq.ParquetFile] = {}
        self._records = lru_cache(maxsize=WINDOW_GROUPS)(self._read)

    def __len__(self) -> int:
        return len(self._places)

    def shuffled(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """All indices once: row groups in random order, and the images of each few of them mixed."""
        places = np.asarray([place[:2] for place in self._places])
        starts = np.flatnonzero(np.any(np.diff(places, axis=0), axis=1)) + 1
        groups = np.split(np.arange(len(places)), starts)
        mixed = [groups[number] for number in rng.permutation(len(groups))]
        windows = [np.concatenate(mixed[k : k + WINDOW_GROUPS]) for k in range(0, len(mixed), WINDOW_GROUPS)]
        return np.concatenate([rng.permutation(window) for window in windows]).astype(np.int64)

    def __getitem__(self, index: int) -> DenseSample:
        """The image and truth at `index`."""
        shard, group, row = self._places[index]
        record = self._records(shard, group)[row]
        with Image.open(io.BytesIO(record["images"][0]["bytes"])) as opened:
            image = np.asarray(opened.convert("L"))
        shown = [finding for finding in record["findings"] if finding["visible"] is not False]
        drawn = {name: np.zeros(image.shape, dtype=np.bool_) for name in self.table.maps}
        for finding in shown:
            if finding["term"] in drawn and finding["mask_counts"]:
                mask = Mask(size=tuple(finding["mask_size"]), counts=finding["mask_counts"])
                drawn[finding["term"]] |= mask.to_array()
        return DenseSample(image, drawn, self._numbers(shown, record["facts"]))

    def _numbers(self, shown: Sequence[Mapping[str, Any]], stored: str) -> dict[str, float]:
        facts = {fact["name"]: fact["value"] for fact in json.loads(stored)}
        terms = [finding["term"] for finding in shown]
        known = {name: float(facts[name]) for name in self.table.scalars if isinstance(facts.get(name), int | float)}
        known |= {count_name(term): float(terms.count(term)) for term in self.table.counts}
        for fact, values in self.table.classes.items():
            if facts.get(fact) in values:
                known |= {class_name(fact, value): float(facts[fact] == value) for value in values}
        return known

    def _read(self, shard: int, group: int) -> dict[int, dict[str, Any]]:
        if shard not in self._files:
            self._files[shard] = pq.ParquetFile(self._shards[shard])
        rows = self._rows[shard, group]
        taken = self._files[shard].read_row_group(group, columns=list(_COLUMNS)).take(rows).to_pylist()
        return dict(zip(rows, taken, strict=True))


def turned(sample: DenseSample, seed: np.random.SeedSequence) -> DenseSample:
    """One of the eight turned and mirrored copies of an image and its maps."""
    turns, mirror = divmod(int(np.random.default_rng(seed).integers(8)), 2)

    def move(array: Any) -> Any:
        moved = np.rot90(array, turns)
        return np.ascontiguousarray(moved[:, ::-1] if mirror else moved)

    return DenseSample(move(sample.image), {name: move(mask) for name, mask in sample.maps.items()}, sample.scalars)


def with_places(sample: DenseSample, table: WarmupTable) -> DenseSample:
    """The sample with the places that the table asks for.

    Of each known term of `octants` map and share of the field in each eighth of the image around its centre; the maps of
    `axes` where they are wanted.
    """
    maps: dict[str, npt.NDArray[Any]] = {}
    for term in table.octants:
        if term in sample.maps:
            mask = np.asarray(sample.maps[term])
            eighths = _octants(mask.shape)
            maps |= {octant_name(term, octant): mask * (eighths == octant) for octant in range(8)}
    shares = {name: float(np.mean(mask)) for name, mask in maps.items()}
    axes = dict(zip(AXES, _axes(sample.image.shape), strict=True)) if table.axes else {}
    return DenseSample(sample.image, {**sample.maps, **maps, **axes}, {**sample.scalars, **shares})


@lru_cache(maxsize=8)
def _axes(shape: tuple[int, ...]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(H, W) twice: how far from the left and from the top each pixel's middle lies, in [0, 1]."""
    down, across = ((np.arange(side, dtype=np.float32) + 0.5) / side for side in shape)
    return np.broadcast_to(across, shape), np.broadcast_to(down[:, None], shape)


@lru_cache(maxsize=8)
def _octants(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """(H, W) eighth of each pixel: 0 to the right, 2 below, as rows count downwards."""
    rows, columns = np.indices(shape)
    angle = np.arctan2(rows - (shape[0] - 1) / 2, columns - (shape[1] - 1) / 2)
    return np.asarray(np.rint(angle / (np.pi / 4)) % 8, dtype=np.int64)


def cell_shares(
    sample: DenseSample, names: Sequence[str], resized: tuple[int, int], factor_px: int, cells: int
) -> torch.Tensor:
    """(tokens, maps, cells * cells): how much of each cell each map covers, in [0, 1]; unknown maps are 0.

    Args:
        sample: Image and maps.
        names: Maps in order.
        resized: Height and width that the processor gives the image [px].
        factor_px: Side of a token's square [px].
        cells: Cells along that side.
    """
    rows, columns = resized[0] // factor_px, resized[1] // factor_px
    blank = np.zeros(sample.image.shape, dtype=np.float32)
    stacked = np.stack([np.asarray(sample.maps.get(name, blank), dtype=np.float32) for name in names])
    shares = functional.adaptive_avg_pool2d(torch.from_numpy(stacked), (rows * cells, columns * cells))
    blocks = shares.view(len(names), rows, cells, columns, cells).permute(1, 3, 0, 2, 4)
    return blocks.reshape(rows * columns, len(names), cells * cells)
