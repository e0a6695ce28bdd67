"""What the engine believes about its own orders, without any request: the venue's word is put in from outside."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sandbox.engine.market import Side
from sandbox.engine.strategies.strategy import Parent, Working

REMEMBERED = 5000
"""Ended orders are kept so that a late fill finds its order; the oldest are forgotten."""


class OrderState(StrEnum):
    """Where an order is in its life."""

    SENT = "sent"
    UNKNOWN = "unknown"
    """It went out, and no trustworthy answer came: it counts as working until the venue is asked."""
    OPEN = "open"
    ENDED = "ended"


@dataclass(slots=True)
class Order:
    """One order of ours; quantities in base units, times in seconds of the monotonic clock.

    ``filled`` is what the venue said of the order, ``traded`` what its executions add up to.  ``leaving``: a cancel is
    under way; ``cancel_asked``: we asked for one at some time, so it is we who ended it.
    """

    client_order_id: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    parent_id: str | None
    arrival_mid: Decimal | None
    sent_at: float
    state: OrderState = OrderState.SENT
    order_id: str | None = None
    filled: Decimal = Decimal(0)
    traded: Decimal = Decimal(0)
    leaving: bool = False
    cancel_asked: bool = False
    misses: int = 0
    ended_at: float | None = None

    @property
    def remaining(self) -> Decimal:
        """What can still trade."""
        return max(self.quantity - max(self.filled, self.traded), Decimal(0))

    @property
    def committed(self) -> Decimal:
        """What counts against the parent: all of it while it works, what traded once it has ended."""
        return max(self.filled, self.traded) if self.state is OrderState.ENDED else self.quantity


@dataclass(slots=True)
class ParentOrder:
    """A parent order and its children."""

    parent_id: str
    side: Side
    quantity: Decimal
    opened_at: float
    children: list[Order]

    def view(self, now: float) -> Parent:
        """Give what a strategy may see of it."""
        return Parent(
            parent_id=self.parent_id,
            side=self.side,
            quantity=self.quantity,
            filled=sum((max(order.filled, order.traded) for order in self.children), Decimal(0)),
            committed=sum((order.committed for order in self.children), Decimal(0)),
            age=now - self.opened_at,
            since_child=now - self.children[-1].sent_at if self.children else None,
        )


class Ledger:
    """The orders of one strategy, by client order id and by the venue's order id."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._working: dict[str, Order] = {}
        self._by_order_id: dict[str, Order] = {}

    def add(self, order: Order) -> None:
        """Take in an order that is about to go out."""
        self._orders[order.client_order_id] = order
        self._working[order.client_order_id] = order
        while len(self._orders) > REMEMBERED + len(self._working):
            oldest = next(one for one in self._orders.values() if one.state is OrderState.ENDED)
            del self._orders[oldest.client_order_id]
            if oldest.order_id is not None:
                self._by_order_id.pop(oldest.order_id, None)

    def number(self, order: Order, order_id: str) -> None:
        """Note the venue's id of an order."""
        order.order_id = order_id
        self._by_order_id[order_id] = order

    def end(self, order: Order, now: float) -> None:
        """Note that an order can trade no more."""
        order.state = OrderState.ENDED
        order.ended_at = now
        self._working.pop(order.client_order_id, None)

    def find(self, client_order_id: str) -> Order | None:
        """Find an order by our id."""
        return self._orders.get(client_order_id)

    def find_by_order_id(self, order_id: str) -> Order | None:
        """Find an order by the venue's id."""
        return self._by_order_id.get(order_id)

    def working(self) -> tuple[Order, ...]:
        """Give the orders that may still trade, oldest first."""
        return tuple(self._working.values())

    def views(self, now: float) -> tuple[Working, ...]:
        """Give the working orders as a strategy sees them."""
        return tuple(
            Working(
                client_order_id=order.client_order_id,
                side=order.side,
                price=order.price,
                remaining=order.remaining,
                reduce_only=order.reduce_only,
                parent_id=order.parent_id,
                age=now - order.sent_at,
                leaving=order.leaving or order.state is not OrderState.OPEN,
            )
            for order in self._working.values()
        )

    def worst_position(self, position: Decimal, side: Side) -> Decimal:
        """Give the position if everything working on *side* traded."""
        return position + side.sign * sum((one.remaining for one in self if one.side is side), Decimal(0))

    def __iter__(self) -> Iterator[Order]:
        return iter(tuple(self._working.values()))

    def __len__(self) -> int:
        return len(self._working)
