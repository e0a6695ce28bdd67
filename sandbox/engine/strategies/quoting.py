"""Quotes both sides of the market, leans against its own inventory, and moves a quote only when the price has moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from sandbox.engine.market import Side
from sandbox.engine.parameters import Bounds, Parameters, changed
from sandbox.engine.strategies.strategy import Cancel, Intent, Place, View


@dataclass(frozen=True, slots=True)
class QuotingParameters(Parameters):
    """Ratios are of the mid price: 0.0003 is 3 basis points; notionals in quote units, so that they fit any symbol."""

    notional: Annotated[Decimal, Bounds("10", "6000")] = Decimal(650)
    maximum_notional: Annotated[Decimal, Bounds("10", "18000")] = Decimal(3250)
    half_spread_ratio: Annotated[Decimal, Bounds("0.00001", "0.05")] = Decimal("0.0003")
    skew_ratio: Annotated[Decimal, Bounds("0", "0.05")] = Decimal("0.0003")
    requote_ratio: Annotated[Decimal, Bounds("0.00001", "0.05")] = Decimal("0.0001")
    requote_seconds: Annotated[Decimal, Bounds("0.2", "3600")] = Decimal(1)


class Quoting:
    """Market making in its simplest form: a bid and an ask around a mid that is shifted against the inventory."""

    def __init__(self, parameters: QuotingParameters | None = None) -> None:
        self.parameters = parameters or QuotingParameters()
        self._placed: dict[Side, float] = {}

    def adjust(self, changes: Mapping[str, Any]) -> None:
        """Change parameters, or none of them; raises `ParameterError`."""
        self.parameters = changed(self.parameters, changes)

    def decide(self, view: View) -> list[Intent]:
        """Keep one order per side at its price: cancel what is off, place what is missing."""
        intents: list[Intent] = []
        for side in Side:
            intents += self._side(view, side)
        return intents

    def wanted_price(self, view: View, side: Side) -> Decimal | None:
        """Give the price to quote at, or None while the position is as large as it may be on that side."""
        p = self.parameters
        held = view.position * view.tick.mid
        if held * side.sign + p.notional > p.maximum_notional:
            return None
        inventory = max(Decimal(-1), min(Decimal(1), held / p.maximum_notional))
        fair = view.tick.mid * (1 - inventory * p.skew_ratio)
        away = fair * p.half_spread_ratio
        if side is Side.BUY:
            # Never across the spread: a quote that trades at once is not a quote.
            return view.rules.price_down(min(fair - away, view.tick.bid))
        return view.rules.price_up(max(fair + away, view.tick.ask))

    def _side(self, view: View, side: Side) -> list[Intent]:
        p = self.parameters
        wanted = self.wanted_price(view, side)
        working = [order for order in view.working if order.side is side]
        if wanted is None:
            return [Cancel(order.client_order_id) for order in working if not order.leaving]
        if not working:
            if view.now - self._placed.get(side, float("-inf")) < float(p.requote_seconds):
                return []
            self._placed[side] = view.now
            quantity = max(view.rules.quantity_down(p.notional / view.tick.mid), view.rules.smallest(wanted))
            return [Place(side, quantity, wanted)]
        keep, *surplus = working
        leaving: list[Intent] = [Cancel(order.client_order_id) for order in surplus if not order.leaving]
        moved = keep.price is None or abs(keep.price - wanted) > view.tick.mid * p.requote_ratio
        if moved and not keep.leaving and keep.age >= float(p.requote_seconds):
            leaving.append(Cancel(keep.client_order_id))
        return leaving
