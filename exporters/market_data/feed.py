"""One connection to a venue: its symbols and their streams."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data.flow import Flow
from exporters.market_data.market import Market
from exporters.market_data.prices import Best
from exporters.market_data.ticks import Snapshot, Tick
from exporters.market_data.venue import Venue
from exporters.series import gauge

_NS: Final = 1_000_000_000

FEED_UP: Final = gauge(
    "market_data_feed_up",
    "venue",
    "kill",
    "boolean",
    "the feed",
    "1 while every feed of the venue is connected and has spoken.",
)
LEFT_OUT: Final = gauge(
    "market_data_symbols_left_out",
    "venue reason",
    "rest",
    "symbols",
    "the exporter itself",
    "Configured symbols that are not followed: symbols_limit (no room), unknown (the venue does not list them); or "
    "without depth: books_limit; or without depth and volume: contract_size (the venue does not say what a contract is "
    "worth).",
)
SERIES: Final = (FEED_UP, LEFT_OUT)

REASONS: Final = ("symbols_limit", "books_limit", "unknown", "contract_size")


class Feed:
    """What one connection says.

    A recorded capture may live in another time than ours: *behind_ns* is how far, and ``now_ns`` is the present of
    the feed.
    """

    def __init__(
        self, venue: Venue, markets: Mapping[str, Market], expire_seconds: float, first_message_seconds: float
    ) -> None:
        """*markets* are by the venue's own names of the symbols; a price is old after *expire_seconds*, and a stream
        of which nothing came within *first_message_seconds* is waited for.
        """
        self.venue = venue
        self.markets = markets
        self.connected = False
        self.behind_ns = 0
        self.strangers = 0
        self.has_status = False
        self.status_seconds = 60.0
        self.unknown: frozenset[str] = frozenset()
        self.left_out = dict.fromkeys(REASONS, 0)
        self._expire_ns = int(expire_seconds * _NS)
        self._begin_ns = int(first_message_seconds * _NS)
        self._silent = [(symbol, flow) for symbol, market in markets.items() for flow in market.flows.values()]

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, in the time the feed lives in."""
        return time.time_ns() - self.behind_ns

    def oldest_ns(self) -> int:
        """A price from before this moment is not known any more."""
        return self.now_ns() - self._expire_ns

    def observe(self, tick: Tick, received_ns: int) -> None:
        """Take one message in."""
        market = self.markets.get(tick.symbol)
        if market is None or tick.stream not in market.flows:
            self.strangers += 1
            return
        if tick.event_ns is not None and not self.timed(tick.event_ns, received_ns, tick.stream):
            tick = tick._replace(event_ns=None)
        market.take(tick, received_ns)

    def timed(self, event_ns: int, received_ns: int, stream: str | None = None) -> bool:
        """Something with a venue time arrived (a ping when it is of no *stream*); whether the time can be believed."""
        believed = self.venue.clock.take(event_ns, received_ns, stream)
        self.venue.bad_values["time"] += not believed
        return believed

    def restore(self, snapshot: Snapshot, received_ns: int) -> None:
        """Take a whole book in; one that does not say its symbol is that of the only symbol there is."""
        symbol = next(iter(self.markets), "") if snapshot.symbol is None and len(self.markets) == 1 else snapshot.symbol
        market = self.markets.get(symbol or "")
        if market is None:
            self.strangers += 1
        elif market.book is not None:
            market.book.restore(snapshot.last, snapshot.bids, snapshot.asks, received_ns)

    def arrived(self, symbol: str, stream: str, event_ns: int | None, received_ns: int, *, timed: bool = True) -> None:
        """Something that carries no sequence; *timed*: its time tells of the latency."""
        flow = self.markets[symbol].flows[stream]
        flow.messages += 1
        flow.received_ns = received_ns
        if event_ns is not None and (not timed or self.timed(event_ns, received_ns, stream)):
            flow.event_ns = max(flow.event_ns, event_ns)

    def best_of(self, symbol: str, book: Snapshot, received_ns: int) -> None:
        """The best prices of a whole book."""
        bids = [price for price, quantity in book.bids if quantity > 0]
        asks = [price for price, quantity in book.asks if quantity > 0]
        self.markets[symbol].best = Best(max(bids, default=None), min(asks, default=None), received_ns)

    def unhealed(self) -> list[str]:
        """Symbols whose book is not the venue's."""
        return [
            symbol
            for symbol, market in self.markets.items()
            if market.book is not None and not market.book.synchronised and symbol not in self.unknown
        ]

    def waiting(self) -> Iterator[Flow]:
        """Streams of which nothing has ever come, although there was time and the venue knows the symbol."""
        latest = self.now_ns() - self._begin_ns
        self._silent = [(symbol, flow) for symbol, flow in self._silent if not flow.received_ns]
        for symbol, flow in self._silent:
            if flow.since_ns <= latest and symbol not in self.unknown:
                yield flow

    def said_status(self, status: Mapping[str, str], at_ns: int) -> None:
        """What the venue says of the symbols it knows; those it does not name are unknown to it."""
        unknown = frozenset(symbol for symbol in self.markets if symbol not in status)
        for symbol in self.unknown - unknown:  # it is followed from now on
            for flow in self.markets[symbol].flows.values():
                flow.since_ns = at_ns
        self.unknown = unknown
        self.left_out["unknown"] = len(self.unknown)
        for symbol, market in self.markets.items():
            market.status = (status[symbol], at_ns) if symbol in status else None

    def cannot_count(self, symbols: Collection[str]) -> None:
        """Nobody knows what a quantity of these is worth: they have prices, and neither depth nor volume."""
        self.left_out["contract_size"] = len(symbols)
        for symbol in symbols:
            self.markets[symbol].book = self.markets[symbol].volume = None

    def statuses(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Each symbol's status as last said, ``unknown`` when that is long ago or was never said."""
        oldest = self.now_ns() - self.status_seconds * _NS
        for market in self.markets.values() if self.has_status else ():
            said = market.status
            yield market.labels, "unknown" if said is None or said[1] < oldest else said[0]

    def lost(self) -> None:
        """The connection ended."""
        self.connected = False
        for market in self.markets.values():
            market.lost()


def connections(feeds: Iterable[Feed]) -> Iterator[Metric]:
    """Which venues are heard; a feed that the limits left nothing of does not count."""
    up: dict[str, bool] = {}
    for feed in feeds:
        if feed.markets:
            up[feed.venue.name] = feed.connected and up.get(feed.venue.name, True)
    yield FEED_UP.family(((venue,), float(ok)) for venue, ok in up.items())


def left_out(feeds: Iterable[Feed]) -> Iterator[Metric]:
    """How many of the configured symbols are not followed."""
    counts: dict[tuple[str, str], int] = {}
    for feed in feeds:
        for reason, count in feed.left_out.items():
            place = (feed.venue.name, reason)
            counts[place] = counts.get(place, 0) + count
    yield LEFT_OUT.family(counts.items())
