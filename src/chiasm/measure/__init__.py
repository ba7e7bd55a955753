"""Biomarkers and measurements, exact on truth and estimated on images, and the written rule for the stage."""

from chiasm.measure._biomarkers import FIELD, Biomarker, Biomarkers, Missing
from chiasm.measure._definitions import DEFINITIONS, IMAGE_LIMITS, Definition, definition, definitions_table
from chiasm.measure._draw import draw_measurement
from chiasm.measure._familiar import Familiarity, familiarity
from chiasm.measure._faz import faz_from_vessels, segment_faz
from chiasm.measure._image import ImageMeasurement, measure_image, measure_masks, nonperfused_share
from chiasm.measure._network import fractal_dimension, intercapillary_distance_px, nonperfused, tortuosity
from chiasm.measure._regions import GridRegion, etdrs_grid, horizontal_names, sector_of
from chiasm.measure._resolved import measure_resolved, resolved_vessels
from chiasm.measure._scale import Scale, as_coverage, as_grey
from chiasm.measure._shape import RegionShape, region_shape
from chiasm.measure._skeleton import Skeleton, trace_skeleton
from chiasm.measure._stage import (
    DEFAULT_RULE,
    ICDR_LEVELS,
    ICDR_LIMITS,
    Change,
    Clause,
    Stage,
    StageEvidence,
    StageRule,
    Staging,
    stage,
)
from chiasm.measure._vessel_graph import branch_tortuosity, length_inside_um, measure_graph
from chiasm.measure._vessels import line_strength, segment_vessels, vessel_area

__all__ = [
    "DEFAULT_RULE",
    "DEFINITIONS",
    "FIELD",
    "ICDR_LEVELS",
    "ICDR_LIMITS",
    "IMAGE_LIMITS",
    "Biomarker",
    "Biomarkers",
    "Change",
    "Clause",
    "Definition",
    "Familiarity",
    "GridRegion",
    "ImageMeasurement",
    "Missing",
    "RegionShape",
    "Scale",
    "Skeleton",
    "Stage",
    "StageEvidence",
    "StageRule",
    "Staging",
    "as_coverage",
    "as_grey",
    "branch_tortuosity",
    "definition",
    "definitions_table",
    "draw_measurement",
    "etdrs_grid",
    "familiarity",
    "faz_from_vessels",
    "fractal_dimension",
    "horizontal_names",
    "intercapillary_distance_px",
    "length_inside_um",
    "line_strength",
    "measure_graph",
    "measure_image",
    "measure_masks",
    "measure_resolved",
    "nonperfused",
    "nonperfused_share",
    "region_shape",
    "resolved_vessels",
    "sector_of",
    "segment_faz",
    "segment_vessels",
    "stage",
    "tortuosity",
    "trace_skeleton",
    "vessel_area",
]
