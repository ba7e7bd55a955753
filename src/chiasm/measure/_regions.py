"""The ETDRS grid around the fovea: centre, inner and outer ring, and their sectors, named by the side of the eye.

Radii (ETDRS report 10): centre disc of 1 mm diameter, inner ring 1 to 3 mm, outer ring 3 to 6 mm. Sectors are divided at the
diagonals. Images show the eye as the examiner sees it, superior up: the nasal side is on the right in a right eye (OD) and
on the left in a left eye (OS). Where the eye is unknown, horizontal sectors are called left and right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Laterality

RINGS: Final[dict[str, tuple[float, float]]] = {"centre": (0.0, 0.5), "inner": (0.5, 1.5), "outer": (1.5, 3.0)}
"""Name -> inner and outer radius [mm]."""
MIN_INSIDE: Final = 0.8
"""A region with a smaller share of its area inside the image is not reported: the rest would speak for what was not seen."""
SUPERIOR, INFERIOR = "superior", "inferior"


@dataclass(frozen=True, eq=False)
class GridRegion:
    """One region of the grid.

    Attributes:
        name: "centre", "inner", "outer", or ring and sector as in "inner.nasal".
        mask: (H, W) bool.
        inside: Share of the region's area that lies inside the image [0, 1].
    """

    name: str
    mask: NDArray[np.bool_]
    inside: float


def horizontal_names(laterality: Laterality) -> tuple[str, str]:
    """What the (left, right) side of the image is called in this eye."""
    if laterality is Laterality.OD:
        return "temporal", "nasal"
    if laterality is Laterality.OS:
        return "nasal", "temporal"
    return "left", "right"


def sector_of(point: tuple[float, float], fovea: tuple[float, float], laterality: Laterality) -> str:
    """The sector of a point (row, col) seen from the fovea (row, col): superior, inferior and the eye's horizontal names."""
    down, right = point[0] - fovea[0], point[1] - fovea[1]
    left_name, right_name = horizontal_names(laterality)
    if abs(down) >= abs(right):
        return SUPERIOR if down < 0 else INFERIOR
    return left_name if right < 0 else right_name


def etdrs_grid(
    shape: tuple[int, int], mm_per_px: float, fovea: tuple[float, float], laterality: Laterality
) -> tuple[GridRegion, ...]:
    """Every region of the grid that has some area inside the image.

    Args:
        shape: (rows, cols) of the image.
        mm_per_px: Size of a pixel [mm].
        fovea: (row, col), continuous pixel coordinates: the centroid of the FAZ.
        laterality: Names the horizontal sectors.
    """
    down = ((np.arange(shape[0]) + 0.5 - fovea[0]) * mm_per_px)[:, None]
    right = ((np.arange(shape[1]) + 0.5 - fovea[1]) * mm_per_px)[None, :]
    radius2 = down**2 + right**2
    vertical = np.abs(down) >= np.abs(right)
    left_name, right_name = horizontal_names(laterality)
    sectors = {
        SUPERIOR: vertical & (down < 0),
        INFERIOR: vertical & (down >= 0),
        left_name: ~vertical & (right < 0),
        right_name: ~vertical & (right >= 0),
    }
    regions = []
    for ring, (inner, outer) in RINGS.items():
        mask = (radius2 >= inner**2) & (radius2 < outer**2)
        if not mask.any():
            continue
        full_px = math.pi * (outer**2 - inner**2) / mm_per_px**2
        regions.append(GridRegion(ring, mask, min(1.0, float(mask.sum()) / full_px)))
        if ring == "centre":
            continue
        for sector, part in sectors.items():
            piece = mask & part
            regions.append(GridRegion(f"{ring}.{sector}", piece, min(1.0, 4 * float(piece.sum()) / full_px)))
    return tuple(regions)
