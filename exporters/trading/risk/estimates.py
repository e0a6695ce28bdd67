"""Value at risk and expected shortfall of a series of profit changes: pure arithmetic on floats, money in, money out.

Both are losses, so positive is bad; a negative one says that even the bad case is a gain.  They are for one interval of
the changes and grow with the square root of the horizon.  The parametric way takes the mean for 0: within a day it
cannot be told from 0, and yesterday's profit must not make today's risk smaller.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()


Way = tuple[str, str]
"""Method (``historical`` or ``parametric``) and confidence, as they are written in labels."""


@dataclass(frozen=True, slots=True)
class RiskOptions:
    """How risk is measured; *horizons* are their names and seconds, *confidences* as they are written in labels."""

    interval_seconds: int = 60
    observations: int = 1440
    min_observations: int = 100
    confidences: tuple[str, ...] = ("0.95", "0.99")
    horizons: tuple[tuple[str, int], ...] = (("1h", 3600), ("1d", 86_400))
    drawdown_days: int = 30


@dataclass(frozen=True, slots=True)
class Estimate:
    """Both numbers, in the money of the changes."""

    value_at_risk: float
    expected_shortfall: float

    def over(self, intervals: float) -> "Estimate":
        """The same for a horizon of so many *intervals*."""
        scale = math.sqrt(intervals)
        return Estimate(self.value_at_risk * scale, self.expected_shortfall * scale)


def needed(confidence: float) -> int:
    """How many changes there must be for one of them to lie beyond the quantile."""
    return math.ceil(round(1 / (1 - confidence), 6))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The *share* quantile of ascending values, between two of them by straight line (numpy's ``linear``, type 7)."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def historical(ordered: Sequence[float], confidence: float) -> Estimate:
    """By the changes that were, ascending: minus their quantile, and the mean of those not above it."""
    limit = quantile(ordered, 1 - confidence)
    beyond = []
    for change in ordered:
        if change > limit:
            break
        beyond.append(change)
    mean = math.fsum(beyond) / len(beyond) if beyond else limit
    return Estimate(0.0 - limit, 0.0 - mean)  # not -limit: that would call nothing "-0"


def parametric(spread: float, confidence: float) -> Estimate:
    """As if the changes were normal about 0, with the standard deviation *spread*."""
    z = _NORMAL.inv_cdf(confidence)
    return Estimate(z * spread, _NORMAL.pdf(z) / (1 - confidence) * spread)


def deviation(changes: Sequence[float]) -> float:
    """The standard deviation about 0; needs a change."""
    return math.sqrt(math.fsum(change * change for change in changes) / len(changes))


def over_one_interval(ordered: Sequence[float], spread: float, options: RiskOptions) -> dict[Way, Estimate]:
    """Every estimate by the changes *ordered* (ascending) and their deviation *spread*, for a single interval.

    None with fewer changes than ``min_observations``, and none by history where nothing can lie beyond the quantile.
    """
    found: dict[Way, Estimate] = {}
    if len(ordered) >= options.min_observations:
        for confidence in options.confidences:
            share = float(confidence)
            if len(ordered) >= needed(share):
                found["historical", confidence] = historical(ordered, share)
            found["parametric", confidence] = parametric(spread, share)
    return found
