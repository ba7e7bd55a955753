"""Does a model's answer change when, and only when, it should?"""

from chiasm.evaluation.robustness._corruptions import CORRUPTIONS, SEVERITIES, corrupt
from chiasm.evaluation.robustness._rewording import WORDINGS, reordered, reworded
from chiasm.evaluation.robustness._stress import TESTS, StressOptions, StressRow, stress
from chiasm.evaluation.robustness._twins import PRESENCE, TwinExam, TwinFigures, make_twins, pair_items, twin_figures

__all__ = [
    "CORRUPTIONS",
    "PRESENCE",
    "SEVERITIES",
    "TESTS",
    "WORDINGS",
    "StressOptions",
    "StressRow",
    "TwinExam",
    "TwinFigures",
    "corrupt",
    "make_twins",
    "pair_items",
    "reordered",
    "reworded",
    "stress",
    "twin_figures",
]
