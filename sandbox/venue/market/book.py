"""One order book by price level, kept from a snapshot and differences."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal

ZERO = Decimal(0)
Level = tuple[Decimal, Decimal]


class Book:
    """Price levels of both sides; a quantity of zero takes a level away."""

    __slots__ = ("_ask_prices", "_bid_prices", "asks", "bids")

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        # Both ascending: the best bid is the last, the best ask the first.
        self._bid_prices: list[Decimal] = []
        self._ask_prices: list[Decimal] = []

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set the levels given."""
        _set(self.bids, self._bid_prices, bids)
        _set(self.asks, self._ask_prices, asks)

    def clear(self) -> None:
        """Forget every level."""
        self.bids.clear()
        self.asks.clear()
        self._bid_prices.clear()
        self._ask_prices.clear()

    @property
    def best_bid(self) -> Decimal | None:
        """The highest price somebody buys at; None when nobody does."""
        return self._bid_prices[-1] if self._bid_prices else None

    @property
    def best_ask(self) -> Decimal | None:
        """The lowest price somebody sells at; None when nobody does."""
        return self._ask_prices[0] if self._ask_prices else None

    @property
    def mid(self) -> Decimal | None:
        """Half way between the best prices; None when a side is empty."""
        if not self._bid_prices or not self._ask_prices:
            return None
        return (self._bid_prices[-1] + self._ask_prices[0]) / 2

    def walk_bids(self) -> Iterator[Level]:
        """Bids from the best down."""
        return ((price, self.bids[price]) for price in reversed(self._bid_prices))

    def walk_asks(self) -> Iterator[Level]:
        """Asks from the best up."""
        return ((price, self.asks[price]) for price in self._ask_prices)

    def difference_to(
        self, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]
    ) -> tuple[list[Level], list[Level]]:
        """The changes that turn this book into the given one."""
        return _difference(self.bids, bids), _difference(self.asks, asks)


def _set(levels: dict[Decimal, Decimal], prices: list[Decimal], changes: Iterable[Level]) -> None:
    for price, quantity in changes:
        if quantity:
            if price not in levels:
                insort(prices, price)
            levels[price] = quantity
        elif levels.pop(price, None) is not None:
            del prices[bisect_left(prices, price)]


def _difference(now: dict[Decimal, Decimal], wanted: dict[Decimal, Decimal]) -> list[Level]:
    gone = [(price, ZERO) for price in now if price not in wanted]
    return gone + [(price, quantity) for price, quantity in wanted.items() if now.get(price) != quantity]
