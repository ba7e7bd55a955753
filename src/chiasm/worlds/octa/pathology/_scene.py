"""What the samplers of disease know about an eye before it is grown: the field, the fovea, the size of the FAZ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chiasm.worlds.octa.anatomy import AnatomyParams


@dataclass(frozen=True)
class Scene:
    """The field about the fovea. Places are (row, nasal): downward and towards the nose from the fovea [um].

    Attributes:
        fov_mm: Side of the field [mm].
        row_um: (lowest, highest) row of the field.
        nasal_um: (lowest, highest) nasal coordinate of the field.
        faz_um: Distance from the fovea that every layer's FAZ stays within.
    """

    fov_mm: float
    row_um: tuple[float, float]
    nasal_um: tuple[float, float]
    faz_um: float

    @classmethod
    def of(cls, params: AnatomyParams) -> Scene:
        """The scene of an eye."""
        half = params.fov_mm * 500.0
        row, nasal = params.fixation_row_um, params.fixation_nasal_um
        return cls(params.fov_mm, (-half - row, half - row), (-half - nasal, half - nasal), params.faz_reach_um)

    def draw_place(self, rng: np.random.Generator, margin_um: float, away_um: float) -> tuple[float, float]:
        """A uniform place at least `margin_um` inside the field and `away_um` from the fovea (bounded search)."""
        for _ in range(200):
            row = float(rng.uniform(self.row_um[0] + margin_um, self.row_um[1] - margin_um))
            nasal = float(rng.uniform(self.nasal_um[0] + margin_um, self.nasal_um[1] - margin_um))
            if np.hypot(row, nasal) >= away_um:
                return row, nasal
        # A field with hardly any room beside the FAZ: its far corner.
        return self.row_um[1] - margin_um, self.nasal_um[1] - margin_um

    def holds(self, row: float, nasal: float, margin_um: float) -> bool:
        """Whether a place lies at least `margin_um` inside the field."""
        return (
            self.row_um[0] + margin_um <= row <= self.row_um[1] - margin_um
            and self.nasal_um[0] + margin_um <= nasal <= self.nasal_um[1] - margin_um
        )
