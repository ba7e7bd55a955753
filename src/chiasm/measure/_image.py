"""Every biomarker of one en-face image, estimated from its pixels, or of its exact masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Laterality
from chiasm.errors import InvalidInput, Unanswerable
from chiasm.measure._biomarkers import FIELD, Biomarker, Biomarkers, Missing
from chiasm.measure._definitions import DEFINITIONS, IMAGE_LIMITS
from chiasm.measure._faz import faz_from_vessels, segment_faz
from chiasm.measure._network import fractal_dimension, intercapillary_distance_px, nonperfused, tortuosity
from chiasm.measure._regions import MIN_INSIDE, etdrs_grid
from chiasm.measure._scale import Scale, as_coverage, as_grey
from chiasm.measure._shape import RegionShape, region_shape
from chiasm.measure._skeleton import Skeleton, trace_skeleton
from chiasm.measure._vessels import line_strength, segment_vessels, vessel_area

THIN_COVERAGE = 0.2
"""A pixel with this share covered lies on a vessel, if only on one thinner than a pixel between two pixels."""
NO_SCALE = "needs the field of view in mm (fov_mm): lengths are never guessed"


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageMeasurement:
    """What was measured, and on which masks.

    Attributes:
        biomarkers: The values.
        vessels: (H, W) bool.
        skeleton: Centre lines of the vessels.
        faz: (H, W) bool; None where no FAZ could be told.
        faz_shape: Its shape with the outline; None likewise.
        nonperfused: (H, W) bool; None without a field of view.
        scale: Size of a pixel.
        laterality: Of the eye; names the sectors.
        notes: What was assumed, and what one image cannot tell.
    """

    biomarkers: Biomarkers
    vessels: NDArray[np.bool_]
    skeleton: Skeleton
    faz: NDArray[np.bool_] | None
    faz_shape: RegionShape | None
    nonperfused: NDArray[np.bool_] | None
    scale: Scale
    laterality: Laterality
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`, without the masks."""
        record: dict[str, Any] = self.biomarkers.model_dump(mode="json")
        return {
            "schema_version": 1,
            "shape_px": list(self.vessels.shape),
            "um_per_px": self.scale.um_per_px,
            "laterality": self.laterality.value,
            "fovea_px": None if self.faz_shape is None else [round(x, 3) for x in self.faz_shape.centroid],
            **record,
            "notes": list(self.notes),
        }


def measure_image(
    pixels: NDArray[Any], fov_mm: float | None, laterality: Laterality = Laterality.UNKNOWN
) -> ImageMeasurement:
    """Estimate every biomarker from a grey en-face image.

    Args:
        pixels: (H, W) uint8, uint16 or float in [0, 1], square pixels, superior up; brighter is more flow.
        fov_mm: Width of the field [mm]. None: lengths are given in pixels, and measures that need one are refused.
        laterality: Names the sectors; left and right where unknown.

    Raises:
        InvalidInput: The pixels or the field of view break these rules.
    """
    scale, lines, faz, why = _zone(pixels, fov_mm)
    generous = segment_vessels(lines, faz, scale)
    skeleton = trace_skeleton(generous)
    coverage = vessel_area(lines, generous, skeleton, scale).astype(np.float32)
    notes: tuple[str, ...] = IMAGE_LIMITS
    if not scale.known:
        notes = ("field of view unknown: lengths are in pixels, filters are sized for pixels of 10 um", *notes)
    if laterality not in (Laterality.OD, Laterality.OS):
        notes = ("eye unknown: horizontal sectors are called left and right", *notes)
    return _Measuring(coverage, skeleton, faz, why, scale, laterality, "estimate").run(notes)


def nonperfused_share(pixels: NDArray[Any], fov_mm: float) -> float:
    """The field's `nonperfusion_fraction` of `measure_image` alone.

    Args:
        pixels: As of `measure_image`.
        fov_mm: Width of the field [mm].

    Returns:
        Share of the field [0 to 1].

    Raises:
        InvalidInput: The pixels or the field of view break these rules.
    """
    scale, lines, faz, _ = _zone(pixels, fov_mm)
    return float(nonperfused(trace_skeleton(segment_vessels(lines, faz, scale)), faz, scale).mean())


def measure_masks(
    vessels: NDArray[Any],
    fov_mm: float | None,
    *,
    faz: NDArray[np.bool_] | None = None,
    laterality: Laterality = Laterality.UNKNOWN,
) -> ImageMeasurement:
    """Every biomarker of exact masks.

    Args:
        vessels: (H, W) bool, or float coverage in [0, 1] (areas are then exact below a pixel).
        fov_mm: Width of the field [mm], or None.
        faz: (H, W) bool; None: by definition from the vessels (`faz_from_vessels`).
        laterality: Names the sectors.

    Raises:
        InvalidInput: The masks or the field of view break these rules.
    """
    coverage = as_coverage(vessels, "vessels")
    scale = Scale.from_fov((coverage.shape[0], coverage.shape[1]), fov_mm)
    why = ""
    if faz is None:
        try:
            faz = faz_from_vessels(coverage >= 0.5, scale)
        except Unanswerable as error:
            why = str(error)
    elif faz.shape != coverage.shape or faz.dtype != np.bool_:
        msg = f"faz must be bool of the vessels' shape {coverage.shape}, got {faz.dtype} of {faz.shape}"
        raise InvalidInput(msg)
    elif not faz.any():
        faz, why = None, "the FAZ mask is empty"
    skeleton = trace_skeleton(coverage >= THIN_COVERAGE)
    return _Measuring(coverage, skeleton, faz, why, scale, laterality, "truth").run(())


def _zone(
    pixels: NDArray[Any], fov_mm: float | None
) -> tuple[Scale, NDArray[np.float32], NDArray[np.bool_] | None, str]:
    """Scale, strength of lines, FAZ, and why there is none."""
    grey = as_grey(pixels)
    scale = Scale.from_fov((grey.shape[0], grey.shape[1]), fov_mm)
    lines = line_strength(grey, scale)
    try:
        return scale, lines, segment_faz(grey, lines, scale), ""
    except Unanswerable as error:
        return scale, lines, None, str(error)


@dataclass(eq=False)
class _Measuring:
    """One run: masks in, values collected."""

    coverage: NDArray[np.float32]
    skeleton: Skeleton
    faz: NDArray[np.bool_] | None
    why_no_faz: str
    scale: Scale
    laterality: Laterality
    method: Literal["estimate", "truth"]
    values: list[Biomarker] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def run(self, notes: tuple[str, ...]) -> ImageMeasurement:
        skeleton = self.skeleton
        vessels = (self.coverage >= 0.5) | skeleton.mask
        shape = self._faz()
        dark = nonperfused(skeleton, self.faz, self.scale) if self.scale.known else None
        self._regions(skeleton, dark, shape)
        self._network(vessels, skeleton, dark)
        return ImageMeasurement(
            biomarkers=Biomarkers(method=self.method, values=tuple(self.values), missing=tuple(self.missing)),
            vessels=vessels,
            skeleton=skeleton,
            faz=self.faz,
            faz_shape=shape,
            nonperfused=dark,
            scale=self.scale,
            laterality=self.laterality,
            notes=notes,
        )

    def _add(self, name: str, value: float, unit: str, region: str = FIELD) -> None:
        self.values.append(Biomarker(name=name, value=value, unit=unit, region=region))

    def _lack(self, name: str, reason: str, region: str = FIELD) -> None:
        self.missing.append(Missing(name=name, reason=reason, region=region))

    def _faz(self) -> RegionShape | None:
        if self.faz is None:
            for name in DEFINITIONS:
                if name.startswith("faz_"):
                    self._lack(name, self.why_no_faz)
            return None
        shape = region_shape(self.faz.astype(np.float32), self.scale)
        self._add("faz_area", *self.scale.area(shape.area_px2))
        self._add("faz_perimeter", *self.scale.length(shape.perimeter_px, "mm"))
        self._add("faz_circularity", shape.circularity, "1")
        self._add("faz_axis_ratio", shape.axis_ratio, "1")
        return shape

    def _regions(self, skeleton: Skeleton, dark: NDArray[np.bool_] | None, shape: RegionShape | None) -> None:
        """Densities over the field and the ETDRS grid."""
        self._region(FIELD, np.ones(self.coverage.shape, dtype=bool), skeleton, dark)
        if self.scale.um_per_px is None or shape is None:
            reason = NO_SCALE if shape is not None else f"the grid is centred on the FAZ: {self.why_no_faz}"
            for name in ("vessel_area_density", "skeleton_density", "nonperfusion_fraction"):
                self._lack(name, reason, "centre")
                self._lack(name, reason, "inner")
            return
        shape_px = (self.coverage.shape[0], self.coverage.shape[1])
        for region in etdrs_grid(shape_px, self.scale.um_per_px / 1000, shape.centroid, self.laterality):
            if region.inside >= MIN_INSIDE:
                self._region(region.name, region.mask, skeleton, dark)
            else:
                reason = f"only {region.inside:.0%} of the region lies inside the image, {MIN_INSIDE:.0%} needed"
                for name in ("vessel_area_density", "skeleton_density", "nonperfusion_fraction"):
                    self._lack(name, reason, region.name)

    def _region(self, name: str, mask: NDArray[np.bool_], skeleton: Skeleton, dark: NDArray[np.bool_] | None) -> None:
        area = float(mask.sum())
        self._add("vessel_area_density", float(self.coverage[mask].sum(dtype=np.float64)) / area, "1", name)
        length = float(skeleton.length_map[mask].sum(dtype=np.float64))
        self._add("skeleton_density", *self.scale.per_length(length / area), name)
        if dark is None:
            self._lack("nonperfusion_fraction", NO_SCALE, name)
        else:
            self._add("nonperfusion_fraction", float(dark[mask].sum()) / area, "1", name)

    def _network(self, vessels: NDArray[np.bool_], skeleton: Skeleton, dark: NDArray[np.bool_] | None) -> None:
        if dark is None:
            self._lack("nonperfusion_area", NO_SCALE)
        else:
            self._add("nonperfusion_area", *self.scale.area(float(dark.sum())))
        excluded = np.zeros_like(vessels)
        for part in (self.faz, dark):
            excluded |= part if part is not None else False
        covered = np.maximum(self.coverage, vessels * np.float32(0.5))
        self._try("fractal_dimension", lambda: (fractal_dimension(skeleton.mask), "1"))
        self._try("tortuosity", lambda: (tortuosity(skeleton, self.scale), "1"))
        self._try("vessel_diameter_index", lambda: self.scale.length(self._calibre_px(skeleton), "um"))
        self._try(
            "intercapillary_distance",
            lambda: self.scale.length(intercapillary_distance_px(covered, excluded, self.scale), "um"),
        )

    def _calibre_px(self, skeleton: Skeleton) -> float:
        length = skeleton.total_px
        if length == 0:
            msg = "the vessel diameter index needs at least one vessel"
            raise Unanswerable(msg)
        return float(self.coverage.sum(dtype=np.float64)) / length

    def _try(self, name: str, measure: Callable[[], tuple[float, str]]) -> None:
        try:
            value, unit = measure()
        except Unanswerable as error:
            self._lack(name, str(error))
        else:
            self._add(name, value, unit)
