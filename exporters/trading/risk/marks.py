"""The mark price of one symbol, sampled at a steady interval: its returns, for what a position would have done."""

from array import array
from math import nan

from exporters.trading.risk.estimates import RiskOptions


class Marks:
    """The returns of the last ``observations`` intervals, NaN where there is none.

    The price at the end of an interval is the last one said in it; an interval in which none was said has none.
    """

    __slots__ = ("_interval", "_options", "_previous", "_price", "_returns", "closed")

    def __init__(self, options: RiskOptions) -> None:
        self._options = options
        self._returns = array("d")
        self._interval = -1
        self._price = nan
        self._previous = nan
        self.closed = -1  # the last interval that is over

    def observe(self, price: float, time: float) -> None:
        """The mark price is *price* at *time*; what came late is passed over."""
        interval = int(time // self._options.interval_seconds)
        if interval > self._interval:
            self._close(interval)
        elif interval < self._interval:
            return
        self._price = price

    def _close(self, interval: int) -> None:
        size, last = self._options.observations, self._interval
        if last >= 0:
            if not self._returns:  # a price said in one interval only costs no memory
                self._returns = array("d", [nan]) * size
            for each in range(max(last, interval - size), interval):
                self._returns[each % size] = self._price / self._previous - 1 if each == last else nan
            self._previous = self._price if interval == last + 1 else nan
        self.closed = interval - 1
        self._interval = interval

    def returns(self, until: int) -> list[float]:
        """One value for each interval up to *until*, oldest first; NaN for those that are not over or not known."""
        size = self._options.observations
        if not self._returns:
            return [nan] * size
        begin = (self.closed + 1) % size
        kept = [*self._returns[begin:], *self._returns[:begin]]  # of the intervals up to `closed`
        missing = until - self.closed
        return kept[missing:] + [nan] * min(missing, size) if missing > 0 else kept
