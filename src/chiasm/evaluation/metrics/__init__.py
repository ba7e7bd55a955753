"""What is measured: figures for classes, numbers, boxes, masks, calibration and claims."""

from chiasm.evaluation.metrics._boxes import (
    AREA_STEP,
    COCO_THRESHOLDS,
    ImageBoxes,
    area_of_boxes,
    average_precision,
    average_precision_estimate,
    mean_average_precision,
)
from chiasm.evaluation.metrics._calibration import (
    ReliabilityBin,
    RiskPoint,
    area_under_risk_coverage,
    brier,
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from chiasm.evaluation.metrics._classification import (
    OTHER,
    ClassAnswers,
    ClassFigures,
    Confusion,
    sensitivity_at_specificity,
)
from chiasm.evaluation.metrics._masks import dice, hausdorff_95

__all__ = [
    "AREA_STEP",
    "COCO_THRESHOLDS",
    "OTHER",
    "ClassAnswers",
    "ClassFigures",
    "Confusion",
    "ImageBoxes",
    "ReliabilityBin",
    "RiskPoint",
    "area_of_boxes",
    "area_under_risk_coverage",
    "average_precision",
    "average_precision_estimate",
    "brier",
    "dice",
    "expected_calibration_error",
    "hausdorff_95",
    "mean_average_precision",
    "reliability",
    "risk_coverage",
    "sensitivity_at_specificity",
]
