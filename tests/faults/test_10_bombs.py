"""Fault 10: decompression bombs and depth bombs are refused from the header, before anything is decoded."""

from __future__ import annotations

import struct
import time
import zlib

import pytest

from chiasm.case import Case, read_cases, text_to_counts
from chiasm.errors import InvalidInput
from chiasm.sources import load_image


def huge_png(width: int, height: int) -> bytes:
    """A valid PNG of zeros whose header claims so many pixels, in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * min((width + 1) * height, 10**7), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000, 2_000_000])
def test_huge_images_are_refused_at_once(side):
    data = huge_png(side, side)
    assert len(data) < 20_000
    start = time.monotonic()
    with pytest.raises(InvalidInput, match="more than 50000000"):
        load_image(data)
    assert time.monotonic() - start < 1


def test_the_limit_is_a_setting():
    with pytest.raises(InvalidInput, match="more than 900"):
        load_image(huge_png(31, 31), max_pixels=900)
    assert load_image(huge_png(30, 30), max_pixels=900).pixels.shape == (30, 30)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"schema_version":1,"a":' * 50_000])
def test_deeply_nested_cases_are_refused(text):
    with pytest.raises(InvalidInput, match="must be JSON"):
        Case.from_json(text)


def test_run_lengths_cannot_grow_without_bound():
    with pytest.raises(InvalidInput, match="at most 7 characters"):
        text_to_counts("o" * 100_000)


def test_a_folder_is_no_parquet_file(tmp_path):
    with pytest.raises(InvalidInput):
        list(read_cases(tmp_path))
