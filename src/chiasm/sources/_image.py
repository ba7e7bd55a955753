"""One loader for every image file, with an explicit contract.

`load_image` returns uint8 pixels, (H, W) or (H, W, 3), row 0 at the top, exactly as a viewer shows them, and says what it had
to convert. What cannot be converted without guessing is refused:

- file missing, empty, truncated, not an image, of a format outside `FORMATS`, or with several frames: refused;
- larger than `max_pixels` by its header: refused before any pixel is decoded;
- EXIF orientation: applied; palette: looked up; 1-bit: 0 and 255; alpha: dropped where opaque, else laid over black;
- colour asked for as grey: equal channels are taken as they are, others by ITU-R 601 luma;
- 16-bit: divided by 257 when the values use the upper four bits; smaller values are ambiguous (12-bit data in a 16-bit
  file?) and refused unless `window` says which values are black and white; 32-bit and float always need `window`.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from chiasm.errors import InvalidInput

FORMATS: Final = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
MAX_PIXELS: Final = 50_000_000
"""50 megapixels: ten times the largest en face scan, and below Pillow's own alarm at 89."""
MAX_BYTES: Final = 256 * 1024 * 1024
_DEEP_MODES: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_TOP_BITS: Final = 4096
"""A 16-bit image with no value at or above this could as well hold 12-bit data."""


class LoadedImage(NamedTuple):
    """Pixels as shown, and what was done to get them."""

    pixels: NDArray[np.uint8]
    """(H, W) for channels="grey", (H, W, 3) for "rgb"; 0 to 255; read-only."""
    notes: tuple[str, ...]
    """Every conversion that changed values or places, in words; empty for a plain 8-bit file."""
    sha256: str
    """Of the file's bytes."""


def load_image(
    source: str | Path | bytes,
    *,
    channels: Literal["grey", "rgb"] = "grey",
    window: tuple[float, float] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> LoadedImage:
    """Read one image file.

    Args:
        source: A path, or the file's bytes.
        channels: "grey" for (H, W), "rgb" for (H, W, 3).
        window: (black, white): stored values that become 0 and 255; values outside are clipped. Needed for deep images
            whose range cannot be known; refused for 8-bit ones, whose range is known.
        max_pixels: Refuse images with more pixels than this.

    Raises:
        InvalidInput: See the module's contract.
    """
    name = "image bytes" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    if window is not None and not window[0] < window[1]:
        msg = f"window must be (black, white) with black < white, got {window}"
        raise InvalidInput(msg)
    notes: list[str] = []
    with _open(data, name, max_pixels) as image:
        try:
            image.load()
        except (OSError, SyntaxError, ValueError) as error:
            msg = f"{name} is cut or damaged: {error}; fetch the file again"
            raise InvalidInput(msg) from error
        upright = ImageOps.exif_transpose(image)
        if image.getexif().get(0x0112, 1) != 1:
            notes.append("turned upright by its EXIF orientation")
        pixels = _to_uint8(upright, name, window, notes)
    pixels = _to_grey(pixels, notes) if channels == "grey" else _to_rgb(pixels)
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return LoadedImage(pixels, tuple(notes), hashlib.sha256(data).hexdigest())


def load_mask(source: str | Path, *, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Read a binary mask: (H, W) bool. The file must hold 0 and one other value.

    Raises:
        InvalidInput: More than two values, or not of `shape`.
    """
    pixels = load_image(source).pixels
    values = np.unique(pixels)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        msg = f"a binary mask must hold 0 and one other value, got {values[:6].tolist()} ({source})"
        raise InvalidInput(msg)
    if shape is not None and pixels.shape != shape:
        msg = f"a mask must have its image's size {shape}, got {pixels.shape} ({source})"
        raise InvalidInput(msg)
    return np.asarray(pixels > 0)


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        msg = f"image file {path} does not exist"
        raise InvalidInput(msg)
    size = path.stat().st_size
    if size > MAX_BYTES:
        msg = f"image file must be <= {MAX_BYTES} bytes, got {size} ({path})"
        raise InvalidInput(msg)
    return path.read_bytes()


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    if not data:
        msg = f"{name} is empty (0 bytes)"
        raise InvalidInput(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        msg = f"{name} has more than {max_pixels} pixels: {error}; crop or shrink it, or raise max_pixels"
        raise InvalidInput(msg) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        start = data[:64].lstrip().lower()
        hint = " (it is a web page, perhaps a failed download)" if start.startswith((b"<!doctype", b"<html")) else ""
        msg = f"{name} is not a readable image of a known format ({', '.join(FORMATS)}){hint}"
        raise InvalidInput(msg) from error
    width, height = image.size
    if width * height > max_pixels:
        size = f"{height} x {width} = {width * height} pixels"
        msg = f"{name} is {size}, more than {max_pixels}; crop or shrink it, or raise max_pixels"
        raise InvalidInput(msg)
    n_frames = int(getattr(image, "n_frames", 1))
    if n_frames != 1:
        msg = f"{name} holds {n_frames} frames; save the wanted one as an image of its own"
        raise InvalidInput(msg)
    return image


def _to_uint8(image: Image.Image, name: str, window: tuple[float, float] | None, notes: list[str]) -> NDArray[np.uint8]:
    if image.mode in _DEEP_MODES or image.mode in ("I", "F"):
        return _deep_to_uint8(image, name, window, notes)
    if window is not None:
        msg = f"window applies to images deeper than 8 bits; {name} is 8-bit (mode {image.mode})"
        raise InvalidInput(msg)
    if image.mode == "1":
        notes.append("1-bit values taken as 0 and 255")
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA"):
        notes.append("palette looked up")
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "RGBA"):
        return _drop_alpha(np.asarray(image), notes)
    if image.mode == "CMYK":
        notes.append("CMYK converted to RGB")
        image = image.convert("RGB")
    if image.mode not in ("L", "RGB"):
        msg = (
            f"{name} has pixel mode {image.mode}, which cannot be shown without guessing; save it as 8-bit grey or RGB"
        )
        raise InvalidInput(msg)
    return np.asarray(image)


def _deep_to_uint8(
    image: Image.Image, name: str, window: tuple[float, float] | None, notes: list[str]
) -> NDArray[np.uint8]:
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        msg = f"{name} holds values that are not finite"
        raise InvalidInput(msg)
    if window is None:
        if image.mode not in _DEEP_MODES or values.max() < _TOP_BITS:
            top = float(values.max())
            msg = (
                f"{name} is deeper than 8 bits (mode {image.mode}) with values {values.min():g} to {top:g}, so its black and "
                "white are not known; pass window=(black, white)"
            )
            raise InvalidInput(msg)
        notes.append("16-bit values divided by 257")
        return np.asarray(np.round(values / 257), dtype=np.uint8)
    black, white = window
    notes.append(f"window {black:g} to {white:g} mapped to 0 to 255")
    return np.asarray(np.round(np.clip((values - black) / (white - black), 0, 1) * 255), dtype=np.uint8)


def _drop_alpha(pixels: NDArray[np.uint8], notes: list[str]) -> NDArray[np.uint8]:
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    if (alpha == 255).all():
        notes.append("opaque alpha channel dropped")
    else:
        notes.append("alpha laid over black")
        colour = np.round(colour.astype(np.float64) * alpha / 255).astype(np.uint8)
    return colour[..., 0] if colour.shape[-1] == 1 else colour


def _to_grey(pixels: NDArray[np.uint8], notes: list[str]) -> NDArray[np.uint8]:
    if pixels.ndim == 2:
        return pixels
    if (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    notes.append("colour converted to grey by ITU-R 601 luma")
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _to_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
