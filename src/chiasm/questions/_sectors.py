"""Directions and rings relative to a reference point, and how far a place is from the next one.

Sectors are 45 degrees wide and centred on the eight directions, named as they appear in the image; angles run counter-clockwise
from the right, atan2(-(row - row0), col - col0), as in SVR. Rings follow the usual radii of the macula: foveal within 0.5 mm,
parafoveal to 1.5 mm, perifoveal beyond.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

SECTORS: Final = ("right", "upper right", "upper", "upper left", "left", "lower left", "lower", "lower right")
QUADRANTS: Final = ("upper right", "upper left", "lower left", "lower right")
RINGS: Final = ("foveal", "parafoveal", "perifoveal")
RING_MM: Final = (0.5, 1.5)
ANATOMICAL: Final = (
    "nasal",
    "superonasal",
    "superior",
    "superotemporal",
    "temporal",
    "inferotemporal",
    "inferior",
    "inferonasal",
)
"""Names of `SECTORS` in a right eye, seen as the examiner sees it: nasal is to the right of the image."""


PlaceNames = Literal["sector", "quadrant", "ring"]


class Placed(NamedTuple):
    """A name of a place, and how safely the point lies in it."""

    name: str
    margin: float
    """Distance to the nearest border: as a share of half the sector's width, or of the ring's border radius."""


def angle_deg(row: float, col: float, centre: tuple[float, float]) -> float:
    """Angle of a point around the centre, in [0, 360), counter-clockwise from the right of the image."""
    return math.degrees(math.atan2(-(row - centre[0]), col - centre[1])) % 360


def sector_of(angle: float) -> Placed:
    """The 45-degree sector of an angle."""
    index = round(angle / 45) % 8
    off = abs((angle - index * 45 + 180) % 360 - 180)
    return Placed(SECTORS[index], 1 - off / 22.5)


def quadrant_of(angle: float) -> Placed:
    """The 90-degree quadrant of an angle; borders are the horizontal and the vertical through the centre."""
    index = int(angle // 90) % 4
    return Placed(QUADRANTS[index], 1 - abs(angle % 90 - 45) / 45)


def ring_of(distance_mm: float) -> Placed:
    """The ring of a distance from the fovea."""
    index = sum(distance_mm >= r for r in RING_MM)
    return Placed(RINGS[index], min(abs(distance_mm - r) / r for r in RING_MM))


def possible_places(angle: float, distance_mm: float, names: PlaceNames, slack: float) -> set[str]:
    """Names of the places that a point may lie in, if it is off by a share of half a sector, or of its distance."""
    if names == "ring":
        return {ring_of(distance_mm * (1 + side * slack / 2)).name for side in (-1, 0, 1)}
    width, name = (22.5, sector_of) if names == "sector" else (45.0, quadrant_of)
    return {name((angle + side * slack * width) % 360).name for side in (-1, 0, 1)}


def quadrant_counts(
    rows: NDArray[np.float64], cols: NDArray[np.float64], centre: tuple[float, float]
) -> dict[str, int]:
    """How many points lie in each quadrant.

    Args:
        rows: (N,) continuous pixel coordinates.
        cols: (N,) likewise.
        centre: (row, col) of the reference.
    """
    up, right = rows < centre[0], cols >= centre[1]
    return {
        "upper right": int(np.count_nonzero(up & right)),
        "upper left": int(np.count_nonzero(up & ~right)),
        "lower left": int(np.count_nonzero(~up & ~right)),
        "lower right": int(np.count_nonzero(~up & right)),
    }


def anatomical(sector: str, laterality: Literal["OD", "OS"]) -> str:
    """The clinical name of an image sector ("upper left" of a left eye is superonasal)."""
    index = SECTORS.index(sector)
    return ANATOMICAL[index if laterality == "OD" else (4 - index) % 8]


def from_anatomical(name: str, laterality: Literal["OD", "OS"]) -> str:
    """Inverse of `anatomical`."""
    index = ANATOMICAL.index(name)
    return SECTORS[index if laterality == "OD" else (4 - index) % 8]


def neighbours(sector: str) -> tuple[str, str]:
    """The two sectors beside one."""
    index = SECTORS.index(sector)
    return SECTORS[(index + 1) % 8], SECTORS[(index - 1) % 8]
