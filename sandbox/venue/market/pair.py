"""One symbol on one market: its book, its last price, its sequence numbers, and the users' orders that rest on it.

Feeds (`replay`, `synthetic`) push changes in; every change moves the book, is published, and is shown to the exchange
so that resting orders can fill.  All prices pass through `shift`, with which a flash move lifts or drops the market.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Instrument, Market
from sandbox.venue.market.book import Book, Level
from sandbox.venue.orders.order import AlgoOrder, Order, Side
from sandbox.venue.orders.resting import RestingOrders

ZERO = Decimal(0)
TextLevels = Sequence[tuple[str, str]]
# Depth that takers used up comes back when the feed next speaks of that price, or after this long.
REFILL_SECONDS = 1.0


class Publisher(Protocol):
    """Where market data goes out."""

    def publish(self, market: Market, symbol: str, kind: str, stream: str, data: dict[str, Any]) -> None:
        """Send one message to whoever listens; never waits."""


class Watcher(Protocol):
    """Who must know that a market moved."""

    def on_book(self, pair: "TradingPair") -> None:
        """The book changed."""

    def on_trade(self, pair: "TradingPair", price: Decimal, quantity: Decimal, *, buyer_is_maker: bool) -> None:
        """A trade happened in the outside market."""


class TradingPair:
    """A symbol that trades.  Not thread-safe: one event loop owns it."""

    def __init__(self, instrument: Instrument, clock: VenueClock, publisher: Publisher, watcher: Watcher) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.market = instrument.market
        self.book = Book()
        self.resting = RestingOrders()
        # Waiting for their price: spot stop orders, and futures conditional orders.
        self.stops: dict[int, Order] = {}
        self.conditional: dict[int, AlgoOrder] = {}
        self.last_price: Decimal | None = None
        self.last_update_id = 1_000_000
        self.last_trade_id = 1_000
        self.last_event_ms = 0
        self.prints: deque[dict[str, Any]] = deque(maxlen=1000)
        self.volume = ZERO
        self._clock = clock
        self._publisher = publisher
        self._watcher = watcher
        self._shift = ZERO
        self._taken: dict[Decimal, Decimal] = {}
        self._taken_at = 0.0
        lower = self.symbol.lower()
        # Kind of message -> the name of its stream.
        self.streams = {
            "depth": f"{lower}@depth@{'0ms' if self.market is Market.USDM else '100ms'}",
            "trade": f"{lower}@trade",
            "bookTicker": f"{lower}@bookTicker",
        }

    # What feeds call.

    def load(self, bids: TextLevels, asks: TextLevels, *, update_id: int) -> None:
        """Start from a snapshot; nothing is published."""
        self.book.clear()
        self.book.apply(self._moved(_levels(bids)), self._moved(_levels(asks)))
        self.last_update_id = update_id

    def depth(self, bids: TextLevels, asks: TextLevels, *, event_ms: int, ids: tuple[int, int] | None = None) -> None:
        """Apply changed levels and publish them.  `ids` are (first, last) update id; without, they count on by one."""
        first, last = ids or (self.last_update_id + 1, self.last_update_id + 1)
        bid_levels, ask_levels = _levels(bids), _levels(asks)
        if self._shift:
            bid_levels, ask_levels = self._moved(bid_levels), self._moved(ask_levels)
            bids, asks = _texts(bid_levels), _texts(ask_levels)
        self._change(bid_levels, ask_levels, bids, asks, event_ms, first, last)

    def restore(self, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal], *, event_ms: int) -> None:
        """Turn the book into the given one by one published difference, so that followers stay right."""
        wanted_bids, wanted_asks = dict(self._moved(bids.items())), dict(self._moved(asks.items()))
        self._rewrite(wanted_bids, wanted_asks, event_ms)

    def trade(
        self, price: str, quantity: str, *, buyer_is_maker: bool, event_ms: int, trade_id: int | None = None
    ) -> None:
        """Report a trade of the outside market."""
        self.last_trade_id = trade_id if trade_id is not None else self.last_trade_id + 1
        self.last_event_ms = event_ms
        at, amount = Decimal(price), Decimal(quantity)
        if self._shift:
            at = max(self.instrument.tick, at + self._shift)
            price = format(at, "f")
        self.last_price = at
        self.volume += amount
        data: dict[str, Any] = {
            "e": "trade",
            "E": event_ms,
            "T": event_ms,
            "s": self.symbol,
            "t": self.last_trade_id,
            "p": price,
            "q": quantity,
            **(
                {"X": "MARKET", "m": buyer_is_maker} if self.market is Market.USDM else {"m": buyer_is_maker, "M": True}
            ),
        }
        self.prints.append(data)
        self._publisher.publish(self.market, self.symbol, "trade", self.streams["trade"], data)
        self._watcher.on_trade(self, at, amount, buyer_is_maker=buyer_is_maker)

    def ticker(
        self, bid: tuple[str, str], ask: tuple[str, str], *, event_ms: int, update_id: int | None = None
    ) -> None:
        """Report best bid and ask (price, quantity)."""
        self.last_event_ms = event_ms
        if self._shift:
            bid, ask = _texts(self._moved(_levels([bid, ask])))
        data: dict[str, Any] = {
            "u": self.last_update_id if update_id is None else update_id,
            "s": self.symbol,
            "b": bid[0],
            "B": bid[1],
            "a": ask[0],
            "A": ask[1],
        }
        if self.market is Market.USDM:
            data = {"e": "bookTicker", **data, "T": event_ms, "E": event_ms}
        self._publisher.publish(self.market, self.symbol, "bookTicker", self.streams["bookTicker"], data)

    def move(self, ratio: Decimal) -> None:
        """Lift (or drop) the whole market by a ratio of the mid; 0 brings it back to what the feed says."""
        plain_mid = (self.mark or self.instrument.start_price) - self._shift
        new_shift = self.instrument.floor_price(plain_mid * ratio) if ratio else ZERO
        change = new_shift - self._shift
        if not change:
            return
        bids = {price + change: quantity for price, quantity in self.book.bids.items() if price + change > 0}
        asks = {price + change: quantity for price, quantity in self.book.asks.items() if price + change > 0}
        self._shift = new_shift
        if self.last_price is not None:
            self.last_price = max(self.instrument.tick, self.last_price + change)
        now = self._clock.milliseconds()
        self._rewrite(bids, asks, now)
        self.report_ticker(now)

    def report_ticker(self, event_ms: int) -> None:
        """Publish the best prices of the book as it stands."""
        bid, ask = self.book.best_bid, self.book.best_ask
        if bid is not None and ask is not None:
            shift, self._shift = self._shift, ZERO  # these prices are shifted already
            self.ticker(
                (format(bid, "f"), format(self.book.bids[bid], "f")),
                (format(ask, "f"), format(self.book.asks[ask], "f")),
                event_ms=event_ms,
            )
            self._shift = shift

    # What the exchange and the REST paths ask.

    @property
    def mark(self) -> Decimal | None:
        """The mark price: the mid, else the last trade."""
        return self.book.mid or self.last_price

    def available(self, side: Side, limit: Decimal | None) -> Iterable[Level]:
        """What a taker finds, best first, up to its limit price: the book less what was just taken from it."""
        if self._taken and time.monotonic() - self._taken_at > REFILL_SECONDS:
            self._taken.clear()
        buying = side is Side.BUY
        for price, quantity in self.book.walk_asks() if buying else self.book.walk_bids():
            if limit is not None and (price > limit if buying else price < limit):
                return
            left = quantity - self._taken.get(price, ZERO)
            if left > 0:
                yield price, left

    def take(self, price: Decimal, quantity: Decimal) -> None:
        """Use up depth at a price."""
        if not self._taken:
            self._taken_at = time.monotonic()
        self._taken[price] = self._taken.get(price, ZERO) + quantity

    def snapshot(self, limit: int | None = None) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Bids and asks as text, best first."""
        bids = [(format(price, "f"), format(quantity, "f")) for price, quantity in _first(self.book.walk_bids(), limit)]
        asks = [(format(price, "f"), format(quantity, "f")) for price, quantity in _first(self.book.walk_asks(), limit)]
        return bids, asks

    # Inside.

    def _moved(self, levels: Iterable[Level]) -> list[Level]:
        shift = self._shift
        return [(price + shift, quantity) for price, quantity in levels if price + shift > 0]

    def _rewrite(self, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal], event_ms: int) -> None:
        changed_bids, changed_asks = self.book.difference_to(bids, asks)
        number = self.last_update_id + 1
        self._change(changed_bids, changed_asks, _texts(changed_bids), _texts(changed_asks), event_ms, number, number)

    def _change(
        self,
        bids: list[Level],
        asks: list[Level],
        bid_texts: TextLevels,
        ask_texts: TextLevels,
        event_ms: int,
        first: int,
        last: int,
    ) -> None:
        # A flash move or a loop puts updates of its own between the feed's: numbers still only go up, without a hole.
        previous = self.last_update_id
        first = max(first, previous + 1)
        last = self.last_update_id = max(last, first)
        self.last_event_ms = event_ms
        self.book.apply(bids, asks)
        if self._taken:
            for price, _ in (*bids, *asks):
                self._taken.pop(price, None)
        data: dict[str, Any] = {"e": "depthUpdate", "E": event_ms}
        if self.market is Market.USDM:
            data |= {"T": event_ms, "s": self.symbol, "U": first, "u": last, "pu": previous}
        else:
            data |= {"s": self.symbol, "U": first, "u": last}
        data |= {"b": bid_texts, "a": ask_texts}
        self._publisher.publish(self.market, self.symbol, "depth", self.streams["depth"], data)
        self._watcher.on_book(self)


class Marks(Mapping[str, Decimal]):
    """Mark prices by symbol, read from the pairs when asked."""

    def __init__(self, pairs: Mapping[str, TradingPair]) -> None:
        self._listings = pairs

    def __getitem__(self, symbol: str) -> Decimal:
        pair = self._listings[symbol]
        return pair.mark or pair.instrument.start_price

    def __iter__(self) -> Iterator[str]:
        return iter(self._listings)

    def __len__(self) -> int:
        return len(self._listings)


def _levels(texts: TextLevels) -> list[Level]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in texts]


def _texts(levels: Iterable[Level]) -> list[tuple[str, str]]:
    return [(format(price, "f"), format(quantity, "f")) for price, quantity in levels]


def _first(levels: Iterable[Level], limit: int | None) -> Iterable[Level]:
    if limit is None:
        return levels
    return (level for _, level in zip(range(limit), levels, strict=False))
