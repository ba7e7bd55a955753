"""Retinal OCTA: vessels grown, diabetic retinopathy added, the scanner imitated."""

from chiasm.worlds.octa._params import (
    WORLD_VERSION,
    EyeVisit,
    OctaParams,
    OctaRequest,
    Scan,
    Shot,
    default_profile,
    view_name,
)
from chiasm.worlds.octa._world import OctaWorld, grow_eyes, twin
from chiasm.worlds.octa.pathology import FAMILIES

__all__ = [
    "FAMILIES",
    "WORLD_VERSION",
    "EyeVisit",
    "OctaParams",
    "OctaRequest",
    "OctaWorld",
    "Scan",
    "Shot",
    "default_profile",
    "grow_eyes",
    "twin",
    "view_name",
]
