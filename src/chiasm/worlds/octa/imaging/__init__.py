"""The scanner: from a vessel graph to an en-face OCTA image, by physics, with exact geometry and known artefacts."""

from chiasm.worlds.octa.imaging._artefacts import ArtefactTruth
from chiasm.worlds.octa.imaging._blobs import blob_masks, render_blobs
from chiasm.worlds.octa.imaging._calibrate import Calibration, calibrate
from chiasm.worlds.octa.imaging._eye import RETINAL_LAYERS, Blobs, Eye
from chiasm.worlds.octa.imaging._flow import SLAB_LAYERS, Projector
from chiasm.worlds.octa.imaging._image import Exposure, Imaged, image
from chiasm.worlds.octa.imaging._inspect import ImageProblem, inspect_images
from chiasm.worlds.octa.imaging._params import Artefact, ArtefactKind, ImagingParams, Severity, Slab, tunable
from chiasm.worlds.octa.imaging._profile import (
    Profile,
    Spread,
    artefact_kinds,
    load_profile,
    parse_profile,
    profile_names,
)
from chiasm.worlds.octa.imaging._raster import LABELS, render_capsules, render_labels, select_edges, vessel_mask
from chiasm.worlds.octa.imaging._report import write_calibration
from chiasm.worlds.octa.imaging._sample import SEVERITIES, sample_artefact, sample_artefacts, sample_imaging
from chiasm.worlds.octa.imaging._search import Progress
from chiasm.worlds.octa.imaging._visibility import Backdrop, Contrast, FindingKind

__all__ = [
    "LABELS",
    "RETINAL_LAYERS",
    "SEVERITIES",
    "SLAB_LAYERS",
    "Artefact",
    "ArtefactKind",
    "ArtefactTruth",
    "Backdrop",
    "Blobs",
    "Calibration",
    "Contrast",
    "Exposure",
    "Eye",
    "FindingKind",
    "ImageProblem",
    "Imaged",
    "ImagingParams",
    "Profile",
    "Progress",
    "Projector",
    "Severity",
    "Slab",
    "Spread",
    "artefact_kinds",
    "blob_masks",
    "calibrate",
    "image",
    "inspect_images",
    "load_profile",
    "parse_profile",
    "profile_names",
    "render_blobs",
    "render_capsules",
    "render_labels",
    "sample_artefact",
    "sample_artefacts",
    "sample_imaging",
    "select_edges",
    "tunable",
    "vessel_mask",
    "write_calibration",
]
