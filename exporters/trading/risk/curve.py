"""The equity of one strategy, sampled at a steady interval with deposits removed, and its deepest drawdown by day."""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exporters.trading.risk.estimates import Estimate, RiskOptions, Way, deviation, over_one_interval


@dataclass(slots=True)
class Curve:
    """The last changes of profit from one interval's end to the next, in the order of time and sorted.

    The value at the end of an interval is the last one said in it.  An interval in which nothing was said has no
    value, and the change over it is not taken for one of a single interval.  Each change is held against the values at
    risk that were said before it, those of the positions being *of_positions*: *exceptions* counts the losses beyond
    them, of so many *tests*, by basis (``pnl`` or ``position``).
    """

    at: float = 0.0
    interval: int = -1
    value: Decimal = Decimal(0)
    previous: Decimal | None = None
    changes: deque[float] = field(default_factory=deque)
    ordered: list[float] = field(default_factory=list)
    drawdowns: dict[int, float] = field(default_factory=dict)
    of_positions: Mapping[Way, Estimate] = field(default_factory=dict)
    tests: Counter[tuple[str, Way]] = field(default_factory=Counter)
    exceptions: Counter[tuple[str, Way]] = field(default_factory=Counter)
    _deviation: float | None = None

    def observe(self, profit: Decimal, earlier: Decimal, time: float, options: RiskOptions) -> bool:
        """*profit* is what the strategy is worth at *time* without the money moved in; what came late is passed over.

        Of what was said before *earlier* turned out to be such money.  ``True``: an interval began.
        """
        if time < self.at:
            return False
        self.value -= earlier
        interval = int(time // options.interval_seconds)
        began = interval > self.interval
        if began:
            if interval == self.interval + 1:
                if self.previous is not None:
                    self.add(float(self.value - self.previous), options)
                self.previous = self.value
            else:
                self.previous = None
                self.of_positions = {}
            self.interval = interval
        self.at = time
        self.value = profit
        return began

    def add(self, change: float, options: RiskOptions) -> None:
        """One more change; the oldest goes when there are too many."""
        for basis, said in (("pnl", self.estimates(options)), ("position", self.of_positions)):
            for way, estimate in said.items():
                self.tests[basis, way] += 1
                self.exceptions[basis, way] += -change > estimate.value_at_risk
        self.changes.append(change)
        insort(self.ordered, change)
        while len(self.changes) > options.observations:
            oldest = self.changes.popleft()
            del self.ordered[bisect_left(self.ordered, oldest)]
        self._deviation = None

    def estimates(self, options: RiskOptions) -> dict[Way, Estimate]:
        """By the changes so far, for one interval."""
        if self._deviation is None and self.changes:
            self._deviation = deviation(self.ordered)
        return over_one_interval(self.ordered, self._deviation or 0.0, options)

    def drew_down(self, day: int, ratio: float, options: RiskOptions) -> None:
        """Remember the deepest drawdown of each of the last days."""
        if ratio > self.drawdowns.get(day, -1.0):
            self.drawdowns[day] = ratio
            if len(self.drawdowns) > options.drawdown_days:
                del self.drawdowns[min(self.drawdowns)]

    def dump(self) -> list[Any]:
        """As plain JSON, without the counts."""
        return [
            self.at,
            self.interval,
            str(self.value),
            None if self.previous is None else str(self.previous),
            list(self.changes),
            list(self.drawdowns.items()),
        ]

    @classmethod
    def restored(cls, saved: Any, options: RiskOptions, *, same_interval: bool) -> "Curve":
        """What ``dump`` gave; changes over another interval than today's are left behind."""
        at, interval, value, previous, changes, drawdowns = saved
        curve = cls(at=float(at), value=Decimal(value))
        if same_interval:
            curve.interval = int(interval)
            curve.previous = None if previous is None else Decimal(previous)
            curve.changes.extend(float(change) for change in changes[-options.observations :])
            curve.ordered = sorted(curve.changes)
        for day, ratio in drawdowns:
            curve.drew_down(int(day), float(ratio), options)
        return curve
