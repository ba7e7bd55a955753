"""One eye as one slab shows it on one grid of pixels: drawn once for all the images that share it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Laterality, Layer, Mask, Vessel
from chiasm.measure import Biomarker, measure_masks, measure_resolved
from chiasm.worlds.octa.imaging import SLAB_LAYERS, ImagingParams, render_capsules, select_edges, vessel_mask
from chiasm.worlds.octa.pathology import DiseasedEye

LARGE_RADIUS_UM = 6.0
"""Arteries and veins from this radius on are drawn in their findings' masks."""
DEEP_WEIGHT = 0.5
"""Contrast of vessels below the superficial complex as a share of those in it: their light passes the layers above twice.
Resolved densities use it; a slab without the superficial complex shows them in full."""
Box = tuple[tuple[float, float], tuple[float, float]]


class Extent(NamedTuple):
    """The pixels of one thing, cut to the window that holds them."""

    window: tuple[slice, slice]
    inside: NDArray[np.bool_]
    """(h, w) of the window."""
    mask: Mask
    """Of the whole grid."""

    @property
    def box(self) -> Box:
        """(start, stop) corners, stop exclusive."""
        rows, cols = self.window
        return (float(rows.start), float(cols.start)), (float(rows.stop), float(cols.stop))


class Plane:
    """The truth of an eye in the pixels of one slab, made when it is asked for.

    Args:
        eye: The eye with its disease.
        laterality: Which eye; names the sectors.
        imaging: Any of the images that share slab, field and size.
    """

    def __init__(self, eye: DiseasedEye, laterality: Laterality, imaging: ImagingParams) -> None:
        self._eye, self._laterality = eye, laterality
        self._size_px, self._pixel_um, self._fov_mm = imaging.size_px, imaging.pixel_um, imaging.fov_mm
        self._layers = SLAB_LAYERS[imaging.slab]

    @cached_property
    def lesions(self) -> list[Extent | None]:
        """Every lesion's pixels, in the eye's order; None where no pixel of it is in the field."""
        return [extent_of(lesion.mask(self._size_px)) for lesion in self._eye.lesions]

    @cached_property
    def depth(self) -> NDArray[np.int32]:
        """(size, size) number of lesions at each pixel."""
        depth = np.zeros((self._size_px, self._size_px), np.int32)
        for lesion in self.lesions:
            if lesion is not None:
                depth[lesion.window] += lesion.inside
        return depth

    @cached_property
    def faz(self) -> Extent | None:
        """The foveal avascular zone."""
        return extent_of(self._faz_mask)

    @cached_property
    def vessels(self) -> dict[Vessel, Extent | None]:
        """The large arteries and the large veins of the slab."""
        graph, out = self._eye.graph, {}
        for kind in (Vessel.ARTERY, Vessel.VEIN):
            edges = select_edges(graph, layers=self._layers, vessels=(kind,), min_radius_um=LARGE_RADIUS_UM)
            out[kind] = extent_of(vessel_mask(graph, self._size_px, edges))
        return out

    @cached_property
    def biomarkers(self) -> tuple[Biomarker, ...]:
        """Biomarkers of the slab's perfused vessels, by region of the field: of all of them, and of what a beam resolves."""
        graph, fov_mm = self._eye.graph, self._fov_mm
        edges = select_edges(graph, layers=self._layers)
        coverage = render_capsules(graph, self._size_px, edges=edges)
        exact = measure_masks(coverage, fov_mm, faz=self._faz_mask, laterality=self._laterality)
        if Layer.SVC in self._layers:
            below = select_edges(graph, layers=(Layer.ICP, Layer.DCP))
            coverage = render_capsules(graph, self._size_px, edges=edges, weight=np.where(below, DEEP_WEIGHT, 1.0))
        fovea = None if exact.faz_shape is None else exact.faz_shape.centroid
        resolved = measure_resolved(coverage, fov_mm, fovea, self._laterality)
        return (*exact.biomarkers.values, *resolved.values)

    def share(self, lesions: list[int]) -> float:
        """Share of the field that these lesions cover; what two of them cover counts once."""
        covered = np.zeros((self._size_px, self._size_px), np.bool_)
        for i in lesions:
            extent = self.lesions[i]
            if extent is not None:
                covered[extent.window] |= extent.inside
        return float(covered.mean())

    @cached_property
    def _faz_mask(self) -> NDArray[np.bool_]:
        return faz_mask(self._eye.faz_outline_um, self._pixel_um, self._size_px)


def extent_of(mask: NDArray[np.bool_]) -> Extent | None:
    """The set pixels of a mask (H, W); None where there are none."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    window = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
    return Extent(window, mask[window].copy(), Mask.from_array(mask))


def faz_mask(outline_um: NDArray[np.floating[Any]], pixel_um: float, size_px: int) -> NDArray[np.bool_]:
    """(size_px, size_px) bool: pixels whose centre lies inside the closed outline (K, 2) [um], by the even-odd rule.

    Every crossing of the outline with a row of centres flips the pixels to its right.
    """
    row, col = outline_um.T / pixel_um - 0.5
    next_row, next_col = np.roll(row, -1), np.roll(col, -1)
    centres = np.arange(size_px)
    crosses = (row[:, None] <= centres) != (next_row[:, None] <= centres)
    edge, at = np.nonzero(crosses)
    where = col[edge] + (at - row[edge]) * (next_col[edge] - col[edge]) / (next_row[edge] - row[edge])
    flips = np.zeros((size_px, size_px + 1), dtype=np.int32)
    np.add.at(flips, (at, np.clip(np.ceil(where), 0, size_px).astype(np.intp)), 1)
    return np.asarray(np.cumsum(flips, axis=1)[:, :size_px] % 2 == 1)
