"""Follows the trend: long while a fast average is above a slow one, short below; trades in slices of a parent order."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import exp
from typing import Annotated, Any

from sandbox.engine.market import Side
from sandbox.engine.parameters import Bounds, ParameterError, Parameters, changed
from sandbox.engine.strategies.strategy import Cancel, CloseParent, Intent, OpenParent, Parent, Place, View


@dataclass(frozen=True, slots=True)
class TrendParameters(Parameters):
    """Seconds are the averages' time constants and waits; ratios are of price; the notional of
    the position is in quote units.
    """

    notional: Annotated[Decimal, Bounds("10", "18000")] = Decimal(1850)
    fast_seconds: Annotated[Decimal, Bounds("1", "3600")] = Decimal(20)
    slow_seconds: Annotated[Decimal, Bounds("2", "36000")] = Decimal(90)
    band_ratio: Annotated[Decimal, Bounds("0", "0.05")] = Decimal("0.0001")
    slices: Annotated[Decimal, Bounds("1", "50")] = Decimal(5)
    slice_seconds: Annotated[Decimal, Bounds("0.2", "600")] = Decimal(2)
    cross_ratio: Annotated[Decimal, Bounds("0", "0.01")] = Decimal("0.0002")
    pause_seconds: Annotated[Decimal, Bounds("0", "36000")] = Decimal(30)

    def check(self) -> None:
        """The fast average must be the faster one."""
        if self.fast_seconds >= self.slow_seconds:
            raise ParameterError("fast_seconds", f"must be below slow_seconds ({self.slow_seconds})")


class Ema:
    """An exponential average over time that is not evenly spaced; None before the first value."""

    def __init__(self) -> None:
        self.value: float | None = None
        self._at = 0.0

    def add(self, value: float, at: float, seconds: float) -> float:
        """Take *value* in; *seconds* is how long it takes to forget 63 % of the past."""
        if self.value is None:
            self.value = value
        else:
            self.value += (value - self.value) * (1 - exp(-max(at - self._at, 0.0) / seconds))
        self._at = at
        return self.value


class TrendFollowing:
    """Moving-average crossing with a dead band, so that noise around the crossing does not trade."""

    def __init__(self, parameters: TrendParameters | None = None) -> None:
        self.parameters = parameters or TrendParameters()
        self.direction = 0
        self._fast = Ema()
        self._slow = Ema()
        self._born: float | None = None
        self._last_parent = float("-inf")

    def adjust(self, changes: Mapping[str, Any]) -> None:
        """Change parameters, or none of them; raises `ParameterError`."""
        self.parameters = changed(self.parameters, changes)

    def decide(self, view: View) -> list[Intent]:
        """Move the position to the side of the trend, by one parent order at a time."""
        self._learn(view)
        if view.parent is not None:
            return self._work(view, view.parent)
        p = self.parameters
        if self.direction == 0 or view.now - self._last_parent < float(p.pause_seconds):
            return []
        wanted = p.notional / view.tick.mid
        missing = wanted * self.direction - view.position
        quantity = view.rules.quantity_down(abs(missing))
        if quantity < max(view.rules.smallest(view.tick.mid), wanted / 4):
            return []
        self._last_parent = view.now
        return [OpenParent(Side.BUY if missing > 0 else Side.SELL, quantity)]

    def _learn(self, view: View) -> None:
        p = self.parameters
        mid = float(view.tick.mid)
        if self._born is None:
            self._born = view.now
        fast = self._fast.add(mid, view.now, float(p.fast_seconds))
        slow = self._slow.add(mid, view.now, float(p.slow_seconds))
        if view.now - self._born < float(p.fast_seconds):
            return
        spread = fast / slow - 1
        if abs(spread) > float(p.band_ratio):
            self.direction = 1 if spread > 0 else -1

    def _work(self, view: View, parent: Parent) -> list[Intent]:
        """Send the next slice, pull one that does not trade, and give up when the trend has turned."""
        p = self.parameters
        children = [order for order in view.working if order.parent_id == parent.parent_id]
        patience = float(p.slice_seconds) * 2
        turned = self.direction != parent.side.sign
        cancels: list[Intent] = [
            Cancel(order.client_order_id)
            for order in children
            if not order.leaving and (turned or order.age > patience)
        ]
        if children:
            return cancels
        slice_quantity = max(view.rules.quantity_down(parent.quantity / p.slices), view.rules.smallest(view.tick.bid))
        quantity = min(slice_quantity, parent.remaining)
        if parent.remaining - quantity < view.rules.smallest(view.tick.bid):
            quantity = parent.remaining  # what would be left is too small to be sent by itself
        too_small = quantity < view.rules.smallest(view.tick.bid)
        if turned or too_small or parent.age > patience * float(p.slices) * 4:
            return [CloseParent()]
        if parent.since_child is not None and parent.since_child < float(p.slice_seconds):
            return []
        if parent.side is Side.BUY:
            price = view.rules.price_up(view.tick.ask * (1 + p.cross_ratio))
        else:
            price = view.rules.price_down(view.tick.bid * (1 - p.cross_ratio))
        return [Place(parent.side, quantity, price, of_parent=True)]
