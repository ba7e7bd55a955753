"""How much, how far, how many?"""

from __future__ import annotations

import math
from collections.abc import Callable

from chiasm.questions._item import Ambiguous
from chiasm.questions._look import Look
from chiasm.questions._program import Asked, how_many, number, program

IRMA = "intraretinal microvascular abnormality"


def counting(name: str, term: str, bins: str) -> Callable[[Look], Asked]:
    """Register the question how many there are."""

    def run(look: Look) -> Asked:
        seen = look.find(term)
        n = look.count(seen)
        if n == 0:
            look.present(term)
            look.say("absent", term=term)
        else:
            look.say("found", n=n, term=term)
        return Asked("count", how_many(n), {"term": term}, bins=bins)

    run.__doc__ = f"How many of {term} are visible?"
    return program(f"{name}-count", "measurement", "count", choice=bool(bins))(run)


dropout_count = counting("dropout", "capillary dropout", "")
microaneurysm_count = counting("microaneurysm", "microaneurysm", "bins microaneurysms")
irma_count = counting("irma", IRMA, "")


@program("faz-area", "measurement", "number", choice=True)
def faz_area(look: Look) -> Asked:
    """Area of the foveal avascular zone."""
    area = look.area(look.anatomy("foveal avascular zone"))
    look.say("measured.area", measure="faz area", area=area.value)
    return Asked("measure", number(area, 2), {"measure": "faz area"}, bins="bins faz area")


@program("faz-circularity", "measurement", "number", choice=True)
def faz_circularity(look: Look) -> Asked:
    """Circularity of the foveal avascular zone."""
    ratio = look.quantity(look.anatomy("foveal avascular zone"), "circularity")
    look.say("measured.ratio", measure="faz circularity", ratio=ratio.value)
    return Asked("measure", number(ratio, 2), {"measure": "faz circularity"}, bins="bins faz circularity")


@program("faz-diameter", "measurement", "number")
def faz_diameter(look: Look) -> Asked:
    """Diameter of the disc as large as the foveal avascular zone."""
    zone = look.anatomy("foveal avascular zone")
    area = look.area(zone)
    look.say("measured.area", measure="faz area", area=area.value)
    diameter = look.measured(
        "diameter_of_disc", {"area": round(area.value, 4)}, 2 * math.sqrt(area.value / math.pi), "mm", [zone]
    )
    look.say("measured.distance", measure="faz diameter", distance=diameter.value)
    return Asked("measure", number(diameter, 2), {"measure": "faz diameter"})


@program("nonperfusion-share", "measurement", "number", choice=True)
def nonperfusion_share(look: Look) -> Asked:
    """Non-perfused share of the field."""
    if not look.find("capillary dropout"):
        look.present("capillary dropout")
    share = look.nonperfusion()
    look.say("measured.share", measure="nonperfusion", share=share.value)
    return Asked("measure", number(share, 1), {"measure": "nonperfusion"}, bins="bins nonperfusion")


@program("largest-dropout-area", "measurement", "number", choice=True)
def largest_dropout_area(look: Look) -> Asked:
    """Area of the largest area of dropout."""
    areas = look.some("capillary dropout")
    area = look.area(max(areas, key=lambda s: s.area_mm2))
    look.say("measured.area", measure="largest dropout", area=area.value)
    return Asked("measure", number(area, 2), {"measure": "largest dropout"}, bins="bins dropout area")


@program("mean-dropout-area", "measurement", "number")
def mean_dropout_area(look: Look) -> Asked:
    """Mean area of the areas of dropout."""
    areas = look.some("capillary dropout")
    total = sum(look.area(s).value for s in areas)
    look.say("total.area", n=len(areas), term="capillary dropout", area=total)
    mean = look.measured("divide", {"a": round(total, 4), "b": len(areas)}, total / len(areas), "mm2", areas)
    look.say("measured.area", measure="mean dropout", area=mean.value)
    return Asked("measure", number(mean, 2), {"measure": "mean dropout"})


@program("largest-dropout-distance", "measurement", "number")
def largest_dropout_distance(look: Look) -> Asked:
    """Distance of the largest area of dropout from the fovea."""
    largest = look.largest(look.some("capillary dropout"))
    look.say("size", term="capillary dropout", area=look.area(largest).value)
    distance = look.distance(largest)
    look.say("measured.distance", measure="largest dropout distance", distance=distance.value)
    return Asked("measure", number(distance, 2), {"measure": "largest dropout distance"})


@program("nearest-microaneurysm-distance", "measurement", "number", choice=True)
def nearest_microaneurysm_distance(look: Look) -> Asked:
    """Distance of the nearest microaneurysm from the fovea."""
    bulges = look.some("microaneurysm")
    look.say("found", n=len(bulges), term="microaneurysm")
    distance = look.distance(min(bulges, key=lambda s: s.distance_mm))
    look.say("measured.distance", measure="nearest microaneurysm", distance=distance.value)
    return Asked("measure", number(distance, 2), {"measure": "nearest microaneurysm"}, bins="bins distance")


@program("largest-microaneurysm-diameter", "measurement", "number")
def largest_microaneurysm_diameter(look: Look) -> Asked:
    """Diameter of the largest microaneurysm."""
    bulges = look.some("microaneurysm")
    widest = max(bulges, key=lambda s: s.quantity("diameter").value)
    diameter = look.quantity(widest, "diameter")
    look.say("measured.diameter", measure="largest microaneurysm", diameter=diameter.value)
    return Asked("measure", number(diameter, 0), {"measure": "largest microaneurysm"})


@program("irma-length", "measurement", "number")
def irma_length(look: Look) -> Asked:
    """Length of the longest IRMA."""
    found = look.some(IRMA)
    longest = max(found, key=lambda s: s.quantity("length").value)
    length = look.quantity(longest, "length")
    look.say("measured.distance", measure="longest irma", distance=length.value)
    return Asked("measure", number(length, 2), {"measure": "longest irma"})


@program("new-vessel-area", "measurement", "number")
def new_vessel_area(look: Look) -> Asked:
    """Area of all neovascularization together."""
    found = look.some("neovascularization")
    total = look.measured("sum", {"quantity": "area", "of": len(found)}, sum(s.area_mm2 for s in found), "mm2", found)
    look.say("total.area", n=len(found), term="neovascularization", area=total.value)
    return Asked("measure", number(total, 2), {"measure": "neovascularization area"})


@program("vessel-density", "measurement", "number", choice=True)
def vessel_density(look: Look) -> Asked:
    """Vessel density: share of the field that vessels cover, as far as the beam resolves them."""
    found = look.fact_number("resolved_vessel_area_density")
    value = (
        found
        if found.unit == "%"
        else found._replace(value=100 * found.value, unit="%", tolerance=100 * found.tolerance)
    )
    look.say("measured.share", measure="vessel density", share=value.value)
    return Asked("measure", number(value, 1), {"measure": "vessel density"}, bins="bins vessel density")


@program("skeleton-density", "measurement", "number")
def skeleton_density(look: Look) -> Asked:
    """Skeleton density: length of vessels per area, as far as the beam resolves them."""
    density = look.fact_number("resolved_skeleton_density")
    if density.unit != "1/mm":
        raise Ambiguous("skeleton density in another unit", density.unit)
    look.say("measured.density", measure="skeleton density", density=density.value)
    return Asked("measure", number(density, 1), {"measure": "skeleton density"})


@program("fractal-dimension", "measurement", "number")
def fractal_dimension(look: Look) -> Asked:
    """Fractal dimension of the vessels."""
    dimension = look.fact_number("fractal_dimension")
    look.say("measured.ratio", measure="fractal dimension", ratio=dimension.value)
    return Asked("measure", number(dimension, 2), {"measure": "fractal dimension"})
