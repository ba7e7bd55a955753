"""The image loader's contract, clause by clause."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.errors import InvalidInput
from chiasm.sources import load_image, load_mask


@pytest.fixture
def letter_f() -> np.ndarray:
    """An F: no flip, transpose or rotation maps it to itself."""
    f = np.zeros((12, 9), dtype=np.uint8)
    f[1:11, 1:3] = 250
    f[1:3, 1:8] = 250
    f[5:7, 1:6] = 250
    return f


def save(pixels: np.ndarray | Image.Image, path: Path, **options: object) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_letter_f_is_neither_flipped_nor_transposed(letter_f: np.ndarray, tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    loaded = load_image(save(letter_f, tmp_path / f"f.{suffix}", **options))
    np.testing.assert_array_equal(loaded.pixels, letter_f)
    assert loaded.pixels.dtype == np.uint8
    if suffix != "webp":
        assert loaded.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(letter_f: np.ndarray, tmp_path: Path, orientation: int) -> None:
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(np.ascontiguousarray(undo(letter_f)), tmp_path / "f.png", exif=exif)
    loaded = load_image(path)
    np.testing.assert_array_equal(loaded.pixels, letter_f)
    assert bool(loaded.notes) == (orientation != 1)


def test_palette_gives_the_colours_shown(letter_f: np.ndarray, tmp_path: Path) -> None:
    indexed = Image.fromarray((letter_f > 0).astype(np.uint8), mode=None).convert("P")
    indexed.putpalette([250, 250, 250, 0, 0, 0] + [0] * 762)
    loaded = load_image(save(indexed, tmp_path / "p.png"))
    np.testing.assert_array_equal(loaded.pixels, np.where(letter_f > 0, 0, 250))
    assert "palette looked up" in loaded.notes


def test_opaque_alpha_is_dropped_and_other_alpha_laid_over_black(letter_f: np.ndarray, tmp_path: Path) -> None:
    rgba = np.dstack([letter_f] * 3 + [np.full_like(letter_f, 255)])
    loaded = load_image(save(rgba, tmp_path / "a.png"))
    np.testing.assert_array_equal(loaded.pixels, letter_f)
    assert loaded.notes == ("opaque alpha channel dropped",)
    rgba[..., 3] = 51
    loaded = load_image(save(rgba, tmp_path / "b.png"))
    np.testing.assert_array_equal(loaded.pixels, np.round(letter_f * 0.2))
    assert loaded.notes == ("alpha laid over black",)


def test_equal_channels_become_grey_exactly_and_colour_by_luma(letter_f: np.ndarray, tmp_path: Path) -> None:
    loaded = load_image(save(np.dstack([letter_f] * 3), tmp_path / "g.png"))
    np.testing.assert_array_equal(loaded.pixels, letter_f)
    assert loaded.notes == ()
    red = np.dstack([letter_f, letter_f * 0, letter_f * 0])
    loaded = load_image(save(red, tmp_path / "r.png"))
    assert loaded.pixels.max() == round(250 * 0.299)
    assert "luma" in loaded.notes[0]
    assert load_image(save(red, tmp_path / "r.png"), channels="rgb").pixels.shape == (12, 9, 3)


def test_sixteen_bit_is_divided_by_257_when_it_uses_the_top_bits(letter_f: np.ndarray, tmp_path: Path) -> None:
    loaded = load_image(save(letter_f.astype(np.uint16) * 257, tmp_path / "d.png"))
    np.testing.assert_array_equal(loaded.pixels, letter_f)
    assert "257" in loaded.notes[0]


def test_sixteen_bit_with_small_values_is_refused_without_a_window(letter_f: np.ndarray, tmp_path: Path) -> None:
    path = save(letter_f.astype(np.uint16) * 16, tmp_path / "d.png")
    with pytest.raises(InvalidInput, match="window"):
        load_image(path)
    np.testing.assert_array_equal(load_image(path, window=(0, 255 * 16)).pixels, letter_f)


def test_window_clips_and_is_refused_for_eight_bits(letter_f: np.ndarray, tmp_path: Path) -> None:
    path = save(np.float32([[-1, 0, 0.5, 1, 2]]), tmp_path / "x.tif")
    with pytest.raises(InvalidInput, match="window"):
        load_image(path)
    np.testing.assert_array_equal(load_image(path, window=(0, 1)).pixels, [[0, 0, 128, 255, 255]])
    with pytest.raises(InvalidInput, match="8-bit"):
        load_image(save(letter_f, tmp_path / "f.png"), window=(0, 100))
    with pytest.raises(InvalidInput, match="black < white"):
        load_image(path, window=(1, 1))


def test_float_with_nan_is_refused(tmp_path: Path) -> None:
    path = save(np.float32([[0, np.nan]]), tmp_path / "x.tif")
    with pytest.raises(InvalidInput, match="not finite"):
        load_image(path, window=(0, 1))


def test_one_bit_becomes_black_and_white(letter_f: np.ndarray, tmp_path: Path) -> None:
    loaded = load_image(save(letter_f > 0, tmp_path / "b.png"))
    assert set(np.unique(loaded.pixels)) == {0, 255}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"not an image at all", "not a readable image"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"\x89PNG\r\n\x1a\n", "not a readable image"),
    ],
)
def test_non_images_are_refused_with_their_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        load_image(path)
    assert "x.png" in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = save(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8), tmp_path / f"x.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidInput, match=r"cut or damaged|not a readable image"):
        load_image(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        load_image(tmp_path / "none.png")


def bomb(side: int) -> bytes:
    """A valid PNG header that promises side x side pixels, and nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7_200, 11_000, 20_000, 100_000])
def test_huge_images_are_refused_by_their_header(side: int) -> None:
    with pytest.raises(InvalidInput, match="pixels"):
        load_image(bomb(side))


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), v) for v in (0, 255)]
    frames[0].save(tmp_path / "x.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(InvalidInput, match="2 frames"):
        load_image(tmp_path / "x.tif")


def test_bytes_and_path_agree_and_pixels_are_read_only(letter_f: np.ndarray, tmp_path: Path) -> None:
    path = save(letter_f, tmp_path / "f.png")
    by_path, by_bytes = load_image(path), load_image(path.read_bytes())
    assert by_path.sha256 == by_bytes.sha256
    with pytest.raises(ValueError, match="read-only"):
        by_path.pixels[0, 0] = 1


def test_masks_must_be_binary_and_of_the_images_size(letter_f: np.ndarray, tmp_path: Path) -> None:
    path = save(letter_f, tmp_path / "m.png")
    np.testing.assert_array_equal(load_mask(path), letter_f > 0)
    with pytest.raises(InvalidInput, match="size"):
        load_mask(path, shape=(9, 12))
    letter_f[0, 0] = 7
    with pytest.raises(InvalidInput, match="one other value"):
        load_mask(save(letter_f, tmp_path / "m.png"))
    buffer = io.BytesIO()
    Image.fromarray(np.full((3, 3), 255, np.uint8)).save(buffer, "PNG")
    (tmp_path / "full.png").write_bytes(buffer.getvalue())
    assert load_mask(tmp_path / "full.png").all()
