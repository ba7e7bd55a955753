"""Small tables of text beside images: CSV, and the first sheet of an Excel file, without a spreadsheet library."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from chiasm.errors import InvalidInput

_MAX_BYTES: Final = 64 * 1024 * 1024
_NS: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_table(path: str | Path, *, required: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Rows of a .csv (UTF-8) or .xlsx file (first sheet) as text, keyed by its header; empty rows are dropped.

    Raises:
        InvalidInput: Missing, unreadable, a header without `required` columns, or a name twice in the header.
    """
    path = Path(path)
    if not path.is_file():
        msg = f"table {path} does not exist"
        raise InvalidInput(msg)
    if path.stat().st_size > _MAX_BYTES:
        msg = f"a table must be <= {_MAX_BYTES} bytes, got {path.stat().st_size} ({path})"
        raise InvalidInput(msg)
    rows = _read_xlsx(path) if path.suffix.lower() == ".xlsx" else _read_csv(path)
    if not rows:
        msg = f"table {path} is empty"
        raise InvalidInput(msg)
    header = [cell.strip() for cell in rows[0]]
    missing = [name for name in required if name not in header]
    if missing:
        msg = f"table {path} lacks the columns {missing}; it has {header}"
        raise InvalidInput(msg)
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        msg = f"table {path} names a column twice: {header}"
        raise InvalidInput(msg)
    padded = ([*row, *[""] * (len(header) - len(row))] for row in rows[1:])
    return [{name: cell.strip() for name, cell in zip(header, row, strict=False) if name} for row in padded if any(row)]


def _read_csv(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a readable UTF-8 CSV file: {error}"
        raise InvalidInput(msg) from error


def _read_xlsx(path: Path) -> list[list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            shared = _shared_strings(archive)
            sheets = sorted(n for n in archive.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", n))
            if not sheets:
                msg = f"{path} holds no worksheet"
                raise InvalidInput(msg)
            first = "xl/worksheets/sheet1.xml"
            root = _xml(archive, first if first in sheets else sheets[0])
    except (zipfile.BadZipFile, ElementTree.ParseError, OSError, KeyError) as error:
        msg = f"{path} is not a readable .xlsx file: {error}; export it as CSV"
        raise InvalidInput(msg) from error
    rows: list[list[str]] = []
    for row in root.iter(f"{_NS}row"):
        cells: list[str] = []
        for cell in row.iter(f"{_NS}c"):
            column = _column(cell.get("r"), len(cells))
            cells += [""] * (column - len(cells))
            cells.append(_cell_text(cell, shared, path))
        rows.append(cells)
    return rows


def _xml(archive: zipfile.ZipFile, member: str) -> ElementTree.Element:
    if archive.getinfo(member).file_size > _MAX_BYTES:
        msg = f"{member} unpacks to more than {_MAX_BYTES} bytes"
        raise InvalidInput(msg)
    data = archive.read(member)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        msg = f"{member} declares XML entities, which a worksheet never needs"
        raise InvalidInput(msg)
    return ElementTree.fromstring(data)


def _shared_strings(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    root = _xml(archive, "xl/sharedStrings.xml")
    return ["".join(t.text or "" for t in item.iter(f"{_NS}t")) for item in root.iter(f"{_NS}si")]


def _column(reference: str | None, default: int) -> int:
    letters = re.match(r"[A-Z]{1,3}", reference or "")
    if letters is None:
        return default
    number = 0
    for letter in letters.group():
        number = number * 26 + ord(letter) - 64
    return number - 1


def _cell_text(cell: ElementTree.Element, shared: list[str], path: Path) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(t.text or "" for t in cell.iter(f"{_NS}t"))
    value = cell.find(f"{_NS}v")
    text = value.text or "" if value is not None else ""
    if kind == "s" and text:
        index = int(text)
        if not 0 <= index < len(shared):
            msg = f"{path}: cell {cell.get('r')} points to shared string {index} of {len(shared)}"
            raise InvalidInput(msg)
        return shared[index]
    # A number is stored as 10301 or 10301.0; an identifier must read the same both ways.
    return text.removesuffix(".0") if kind == "n" else text
