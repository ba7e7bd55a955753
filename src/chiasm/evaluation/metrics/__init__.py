"""What is measured: figures for classes, numbers, boxes, masks, calibration and claims."""

from chiasm.evaluation.metrics._classification import (
    OTHER,
    ClassAnswers,
    ClassFigures,
    Confusion,
    sensitivity_at_specificity,
)

__all__ = ["OTHER", "ClassAnswers", "ClassFigures", "Confusion", "sensitivity_at_specificity"]
