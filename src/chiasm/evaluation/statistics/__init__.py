"""Statistics for few patients: estimates with intervals, paired comparisons, tests, corrections and power."""

from chiasm.evaluation.statistics._agreement import kappa
from chiasm.evaluation.statistics._auc import auc
from chiasm.evaluation.statistics._estimate import (
    LEVEL,
    Clusters,
    Difference,
    Estimate,
    cluster_index,
    combine,
    difference,
    finite_or_none,
    undefined,
)
from chiasm.evaluation.statistics._means import jeffreys, mean_quantity, mean_score, proportion, wilson
from chiasm.evaluation.statistics._power import (
    cases_for_auc_difference,
    cases_for_paired_shares,
    cases_for_width,
    detectable_paired_difference,
)
from chiasm.evaluation.statistics._resampling import Statistic, bootstrap, jackknife
from chiasm.evaluation.statistics._tests import McNemar, benjamini_hochberg, holm, mcnemar, swap_test

__all__ = [
    "LEVEL",
    "Clusters",
    "Difference",
    "Estimate",
    "McNemar",
    "Statistic",
    "auc",
    "benjamini_hochberg",
    "bootstrap",
    "cases_for_auc_difference",
    "cases_for_paired_shares",
    "cases_for_width",
    "cluster_index",
    "combine",
    "detectable_paired_difference",
    "difference",
    "finite_or_none",
    "holm",
    "jackknife",
    "jeffreys",
    "kappa",
    "mcnemar",
    "mean_quantity",
    "mean_score",
    "proportion",
    "swap_test",
    "undefined",
    "wilson",
]
