"""Readers of real data into Cases."""

from chiasm.sources._image import SUFFIXES as IMAGE_SUFFIXES
from chiasm.sources._image import LoadedImage, load_image, load_mask
from chiasm.sources._image_folder import read_image_folder
from chiasm.sources._octa25k_faz import read_octa25k_faz
from chiasm.sources._octa500 import DISEASES, read_octa500
from chiasm.sources._problems import OnProblem, Problem
from chiasm.sources._registry import SOURCES, read_source, split_source
from chiasm.sources._rossa import read_rossa
from chiasm.sources._tables import read_table

__all__ = [
    "DISEASES",
    "IMAGE_SUFFIXES",
    "SOURCES",
    "LoadedImage",
    "OnProblem",
    "Problem",
    "load_image",
    "load_mask",
    "read_image_folder",
    "read_octa25k_faz",
    "read_octa500",
    "read_rossa",
    "read_source",
    "read_table",
    "split_source",
]
