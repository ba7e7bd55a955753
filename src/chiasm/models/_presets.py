"""The shapes of the models that Chiasm builds from nothing, and the numbers behind them.

Both presets are ordinary Qwen3-VL configurations, only smaller: a vision transformer on 16 px patches, a merger that
joins 2 x 2 patches into one language token, one deepstack branch, and a decoder with interleaved rotary positions. So
one merged token covers 32 x 32 px: an en-face image of 304 x 304 px (3 mm) is 10 x 10 = 100 tokens, one of 400 x 400 px
(6 mm) is 12 x 12 = 144.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chiasm.errors import InvalidInput, UnknownName

PATCH_PX: Final = 16
MERGE: Final = 2
FACTOR_PX: Final = PATCH_PX * MERGE
"""Side of the square that one language token stands for [px]; image sides are brought to a multiple of it."""


@dataclass(frozen=True)
class VisionShape:
    """The vision tower.

    Attributes:
        depth: Transformer blocks.
        hidden: Width of a patch token.
        mlp: Width inside a block's feed-forward part.
        heads: Attention heads; hidden must divide by 4 * heads (two axes of rotary positions, in pairs).
        deepstack: Blocks whose output is also handed to the first language layers.
        grid_side: Side of the learned grid of positions, interpolated to the image's own grid of patches.
    """

    depth: int
    hidden: int
    mlp: int
    heads: int
    deepstack: tuple[int, ...]
    grid_side: int


@dataclass(frozen=True)
class TextShape:
    """The language model.

    Attributes:
        depth: Decoder layers.
        hidden: Width of a token.
        mlp: Width inside the gated feed-forward part.
        heads: Query heads.
        kv_heads: Key and value heads; divides heads.
        head_dim: Width of one head; even.
        max_positions: Longest sequence in tokens, image tokens included.
    """

    depth: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    max_positions: int


@dataclass(frozen=True)
class ModelPreset:
    """One buildable model.

    Attributes:
        name: How the command line calls it.
        vision: The vision tower.
        text: The language model.
        vocabulary: Upper bound on the tokenizer's size.
        min_pixels: Smaller images are enlarged to at least this area [px].
        max_pixels: The pixel budget: no image of a larger area is taken without being told so [px].
    """

    name: str
    vision: VisionShape
    text: TextShape
    vocabulary: int
    min_pixels: int
    max_pixels: int

    def __post_init__(self) -> None:
        if self.vision.hidden % (4 * self.vision.heads):
            msg = (
                f"vision hidden {self.vision.hidden} must divide by 4 x {self.vision.heads} heads (preset {self.name})"
            )
            raise InvalidInput(msg)
        if self.text.heads % self.text.kv_heads or self.text.head_dim % 2:
            msg = f"kv_heads must divide heads and head_dim must be even, got {self.text} (preset {self.name})"
            raise InvalidInput(msg)
        if any(not 0 <= index < self.vision.depth for index in self.vision.deepstack):
            msg = f"deepstack blocks must lie in 0..{self.vision.depth - 1}, got {self.vision.deepstack}"
            raise InvalidInput(msg)


NANO: Final = ModelPreset(
    name="nano",
    vision=VisionShape(depth=4, hidden=160, mlp=480, heads=5, deepstack=(1,), grid_side=20),
    text=TextShape(depth=4, hidden=192, mlp=512, heads=4, kv_heads=2, head_dim=48, max_positions=4096),
    vocabulary=2048,
    min_pixels=32 * 32,
    max_pixels=512 * 512,
)
SMALL: Final = ModelPreset(
    name="small",
    vision=VisionShape(depth=10, hidden=448, mlp=1344, heads=7, deepstack=(2, 5, 8), grid_side=24),
    text=TextShape(depth=10, hidden=640, mlp=1728, heads=10, kv_heads=5, head_dim=64, max_positions=8192),
    vocabulary=4096,
    min_pixels=32 * 32,
    max_pixels=1024 * 1024,
)
TINY: Final = ModelPreset(
    name="tiny",
    vision=VisionShape(depth=2, hidden=32, mlp=64, heads=2, deepstack=(0,), grid_side=8),
    text=TextShape(depth=2, hidden=48, mlp=96, heads=2, kv_heads=1, head_dim=24, max_positions=2048),
    vocabulary=640,
    min_pixels=32 * 32,
    max_pixels=128 * 128,
)
"""A shape for tests: every part present, nothing learned well."""

PRESETS: Final = {preset.name: preset for preset in (NANO, SMALL, TINY)}


def preset_named(name: str) -> ModelPreset:
    """Look a preset up; an unknown name is refused with the nearest one."""
    if name not in PRESETS:
        raise UnknownName("model preset", name, PRESETS)
    return PRESETS[name]


def rotary_sections(head_dim: int) -> list[int]:
    """Split half a head's width into the time, row and column parts of Qwen's multi-axis rotary positions.

    Row and column get even, equal parts; time takes the rest (24, 20, 20 for the published 128).
    """
    half = head_dim // 2
    axis = half // 3 // 2 * 2
    return [half - 2 * axis, axis, axis]
