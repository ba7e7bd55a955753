"""Where the large vessels of the macula come from: the temporal arcades, their trunks, and the papillomacular roots.

Coordinates here are those of a right eye centred on the fovea: row downward (superior is negative), col towards the nose.
The arcades are parabolas that open temporally from the optic disc, 4.7 mm nasal of the fovea.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DISC_COL_UM = 4700.0
"""Distance of the optic disc from the fovea [um]."""
STEP_UM = 40.0
"""Spacing of nodes along large vessels [um]."""


@dataclass
class Seeds:
    """Polylines that the forest starts from, as one node list (see `_colonise.colonise` for the columns)."""

    pos: list[NDArray[np.float64]]
    direction: list[NDArray[np.float64]]
    parent: list[int]
    kind: list[int]
    arcade: list[bool]

    def add_line(self, line: NDArray[np.float64], kind: int, parent: int, *, arcade: bool) -> list[int]:
        """Append the points of a polyline as a chain below `parent` (-1: a root); returns their indices."""
        indices = []
        for k, point in enumerate(line):
            ahead = line[min(k + 1, len(line) - 1)] - line[max(k - 1, 0)]
            if len(line) == 1:
                ahead = point - self.pos[parent]
            self.pos.append(point)
            self.direction.append(ahead / np.linalg.norm(ahead))
            self.parent.append(parent)
            self.kind.append(kind)
            self.arcade.append(arcade)
            parent = len(self.pos) - 1
            indices.append(parent)
        return indices


def arcade_line(height_um: float, side: int, half_um: float, wave_phase: float, wave_um: float) -> NDArray[np.float64]:
    """One arcade from its nasal entry to the temporal end of the domain, as points `STEP_UM` apart.

    Args:
        height_um: Distance from the fovea where it crosses the fovea's meridian [um].
        side: -1 superior, +1 inferior.
        half_um: Half side of the growth domain [um].
        wave_phase: Phase of its undulation [rad].
        wave_um: Amplitude of its undulation [um].
    """
    col = np.linspace(min(half_um, DISC_COL_UM - 400.0), -half_um, 400)
    height = height_um * np.sqrt((DISC_COL_UM - col) / DISC_COL_UM)
    height = height * (1.0 - 0.28 / (1.0 + np.exp((col + 2000.0) / 500.0)))
    height = height + wave_um * np.sin(col / 420.0 + wave_phase)
    row = side * height
    keep = np.abs(row) < half_um
    return resample(np.stack([row, col], axis=1)[keep], STEP_UM)


def resample(line: NDArray[np.float64], step_um: float) -> NDArray[np.float64]:
    """The polyline with points `step_um` apart along its length."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, along[-1], step_um)
    return np.stack([np.interp(at, along, line[:, k]) for k in range(2)], axis=1)
