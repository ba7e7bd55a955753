"""How many patients it takes to see a difference, before anyone collects them."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import norm

from chiasm.errors import InvalidInput


def cases_for_paired_shares(
    difference: float, *, discordant: float, power: float = 0.8, level: float = 0.95, design_effect: float = 1.0
) -> int:
    """Items needed for McNemar's test to see a difference between two models' shares (Connor 1987, Biometrics 43:207).

    Args:
        difference: Between the shares, non-zero, in (-1, 1).
        discordant: Share of items on which exactly one model is right, in [|difference|, 1].
        power: Chance to see it.
        level: One minus the two-sided error.
        design_effect: Variance with several items a patient over the variance without; 1 for one item a patient.
    """
    _check(power, level, design_effect)
    d = abs(difference)
    if not 0 < d <= discordant <= 1:
        msg = f"need 0 < |difference| <= discordant <= 1, got {difference} and {discordant}"
        raise InvalidInput(msg)
    z_error, z_power = float(norm.ppf((1 + level) / 2)), float(norm.ppf(power))
    root = z_error * math.sqrt(discordant) + z_power * math.sqrt(max(discordant - d * d, 0.0))
    return math.ceil(design_effect * root * root / (d * d))


def detectable_paired_difference(
    n: int, *, discordant: float, power: float = 0.8, level: float = 0.95, design_effect: float = 1.0
) -> float:
    """The smallest difference between two models' shares that n items show with that power; NaN if none can."""
    _check(power, level, design_effect)
    if n < 1 or not 0 < discordant <= 1:
        msg = f"need n >= 1 and 0 < discordant <= 1, got {n} and {discordant}"
        raise InvalidInput(msg)
    z_error, z_power = float(norm.ppf((1 + level) / 2)), float(norm.ppf(power))
    n_effective = n / design_effect

    def excess(d: float) -> float:
        root = z_error * math.sqrt(discordant) + z_power * math.sqrt(max(discordant - d * d, 0.0))
        return d * math.sqrt(n_effective) - root

    return math.nan if excess(discordant) < 0 else float(brentq(excess, 0.0, discordant))


def cases_for_auc_difference(
    auc_a: float,
    auc_b: float,
    *,
    positive_share: float,
    correlation: float = 0.0,
    power: float = 0.8,
    level: float = 0.95,
) -> int:
    """Patients, both classes together, needed to see a difference between two AUCs (Hanley & McNeil 1983, Radiology 148:839).

    Args:
        auc_a: Expected AUC of one model, in (0, 1).
        auc_b: Of the other.
        positive_share: Share of positive patients, in (0, 1).
        correlation: Between the two AUC estimates: 0 for models on different patients, towards 1 for alike models on the
            same ones. `difference(...).correlation` of a pilot gives it.
        power: Chance to see it.
        level: One minus the two-sided error.
    """
    _check(power, level, 1.0)
    if not (0 < auc_a < 1 and 0 < auc_b < 1 and auc_a != auc_b and 0 < positive_share < 1 and -1 < correlation < 1):
        got = f"{auc_a}, {auc_b}, {positive_share}, {correlation}"
        msg = f"need two different AUCs in (0, 1), a share in (0, 1) and |correlation| < 1, got {got}"
        raise InvalidInput(msg)
    quantiles = float(norm.ppf((1 + level) / 2) + norm.ppf(power))

    def enough(n: int) -> bool:
        m, k = n * positive_share, n * (1 - positive_share)
        va, vb = _auc_variance(auc_a, m, k), _auc_variance(auc_b, m, k)
        error = math.sqrt(max(va + vb - 2 * correlation * math.sqrt(va * vb), 0.0))
        return quantiles * error <= abs(auc_a - auc_b)

    high = 4
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def cases_for_width(share: float, width: float, *, level: float = 0.95, design_effect: float = 1.0) -> int:
    """Items needed for Wilson's interval of a share to be at most `width` wide."""
    _check(0.5, level, design_effect)
    if not (0 <= share <= 1 and 0 < width < 1):
        msg = f"need share in [0, 1] and width in (0, 1), got {share} and {width}"
        raise InvalidInput(msg)
    z = float(norm.ppf((1 + level) / 2))

    def excess(n: float) -> float:
        return 2 * z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) - width

    return math.ceil(design_effect * float(brentq(excess, 1e-6, 1e12)))


def _auc_variance(theta: float, m: float, n: float) -> float:
    """Hanley & McNeil's variance for m positive and n negative."""
    q1, q2 = theta / (2 - theta), 2 * theta**2 / (1 + theta)
    total = theta * (1 - theta) + max(m - 1, 0) * (q1 - theta**2) + max(n - 1, 0) * (q2 - theta**2)
    return total / (m * n)


def _check(power: float, level: float, design_effect: float) -> None:
    if not (0 < power < 1 and 0 < level < 1 and design_effect > 0):
        msg = f"need power and level in (0, 1) and design_effect > 0, got {power}, {level}, {design_effect}"
        raise InvalidInput(msg)
