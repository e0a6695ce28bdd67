"""How far and how restlessly a price has moved, from one price a second.

A price counts at the moment it was last said, not at the moment it was looked at: while a feed is silent there are no
samples, so that what happened meanwhile is never taken for a move of a shorter window.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

MOVE: Final = gauge(
    "market_data_price_move_ratio",
    "venue symbol window",
    "kill",
    "ratio, signed",
    "the mid against one that was kept a second apart",
    "Mid now over the oldest mid that was said within the window, less 1; absent when the window knows no earlier one, "
    "as after a gap in the feed, and when the price is old.",
)
VOLATILITY: Final = gauge(
    "market_data_realised_volatility_ratio",
    "venue symbol window",
    "rest",
    "ratio, per window",
    "sampled once a second",
    "Root of the sum of the squared log returns of the mid, one a second, over the window (not annualised); of a part "
    "of the window scaled up to the whole; a return over more than 10 s is a gap and not counted; absent with less "
    "than 10 s known.",
)
SERIES: Final = (MOVE, VOLATILITY)

Name = TypeVar("Name")
_SHORTEST: Final = 10.0
_CLOSEST: Final = 0.5
_GAP: Final = 10.0


class PriceHistory:
    """One price a second over *longest_seconds*; times are seconds."""

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
        self._times: list[float] = []
        self._prices: list[float] = []
        self._squares: list[float] = []  # running sum of squared log returns
        self._known: list[float] = []  # running sum of the seconds that these returns are over

    def add(self, at: float, price: float) -> None:
        """The price as it was said at a time; one that is not half a second newer than the last is passed over."""
        squares = known = 0.0
        if self._times:
            since = at - self._times[-1]
            if since < _CLOSEST:
                return
            squares, known = self._squares[-1], self._known[-1]
            if since <= _GAP:
                squares += math.log(price / self._prices[-1]) ** 2
                known += since
        self._squares.append(squares)
        self._known.append(known)
        self._times.append(at)
        self._prices.append(price)
        old = bisect_right(self._times, at - self._longest) - 1
        if old > self._longest:  # now and then, not every second
            for kept in (self._times, self._prices, self._squares, self._known):
                del kept[:old]

    def moves(
        self, now: float, price: float, said: float, windows: Iterable[tuple[Name, float]]
    ) -> list[tuple[Name, float]]:
        """*price*, which was *said* at a time, over the oldest price that was said before it and within each window,
        less 1; *windows* are names and seconds, and those that know no earlier price are left out.
        """
        times, found = self._times, []
        for name, window in windows:
            first = bisect_left(times, now - window)
            if first < len(times) and times[first] < said:
                found.append((name, price / self._prices[first] - 1))
        return found

    def volatility(self, now: float, window: float) -> float | None:
        """Root of the sum of squared log returns of the window; a part of it is scaled up to the whole by its time.

        ``None`` with less than ten seconds of it known.
        """
        start = bisect_left(self._times, now - window)
        if start >= len(self._times):
            return None
        covered = self._known[-1] - self._known[start]
        if covered < _SHORTEST:
            return None
        return math.sqrt((self._squares[-1] - self._squares[start]) * window / covered)


def moves(rows: Iterable[tuple[tuple[str, str, str], float]]) -> Iterator[Metric]:
    """*rows* are venue, symbol and window, and the move."""
    yield MOVE.family(rows)


def volatility(rows: Iterable[tuple[tuple[str, str], Mapping[str, float]]]) -> Iterator[Metric]:
    """*rows* are venue and symbol, and the volatility by window."""
    yield VOLATILITY.family(((*labels, window), value) for labels, found in rows for window, value in found.items())
