"""Retinal OCTA: vessels grown, diabetic retinopathy added, the scanner imitated."""

from chiasm.worlds.octa._params import (
    WORLD_VERSION,
    EyeVisit,
    OctaParams,
    OctaRequest,
    Scan,
    Shot,
    profile_for,
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
    "grow_eyes",
    "profile_for",
    "twin",
    "view_name",
]
