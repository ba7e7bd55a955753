"""Eyes for the tests of pathology, grown once for each seed and field."""

from functools import lru_cache

import numpy as np

from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import Anatomy, grow, sample_anatomy
from chiasm.worlds.octa.pathology import DiseasedEye, PathologyParams, apply_pathology, sample_pathology

DROPOUT, MICROANEURYSM = "capillary dropout", "microaneurysm"
IRMA, NEW_VESSELS = "intraretinal microvascular abnormality", "neovascularization"
TORTUOSITY = "vascular tortuosity"
TERM_OF = {
    "dropout": DROPOUT,
    "microaneurysm": MICROANEURYSM,
    "irma": IRMA,
    "neovascularization": NEW_VESSELS,
    "tortuosity": TORTUOSITY,
}


@lru_cache(maxsize=128)
def healthy_eye(seed: int = 0, fov_mm: float = 3.0) -> Anatomy:
    """A grown eye."""
    return grow(sample_anatomy(np.random.default_rng(seed), fov_mm=fov_mm, age_years=50.0))


@lru_cache(maxsize=256)
def ill_eye(stage: Stage, seed: int = 0, fov_mm: float = 3.0) -> tuple[Anatomy, PathologyParams, DiseasedEye]:
    """A grown eye with a disease drawn for a stage."""
    anatomy = healthy_eye(seed, fov_mm)
    params = sample_pathology(np.random.default_rng(1000 + seed), stage, anatomy.params)
    return anatomy, params, apply_pathology(anatomy, params)
