"""How ill an eye is to be: the stage, the non-perfused area that carries its severity, and how far its bed has thinned.

The rule of `chiasm.measure` decides a stage by all findings together, so the non-perfused areas of neighbouring stages may
overlap widely, as they do in patients: mild retinopathy may be a microaneurysm alone, and severe or proliferative
retinopathy, told by IRMA or new vessels, may lose little within a macular field. Reported shares: 4.4 +- 1.3 % (diabetes
without retinopathy), 7.8 +- 4.9 % (with it; J Ophthalmol 2020:2473949), 7.5 % (severe NPDR) and 18.9 % (PDR; wide field),
29 % in sectors with new vessels and 6 % in those without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chiasm.measure import DEFAULT_RULE, Stage
from chiasm.worlds.octa.anatomy._params import bounded_normal

NONPERFUSION: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (0.0236, 0.071),
    Stage.LATE_NPDR: (0.005, 0.22),
    Stage.PDR: (0.005, 0.30),
}
"""Non-perfused area outside the FAZ over that of the field, lowest and highest. What is realised differs by up to a
hundredth of the field: early NPDR keeps away from the rule's 8 %."""
SHAPE: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (0.9, 0.6),
    Stage.LATE_NPDR: (0.5, 0.72),
    Stage.PDR: (0.46, 0.8),
}
"""Parameters of the beta distribution within the range: flatter than uniform, so that neighbouring stages overlap."""
EARLY_WITHOUT: Final = 0.25
"""So many eyes with early NPDR lose no more than healthy eyes do: they have microaneurysms alone."""
HEALTHY_SHARE: Final = (0.003, 0.015)
HEALTHY_CHANCE: Final = 0.35
"""So many healthy eyes have a small area of flow loss, as eyes do; the rule calls less than 2 % of the field healthy."""
MARGIN: Final = 0.012
"""A requested share this far above a threshold of the rule is realised above it."""
RAREFACTION: Final[dict[Stage, tuple[float, float]]] = {
    Stage.EARLY_NPDR: (0.055, 0.04),
    Stage.LATE_NPDR: (0.095, 0.06),
    Stage.PDR: (0.155, 0.07),
}
"""Relative loss of capillary density outside non-perfused areas, mean and sd before the ends are cut off.

Density falls before any area is lost: 17.8 /mm in diabetes without retinopathy against 19.6 /mm (BJO 2017-311149). The values
are an assumption: what the cited falls (about 5, 12 and 19 %) and spreads (7 to 10 %) of density leave, beside the areas."""
MOST_RAREFIED: Final = 0.35


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

    @property
    def share_makes_early(self) -> bool:
        """Whether the non-perfused area alone makes an eye early NPDR at least."""
        return self.share >= DEFAULT_RULE.nonperfusion_min + MARGIN

    @property
    def share_makes_late(self) -> bool:
        """Whether the non-perfused area alone makes an eye late NPDR at least."""
        return self.share >= DEFAULT_RULE.late_nonperfusion + MARGIN


def sample_severity(rng: np.random.Generator, stage: Stage, fov_mm: float) -> Severity:
    """Draw the non-perfused share for a stage."""
    scans = fov_mm**2 / 9.0
    if stage is Stage.HEALTHY or (stage is Stage.EARLY_NPDR and rng.random() < EARLY_WITHOUT):
        share = float(rng.uniform(*HEALTHY_SHARE)) if rng.random() < HEALTHY_CHANCE else 0.0
        return Severity(stage, share, 0.0, scans)
    low, high = NONPERFUSION[stage]
    level = float(rng.beta(*SHAPE[stage]))
    return Severity(stage, low + (high - low) * level, level, scans)


def sample_rarefaction(rng: np.random.Generator, stage: Stage | str) -> float:
    """Draw `AnatomyParams.rarefaction` for an eye at a stage: 0 in healthy eyes, else 0 to `MOST_RAREFIED`.

    Raises:
        ValueError: No such stage.
    """
    if Stage(stage) not in RAREFACTION:
        return 0.0
    mean, sd = RAREFACTION[Stage(stage)]
    return bounded_normal(rng, mean, sd, 0.0, MOST_RAREFIED)
