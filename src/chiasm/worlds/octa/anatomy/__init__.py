"""The anatomy of a healthy macula: parameters of an eye, and the perfused vessel network that grows from them."""

from chiasm.worlds.octa.anatomy._audit import Audit, audit
from chiasm.worlds.octa.anatomy._contact import overlapping_pairs
from chiasm.worlds.octa.anatomy._faz import polygon_area_mm2, polygon_perimeter_mm
from chiasm.worlds.octa.anatomy._flow import Flow, solve_flow, viscosity_pa_s
from chiasm.worlds.octa.anatomy._grow import Anatomy, grow
from chiasm.worlds.octa.anatomy._kin import fellow_anatomy
from chiasm.worlds.octa.anatomy._params import AnatomyParams, sample_anatomy

__all__ = [
    "Anatomy",
    "AnatomyParams",
    "Audit",
    "Flow",
    "audit",
    "fellow_anatomy",
    "grow",
    "overlapping_pairs",
    "polygon_area_mm2",
    "polygon_perimeter_mm",
    "sample_anatomy",
    "solve_flow",
    "viscosity_pa_s",
]
