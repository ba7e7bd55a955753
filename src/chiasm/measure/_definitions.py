"""What each biomarker means: one entry each, from which the table of the documentation is made."""

from __future__ import annotations

from typing import Final, NamedTuple

from chiasm.errors import UnknownName


class Definition(NamedTuple):
    """One biomarker."""

    name: str
    title: str
    unit: str
    """Where the field of view is known; lengths are otherwise in px, areas in px2, densities per length in 1/px."""
    definition: str
    source: str
    cannot: str
    """What one image cannot tell about it."""
    needs_scale: bool = False
    """Whether it is refused without a field of view."""


_SCALE = "true size: magnification varies with axial length, which errs FAZ area by up to 31 % (Linderman 2017)"
_DEVICE = "an absolute value: it depends on device, slab and binarisation; compare only with the same pipeline"

DEFINITIONS: Final[dict[str, Definition]] = {
    entry.name: entry
    for entry in (
        Definition(
            "faz_area",
            "FAZ area",
            "mm2",
            "Area of the vessel-free region at the fovea.",
            "Linderman 2017 (PMC5469394); Samara 2015",
            _SCALE,
        ),
        Definition(
            "faz_perimeter",
            "FAZ perimeter",
            "mm",
            "Length of the FAZ's outline: the half-level line of its mask blurred by 15 um, located between pixels.",
            "Clin Ophthalmol 2022;16:429; outline: marching squares",
            f"{_SCALE}; it also depends on how smooth an outline is drawn",
        ),
        Definition(
            "faz_circularity",
            "FAZ circularity",
            "1",
            "4 pi area / perimeter^2 of the outline; 1 for a disc. Acircularity is its inverse square root.",
            "BJO 2017-311149",
            "whether an irregular outline is disease: fellow eyes of one healthy person differ much (PMC6166903)",
        ),
        Definition(
            "faz_axis_ratio",
            "FAZ axis ratio",
            "1",
            "Major / minor axis of the ellipse with the FAZ's second moments; >= 1.",
            "PMC6166903",
            "whether a long FAZ is disease: fellow eyes of one healthy person differ much (PMC6166903)",
        ),
        Definition(
            "vessel_area_density",
            "Vessel area density",
            "1",
            "Share of the region's area (FAZ included) that vessels cover.",
            "Chu 2016, J Biomed Opt 21:066008; grade relation: Kim 2016 (PMC4968771)",
            f"{_DEVICE}; wide vessels count more than capillaries",
        ),
        Definition(
            "skeleton_density",
            "Vessel skeleton density",
            "1/mm",
            "Length of vessel centre lines / area of the region (FAZ included). Lengths are of smoothed paths.",
            "Chu 2016, J Biomed Opt 21:066008; Kim 2016 (PMC4968771)",
            f"{_DEVICE}; vessels above each other count once",
        ),
        Definition(
            "nonperfusion_area",
            "Non-perfused area",
            "mm2",
            "Area outside the FAZ where the local density of centre lines (Gaussian neighbourhood, sigma 80 um) is below 55 % of "
            "the eye's own level, the 75th percentile of the field; pieces of at least 0.02 mm2.",
            "after Garg 2022 (PMC9137369); neighbourhood from the width of normal gaps (PMID 31042789)",
            "whether flow is absent or only hidden: a shadow, weak signal or very slow flow looks the same; and loss that is even "
            "over the field",
            needs_scale=True,
        ),
        Definition(
            "nonperfusion_fraction",
            "Non-perfused share",
            "1",
            "Non-perfused area / area of the region.",
            "as non-perfused area",
            "the state of the retina outside the field; otherwise as non-perfused area",
            needs_scale=True,
        ),
        Definition(
            "fractal_dimension",
            "Fractal dimension",
            "1",
            "Box-counting dimension of the centre lines: slope of log(boxes met) on log(1 / side), "
            "sides 1/8, 1/12, 1/16, 1/24, 1/32, 1/48 and 1/64 of the field, mean over all positions of the grid.",
            "Front Physiol 2018;9:1233; Kim 2016 (PMC4968771)",
            f"{_DEVICE}; it also depends on the box sides and the size of the field",
        ),
        Definition(
            "tortuosity",
            "Tortuosity",
            "1",
            "Total arc length / total chord over centre-line branches of at least 100 um; 1 is straight.",
            "arc/chord: Fayed 2019",
            "disease: healthy eyes vary, it rises in NPDR and falls in PDR (Lee 2018), or does not differ (PMC8107511)",
        ),
        Definition(
            "vessel_diameter_index",
            "Vessel diameter index",
            "um",
            "Area covered by vessels / length of their centre lines: the mean calibre.",
            "Chu 2016, J Biomed Opt 21:066008; Kim 2016 (PMC4968771)",
            "true calibre: OCTA shows moving blood blurred by the beam (about 15 um), wider than a capillary of 8 um",
        ),
        Definition(
            "intercapillary_distance",
            "Intercapillary distance",
            "um",
            "Mean diameter of the largest vessel-free discs between vessels, outside the FAZ and non-perfused areas.",
            "after Schottenhamml 2016 (Retina 36 Suppl 1:S93)",
            "the distance in depth: capillaries of all depths in the slab are projected into one plane",
        ),
        Definition(
            "resolved_vessel_area_density",
            "Resolved vessel area density (graph)",
            "1",
            "Share of the region's area (FAZ included) that vessels cover once they are projected and blurred by a beam of 15 um: "
            "where the noiseless projection is a ridge of at least a quarter of a lone capillary's, or wide.",
            "the vessel graph; ridges: Steger 1998 (IEEE TPAMI 20:113)",
            "it is not measured on images: it is what their vessel area density is to be compared with",
            needs_scale=True,
        ),
        Definition(
            "resolved_skeleton_density",
            "Resolved vessel skeleton density (graph)",
            "1/mm",
            "Length of the centre lines of the resolved vessels (see above) / area of the region (FAZ included).",
            "the vessel graph; ridges: Steger 1998 (IEEE TPAMI 20:113)",
            "it is not measured on images: it is what their skeleton density is to be compared with",
            needs_scale=True,
        ),
        Definition(
            "length_density",
            "Vessel length density (graph)",
            "1/mm",
            "Length of vessels in 3D inside the field / area of the field.",
            "the vessel graph; no image",
            "it is not measured on images: vessels that lie above each other are all counted",
            needs_scale=True,
        ),
        Definition(
            "mean_radius",
            "Mean vessel radius (graph)",
            "um",
            "Length-weighted mean radius of the vessels inside the field.",
            "the vessel graph; no image",
            "it is not measured on images: the image shows the beam's width",
            needs_scale=True,
        ),
        Definition(
            "branch_tortuosity",
            "Branch tortuosity (graph)",
            "1",
            "Total arc length / total chord in 3D over branches between junctions of at least 100 um.",
            "arc/chord: Fayed 2019; the vessel graph",
            "it is not measured on images: bends in depth are invisible en face",
            needs_scale=True,
        ),
    )
}

IMAGE_LIMITS: Final = (
    "one en-face image shows flow, not tissue: haemorrhage, exudate and oedema are invisible",
    "where it is dark, absent flow cannot be told from a shadow, weak signal or flow below the slowest detectable",
    "arteries and veins look alike, and vessels of all depths in the slab lie in one plane",
    "the field is a small part of the retina: disease outside it is not seen",
    "absolute densities depend on device, slab and binarisation: compare with images of the same pipeline only",
    "magnification varies with axial length: without it, areas err by up to 31 % (Linderman 2017)",
)


def definition(name: str) -> Definition:
    """The entry of that name.

    Raises:
        UnknownName: There is none; the nearest is named.
    """
    try:
        return DEFINITIONS[name]
    except KeyError:
        raise UnknownName("biomarker", name, DEFINITIONS) from None


def definitions_table() -> str:
    """The registry as a Markdown table."""
    rows = [
        "| biomarker | unit | definition | source | what one image cannot tell |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| **{d.title}** `{d.name}` | {d.unit} | {d.definition} | {d.source} | {d.cannot} |"
        for d in DEFINITIONS.values()
    ]
    return "\n".join(rows) + "\n"
