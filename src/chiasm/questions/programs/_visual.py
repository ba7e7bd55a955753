"""Where, which, how do they compare? Questions that need more than one look."""

from __future__ import annotations

from chiasm.questions._look import Look
from chiasm.questions._program import Asked, one_of, program
from chiasm.questions._sectors import SECTORS


@program("largest-dropout-sector", "visual reasoning", "category")
def largest_dropout_sector(look: Look) -> Asked:
    """In which of eight directions from the fovea is the largest area of dropout?"""
    areas = look.some("capillary dropout")
    largest = look.largest(areas)
    look.say("size", term="capillary dropout", area=look.area(largest).value)
    sector = look.sector(largest)
    look.say("sector", sector=sector)
    return Asked("largest-sector", one_of(sector, SECTORS), {"term": "capillary dropout"}, table="sector")
