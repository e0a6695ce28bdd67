"""Bets that a price far from its rolling mean comes back; enters passively, leaves by crossing."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean, pstdev
from typing import Annotated, Any

from sandbox.engine.market import Side
from sandbox.engine.parameters import Bounds, ParameterError, Parameters, changed
from sandbox.engine.strategies.strategy import Cancel, CloseParent, Intent, OpenParent, Parent, Place, View


@dataclass(frozen=True, slots=True)
class MeanReversionParameters(Parameters):
    """The z-score is (mid - mean) / standard deviation over the last ``samples`` seconds; ``notional``: quote units."""

    notional: Annotated[Decimal, Bounds("10", "18000")] = Decimal(1250)
    samples: Annotated[Decimal, Bounds("10", "3600")] = Decimal(120)
    enter_z: Annotated[Decimal, Bounds("0.1", "10")] = Decimal(2)
    leave_z: Annotated[Decimal, Bounds("0", "10")] = Decimal("0.5")
    least_deviation_ratio: Annotated[Decimal, Bounds("0", "0.01")] = Decimal("0.00005")
    patience_seconds: Annotated[Decimal, Bounds("0.5", "600")] = Decimal(5)
    hold_seconds: Annotated[Decimal, Bounds("1", "36000")] = Decimal(180)
    cross_ratio: Annotated[Decimal, Bounds("0", "0.01")] = Decimal("0.0002")

    def check(self) -> None:
        """It must come closer to leave than to enter."""
        if self.leave_z >= self.enter_z:
            raise ParameterError("leave_z", f"must be below enter_z ({self.enter_z})")


class MeanReversion:
    """One position at a time, entered at the touch when the z-score is far out, left near the mean or after a while."""

    def __init__(self, parameters: MeanReversionParameters | None = None) -> None:
        self.parameters = parameters or MeanReversionParameters()
        self._mids: deque[float] = deque()
        self._sampled = float("-inf")
        self._in_position_since: float | None = None
        self._last_parent = float("-inf")

    def z_score(self, mid: float) -> float | None:
        """Give how far out *mid* is, or None while there is too little to compare with or the market does not move."""
        if len(self._mids) < int(self.parameters.samples) // 2:
            return None
        mean = fmean(self._mids)
        deviation = pstdev(self._mids, mean)
        if deviation <= mean * float(self.parameters.least_deviation_ratio):
            return None
        return (mid - mean) / deviation

    def adjust(self, changes: Mapping[str, Any]) -> None:
        """Change parameters, or none of them; raises `ParameterError`."""
        self.parameters = changed(self.parameters, changes)

    def decide(self, view: View) -> list[Intent]:
        """Enter, leave, or work the parent order that does one of both."""
        self._learn(view)
        if view.parent is not None:
            return self._work(view, view.parent)
        p = self.parameters
        z = self.z_score(float(view.tick.mid))
        held = abs(view.position)
        if held >= view.rules.minimum_quantity:
            late = self._in_position_since is not None and view.now - self._in_position_since > float(p.hold_seconds)
            back = z is not None and z * (1 if view.position > 0 else -1) > -float(p.leave_z)
            if (late or back) and view.now - self._last_parent > 1:
                self._last_parent = view.now
                return [OpenParent(Side.SELL if view.position > 0 else Side.BUY, held)]
            return []
        if z is None or abs(z) < float(p.enter_z) or view.now - self._last_parent < float(p.patience_seconds):
            return []
        self._last_parent = view.now
        quantity = max(view.rules.quantity_down(p.notional / view.tick.mid), view.rules.smallest(view.tick.bid))
        return [OpenParent(Side.SELL if z > 0 else Side.BUY, quantity)]

    def _learn(self, view: View) -> None:
        if view.now - self._sampled >= 1:
            self._sampled = view.now
            self._mids.append(float(view.tick.mid))
            while len(self._mids) > int(self.parameters.samples):
                self._mids.popleft()
        if abs(view.position) < view.rules.minimum_quantity:
            self._in_position_since = None
        elif self._in_position_since is None:
            self._in_position_since = view.now

    def _work(self, view: View, parent: Parent) -> list[Intent]:
        p = self.parameters
        children = [order for order in view.working if order.parent_id == parent.parent_id]
        if children:
            return [
                Cancel(order.client_order_id)
                for order in children
                if not order.leaving and order.age > float(p.patience_seconds)
            ]
        leaving = view.position * parent.side.sign < 0
        if parent.since_child is not None or parent.age > float(p.patience_seconds):
            return [CloseParent()]  # one child, no second try: the next look at the market decides anew
        if leaving:
            quantity = min(parent.remaining, abs(view.position))
            if parent.side is Side.BUY:
                price = view.rules.price_up(view.tick.ask * (1 + p.cross_ratio))
            else:
                price = view.rules.price_down(view.tick.bid * (1 - p.cross_ratio))
            return [Place(parent.side, quantity, price, reduce_only=True, of_parent=True)]
        price = view.tick.bid if parent.side is Side.BUY else view.tick.ask
        return [Place(parent.side, parent.remaining, price, of_parent=True)]
