"""Estimates equal reference libraries, and their intervals behave at the edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from chiasm.errors import InvalidInput
from chiasm.evaluation.statistics import (
    auc,
    benjamini_hochberg,
    bootstrap,
    cases_for_auc_difference,
    cases_for_paired_shares,
    cases_for_width,
    combine,
    detectable_paired_difference,
    difference,
    holm,
    jackknife,
    jeffreys,
    kappa,
    mcnemar,
    mean_quantity,
    mean_score,
    proportion,
    swap_test,
    wilson,
)

NAN = math.nan


# Shares and means


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 15), (15, 15), (940, 1000)])
def test_wilson_equals_scipy(hits: int, n: int) -> None:
    reference = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((reference.low, reference.high), abs=1e-12)
    own = proportion([1.0] * hits + [0.0] * (n - hits))
    assert (own.lo, own.hi) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_jeffreys_is_the_beta_quantile_and_closed_at_the_ends() -> None:
    assert jeffreys(3, 15) == pytest.approx(stats.beta.interval(0.95, 3.5, 12.5))
    assert jeffreys(0, 15)[0] == 0
    assert jeffreys(15, 15)[1] == 1


def test_nan_is_unscored_and_never_zero() -> None:
    estimate = mean_score([1.0, NAN, 1.0, NAN])
    assert (estimate.value, estimate.n, estimate.n_unscored) == (1.0, 2, 2)
    nothing = mean_score([NAN, NAN])
    assert not nothing.defined
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.lo)
    assert "nothing was scored" in str(nothing)


def test_a_perfect_score_of_few_patients_has_the_interval_of_the_patients() -> None:
    many_items = proportion([1.0] * 60, clusters=[i // 10 for i in range(60)])
    assert many_items.n_clusters == 6
    assert many_items.lo < proportion([1.0] * 60).lo
    assert many_items.lo < wilson(6, 6)[0] + 1e-9


def test_clusters_of_one_change_nothing_and_repeated_items_add_nothing() -> None:
    rng = np.random.default_rng(0)
    hits = (rng.random(80) < 0.7).astype(float)
    alone, named = proportion(hits), proportion(hits, clusters=[f"p{i}" for i in range(80)])
    assert (alone.lo, alone.hi) == (named.lo, named.hi)
    twice = proportion(np.repeat(hits, 5), clusters=np.repeat(np.arange(80), 5))
    assert twice.value == alone.value
    assert twice.hi - twice.lo == pytest.approx(alone.hi - alone.lo, rel=0.05)


def test_scores_outside_their_bounds_are_refused() -> None:
    with pytest.raises(InvalidInput, match="lie in"):
        mean_score([0.5, 1.5])
    with pytest.raises(InvalidInput, match="0, 1 and NaN"):
        proportion([0.5])
    with pytest.raises(InvalidInput, match="clusters"):
        mean_score([0.5], clusters=["a", "b"])
    with pytest.raises(InvalidInput, match="level"):
        mean_score([0.5, 0.4]).interval(1.0)
    with pytest.raises(InvalidInput, match="finite"):
        mean_quantity([math.inf])


def test_mean_quantity_equals_scipy_t_interval() -> None:
    x = np.random.default_rng(1).normal(5, 2, 20)
    reference = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    own = mean_quantity(x)
    assert (own.lo, own.hi) == pytest.approx((reference.low, reference.high))


# AUC


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_auc_equals_scikit_learn_with_ties(pairs: list[tuple[bool, int]]) -> None:
    truth, score = np.array([p for p, _ in pairs]), np.array([float(s) for _, s in pairs])
    estimate = auc(truth, score)
    if truth.all() or not truth.any():
        assert not estimate.defined
        assert "needs both classes" in estimate.note
        return
    assert estimate.value == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert 0 <= estimate.lo <= estimate.value <= estimate.hi <= 1
    assert estimate.effect.sum() == pytest.approx(0, abs=1e-9)


def test_auc_effects_give_delongs_variance() -> None:
    rng = np.random.default_rng(2)
    truth = np.arange(60) < 20
    score = rng.normal(size=60) + truth
    estimate = auc(truth, score)
    pairs = (score[truth][:, None] > score[~truth]).astype(float)
    delong = pairs.mean(1).var(ddof=1) / 20 + pairs.mean(0).var(ddof=1) / 40
    corrected = (estimate.effect[truth] ** 2).sum() * 20 / 19 + (estimate.effect[~truth] ** 2).sum() * 40 / 39
    assert corrected == pytest.approx(delong)


def test_perfect_auc_of_few_has_a_wide_interval_and_unscored_are_counted() -> None:
    truth = np.arange(95) < 15
    estimate = auc(truth, truth.astype(float))
    assert estimate.value == 1
    assert 0.8 < estimate.lo < 0.98
    assert estimate.hi == 1
    some = auc(truth, np.where(np.arange(95) == 3, NAN, truth.astype(float)))
    assert (some.n, some.n_unscored) == (94, 1)


def test_auc_of_copies_of_each_patient_is_no_surer() -> None:
    rng = np.random.default_rng(3)
    truth = np.arange(60) < 20
    score = rng.normal(size=60) + 1.5 * truth
    alone = auc(truth, score)
    copied = auc(np.repeat(truth, 4), np.repeat(score, 4), clusters=np.repeat(np.arange(60), 4))
    assert copied.value == pytest.approx(alone.value)
    assert (copied.lo, copied.hi) == pytest.approx((alone.lo, alone.hi), abs=1e-6)


# Kappa


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=60))
def test_kappa_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answer = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    for weights in ("quadratic", "linear", "none"):
        estimate = kappa(truth, answer, n_grades=4, weights=weights)
        if len(set(truth) | set(answer)) < 2:
            assert not estimate.defined
            continue
        sk = cohen_kappa_score(truth, answer, labels=range(4), weights=None if weights == "none" else weights)
        assert estimate.value == pytest.approx(sk, abs=1e-9)
        assert estimate.lo <= estimate.value <= estimate.hi


def test_perfect_kappa_has_a_lower_limit() -> None:
    estimate = kappa([0, 1, 2, 1, 0, 2] * 3, [0, 1, 2, 1, 0, 2] * 3, n_grades=3)
    assert estimate.value == 1
    assert estimate.lo < 0.95


def test_kappa_refuses_grades_outside() -> None:
    with pytest.raises(InvalidInput, match="grades"):
        kappa([0, 1], [0, 4], n_grades=3)


# Resampling and combination


def test_jackknife_of_a_mean_is_the_standard_error() -> None:
    x = np.random.default_rng(4).normal(size=30)
    estimate = jackknife(lambda i: float(x[i].mean()), np.ones(30, bool))
    assert estimate.hi - estimate.value == pytest.approx(stats.t.ppf(0.975, 29) * x.std(ddof=1) / math.sqrt(30))


def test_a_figure_without_spread_says_that_its_limits_are_no_interval() -> None:
    same, kept = np.full(12, 3.0), np.ones(12, bool)
    for estimate in (
        mean_quantity(same),
        jackknife(lambda i: float(same[i].mean()), kept),
        bootstrap(lambda i: float(same[i].mean()), kept, rng=np.random.default_rng(0), n_samples=200),
    ):
        assert estimate.interval() == (3, 3)
        assert "no interval" in estimate.note
    assert "no interval" not in mean_quantity(np.arange(12.0)).note


def test_bootstrap_repeats_with_its_seed_and_agrees_with_scipy() -> None:
    x = np.random.default_rng(5).exponential(size=40)

    def run(seed: int) -> tuple[float, float]:
        return bootstrap(
            lambda i: float(x[i].mean()), np.ones(40, bool), rng=np.random.default_rng(seed), n_samples=4000
        ).interval()

    assert run(1) == run(1)
    assert run(1) != run(2)
    reference = stats.bootstrap((x,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(0))
    assert run(1) == pytest.approx(tuple(reference.confidence_interval), rel=0.03)


def test_combine_of_independent_halves_is_narrower_than_either() -> None:
    hits = np.array([1.0, 0, 1, 1, 0, 1, 1, 1, 0, 1] * 4)
    first, second = np.where(np.arange(40) < 20, hits, NAN), np.where(np.arange(40) < 20, NAN, hits)
    a, b = proportion(first, part=True), proportion(second, part=True)
    both = combine([a, b], [0.5, 0.5], n=40, n_unscored=0)
    assert both.value == pytest.approx((a.value + b.value) / 2)
    assert both.hi - both.lo < min(a.hi - a.lo, b.hi - b.lo)


# Paired comparisons


def test_difference_to_itself_is_zero_with_p_one() -> None:
    a = proportion([1.0, 0, 1, 1, 0, 1])
    d = difference(a, a)
    assert (d.value, d.p_value, d.correlation) == (0, 1, pytest.approx(1))
    assert d.lo <= 0 <= d.hi


def test_pairing_helps_when_models_fail_on_the_same_items() -> None:
    rng = np.random.default_rng(6)
    hard = rng.random(200) < 0.3
    a, b = (~hard).astype(float), (~(hard & (rng.random(200) < 0.7))).astype(float)
    paired = difference(proportion(b), proportion(a))
    unpaired = difference(proportion(b), proportion(rng.permutation(a)))
    assert paired.hi - paired.lo < unpaired.hi - unpaired.lo
    assert paired.lo > 0


def test_p_value_is_below_the_level_exactly_when_the_interval_leaves_out_zero() -> None:
    rng = np.random.default_rng(7)
    agree = 0
    for _ in range(60):
        a, b = (rng.random(60) < 0.8).astype(float), (rng.random(60) < 0.65).astype(float)
        d = difference(proportion(a), proportion(b))
        assert (d.p_value < 0.05) == (d.lo > 0 or d.hi < 0)
        agree += d.p_value < 0.05
    assert 0 < agree < 60


def test_difference_refuses_other_items() -> None:
    with pytest.raises(InvalidInput, match="same items"):
        difference(proportion([1.0, 0]), proportion([1.0, 0, 1]))


def test_mcnemar_equals_scipys_binomial_test_and_counts_unscored() -> None:
    a = [1.0] * 9 + [0.0] * 2 + [1.0] * 30 + [NAN]
    b = [0.0] * 9 + [1.0] * 2 + [1.0] * 30 + [1.0]
    result = mcnemar(a, b)
    assert (result.only_a, result.only_b, result.both, result.neither, result.n_unscored) == (9, 2, 30, 0, 1)
    assert result.p_exact == pytest.approx(stats.binomtest(2, 11).pvalue)
    assert result.p_mid == pytest.approx(2 * stats.binom.cdf(2, 11, 0.5) - stats.binom.pmf(2, 11, 0.5))
    assert mcnemar([1.0, 0], [1.0, 0]).p_mid == 1


def test_swap_test_equals_the_exact_sign_test_and_is_seeded() -> None:
    a, b = [1.0] * 9 + [0.0] * 2, [0.0] * 9 + [1.0] * 2
    assert swap_test(a, b, rng=np.random.default_rng(0)) == pytest.approx(stats.binomtest(2, 11).pvalue)
    x, y = np.random.default_rng(1).random((2, 100))
    p = swap_test(x, y, rng=np.random.default_rng(2))
    assert p == swap_test(x, y, rng=np.random.default_rng(2))
    assert p == pytest.approx(stats.ttest_rel(x, y).pvalue, abs=0.03)
    assert swap_test(a, b, rng=np.random.default_rng(0), clusters=["one"] * 11) == 1.0


def test_holm_and_benjamini_hochberg_equal_references() -> None:
    p = [0.01, 0.04, 0.03, 0.005, NAN, 0.5]
    assert holm(p)[:4] == pytest.approx([0.04, 0.09, 0.09, 0.025])
    assert math.isnan(holm(p)[4])
    kept = [x for x in p if not math.isnan(x)]
    bh = benjamini_hochberg(p)
    assert [x for x in bh if not math.isnan(x)] == pytest.approx(stats.false_discovery_control(kept))
    with pytest.raises(InvalidInput, match="p-values"):
        holm([1.2])


# Power


def test_power_for_paired_shares_holds_in_simulation() -> None:
    n = cases_for_paired_shares(0.1, discordant=0.3)
    rng = np.random.default_rng(8)
    counts = rng.multinomial(n, [0.2, 0.1, 0.7], size=2000)
    found = np.mean([stats.binomtest(int(a), int(a + b)).pvalue < 0.05 if a + b else False for a, b, _ in counts[:400]])
    assert 0.73 < found < 0.87  # the exact test is a little weaker than the asymptotic formula
    assert detectable_paired_difference(n, discordant=0.3) == pytest.approx(0.1, rel=0.01)
    assert math.isnan(detectable_paired_difference(3, discordant=0.1))


def test_more_correlation_needs_fewer_patients() -> None:
    apart = cases_for_auc_difference(0.95, 0.9, positive_share=0.2)
    paired = cases_for_auc_difference(0.95, 0.9, positive_share=0.2, correlation=0.6)
    assert paired < apart
    assert apart > 200


def test_width_is_reached() -> None:
    n = cases_for_width(0.9, 0.1)
    lo, hi = wilson(0.9 * n, n)
    assert hi - lo <= 0.1 + 1e-9
    lo, hi = wilson(0.9 * (n - 2), n - 2)
    assert hi - lo > 0.1


@pytest.mark.parametrize("bad", [0.0, 1.0])
def test_power_must_be_inside(bad: float) -> None:
    with pytest.raises(InvalidInput, match="power"):
        cases_for_paired_shares(0.1, discordant=0.3, power=bad)
