"""Which orders are open, and how much of each parent order its children work or have filled.

Memory is bounded: beyond the limit the order or parent that was longest without an event is forgotten, and counted.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from exporters.trading.keys import InstrumentKey

PARENT_WINDOW_SECONDS: Final = 600.0
_AHEAD_SECONDS: Final = 3600.0
_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Parent:
    """A parent order; *quantity* is ``None`` while only children named it, *child* is what they work or have filled.

    *seen* is the time of its last event and *touched* when that arrived; *ratio* is kept, as it is read far more often.
    """

    instrument: InstrumentKey
    quantity: Decimal | None
    child: Decimal
    seen: float
    touched: float
    ratio: Decimal | None = None
    arrival_mid: Decimal | None = None

    def weigh(self) -> None:
        """Bring *ratio* up to date."""
        self.ratio = None if self.quantity is None else self.child / self.quantity


@dataclass(slots=True)
class Order:
    """An order that was sent and has not ended; *cancels* were asked for it, of *cancel_volume* together."""

    instrument: InstrumentKey
    quantity: Decimal
    filled: Decimal
    parent_id: str | None
    sent: float
    acknowledged: bool = False
    arrival_mid: Decimal | None = None
    cancels: int = 0
    cancel_volume: Decimal = _ZERO

    @property
    def unfilled(self) -> Decimal:
        """What may still trade."""
        return max(_ZERO, self.quantity - self.filled)


@dataclass(slots=True)
class Ledger:
    """The open orders by (venue, account, client order id) and the parents by (instrument, parent id).

    *time* is when an event happened, *received* when it arrived; both lie in the order of their last touch.
    """

    max_open: int
    max_parents: int
    open: OrderedDict[tuple[str, str, str], Order] = field(default_factory=OrderedDict)
    parents: dict[tuple[InstrumentKey, str], Parent] = field(default_factory=dict)
    forgotten_orders: int = 0
    forgotten_parents: int = 0
    orphans: dict[InstrumentKey, int] = field(default_factory=dict)

    def parent(
        self,
        instrument: InstrumentKey,
        parent_id: str,
        quantity: Decimal,
        time: float,
        received: float,
        arrival_mid: Decimal | None = None,
    ) -> None:
        """A parent order was decided."""
        parent = self._parent(instrument, parent_id, time, received)
        parent.quantity = quantity
        parent.arrival_mid = arrival_mid
        parent.weigh()

    def sent(
        self,
        instrument: InstrumentKey,
        client_order_id: str,
        quantity: Decimal,
        parent_id: str | None,
        time: float,
        received: float,
        arrival_mid: Decimal | None = None,
    ) -> None:
        """A child (or a lone order, without *parent_id*) left the engine; an id used again starts over."""
        key = (instrument[0], instrument[1], client_order_id)
        self.open.pop(key, None)
        order = self.open[key] = Order(instrument, quantity, _ZERO, parent_id, time, arrival_mid=arrival_mid)
        if len(self.open) > self.max_open:
            self.open.popitem(last=False)
            self.forgotten_orders += 1
        if parent_id is not None:
            parent = self._parent(instrument, parent_id, time, received)
            parent.child += quantity
            parent.weigh()
            if arrival_mid is None:
                order.arrival_mid = parent.arrival_mid
            if parent.quantity is None:
                self.orphans[instrument] = self.orphans.get(instrument, 0) + 1

    def acknowledged(self, venue: str, account: str, client_order_id: str, time: float) -> float | None:
        """The venue took it: seconds since it was sent, ``None`` when that is not known or was said before."""
        order = self.open.get((venue, account, client_order_id))
        if order is None or order.acknowledged:
            return None
        order.acknowledged = True
        return max(0.0, time - order.sent)

    def filled(
        self, venue: str, account: str, client_order_id: str, quantity: Decimal, time: float, received: float
    ) -> Order | None:
        """Part or all of it traded; more than was ordered counts against its parent too.  The order, when known."""
        key = (venue, account, client_order_id)
        order = self.open.get(key)
        if order is None:
            return None
        before = max(order.filled, order.quantity)
        order.filled += quantity
        self._adjust(order, max(order.filled, order.quantity) - before, time, received)
        if order.filled >= order.quantity:
            del self.open[key]
        return order

    def modified(
        self, venue: str, account: str, client_order_id: str, quantity: Decimal | None, time: float, received: float
    ) -> tuple[Order, Decimal] | None:
        """It is to be of *quantity* (``None``: as before): the order, when known, and how much more that is."""
        order = self.open.get((venue, account, client_order_id))
        if order is None:
            return None
        if quantity is None:
            return order, _ZERO
        more = quantity - order.quantity
        before = max(order.filled, order.quantity)
        order.quantity = quantity
        self._adjust(order, max(order.filled, quantity) - before, time, received)
        return order, more

    def ended(
        self, venue: str, account: str, client_order_id: str, remaining: Decimal | None, time: float, received: float
    ) -> Order | None:
        """It was cancelled with *remaining*, or rejected (``None``: all that is not filled remained)."""
        order = self.open.pop((venue, account, client_order_id), None)
        if order is None:
            return None
        unfilled = order.unfilled
        self._adjust(order, -(unfilled if remaining is None else min(remaining, order.quantity)), time, received)
        return order

    def open_per_instrument(self) -> dict[InstrumentKey, int]:
        """How many orders are open."""
        counts: dict[InstrumentKey, int] = {}
        for order in self.open.values():
            counts[order.instrument] = counts.get(order.instrument, 0) + 1
        return counts

    def worst_ratios(self, now: float) -> dict[InstrumentKey, Decimal | None]:
        """The highest child/parent ratio of the parents that had an event in the last ten minutes.

        ``None`` where children named only parents that nobody announced: there the ratio is not known.
        """
        worst: dict[InstrumentKey, Decimal | None] = {}
        since = now - PARENT_WINDOW_SECONDS
        for parent in reversed(self.parents.values()):
            if parent.seen >= since:
                ratio = parent.ratio
                known = worst.setdefault(parent.instrument, ratio)
                if ratio is not None and (known is None or ratio > known):
                    worst[parent.instrument] = ratio
            elif parent.touched < since - _AHEAD_SECONDS:
                break  # what lies before was touched even longer ago, and nothing is seen much before it happens
        return worst

    def _parent(self, instrument: InstrumentKey, parent_id: str, time: float, received: float) -> Parent:
        key = (instrument, parent_id)
        parent = self.parents.get(key)
        if parent is None:
            parent = self.parents[key] = Parent(instrument, None, _ZERO, time, received)
            if len(self.parents) > self.max_parents:
                del self.parents[next(iter(self.parents))]
                self.forgotten_parents += 1
        else:
            self._touch(key, parent, time, received)
        return parent

    def _touch(self, key: tuple[InstrumentKey, str], parent: Parent, time: float, received: float) -> None:
        parent.seen = max(parent.seen, time)
        parent.touched = received
        # A plain dict, as its values are walked on every scrape, which an OrderedDict does ten times slower.
        self.parents[key] = self.parents.pop(key)

    def _adjust(self, order: Order, change: Decimal, time: float, received: float) -> None:
        if order.parent_id is None:
            return
        key = (order.instrument, order.parent_id)
        parent = self.parents.get(key)
        if parent is not None:
            self._touch(key, parent, time, received)
            if change:
                parent.child = max(_ZERO, parent.child + change)
                parent.weigh()

    def forget(self, strategy: tuple[str, str, str]) -> None:
        """Drop the open orders and the parents of one (venue, account, strategy)."""
        for key in [key for key, order in self.open.items() if order.instrument[:3] == strategy]:
            del self.open[key]
        for parent_key in [key for key in self.parents if key[0][:3] == strategy]:
            del self.parents[parent_key]
        for instrument in [key for key in self.orphans if key[:3] == strategy]:
            del self.orphans[instrument]

    def dump(self) -> dict[str, Any]:
        """As plain JSON, without the counts."""
        return {
            "open": [
                [
                    key[2],
                    *order.instrument,
                    str(order.quantity),
                    str(order.filled),
                    order.parent_id,
                    order.sent,
                    order.acknowledged,
                    _text(order.arrival_mid),
                    order.cancels,
                    str(order.cancel_volume),
                ]
                for key, order in self.open.items()
            ],
            "parents": [
                [
                    *instrument,
                    parent_id,
                    _text(parent.quantity),
                    str(parent.child),
                    parent.seen,
                    parent.touched,
                    _text(parent.arrival_mid),
                ]
                for (instrument, parent_id), parent in self.parents.items()
            ],
        }

    def restore(self, saved: Any) -> None:
        """Take in what ``dump`` gave."""
        for order_id, venue, account, strategy, symbol, quantity, filled, *more in saved["open"]:
            parent_id, sent, acknowledged, mid, cancels, cancel_volume = more
            self.open[(venue, account, order_id)] = Order(
                (venue, account, strategy, symbol),
                Decimal(quantity),
                Decimal(filled),
                parent_id,
                float(sent),
                bool(acknowledged),
                _decimal(mid),
                int(cancels),
                Decimal(cancel_volume),
            )
        for venue, account, strategy, symbol, parent_id, quantity, child, seen, touched, mid in saved["parents"]:
            key = (venue, account, strategy, symbol)
            parent = Parent(key, _decimal(quantity), Decimal(child), float(seen), float(touched))
            parent.arrival_mid = _decimal(mid)
            parent.weigh()
            self.parents[(key, parent_id)] = parent


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
