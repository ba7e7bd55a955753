"""What was realised, in words and numbers: lesions, anatomy and artefacts as findings; stage and biomarkers as facts.

Nothing here reads what was requested. A finding's visibility in a view comes from the image against that of the same eye
without any disease, of the same noise and exposure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Fact, Finding, Laterality, Quantity, Region, Visibility
from chiasm.measure import FIELD, Scale, StageEvidence, region_shape, stage
from chiasm.worlds.octa._params import EyeVisit, OctaParams, Scan
from chiasm.worlds.octa._plane import Extent, Plane, extent_of, faz_mask
from chiasm.worlds.octa.imaging import SLAB_LAYERS, Backdrop, FindingKind, Imaged
from chiasm.worlds.octa.pathology import DiseasedEye, Lesion

FAZ_GRID_UM = 5.0
"""Grid on which the shape of the FAZ is measured [um]."""
HIDDEN_SHARE = 0.5
"""A lesion of which at least this share lies under an artefact that hides vessels may be hidden by it."""
MOVING: Final = "motion artefact"
"""What lies under one is not where it seems to be, so it is not judged; under others it is as visible as its contrast says."""
HIDING: Final = ("shadow", "low signal", MOVING, "defocus", "segmentation error")

_SEEN_AS: Final[dict[str, FindingKind]] = {"capillary dropout": "area", "microaneurysm": "spot"}
"""What a lesion is looked for as; all others are vessels."""
_STAGE_TERMS = {
    "microaneurysm": "n_ma",
    "intraretinal microvascular abnormality": "n_irma",
    "neovascularization": "n_nv",
}


@dataclass(frozen=True)
class Exposed:
    """One scan, its image, that of the same eye without disease (None: the eye has none), and the truth on its grid."""

    scan: Scan
    imaged: Imaged
    backdrop: Backdrop | None
    plane: Plane

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """(H, W) where an artefact hides vessels."""
        return self.imaged.touched(*HIDING)

    def covering(self, extent: Extent) -> tuple[str, ...]:
        """Kinds of artefact over a lesion, if they lie over at least `HIDDEN_SHARE` of it together."""
        at, mask = extent.window, extent.inside
        if (self.hidden[at] & mask).sum() < HIDDEN_SHARE * mask.sum():
            return ()
        over = {t.artefact.kind for t in self.imaged.artefacts if (t.mask[at] & mask).any()}
        return tuple(sorted(over & set(HIDING)))


def case_facts(params: OctaParams) -> list[Fact]:
    """What holds for the patient: the age at each visit."""
    years = dict(sorted((eye.visit, eye.years) for eye in params.eyes))
    return [Fact(name="age", value=round(params.age_years + t, 1), unit="years", visit=v) for v, t in years.items()]


def eye_findings(eye: EyeVisit, diseased: DiseasedEye, seen: list[Exposed]) -> list[Finding]:
    """Anatomy, lesions and artefacts of one eye at one visit, with their regions in every view."""
    prefix = _prefix(eye)
    side = {"laterality": Laterality(eye.laterality), "visit": eye.visit}
    found = [*_anatomy(prefix, side, diseased, seen)]
    for i, lesion in enumerate(diseased.lesions):
        regions = [_region(exposed, exposed.plane.lesions[i], lesion) for exposed in seen]
        found.append(
            Finding(
                finding_id=f"{prefix}-{lesion.lesion_id}",
                term=lesion.term,
                regions=tuple(r for r in regions if r is not None),
                attributes=lesion.attributes,
                quantities=lesion.quantities,
                visibility={e.scan.view_id: _visibility(e, e.plane.lesions[i], lesion) for e in seen},
                **side,
            )
        )
    return found + _artefacts(prefix, side, seen)


def eye_facts(eye: EyeVisit, findings: list[Finding], diseased: DiseasedEye, seen: list[Exposed]) -> list[Fact]:
    """Stage and biomarkers of one eye at one visit: of all that was drawn, and of what each view shows."""
    side = Laterality(eye.laterality)
    prefix = _prefix(eye)
    number = {f"{prefix}-{lesion.lesion_id}": i for i, lesion in enumerate(diseased.lesions)}
    lesions = [f for f in findings if f.term in (*_STAGE_TERMS, "capillary dropout")]
    dropout = {f.finding_id: number[f.finding_id] for f in lesions if f.term == "capillary dropout"}
    share = max(seen, key=lambda e: e.scan.imaging.size_px).plane.share(list(dropout.values()))
    facts = [
        Fact(name="stage", value=_stage(lesions, share), laterality=side, visit=eye.visit),
        Fact(name="nonperfusion", value=round(100 * share, 3), unit="%", laterality=side, visit=eye.visit),
    ]
    if eye.without is not None:
        facts.append(Fact(name="twin", value=f"without {eye.without}", laterality=side, visit=eye.visit))
    for exposed in seen:
        view_id = exposed.scan.view_id
        visible = [f for f in lesions if f.visible_in(view_id)]
        shown = exposed.plane.share([dropout[f.finding_id] for f in visible if f.finding_id in dropout])
        facts += [
            Fact(name="stage_visible", value=_stage(visible, shown), view_id=view_id),
            Fact(name="nonperfusion_visible", value=round(100 * shown, 3), unit="%", view_id=view_id),
            Fact(name="quality", value=_quality(exposed), view_id=view_id),
            *(
                Fact(
                    name=b.name if b.region == FIELD else f"{b.name} {b.region}",
                    value=b.value,
                    unit=b.unit,
                    view_id=view_id,
                )
                for b in exposed.plane.biomarkers
            ),
        ]
    return facts


def _prefix(eye: EyeVisit) -> str:
    """What the ids of an eye's findings begin with."""
    return f"{eye.laterality.lower()}-v{eye.visit}"


def _anatomy(prefix: str, side: dict[str, Any], diseased: DiseasedEye, seen: list[Exposed]) -> list[Finding]:
    """The FAZ, the fovea, arteries and veins; there whether or not an artefact hides them."""
    regions: dict[str, list[Region]] = {"foveal avascular zone": [], "fovea": [], "artery": [], "vein": []}
    for exposed in seen:
        imaging, view_id = exposed.scan.imaging, exposed.scan.view_id
        if (zone := exposed.plane.faz) is not None:
            regions["foveal avascular zone"].append(Region(view_id=view_id, mask=zone.mask, box=zone.box))
        centre = (diseased.fovea_um[0] / imaging.pixel_um, diseased.fovea_um[1] / imaging.pixel_um)
        if all(0 <= x <= imaging.size_px for x in centre):
            regions["fovea"].append(Region(view_id=view_id, points=(centre,)))
        for kind, drawn in exposed.plane.vessels.items():
            if drawn is not None:
                regions[kind.name.lower()].append(Region(view_id=view_id, mask=drawn.mask))
    return [
        Finding(
            finding_id=f"{prefix}-{name.replace(' ', '-')}",
            term=name,
            regions=tuple(places),
            quantities=_faz_quantities(diseased) if name == "foveal avascular zone" else (),
            visibility={r.view_id: Visibility(visible=True) for r in places},
            **side,
        )
        for name, places in regions.items()
    ]


def _faz_quantities(diseased: DiseasedEye) -> tuple[Quantity, ...]:
    """Shape of the realised FAZ, whole even where it leaves the field, by the definitions of `measure`."""
    low = diseased.faz_outline_um.min(axis=0) - FAZ_GRID_UM
    extent = int(np.ceil((np.ptp(diseased.faz_outline_um, axis=0).max()) / FAZ_GRID_UM)) + 3
    scale = Scale(FAZ_GRID_UM)
    shape = region_shape(faz_mask(diseased.faz_outline_um - low, FAZ_GRID_UM, extent).astype(np.float32), scale)
    area, _ = scale.area(shape.area_px2)
    perimeter, _ = scale.length(shape.perimeter_px, "mm")
    return (
        Quantity(name="area", value=round(area, 4), unit="mm2"),
        Quantity(name="perimeter", value=round(perimeter, 4), unit="mm"),
        Quantity(name="circularity", value=round(shape.circularity, 4), unit="1"),
        Quantity(name="axis ratio", value=round(shape.axis_ratio, 4), unit="1"),
    )


def _region(exposed: Exposed, extent: Extent | None, lesion: Lesion) -> Region | None:
    """Where a lesion lies in one view; None where no pixel of it is in the field."""
    if extent is None:
        return None
    imaging = exposed.scan.imaging
    centre = tuple(float(x) / imaging.pixel_um for x in lesion.center_um[:2])
    inside = all(0 <= x <= imaging.size_px for x in centre)
    line = () if lesion.polyline_um is None else _inside(lesion.polyline_um / imaging.pixel_um, imaging.size_px)
    return Region(
        view_id=exposed.scan.view_id,
        mask=extent.mask,
        box=extent.box,
        points=(centre,) if inside and lesion.term == "microaneurysm" else (),
        polyline=line,
    )


def _inside(line: NDArray[np.floating[Any]], size_px: int) -> tuple[tuple[float, float], ...]:
    keep = ((line[:, :2] >= 0) & (line[:, :2] <= size_px)).all(axis=1)
    return tuple((float(r), float(c)) for r, c in line[keep, :2])


def _visibility(exposed: Exposed, extent: Extent | None, lesion: Lesion) -> Visibility:
    """Outside the field, in a layer that the slab leaves out, hidden by an artefact, too faint, or visible."""
    if extent is None:
        return Visibility(visible=False, reason="outside the field")
    if lesion.layers.isdisjoint(SLAB_LAYERS[exposed.scan.imaging.slab]):
        return Visibility(visible=False, reason="in a layer that this slab leaves out")
    at, mask = extent.window, extent.inside
    kinds = exposed.covering(extent)
    reason = f"under an artefact: {', '.join(kinds)}" if kinds else "below the contrast threshold"
    if MOVING in kinds:
        return Visibility(visible=False, reason=reason, hidden_by=kinds)
    assert exposed.backdrop is not None  # an eye with a lesion has a healthy twin
    alone = mask & (exposed.plane.depth[at] == 1)
    judged = alone if alone.sum() >= mask.sum() / 4 else mask
    seen = exposed.backdrop.contrast(exposed.imaged.pixels, judged, _SEEN_AS.get(lesion.term, "vessels"), at)
    return Visibility(
        visible=seen.visible,
        contrast_to_noise=round(seen.to_noise, 3),
        detectability=round(seen.detectability, 3),
        reason="" if seen.visible else reason,
        hidden_by=() if seen.visible else kinds,
    )


def _artefacts(prefix: str, side: dict[str, Any], seen: list[Exposed]) -> list[Finding]:
    out = []
    for exposed in seen:
        view_id = exposed.scan.view_id
        for i, truth in enumerate(exposed.imaged.artefacts):
            extent = extent_of(truth.mask)
            region = None if extent is None else Region(view_id=view_id, mask=extent.mask, box=extent.box)
            out.append(
                Finding(
                    finding_id=f"{view_id}-artefact-{i}",
                    term=truth.artefact.kind,
                    regions=() if region is None else (region,),
                    attributes={"severity": truth.artefact.severity, "type": truth.artefact.form},
                    visibility={view_id: Visibility(visible=region is not None)},
                    **side,
                )
            )
    return out


def _stage(lesions: list[Finding], nonperfused: float) -> str:
    counts = dict.fromkeys(_STAGE_TERMS.values(), 0)
    for finding in lesions:
        if finding.term in _STAGE_TERMS and finding.regions:
            counts[_STAGE_TERMS[finding.term]] += 1
    return str(stage(StageEvidence(**counts, nonperfusion_fraction=nonperfused)).stage)


def _quality(exposed: Exposed) -> str:
    """Good, acceptable or poor, by the worst artefact; projection is in every OCTA image and does not count."""
    worst = {t.artefact.severity for t in exposed.imaged.artefacts if t.artefact.kind in (*HIDING, "decentration")}
    return "poor" if "severe" in worst else "acceptable" if "moderate" in worst else "good"
