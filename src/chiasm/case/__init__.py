"""What a perfect annotator would know about a patient's images: the Case, its parts, and how they are kept."""

from chiasm.case._case import Case, decode_array, encode_array, eye_key
from chiasm.case._graph import Layer, Node, Vessel, VesselGraph
from chiasm.case._parquet import read_cases, write_cases
from chiasm.case._records import (
    UNITS,
    Fact,
    Finding,
    Laterality,
    Mask,
    Origin,
    Quantity,
    Record,
    Region,
    Scalar,
    View,
    Visibility,
)
from chiasm.case._rle import counts_to_mask, counts_to_text, mask_to_counts, text_to_counts
from chiasm.case._vocabulary import Term, register_term, term, terms

__all__ = [
    "UNITS",
    "Case",
    "Fact",
    "Finding",
    "Laterality",
    "Layer",
    "Mask",
    "Node",
    "Origin",
    "Quantity",
    "Record",
    "Region",
    "Scalar",
    "Term",
    "Vessel",
    "VesselGraph",
    "View",
    "Visibility",
    "counts_to_mask",
    "counts_to_text",
    "decode_array",
    "encode_array",
    "eye_key",
    "mask_to_counts",
    "read_cases",
    "register_term",
    "term",
    "terms",
    "text_to_counts",
    "write_cases",
]
