"""The equity of one strategy, sampled at a steady interval with deposits removed, and its deepest drawdown by day."""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exporters.trading.risk.estimates import moments


@dataclass(frozen=True, slots=True)
class RiskOptions:
    """How risk is measured; *horizons* are their names and seconds, *confidences* as they are written in labels."""

    interval_seconds: int = 60
    observations: int = 1440
    min_observations: int = 100
    confidences: tuple[str, ...] = ("0.95", "0.99")
    horizons: tuple[tuple[str, int], ...] = (("1h", 3600), ("1d", 86_400))
    drawdown_days: int = 30


@dataclass(slots=True)
class Curve:
    """The last changes of profit from one interval's end to the next, in the order of time and sorted.

    The value at the end of an interval is the last one said in it.  An interval in which nothing was said has no
    value, and the change over it is not taken for one of a single interval.
    """

    net_deposits: Decimal | None = None
    flows: Decimal = Decimal(0)
    at: float = 0.0
    interval: int = -1
    value: Decimal = Decimal(0)
    previous: Decimal | None = None
    changes: deque[float] = field(default_factory=deque)
    ordered: list[float] = field(default_factory=list)
    drawdowns: dict[int, float] = field(default_factory=dict)
    _moments: tuple[float, float] | None = None

    def observe(self, equity: Decimal, net_deposits: Decimal | None, time: float, options: RiskOptions) -> None:
        """The strategy is worth *equity* at *time*; what came late is passed over."""
        if time < self.at:
            return
        if net_deposits is not None:
            if self.net_deposits is not None:
                self.flows += net_deposits - self.net_deposits
            self.net_deposits = net_deposits
        interval = int(time // options.interval_seconds)
        if interval > self.interval:
            if interval == self.interval + 1:
                if self.previous is not None:
                    self.add(float(self.value - self.previous), options)
                self.previous = self.value
            else:
                self.previous = None
            self.interval = interval
        self.at = time
        self.value = equity - self.flows

    def add(self, change: float, options: RiskOptions) -> None:
        """One more change; the oldest goes when there are too many."""
        self.changes.append(change)
        insort(self.ordered, change)
        while len(self.changes) > options.observations:
            oldest = self.changes.popleft()
            del self.ordered[bisect_left(self.ordered, oldest)]
        self._moments = None

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the changes; needs two of them."""
        if self._moments is None:
            self._moments = moments(self.ordered)
        return self._moments

    def drew_down(self, day: int, ratio: float, options: RiskOptions) -> None:
        """Remember the deepest drawdown of each of the last days."""
        if ratio > self.drawdowns.get(day, -1.0):
            self.drawdowns[day] = ratio
            if len(self.drawdowns) > options.drawdown_days:
                del self.drawdowns[min(self.drawdowns)]

    def dump(self) -> list[Any]:
        """As plain JSON."""
        return [
            None if self.net_deposits is None else str(self.net_deposits),
            str(self.flows),
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
        net_deposits, flows, at, interval, value, previous, changes, drawdowns = saved
        curve = cls(
            net_deposits=None if net_deposits is None else Decimal(net_deposits),
            flows=Decimal(flows),
            at=float(at),
            value=Decimal(value),
        )
        if same_interval:
            curve.interval = int(interval)
            curve.previous = None if previous is None else Decimal(previous)
            for change in changes[-options.observations :]:
                curve.changes.append(float(change))
            curve.ordered = sorted(curve.changes)
        for day, ratio in drawdowns:
            curve.drew_down(int(day), float(ratio), options)
        return curve
