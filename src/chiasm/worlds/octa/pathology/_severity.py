"""How ill an eye is to be: the stage, and the non-perfused area that carries its severity.

The ranges of non-perfusion per stage overlap on purpose: no single sign tells the stage. They stand in for reported
shares of 4.4 % (diabetes without retinopathy) and 7.8 % (with it; J Ophthalmol 2020:2473949), 7.5 % (severe NPDR) and
18.9 % (PDR; wide field).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chiasm.measure import Stage

NONPERFUSION: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (0.02, 0.08),
    Stage.LATE_NPDR: (0.06, 0.20),
    Stage.PDR: (0.10, 0.30),
}
"""Non-perfused area outside the FAZ over that of the field, lowest and highest."""
SHAPE: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (1.4, 0.8),
    Stage.LATE_NPDR: (1.3, 0.9),
    Stage.PDR: (1.2, 0.9),
}
"""Parameters of the beta distribution within the range: broad, so that neighbouring stages overlap."""
HEALTHY_SHARE: Final = (0.003, 0.015)
HEALTHY_CHANCE: Final = 0.2
"""So many healthy eyes have a small area of flow loss, as eyes do; the rule calls less than 2 % of the field healthy."""
EDGE: Final = 0.06
"""Draws keep this share of the range away from its ends, so that what is realised stays in it."""


@dataclass(frozen=True)
class Severity:
    """What the families are sampled from.

    Attributes:
        stage: The stage asked for.
        share: Non-perfused share of the field asked for, 0-1.
        level: Where `share` lies within the stage's range, 0-1.
        scans: Area of the field in units of 3x3 mm: counts are stated per 3x3 mm.
    """

    stage: Stage
    share: float
    level: float
    scans: float


def sample_severity(rng: np.random.Generator, stage: Stage, fov_mm: float) -> Severity:
    """Draw the non-perfused share for a stage."""
    scans = fov_mm**2 / 9.0
    if stage is Stage.HEALTHY:
        share = float(rng.uniform(*HEALTHY_SHARE)) if rng.random() < HEALTHY_CHANCE else 0.0
        return Severity(stage, share, 0.0, scans)
    low, high = NONPERFUSION[stage]
    level = EDGE + (1.0 - 2.0 * EDGE) * float(rng.beta(*SHAPE[stage]))
    return Severity(stage, low + (high - low) * level, level, scans)
