"""The pixel budget: how an image's size changes on its way into a model, said before it happens.

Qwen's processors bring both sides to a multiple of 32 px and the area between two bounds, and say nothing when that
shrinks the image. A microaneurysm of 20 um is two pixels wide at 10 um/px; halved, it is gone. So every image is checked
here first, and one that would lose more than the stated share of its resolution is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from chiasm.errors import InvalidInput

LEAST_SCALE: Final = 0.94
"""Smallest accepted ratio of processed to given side. 400 px become 384 (0.96) by rounding to 32 px; more is loss."""


@dataclass(frozen=True)
class PixelBudget:
    """How a processor resizes.

    Attributes:
        factor_px: Sides become multiples of this [px].
        min_pixels: Smallest area after resizing [px].
        max_pixels: Largest area after resizing [px].
        least_scale: Smallest accepted ratio of processed to given side, (0, 1].
    """

    factor_px: int
    min_pixels: int
    max_pixels: int
    least_scale: float = LEAST_SCALE

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the processor's resizing [px]."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        rows, columns = smart_resize(height, width, self.factor_px, self.min_pixels, self.max_pixels)
        return int(rows), int(columns)

    def tokens(self, height: int, width: int) -> int:
        """Number of language tokens that an image takes."""
        rows, columns = self.resized(height, width)
        return rows * columns // self.factor_px**2

    def check(self, images: Sequence[Image.Image], where: str) -> None:
        """Refuse images that would be shrunk past the limit.

        Raises:
            InvalidInput: With both sizes and what to do.
        """
        for image in images:
            self.check_size(image.height, image.width, where)

    def check_size(self, height: int, width: int, where: str) -> None:
        """As `check`, for one image's size [px]."""
        rows, columns = self.resized(height, width)
        scale = min(rows / height, columns / width)
        if scale < self.least_scale:
            msg = (
                f"an image of {height}x{width} px would be shrunk to {rows}x{columns} (x{scale:.2f}, limit "
                f"x{self.least_scale}; {where}), which erases small lesions: the budget is {self.max_pixels} px. "
                "Crop it, resample it yourself to the spacing the model was trained on, or raise the budget"
            )
            raise InvalidInput(msg)


def budget_of(processor: Any) -> PixelBudget | None:
    """The budget of a Qwen-type processor; None for processors that resize by rules of their own."""
    images = processor.image_processor
    return budget_of_images(images) if type(images).__name__.startswith("Qwen") else None


def budget_of_images(images: Any) -> PixelBudget:
    """The budget of a Qwen-type image processor."""
    size = images.size
    return PixelBudget(images.patch_size * images.merge_size, size["shortest_edge"], size["longest_edge"])
