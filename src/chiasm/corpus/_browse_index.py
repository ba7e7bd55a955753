"""What the browser needs to filter and fetch rows quickly: a small table in memory, the rows themselves left in Parquet."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chiasm.corpus._dataset import DataSet, open_parquet
from chiasm.corpus._schema import ITEMS
from chiasm.errors import InvalidInput

FILTERS: Final = ("split", "stage", "program", "level", "form")
"""Columns with few values, one of which may be asked for."""
_GROUPS_KEPT: Final = 6
_RESULTS_KEPT: Final = 32


class BrowseIndex:
    """An index of a data set's rows.

    Args:
        data: A data set with our columns.

    Raises:
        InvalidInput: It has other columns.
    """

    def __init__(self, data: DataSet) -> None:
        self._paths: list[Path] = []
        self._groups: list[tuple[int, int, int]] = []  # (file, row group, first row of the set)
        tables, terms = [], []
        start = 0
        for file in data.files:
            with open_parquet(file.path) as parquet:
                missing = set(ITEMS.names) - set(parquet.schema_arrow.names)
                if missing:
                    msg = f"{file.path} lacks the columns {sorted(missing)}: only data sets made by `chiasm build` can be browsed"
                    raise InvalidInput(msg)
                for group in range(parquet.num_row_groups):
                    self._groups.append((len(self._paths), group, start))
                    start += parquet.metadata.row_group(group).num_rows
                    tables.append(parquet.read_row_group(group, columns=[*FILTERS, "item_id", "case_id"]))
                    terms.append(_visible_terms(parquet, group))
            self._paths.append(file.path)
        self.size = start
        self._table = pa.concat_tables(tables).combine_chunks()
        self.values = {name: sorted(pc.unique(self._table[name]).to_pylist()) for name in FILTERS}
        self.terms = sorted({term for found in terms for term in found})
        sizes = [len(table) for table in tables]
        self._has_term = {term: _flags(terms, term, sizes) for term in self.terms}
        self._codes = {name: _codes(self._table[name], self.values[name]) for name in FILTERS}
        self._results: OrderedDict[tuple[tuple[str, str], ...], NDArray[np.int64]] = OrderedDict()
        self._read: OrderedDict[int, pa.Table] = OrderedDict()
        self._guard = threading.Lock()

    def select(self, wanted: Mapping[str, str]) -> NDArray[np.int64]:
        """Numbers of the rows that fit, in order.

        Args:
            wanted: Values by a name of `FILTERS`, `finding` (a term visible in the images) or `text` (part of an id);
                empty values ask for nothing.
        """
        key = tuple(sorted((k, v) for k, v in wanted.items() if v))
        with self._guard:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        fits = np.ones(self.size, dtype=bool)
        for name, value in key:
            if name == "finding":
                fits &= self._has_term.get(value, np.zeros(self.size, dtype=bool))
            elif name == "text":
                either = [pc.match_substring(self._table[c], value, ignore_case=True) for c in ("item_id", "case_id")]
                fits &= pc.or_(*either).to_numpy(zero_copy_only=False)
            else:
                fits &= self._codes[name] == (self.values[name].index(value) if value in self.values[name] else -1)
        rows = np.flatnonzero(fits)
        with self._guard:
            self._results[key] = rows
            if len(self._results) > _RESULTS_KEPT:
                self._results.popitem(last=False)
        return rows

    def brief(self, number: int) -> dict[str, str]:
        """The short columns of a row."""
        row: dict[str, str] = self._table.slice(number, 1).to_pylist()[0]
        return row

    def row(self, number: int) -> dict[str, Any]:
        """A whole row; its row group is read, and kept for its neighbours.

        Raises:
            IndexError: There is no such row.
        """
        if not 0 <= number < self.size:
            raise IndexError(number)
        starts = [start for _, _, start in self._groups]
        place = int(np.searchsorted(starts, number, side="right")) - 1
        with self._guard:
            table = self._read.get(place)
            if table is None:
                file, group, _ = self._groups[place]
                with open_parquet(self._paths[file]) as parquet:
                    table = parquet.read_row_group(group)
                self._read[place] = table
                if len(self._read) > _GROUPS_KEPT:
                    self._read.popitem(last=False)
            self._read.move_to_end(place)
        row: dict[str, Any] = table.slice(number - starts[place], 1).to_pylist()[0]
        return row


def _visible_terms(parquet: pq.ParquetFile, group: int) -> dict[str, NDArray[np.int64]]:
    """For each term, the rows of the group that show a visible finding of it."""
    columns = ["findings.list.element.term", "findings.list.element.visible"]
    findings = parquet.read_row_group(group, columns=columns)["findings"].combine_chunks()
    parents = pc.list_parent_indices(findings).to_numpy()
    flat = findings.flatten()
    visible = pc.fill_null(flat.field("visible"), False).to_numpy(zero_copy_only=False)
    encoded = flat.field("term").dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return {
        term: np.unique(parents[visible & (codes == code)])
        for code, term in enumerate(encoded.dictionary.to_pylist())
        if (visible & (codes == code)).any()
    }


def _flags(found: list[dict[str, NDArray[np.int64]]], term: str, sizes: list[int]) -> NDArray[np.bool_]:
    """(rows of the set,) whether a row shows the term, from each row group's list."""
    parts = [np.zeros(size, dtype=bool) for size in sizes]
    for part, rows in zip(parts, found, strict=True):
        part[rows.get(term, [])] = True
    return np.concatenate(parts)


def _codes(column: pa.ChunkedArray, values: list[str]) -> NDArray[np.int16]:
    places = pc.index_in(column, value_set=pa.array(values, pa.string()))
    return np.asarray(places.to_numpy(zero_copy_only=False), dtype=np.int16)
