"""How far and how restlessly a price has moved, from one price a second."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

MOVE: Final = gauge(
    "market_data_price_move_ratio",
    "venue symbol window",
    "kill",
    "ratio, signed",
    "the mid against one that was kept a second apart",
    "Mid now over the mid at the start of the window, less 1; while less than the window is known, over the oldest "
    "known; absent when the price is old.",
)
VOLATILITY: Final = gauge(
    "market_data_realised_volatility_ratio",
    "venue symbol window",
    "rest",
    "ratio, per window",
    "sampled once a second",
    "Root of the sum of the squared log returns of the mid, one a second, over the window (not annualised); of a part "
    "of the window scaled up to the whole; absent with less than 10 s known.",
)
SERIES: Final = (MOVE, VOLATILITY)

_SHORTEST: Final = 10.0
_CLOSEST: Final = 0.9


class PriceHistory:
    """One price a second over *longest_seconds*; times are seconds and must rise."""

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
        self._times: list[float] = []
        self._prices: list[float] = []
        self._squares: list[float] = []  # running sum of squared log returns

    def add(self, at: float, price: float) -> None:
        """The price at a time; one less than a second after the last is passed over."""
        if self._times and at - self._times[-1] < _CLOSEST:
            return
        square = math.log(price / self._prices[-1]) ** 2 if self._times else 0.0
        self._squares.append((self._squares[-1] if self._squares else 0.0) + square)
        self._times.append(at)
        self._prices.append(price)
        old = bisect_right(self._times, at - self._longest) - 1
        if old > self._longest:  # now and then, not every second
            for kept in (self._times, self._prices, self._squares):
                del kept[:old]

    def reference(self, now: float, window: float) -> float | None:
        """The price at the start of the window; while less is known, the oldest known; ``None`` without any."""
        if not self._times:
            return None
        return self._prices[max(0, bisect_right(self._times, now - window) - 1)]

    def volatility(self, now: float, window: float) -> float | None:
        """Root of the sum of squared log returns of the window; a part of it is scaled up to the whole by its time.

        ``None`` with less than ten seconds of it known.
        """
        start = bisect_left(self._times, now - window)
        if start >= len(self._times):
            return None
        covered = self._times[-1] - self._times[start]
        if covered < _SHORTEST:
            return None
        return math.sqrt((self._squares[-1] - self._squares[start]) * window / covered)


def moves(rows: Iterable[tuple[tuple[str, str], Mapping[str, float]]]) -> Iterator[Metric]:
    """*rows* are venue and symbol, and the move by window."""
    yield MOVE.family(((*labels, window), move) for labels, found in rows for window, move in found.items())


def volatility(rows: Iterable[tuple[tuple[str, str], Mapping[str, float]]]) -> Iterator[Metric]:
    """*rows* are venue and symbol, and the volatility by window."""
    yield VOLATILITY.family(((*labels, window), value) for labels, found in rows for window, value in found.items())
