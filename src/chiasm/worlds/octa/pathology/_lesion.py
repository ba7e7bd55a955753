"""What a disease did to an eye: lesions with their true geometry, and the eye that carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer, Quantity, VesselGraph
from chiasm.worlds.octa.imaging import Blobs, render_blobs, render_capsules

Family = Literal["dropout", "faz", "microaneurysm", "irma", "neovascularization", "tortuosity"]
FAMILIES: tuple[Family, ...] = ("dropout", "faz", "microaneurysm", "irma", "neovascularization", "tortuosity")
"""The disease processes; each can be taken out of an eye on its own."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A region on a grid that is cut to the region's box.

    Attributes:
        origin_um: (row, col) of the patch's top-left corner in the field [um]; may lie outside the field.
        step_um: Side of a grid cell [um].
        inside: (H, W) bool.
    """

    origin_um: tuple[float, float]
    step_um: float
    inside: NDArray[np.bool_]

    def contains(self, points_um: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(P,) whether each point (row, col) of the field lies in the region."""
        index = np.floor((np.asarray(points_um, dtype=np.float64) - np.array(self.origin_um)) / self.step_um)
        index = index.astype(np.int64)
        height, width = self.inside.shape
        ok = (index[:, 0] >= 0) & (index[:, 0] < height) & (index[:, 1] >= 0) & (index[:, 1] < width)
        out = np.zeros(len(index), np.bool_)
        out[ok] = self.inside[index[ok, 0], index[ok, 1]]
        return out

    def mask(self, fov_um: float, size_px: int) -> NDArray[np.bool_]:
        """(size_px, size_px) pixels of the field whose centre lies in the region."""
        centre = (np.arange(size_px) + 0.5) * (fov_um / size_px)
        r = np.floor((centre - self.origin_um[0]) / self.step_um).astype(np.int64)
        c = np.floor((centre - self.origin_um[1]) / self.step_um).astype(np.int64)
        height, width = self.inside.shape
        r_ok, c_ok = (r >= 0) & (r < height), (c >= 0) & (c < width)
        out = np.zeros((size_px, size_px), np.bool_)
        out[np.ix_(r_ok, c_ok)] = self.inside[np.ix_(r[r_ok], c[c_ok])]
        return out

    def in_field(self, fov_um: float) -> NDArray[np.bool_]:
        """(H, W) grid cells of the region whose centre lies in the field."""
        rows = self.origin_um[0] + (np.arange(self.inside.shape[0]) + 0.5) * self.step_um
        cols = self.origin_um[1] + (np.arange(self.inside.shape[1]) + 0.5) * self.step_um
        r_ok, c_ok = (rows >= 0) & (rows < fov_um), (cols >= 0) & (cols < fov_um)
        return np.asarray(self.inside & r_ok[:, None] & c_ok[None])

    def area_um2(self, fov_um: float) -> float:
        """Area of the region inside the field [um2]."""
        return float(self.in_field(fov_um).sum()) * self.step_um**2

    def centroid_um(self, fov_um: float) -> tuple[float, float]:
        """Centroid (row, col) of its part in the field, or of the whole where none is [um]."""
        cells = np.argwhere(self.in_field(fov_um))
        if len(cells) == 0:
            cells = np.argwhere(self.inside)
        row, col = np.array(self.origin_um) + (cells.mean(axis=0) + 0.5) * self.step_um
        return float(row), float(col)


@dataclass(frozen=True, eq=False)
class Lesion:
    """One thing that disease did, as it was realised.

    Attributes:
        lesion_id: Unique in the eye: "dropout-1", ...
        term: Name in the case vocabulary.
        layers: Where it lies; a slab that shows none of them cannot show the lesion.
        center_um: (row, col, depth) [um].
        polyline_um: (K, 2) centre line (row, col) of a vessel-like lesion.
        attributes: Words: layer, shape, completeness, grade.
        quantities: Realised values.
        fov_um: Side of the field [um].
        region: Its extent as a region of tissue, where it has one.
        vessels: The vessels that it took away, changed or added.
        blob: The ellipse that it is, where it is one.
        surroundings: Tissue that moved along with tortuous vessels.
    """

    lesion_id: str
    term: str
    layers: frozenset[Layer]
    center_um: tuple[float, float, float]
    polyline_um: NDArray[np.float64] | None
    attributes: dict[str, str]
    quantities: tuple[Quantity, ...]
    fov_um: float
    region: Patch | None = None
    vessels: VesselGraph | None = None
    blob: Blobs | None = None
    surroundings: Patch | None = None

    def mask(self, size_px: int) -> NDArray[np.bool_]:
        """(size_px, size_px) bool: the pixels of the field that the lesion changed.

        The region's pixels, and every pixel that a vessel or blob of the lesion covers in part; of tortuosity, the vessels.
        Empty when the lesion lies outside the field.
        """
        out = np.zeros((size_px, size_px), np.bool_)
        if self.region is not None:
            out |= self.region.mask(self.fov_um, size_px)
        if self.vessels is not None:
            out |= render_capsules(self.vessels, size_px) > 0
        if self.blob is not None and self.surroundings is None:
            out |= _solid(self.blob, self.fov_um, size_px)
        return out

    def reach(self, size_px: int) -> NDArray[np.bool_]:
        """(size_px, size_px) bool: every pixel that may differ from the eye without the lesion.

        The mask, and what moved along with tortuous vessels.
        """
        out = self.mask(size_px)
        if self.surroundings is not None:
            out |= self.surroundings.mask(self.fov_um, size_px)
            if self.blob is not None:
                out |= _solid(self.blob, self.fov_um, size_px)
        return out

    def value(self, name: str) -> float:
        """The quantity of that name.

        Raises:
            KeyError: It has none.
        """
        return {q.name: q.value for q in self.quantities}[name]


def _solid(blobs: Blobs, fov_um: float, size_px: int) -> NDArray[np.bool_]:
    """(size_px, size_px) every pixel that a blob covers in part, whatever its flow."""
    full = Blobs(
        center_um=blobs.center_um,
        semi_um=blobs.semi_um,
        angle_rad=blobs.angle_rad,
        layer=blobs.layer,
        flow=np.ones(len(blobs), np.float32),
    )
    return np.asarray(render_blobs(full, fov_um, size_px) > 0)


@dataclass(frozen=True)
class Unplaced:
    """A lesion that was asked for, but for which this eye has no place. It is counted nowhere."""

    family: Family
    number: int
    reason: str


@dataclass(frozen=True, eq=False)
class DiseasedEye:
    """An eye after disease.

    Attributes:
        graph: Its vessels now; an edge keeps its `edge_id`.
        healthy: Its vessels before disease.
        blobs: Microaneurysms.
        fovea_um: (row, col) [um].
        faz_radius_um: Radius of the disc with the area of the superficial FAZ as it is now [um].
        pit_radius_um: The same before disease [um]: the pit does not widen with the FAZ.
        faz_outline_um: (K, 2) outline of the superficial FAZ as it is now [um].
        lesions: What was done.
        unplaced: What could not be done.
    """

    graph: VesselGraph
    healthy: VesselGraph
    blobs: Blobs
    fovea_um: tuple[float, float]
    faz_radius_um: float
    pit_radius_um: float
    faz_outline_um: NDArray[np.float64]
    lesions: tuple[Lesion, ...]
    unplaced: tuple[Unplaced, ...] = field(default=())

    def of(self, term: str) -> tuple[Lesion, ...]:
        """The lesions of one term."""
        return tuple(lesion for lesion in self.lesions if lesion.term == term)
