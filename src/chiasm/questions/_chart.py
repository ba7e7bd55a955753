"""A case laid out for asking: per view, what can be seen and where it lies relative to the reference point.

Everything is derived from the case's regions and quantities, once, when first wanted. Lesions count where they are visible in
the view; anatomy and artefacts count always.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Case, Finding, Laterality, Quantity, Region, View, term, text_to_counts
from chiasm.measure import StageEvidence, Staging, stage
from chiasm.questions._answers import Frame
from chiasm.questions._item import Missing
from chiasm.questions._sectors import Placed, PlaceNames, angle_deg, possible_places, quadrant_of, ring_of, sector_of

LESIONS: Final = (
    "capillary dropout",
    "microaneurysm",
    "intraretinal microvascular abnormality",
    "neovascularization",
    "vascular tortuosity",
)
"""The lesion terms of an OCTA case, in the order of SVR's steps."""
FIELDS: Final = {
    "capillary dropout": "nonperfusion_fraction",
    "microaneurysm": "n_ma",
    "intraretinal microvascular abnormality": "n_irma",
    "neovascularization": "n_nv",
}
"""The findings that the stage rule uses, and their names in it."""
OBSCURED_SHARE: Final = 0.1
"""Share of all dropout in the field that artefacts may hide while its extent is still told; as the tolerance of an area."""


class Sight:
    """One finding as one view shows it."""

    def __init__(self, finding: Finding, region: Region | None, scene: Scene) -> None:
        self.finding, self._region, self._scene = finding, region, scene

    @property
    def finding_id(self) -> str:
        """The finding's id."""
        return self.finding.finding_id

    @property
    def term(self) -> str:
        """The finding's term."""
        return self.finding.term

    @property
    def region(self) -> Region:
        """Where it lies in the view; Missing where the case does not say."""
        if self._region is None:
            reason = f"region of {self.finding.term}"
            raise Missing(reason, f"finding {self.finding_id} has no region in view {self._scene.view.view_id}")
        return self._region

    @cached_property
    def pixels(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(rows, cols) of the centres of the mask's pixels, (N,) each."""
        mask = self.region.mask
        if mask is None:
            reason = f"mask of {self.finding.term}"
            raise Missing(reason, f"finding {self.finding_id} has no mask in view {self._scene.view.view_id}")
        runs = np.array(text_to_counts(mask.counts), dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(runs)[:-1]])[1::2]
        lengths = runs[1::2]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat = np.repeat(starts, lengths) + within  # column-major
        height = mask.size[0]
        return flat % height + 0.5, flat // height + 0.5

    @cached_property
    def centre(self) -> tuple[float, float]:
        """(row, col) [px]: the marked point, else the centroid of the mask or line, else the middle of the box."""
        region = self.region
        if region.points:
            return region.points[0][0], region.points[0][1]
        if region.mask is not None and region.mask.area:
            rows, cols = self.pixels
            return float(rows.mean()), float(cols.mean())
        if region.polyline:
            line = np.array(region.polyline)
            return float(line[:, 0].mean()), float(line[:, 1].mean())
        if region.box is None:
            raise Missing(f"place of {self.finding.term}", f"finding {self.finding_id} has an empty region")
        (r0, c0), (r1, c1) = region.box
        return (r0 + r1) / 2, (c0 + c1) / 2

    @cached_property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(start, stop) [px] of the box, or of the mask's extent."""
        if self.region.box is not None:
            (r0, c0), (r1, c1) = self.region.box
            return (r0, c0), (r1, c1)
        rows, cols = self.pixels
        return (float(rows.min()) - 0.5, float(cols.min()) - 0.5), (float(rows.max()) + 0.5, float(cols.max()) + 0.5)

    @cached_property
    def angle(self) -> float:
        """Direction of the centre from the reference point [deg]."""
        return angle_deg(*self.centre, self._scene.reference)

    @cached_property
    def distance_mm(self) -> float:
        """Distance of the centre from the reference point."""
        return self._scene.distance_mm(self.centre, self._scene.reference)

    @cached_property
    def area_mm2(self) -> float:
        """The stated area, else that of the mask."""
        stated = self.finding.quantity("area")
        if stated is not None and stated.unit == "mm2":
            return stated.value
        return len(self.pixels[0]) * self._scene.pixel_mm2

    @property
    def sector(self) -> Placed:
        """Its 45-degree sector."""
        return sector_of(self.angle)

    @property
    def quadrant(self) -> Placed:
        """Its quadrant."""
        return quadrant_of(self.angle)

    @property
    def ring(self) -> Placed:
        """Its ring."""
        return ring_of(self.distance_mm)

    def place(self, names: PlaceNames) -> Placed:
        """Its sector, quadrant or ring."""
        return self.ring if names == "ring" else self.sector if names == "sector" else self.quadrant

    def possible_places(self, names: PlaceNames, slack: float) -> set[str]:
        """Names of the places that it may lie in, if its place is off by a little."""
        return possible_places(self.angle, self.distance_mm if names == "ring" else 0.0, names, slack)

    def quantity(self, name: str) -> Quantity:
        """A stated quantity; Missing where there is none."""
        found = self.finding.quantity(name)
        if found is None:
            raise Missing(f"{name} of {self.term}", f"finding {self.finding_id} states no {name!r}")
        return found


class Scene:
    """One view of a case."""

    def __init__(self, case: Case, view: View) -> None:
        self.case, self.view = case, view
        self.frame = Frame(*view.shape[:2])

    @cached_property
    def _by_term(self) -> dict[str, tuple[list[Sight], list[Sight]]]:
        """Term -> what this view shows of it, and what it does not."""
        index: dict[str, tuple[list[Sight], list[Sight]]] = {}
        for finding in self.case.findings:
            if (
                finding.visit != self.view.visit
                or len({finding.laterality, self.view.laterality} - {Laterality.NONE}) > 1
            ):
                continue
            region = finding.region(self.view.view_id)
            if term(finding.term).kind == "artefact" and region is None:
                continue
            seen = term(finding.term).kind != "lesion" or finding.visible_in(self.view.view_id)
            shown, hidden = index.setdefault(finding.term, ([], []))
            (shown if seen else hidden).append(Sight(finding, region, self))
        return index

    def sights(self, name: str) -> tuple[Sight, ...]:
        """What the view shows of a term, in the order of the case."""
        return tuple(self._by_term.get(name, ((), ()))[0])

    def hidden(self, name: str) -> tuple[Sight, ...]:
        """Findings of a term in this eye and visit that the view does not show."""
        return tuple(self._by_term.get(name, ((), ()))[1])

    def misses_disease(self, staging: Staging, kinds: Iterable[str] = FIELDS) -> bool:
        """Whether a stage is healthy only because the view shows none of the lesions of these kinds that the eye has."""
        return staging.stage.level == 0 and any(self.hidden(name) for name in kinds)

    @cached_property
    def obscured(self) -> bool:
        """Whether artefacts hide so much dropout, over a tenth of its area, that neither its extent nor the stage can be told."""
        judged = ((s, s.finding.visibility.get(self.view.view_id)) for s in self.hidden("capillary dropout"))
        hidden = sum(sight.area_mm2 for sight, seen in judged if seen is not None and seen.hidden_by)
        return hidden > 0 and hidden > OBSCURED_SHARE * (
            hidden + sum(s.area_mm2 for s in self.sights("capillary dropout"))
        )

    def artefacts(self) -> Iterator[Sight]:
        """Every artefact in the view."""
        for name, (shown, _) in self._by_term.items():
            if term(name).kind == "artefact":
                yield from shown

    @cached_property
    def reference(self) -> tuple[float, float]:
        """(row, col) [px] of the point that sectors and rings refer to: the fovea, else the centre of the FAZ."""
        for name in ("fovea", "foveal avascular zone"):
            for sight in self.sights(name):
                return sight.centre
        raise Missing("fovea", f"view {self.view.view_id} has neither a fovea nor a foveal avascular zone")

    @cached_property
    def spacing_mm(self) -> tuple[float, float]:
        """(row, col) pixel pitch [mm]; Missing where unknown."""
        spacing = self.view.spacing_mm
        if spacing is None or spacing[0] is None or spacing[1] is None:
            raise Missing("pixel spacing", f"view {self.view.view_id} has no pixel spacing: lengths cannot be given")
        return spacing[0], spacing[1]

    @property
    def pixel_mm2(self) -> float:
        """Area of a pixel [mm2]."""
        return self.spacing_mm[0] * self.spacing_mm[1]

    @property
    def field_mm2(self) -> float:
        """Area of the field [mm2]."""
        return self.pixel_mm2 * self.frame.height * self.frame.width

    def distance_mm(self, a: tuple[float, float], b: tuple[float, float]) -> float:
        """Distance of two points given in pixels."""
        return math.hypot((a[0] - b[0]) * self.spacing_mm[0], (a[1] - b[1]) * self.spacing_mm[1])

    @cached_property
    def nonperfusion_percent(self) -> float:
        """Visible non-perfusion, in percent of the field."""
        stated = self.case.fact_value("nonperfusion_visible", view_id=self.view.view_id)
        if stated is not None and not isinstance(stated, str):
            return float(stated)
        return 100 * sum(s.area_mm2 for s in self.sights("capillary dropout")) / self.field_mm2

    @cached_property
    def staging(self) -> Staging:
        """The surrogate stage of what the view shows, by the written rule."""
        return stage(
            StageEvidence(
                n_ma=len(self.sights("microaneurysm")),
                n_irma=len(self.sights("intraretinal microvascular abnormality")),
                n_nv=len(self.sights("neovascularization")),
                nonperfusion_fraction=min(1.0, max(0.0, self.nonperfusion_percent / 100)),
            )
        )

    @property
    def laterality(self) -> Laterality:
        """The eye."""
        return self.view.laterality


class Chart:
    """A case's scenes, each made when first wanted."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._scenes: dict[str, Scene] = {}

    def scene(self, view_id: str) -> Scene:
        """The scene of a view."""
        if view_id not in self._scenes:
            self._scenes[view_id] = Scene(self.case, self.case.view(view_id))
        return self._scenes[view_id]

    def default_view(self) -> str:
        """The first two-dimensional view."""
        for view in self.case.views:
            if view.axes == ("row", "col"):
                return view.view_id
        raise Missing(
            "a two-dimensional view", f"case {self.case.case_id} has views of axes {[v.axes for v in self.case.views]}"
        )

    def pair(self, kind: str) -> tuple[str, str]:
        """The first two views that show the same slab of two visits of an eye, of both eyes, or of an eye and its twin."""
        views = [v for v in self.case.views if v.axes == ("row", "col")]
        for i, first in enumerate(views):
            for second in views[i + 1 :]:
                if (
                    first.attributes.get("slab") == second.attributes.get("slab")
                    and self._relation(first, second) == kind
                ):
                    return first.view_id, second.view_id
        names = {"visits": "two visits of one eye", "eyes": "both eyes at one visit", "twin": "an eye and its twin"}
        raise Missing(names[kind], f"case {self.case.case_id} has the views {[v.view_id for v in self.case.views]}")

    def _relation(self, first: View, second: View) -> str:
        if first.laterality is second.laterality and first.visit != second.visit:
            changed = [self.case.fact("twin", view_id=view.view_id) is not None for view in (first, second)]
            same = second.view_id == f"{first.view_id}-twin" or not second.view_id.endswith("-twin")
            return "visits" if not any(changed) else "twin" if changed == [False, True] and same else ""
        both = {first.laterality, second.laterality} == {Laterality.OD, Laterality.OS}
        return "eyes" if both and first.visit == second.visit else ""
