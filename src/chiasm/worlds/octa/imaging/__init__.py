"""The scanner: from a vessel graph to an en-face OCTA image, by physics, with exact geometry and known artefacts."""

from chiasm.worlds.octa.imaging._blobs import blob_masks, render_blobs
from chiasm.worlds.octa.imaging._eye import RETINAL_LAYERS, Blobs, Eye
from chiasm.worlds.octa.imaging._raster import LABELS, render_capsules, render_labels, select_edges, vessel_mask

__all__ = [
    "LABELS",
    "RETINAL_LAYERS",
    "Blobs",
    "Eye",
    "blob_masks",
    "render_blobs",
    "render_capsules",
    "render_labels",
    "select_edges",
    "vessel_mask",
]
