"""Diabetic retinopathy: what disease does to a grown eye, family by family, with the truth of every lesion."""

from chiasm.worlds.octa.pathology._apply import apply_pathology
from chiasm.worlds.octa.pathology._lesion import FAMILIES, DiseasedEye, Family, Lesion, Unplaced
from chiasm.worlds.octa.pathology._params import PathologyParams, sample_pathology
from chiasm.worlds.octa.pathology._progress import progress_pathology
from chiasm.worlds.octa.pathology._severity import sample_rarefaction

__all__ = [
    "FAMILIES",
    "DiseasedEye",
    "Family",
    "Lesion",
    "PathologyParams",
    "Unplaced",
    "apply_pathology",
    "progress_pathology",
    "sample_pathology",
    "sample_rarefaction",
]
