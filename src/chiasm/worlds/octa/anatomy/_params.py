"""What one healthy eye is made of: every random choice of the anatomy, as plain JSON.

Sources, by label
    L17  Linderman 2017 (PMC5469394): FAZ area 0.257 +- 0.104 mm2, superficial, n = 116, 3x3 mm.
    S15  Samara 2015 (Retina): superficial 0.266 +- 0.097 mm2, deep 0.495 +- 0.227 mm2, n = 70.
    B17  BJO 2017-311149: circularity 0.69 in controls.
    K21  Kaya 2021 (doi 10.3341/kjo.2020.0122), n = 208 eyes: density -0.3 %/year; FAZ +1.26 %/year. A cohort of 153 eyes
         finds no significant growth of the FAZ; the mean of the two, 0.6 %/year, is used.
    P31  PMID 31042789: capillary-free zone 67.2 +- 25.3 um along arterioles, 42.7 +- 14.4 um along venules.
    F18  PMC6166903, n = 175: 93.1 % of the variance of the FAZ area is between persons; of axis ratio and
         acircularity 45.0 and 46.3 %.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chiasm.case import Laterality
from chiasm.errors import InvalidInput
from chiasm.worlds.octa.anatomy._faz import faz_radius_um

REFERENCE_AGE = 40.0
FAZ_GROWTH_PER_YEAR = 0.006
"""Relative FAZ growth per year of age [K21 and its counter-evidence]."""
DENSITY_LOSS_PER_YEAR = 0.003
"""Relative fall of capillary density per year of age [K21]."""


class AnatomyParams(BaseModel):
    """One healthy eye. Lengths in um unless the name says mm; ranges are enforced, nothing is clamped."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    growth_seed: int = Field(ge=0, lt=2**53)
    """Seed of the microstructure (tissue points, seeds of trunks, capillary lattice)."""
    fov_mm: float = Field(default=3.0, ge=2.0, le=12.0)
    """Side of the square field [mm]; 3 and 6 are the common scans."""
    laterality: Literal["OD", "OS"] = "OD"
    """Right (OD) or left (OS) eye. The left eye is the mirror image: the nose is at low col."""
    age_years: float = Field(default=REFERENCE_AGE, ge=8.0, le=80.0)
    """Age [years]; scales density and FAZ at growth (`effective_faz_area_mm2`, `effective_density`)."""
    fixation_row_um: float = Field(default=0.0, ge=-400.0, le=400.0)
    """The fovea lies this far below the field's centre [um] (fixation error)."""
    fixation_nasal_um: float = Field(default=0.0, ge=-400.0, le=400.0)
    """... and this far towards the nose [um]."""
    faz_area_mm2: float = Field(default=0.262, gt=0.02, le=1.2)
    """FAZ area of the superficial complex at 40 years [mm2] [L17, S15]."""
    faz_axis_ratio: float = Field(default=0.87, ge=0.5, le=1.0)
    """Minor over major axis of the FAZ."""
    faz_orientation_deg: float = Field(default=90.0, ge=0.0, lt=180.0)
    """Direction of the major axis, from +row to nasal [deg]; 90 is horizontal."""
    faz_waves: tuple[tuple[float, float], ...] = ()
    """Relative (cosine, sine) amplitudes of the outline's harmonics 3, 4, ...; they set its circularity [B17]."""
    deep_faz_factor: float = Field(default=1.36, ge=1.0, le=1.8)
    """Radius of the deep plexus' FAZ over the superficial one; 1.36 = sqrt(0.495 / 0.266) [S15]."""
    svc_density: float = Field(default=1.0, ge=0.6, le=1.4)
    """Capillary length density of the superficial complex relative to the mean eye, at 40 years."""
    dvc_density: float = Field(default=1.0, ge=0.6, le=1.4)
    """The same for the deep complex (intermediate and deep plexus)."""
    rarefaction: float = Field(default=0.0, ge=0.0, le=0.4)
    """Share of capillary density that disease has taken in the macula from all sheets, beside areas of dropout; more outside."""
    foveal_sparing: float = Field(default=0.36, ge=0.0, le=0.8)
    """Share of tissue cells merged at the rim of the FAZ; falls to 0 where the density plateau begins."""
    plateau_mm: float = Field(default=0.657, ge=0.4, le=1.2)
    """Distance from the fovea where the density stops rising [mm]; 0.657 in TVST 2777986."""
    periarterial_um: float = Field(default=67.0, ge=20.0, le=110.0)
    """Capillary-free zone along arteries, wall to nearest capillary [um] [P31]."""
    perivenous_um: float = Field(default=43.0, ge=15.0, le=90.0)
    """The same along veins [P31]."""
    arcade_superior_mm: float = Field(default=2.3, ge=1.3, le=3.6)
    """Height of the superior arcade above the fovea [mm]."""
    arcade_inferior_mm: float = Field(default=2.3, ge=1.3, le=3.6)
    """Height of the inferior arcade below the fovea [mm]."""
    trunk_spacing_um: float = Field(default=720.0, ge=350.0, le=1500.0)
    """Mean distance between trunks that leave an arcade towards the macula [um]."""
    tortuosity: float = Field(default=1.0, ge=0.0, le=2.0)
    """Strength of the natural waviness of arteries and veins; 1 is the mean eye."""
    arterial_pressure_mmhg: float = Field(default=46.0, ge=30.0, le=80.0)
    """Pressure where the arcades enter [mmHg]."""
    venous_pressure_mmhg: float = Field(default=15.0, ge=8.0, le=29.0)
    """Pressure where the venous arcades leave [mmHg]."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.faz_waves) > 16:
            msg = f"faz_waves must have at most 16 harmonics, got {len(self.faz_waves)}"
            raise ValueError(msg)
        radius = self.faz_radius_um(np.linspace(0.0, 2.0 * np.pi, 181))
        if radius.min() < 0.35 * radius.mean():
            msg = f"faz_waves must keep the outline beyond 0.35 of its mean radius, got {radius.min() / radius.mean():.2f}"
            raise ValueError(msg)
        reach = self.faz_reach_um
        half_field = self.fov_mm * 500.0
        if reach + max(abs(self.fixation_row_um), abs(self.fixation_nasal_um)) > half_field:
            msg = (
                f"the deep FAZ (reach {reach:.0f} um) must lie inside the field of {self.fov_mm} mm; "
                "lower faz_area_mm2 or the fixation offset"
            )
            raise ValueError(msg)
        return self

    @property
    def effective_faz_area_mm2(self) -> float:
        """FAZ area at this age [mm2]."""
        return self.faz_area_mm2 * (1.0 + FAZ_GROWTH_PER_YEAR * (self.age_years - REFERENCE_AGE))

    @property
    def effective_density(self) -> float:
        """Factor of capillary density at this age, after rarefaction."""
        return (1.0 - DENSITY_LOSS_PER_YEAR * (self.age_years - REFERENCE_AGE)) * (1.0 - self.rarefaction)

    @property
    def faz_reach_um(self) -> float:
        """No point of any layer's FAZ lies farther than this from the fovea [um]."""
        radius = self.faz_radius_um(np.linspace(0.0, 2.0 * np.pi, 181))
        return float(radius.max()) * self.deep_faz_factor

    def faz_radius_um(self, angle: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of the superficial FAZ's outline from the fovea at angles [rad] from +row to nasal [um]."""
        waves = np.array(self.faz_waves, dtype=np.float64).reshape(-1, 2)
        return faz_radius_um(angle, self.effective_faz_area_mm2, self.faz_axis_ratio, self.faz_orientation_deg, waves)

    @property
    def nasal(self) -> Literal[1, -1]:
        """Where the nose lies: 1 towards larger columns (a right eye), -1 towards smaller ones (a left eye)."""
        return 1 if self.laterality == "OD" else -1

    @property
    def fovea_um(self) -> tuple[float, float]:
        """(row, col) of the fovea in the field [um]."""
        half = self.fov_mm * 500.0
        nasal = self.nasal * self.fixation_nasal_um
        return (half + self.fixation_row_um, half + nasal)


def sample_anatomy(
    rng: np.random.Generator,
    *,
    fov_mm: float = 3.0,
    age_years: float | None = None,
    laterality: Laterality | str | None = None,
) -> AnatomyParams:
    """Draw one healthy eye; where the values drawn make none that can exist (an outline too deep), they are drawn again.

    Args:
        rng: Source of randomness.
        fov_mm: Side of the field [mm], 2-12.
        age_years: Age, 8-80; drawn uniformly when None.
        laterality: "OD" or "OS"; drawn when None.

    Raises:
        InvalidInput: A value is out of its range, or 100 draws gave no eye that can exist; the last one's reason.
    """
    age = float(rng.uniform(8.0, 80.0)) if age_years is None else float(age_years)
    drawn_side = "OD" if rng.random() < 0.5 else "OS"
    side = drawn_side if laterality is None else str(laterality)
    known = {"fov_mm": fov_mm, "laterality": side, "age_years": age}
    return first_possible(lambda: known | _traits(rng))


def first_possible(draw: Callable[[], dict[str, object]]) -> AnatomyParams:
    """The first of up to 100 draws of values that makes an eye that can exist.

    Raises:
        InvalidInput: None did; the last one's reason.
    """
    for _ in range(99):
        try:
            return build_params(draw())
        except InvalidInput:
            continue
    return build_params(draw())


def _traits(rng: np.random.Generator) -> dict[str, object]:
    """Everything but field, side and age."""
    return {
        "growth_seed": int(rng.integers(0, 2**53)),
        **sample_fixation(rng),
        **sample_faz_size(rng),
        **sample_faz_shape(rng),
        "svc_density": bounded_normal(rng, 1.0, 0.08, 0.76, 1.24),
        "dvc_density": bounded_normal(rng, 1.0, 0.05, 0.8, 1.2),
        "foveal_sparing": bounded_normal(rng, 0.36, 0.06, 0.16, 0.56),
        "plateau_mm": bounded_normal(rng, 0.657, 0.05, 0.5, 0.8),
        "periarterial_um": bounded_normal(rng, 67.0, 8.0, 45.0, 90.0),
        "perivenous_um": bounded_normal(rng, 43.0, 5.0, 28.0, 60.0),
        "arcade_superior_mm": float(rng.uniform(1.4, 2.9)),
        "arcade_inferior_mm": float(rng.uniform(1.4, 2.9)),
        "trunk_spacing_um": bounded_normal(rng, 720.0, 96.0, 480.0, 1030.0),
        "tortuosity": bounded_normal(rng, 1.0, 0.22, 0.4, 1.7),
        "arterial_pressure_mmhg": bounded_normal(rng, 46.0, 3.0, 38.0, 56.0),
        "venous_pressure_mmhg": bounded_normal(rng, 15.0, 1.5, 11.0, 20.0),
    }


def sample_fixation(rng: np.random.Generator) -> dict[str, float]:
    """Where the patient looked: the fovea's offset from the field's centre [um]."""
    return {
        "fixation_row_um": bounded_normal(rng, 0.0, 70.0, -240.0, 240.0),
        "fixation_nasal_um": bounded_normal(rng, 0.0, 70.0, -240.0, 240.0),
    }


def sample_faz_size(rng: np.random.Generator) -> dict[str, float]:
    """FAZ area at 40 years and the ratio of its deep to its superficial radius."""
    return {
        "faz_area_mm2": bounded_normal(rng, 0.262, 0.088, 0.07, 0.53),
        "deep_faz_factor": bounded_normal(rng, 1.36, 0.07, 1.15, 1.6),
    }


def sample_faz_shape(rng: np.random.Generator) -> dict[str, object]:
    """Axis ratio, direction and waviness of the outline (most often oval and horizontal)."""
    amplitude = bounded_normal(rng, 1.0, 0.2, 0.5, 1.5)
    harmonics = np.arange(3, 13)
    scale = amplitude * WAVE_AMPLITUDE / harmonics
    waves = np.array([[bounded_normal(rng, 0.0, s, -1.6 * s, 1.6 * s) for _ in range(2)] for s in scale])
    return {
        "faz_axis_ratio": bounded_normal(rng, 0.86, 0.07, 0.66, 1.0),
        "faz_orientation_deg": float(rng.normal(90.0, 35.0) % 180.0),
        "faz_waves": tuple((float(a), float(b)) for a, b in waves),
    }


WAVE_AMPLITUDE = 0.265
"""Scale of the outline's waves that gives the cited circularity (measured, see the documentation)."""


def build_params(values: dict[str, object]) -> AnatomyParams:
    """AnatomyParams from a plain mapping, with the project's error for a value out of range.

    Raises:
        InvalidInput: A value is out of its range, or unknown.
    """
    try:
        return AnatomyParams.model_validate(values)
    except ValueError as error:
        msg = f"these anatomy parameters are impossible: {error}"
        raise InvalidInput(msg) from error


def bounded_normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal deviate, drawn again while outside [low, high] (at most 100 times)."""
    for _ in range(100):
        value = float(rng.normal(mean, sd))
        if low <= value <= high:
            return value
    msg = f"normal({mean}, {sd}) must reach [{low}, {high}] within 100 draws"
    raise InvalidInput(msg)
