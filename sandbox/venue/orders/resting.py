"""The users' orders that rest on one symbol, in the line in which they fill."""

from bisect import bisect_left, insort
from decimal import Decimal

from sandbox.venue.orders.order import Order, Side


class RestingOrders:
    """The users' resting orders of one pair, best price first, older first at the same price."""

    __slots__ = ("_keys", "_orders")

    def __init__(self) -> None:
        self._keys: dict[Side, list[tuple[Decimal, int]]] = {Side.BUY: [], Side.SELL: []}
        self._orders: dict[int, Order] = {}

    def add(self, order: Order) -> None:
        """Let an order rest."""
        insort(self._keys[order.side], self._key(order))
        self._orders[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out, if it is in."""
        if self._orders.pop(order.order_id, None) is not None:
            keys = self._keys[order.side]
            del keys[bisect_left(keys, self._key(order))]

    def best(self, side: Side) -> Order | None:
        """The first in line of a side."""
        keys = self._keys[side]
        return self._orders[keys[0][1]] if keys else None

    def queue(self, side: Side) -> list[Order]:
        """Everybody in line of a side, first first."""
        return [self._orders[number] for _, number in self._keys[side]]

    def clear(self) -> None:
        """Forget all."""
        self._orders.clear()
        for keys in self._keys.values():
            keys.clear()

    @staticmethod
    def _key(order: Order) -> tuple[Decimal, int]:
        return (-order.price if order.side is Side.BUY else order.price), order.order_id
