"""What an en-face image can show of a vessel graph: the vessels that the beam keeps apart, computed without any noise.

Three layers of capillaries lie 24 um apart when projected onto one plane, and a beam of 15 um merges or hides many of them. The
exact density counts them all and no image can reach it; the resolved density counts what a perfect reader of a noiseless image
could draw:

1. The perfused vessels of the slab are projected (maximum), blurred by the beam and sampled by the pixels.
2. A vessel is resolved where the blurred projection curves down across it by at least `LEAST_CONTRAST` of what a lone capillary
   does (a ridge: the largest negative curvature, Steger 1998), or where half of the blurred projection is a wide vessel.
3. The area of that mask and its centre lines give the densities.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.case import Laterality
from chiasm.measure._biomarkers import FIELD, Biomarker, Biomarkers
from chiasm.measure._regions import MIN_INSIDE, etdrs_grid
from chiasm.measure._scale import Scale
from chiasm.measure._skeleton import trace_skeleton

BEAM_UM: Final = 15.0
"""Lateral resolution [um], full width at half maximum of a Gaussian: the nominal value of clinical devices at 840 nm."""
CAPILLARY_UM: Final = 8.0
"""Diameter of the lone capillary whose contrast is the unit [um]."""
LEAST_CONTRAST: Final = 0.25
"""Ridges below this share of a lone capillary's curvature are not told from the ripple between crowded neighbours."""
_LEAST_SIGMA_PX: Final = 0.8
"""A narrower second derivative of a Gaussian is not resolved by pixels: from 8 um a pixel on, the pixel limits and not the beam."""


def resolved_vessels(projection: NDArray[np.floating[Any]], scale: Scale) -> NDArray[np.bool_]:
    """The vessels that a noiseless image resolves.

    Args:
        projection: (H, W) in [0, 1], coverage by perfused vessels, projected by maximum; 1 is a capillary in full contrast.
        scale: Size of a pixel; it must be known.

    Returns:
        (H, W) bool.
    """
    sigma = max(_LEAST_SIGMA_PX, scale.px(BEAM_UM) / (2 * math.sqrt(2 * math.log(2))))
    smooth = np.asarray(projection, dtype=np.float32)
    rows, across, cols = (
        ndimage.gaussian_filter(smooth, sigma, order=order, mode="nearest") for order in ((2, 0), (1, 1), (0, 2))
    )
    ridge = np.hypot((rows - cols) / 2, across) - (rows + cols) / 2
    half_width = scale.px(CAPILLARY_UM) / 2 / sigma
    lone = 2 * half_width * math.exp(-(half_width**2) / 2) / math.sqrt(2 * math.pi) / sigma**2
    wide = ndimage.gaussian_filter(smooth, sigma, mode="nearest") > 0.5
    return np.asarray((ridge > LEAST_CONTRAST * lone) | wide)


def measure_resolved(
    projection: NDArray[np.floating[Any]], fov_mm: float, fovea: tuple[float, float] | None, laterality: Laterality
) -> Biomarkers:
    """Area and skeleton density of the resolved vessels, in the field and the regions of the ETDRS grid.

    Args:
        projection: (H, W), as in `resolved_vessels`.
        fov_mm: Width of the field [mm].
        fovea: (row, col) of the grid's centre [px]; None: the field alone.
        laterality: Names the sectors.
    """
    shape = (projection.shape[0], projection.shape[1])
    scale = Scale.from_fov(shape, fov_mm)
    vessels = resolved_vessels(projection, scale)
    length = trace_skeleton(vessels).length_map
    regions = {FIELD: np.ones(shape, bool)}
    if fovea is not None:
        grid = etdrs_grid(shape, fov_mm / shape[1], fovea, laterality)
        regions |= {region.name: region.mask for region in grid if region.inside >= MIN_INSIDE}
    values = []
    for region, mask in regions.items():
        share, density = float(vessels[mask].mean()), float(length[mask].sum(dtype=np.float64)) / float(mask.sum())
        per_mm, unit = scale.per_length(density)
        values.append(Biomarker(name="resolved_vessel_area_density", value=share, unit="1", region=region))
        values.append(Biomarker(name="resolved_skeleton_density", value=per_mm, unit=unit, region=region))
    return Biomarkers(method="truth", values=tuple(values))
