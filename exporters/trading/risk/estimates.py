"""Value at risk and expected shortfall of a series of profit changes: pure arithmetic on floats, money in, money out.

Both are losses, so positive is bad; a negative one says that even the bad case is a gain.  *periods* is the horizon in
intervals of the changes: spread grows with its square root, and in the parametric way the mean with itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Both numbers, in the money of the changes."""

    value_at_risk: float
    expected_shortfall: float


def needed(confidence: float) -> int:
    """How many changes there must be for one of them to lie beyond the quantile."""
    return math.ceil(round(1 / (1 - confidence), 6))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The *share* quantile of ascending values, between two of them by straight line (numpy's ``linear``, type 7)."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def historical(ordered: Sequence[float], confidence: float, periods: float) -> Estimate:
    """By the changes that were, ascending: minus their quantile, and the mean of those not above it."""
    limit = quantile(ordered, 1 - confidence)
    beyond = []
    for change in ordered:
        if change > limit:
            break
        beyond.append(change)
    mean = math.fsum(beyond) / len(beyond) if beyond else limit
    scale = math.sqrt(periods)
    return Estimate(0.0 - limit * scale, 0.0 - mean * scale)  # not -limit: that would call nothing "-0"


def parametric(mean: float, deviation: float, confidence: float, periods: float) -> Estimate:
    """As if the changes were normal, with this *mean* and standard *deviation* per interval."""
    z = _NORMAL.inv_cdf(confidence)
    spread = deviation * math.sqrt(periods)
    drift = mean * periods
    return Estimate(z * spread - drift, _NORMAL.pdf(z) / (1 - confidence) * spread - drift)


def moments(changes: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1); needs two changes."""
    mean = math.fsum(changes) / len(changes)
    return mean, math.sqrt(math.fsum((change - mean) ** 2 for change in changes) / (len(changes) - 1))
