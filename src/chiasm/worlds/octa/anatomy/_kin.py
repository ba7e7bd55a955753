"""The other eye of the same person."""

from __future__ import annotations

import math

import numpy as np

from chiasm.worlds.octa.anatomy._params import AnatomyParams, first_possible, sample_anatomy

SHARED_FAZ_AREA = 0.931
"""Share of the variance of the FAZ area that lies between persons: the correlation of fellow eyes [F18]."""
SHARED_AXIS_RATIO = 0.45
"""The same of the axis ratio [F18]."""
SHARED_OUTLINE = 0.463
"""The same of the acircularity [F18]."""
SHARED_REST = 0.8
"""Correlation of what no source gives: densities, arcades, tortuosity. An assumption."""

_SHARED = {
    "faz_area_mm2": (0.262, SHARED_FAZ_AREA),
    "faz_axis_ratio": (0.86, SHARED_AXIS_RATIO),
    "deep_faz_factor": (1.36, SHARED_REST),
    "svc_density": (1.0, SHARED_REST),
    "dvc_density": (1.0, SHARED_REST),
    "foveal_sparing": (0.36, SHARED_REST),
    "plateau_mm": (0.657, SHARED_REST),
    "arcade_superior_mm": (2.15, SHARED_REST),
    "arcade_inferior_mm": (2.15, SHARED_REST),
    "tortuosity": (1.0, SHARED_REST),
    "arterial_pressure_mmhg": (46.0, SHARED_REST),
    "venous_pressure_mmhg": (15.0, SHARED_REST),
}
"""Trait: (its mean in `sample_anatomy`, correlation of fellow eyes)."""


def fellow_anatomy(params: AnatomyParams, rng: np.random.Generator) -> AnatomyParams:
    """Draw the other eye: new vessels, mirrored, with the traits that fellow eyes share.

    A trait is mean + rho (this eye - mean) + sqrt(1 - rho^2) (another person - mean): mean and variance stay those of the
    population, and fellow eyes correlate by rho. Where the eye so mixed cannot exist, the other person is drawn again.

    Args:
        params: One eye.
        rng: Source of randomness.

    Raises:
        InvalidInput: 100 draws gave no eye that can exist; the last one's reason.
    """
    side = "OS" if params.laterality == "OD" else "OD"

    def mixed() -> dict[str, object]:
        other = sample_anatomy(rng, fov_mm=params.fov_mm, age_years=params.age_years, laterality=side)
        values = other.model_dump()
        for name, (mean, rho) in _SHARED.items():
            values[name] = mean + _mixed(rho, getattr(params, name) - mean, getattr(other, name) - mean)
        values["faz_waves"] = tuple(
            tuple(_mixed(SHARED_OUTLINE, a, b) for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in zip(params.faz_waves, other.faz_waves, strict=False)
        )
        return values

    return first_possible(mixed)


def _mixed(rho: float, own: float, another: float) -> float:
    return rho * own + math.sqrt(1 - rho * rho) * another
