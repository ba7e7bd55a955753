"""Does a model's answer change when, and only when, it should?"""

from chiasm.evaluation.robustness._corruptions import CORRUPTIONS, SEVERITIES, corrupt
from chiasm.evaluation.robustness._pairs import pair_rows
from chiasm.evaluation.robustness._rewording import WORDINGS, paraphrased, reordered, reworded
from chiasm.evaluation.robustness._rows import StressRow
from chiasm.evaluation.robustness._stress import TESTS, StressOptions, stress

__all__ = [
    "CORRUPTIONS",
    "SEVERITIES",
    "TESTS",
    "WORDINGS",
    "StressOptions",
    "StressRow",
    "corrupt",
    "pair_rows",
    "paraphrased",
    "reordered",
    "reworded",
    "stress",
]
