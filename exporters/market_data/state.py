"""What is known of each venue's feeds.  One lock: a feed's thread writes, a scrape reads; nothing here does I/O."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from exporters.buckets import Buckets
from exporters.market_data.market import Market
from exporters.market_data.offset import FastestMessage, RoundTrips
from exporters.market_data.sequence import CHAINED, Chain, Link
from exporters.market_data.settings import MarketLimits, Measure
from exporters.market_data.ticks import STREAMS, VALUES, Snapshot, Tick, TickError

_NS: Final = 1_000_000_000
LEFT_OUT: Final = ("symbols_limit", "books_limit", "unknown")


@dataclass(slots=True)
class Flow:
    """One stream of one symbol; times are nanoseconds since the epoch, 0 for never.

    *shows_gaps*: the stream is such that a gap can be seen, and *shows_missing*, how long it is.
    """

    messages: int = 0
    event_ns: int = 0
    received_ns: int = 0
    gaps: int = 0
    missing: int = 0
    out_of_order: int = 0
    chain: Chain = field(default_factory=Chain)
    shows_gaps: bool = False
    shows_missing: bool = False


@dataclass(slots=True)
class Best:
    """The best prices as last said, ``None`` for an empty side."""

    bid: float | None
    ask: float | None
    received_ns: int


@dataclass(slots=True)
class Venue:
    """All feeds that share a venue's label, and therefore its clock."""

    fastest: FastestMessage
    trips: RoundTrips
    latency: dict[str, Buckets] = field(default_factory=dict)
    raw_ns: dict[str, int] = field(default_factory=dict)
    malformed: int = 0
    reconnects: int = 0
    bad_values: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VALUES, 0))

    def refuse(self, fault: TickError) -> None:
        """A message could not be used."""
        self.malformed += 1
        if fault.value is not None:
            self.bad_values[fault.value] += 1

    def offset_ns(self, now_ns: int) -> int | None:
        """Venue clock minus ours: by round trips where the venue is asked for its time, else by the fastest message."""
        known = self.trips.offset_ns(now_ns)
        return self.fastest.offset_ns if known is None else known


class Feed:
    """One connection to a venue: its symbols and their streams.

    A recorded capture may live in another time than ours: *behind_ns* is how far, and ``now_ns`` is the present of
    the feed.
    """

    def __init__(
        self,
        name: str,
        venue: Venue,
        symbols: Iterable[tuple[str, str]],
        streams: Iterable[str],
        measure: Measure,
        books: int,
        expire_seconds: float,
    ) -> None:
        """*symbols* are pairs of the venue's own name and the unified one, which becomes the label; *books* is how
        many of them have room for their depth.
        """
        self.venue_name = name
        self.venue = venue
        self.connected = False
        self.behind_ns = 0
        self.strangers = 0
        self.unified = dict(symbols)
        streams = tuple(streams)
        self.flows = {
            (symbol, stream): Flow(shows_gaps=stream in CHAINED, shows_missing=stream in CHAINED)
            for symbol in self.unified
            for stream in streams
        }
        self.best: dict[str, Best] = {}
        self.has_status = False
        self.status_seconds = 60.0
        self.unknown: frozenset[str] = frozenset()
        self.left_out = dict.fromkeys(LEFT_OUT, 0)
        with_books = set(list(self.unified)[:books]) if "depth" in streams else set()
        self.markets = {symbol: Market(measure, with_book=symbol in with_books) for symbol in self.unified}
        self._expire_ns = int(expire_seconds * _NS)
        for stream in streams:
            venue.latency.setdefault(stream, Buckets())

    def price(self, symbol: str) -> float | None:
        """The mid of the best prices, else of the book, else the last trade; ``None`` when it is old or a side is
        empty.
        """
        oldest = self.now_ns() - self._expire_ns
        best = self.best.get(symbol)
        if best is not None:
            whole = best.bid is not None and best.ask is not None and best.received_ns >= oldest
            return (best.bid + best.ask) / 2 if whole and best.bid and best.ask else None
        market = self.markets[symbol]
        if market.book is not None:
            seen = market.measured.liquidity
            return seen.mid if seen is not None and market.book.updated_ns >= oldest else None
        if market.last_trade is not None and market.last_trade[1] >= oldest:
            return market.last_trade[0]
        return None

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, in the time the feed lives in."""
        return time.time_ns() - self.behind_ns

    def observe(self, tick: Tick, received_ns: int) -> None:
        """Take one message in."""
        flow = self.flows.get((tick.symbol, tick.stream))
        if flow is None:
            self.strangers += 1
            return
        flow.messages += 1
        flow.received_ns = received_ns
        link, missing = flow.chain.join(tick)
        if link is Link.OUT_OF_ORDER:
            flow.out_of_order += 1
        else:
            if link is Link.GAP:
                flow.gaps += 1
                flow.missing += missing
            if tick.event_ns is not None:
                flow.event_ns = tick.event_ns
            if tick.stream == "book_ticker":
                self.best[tick.symbol] = Best(tick.bid, tick.ask, received_ns)
            else:
                self.markets[tick.symbol].take(tick, received_ns)
        if tick.event_ns is not None:
            self.timed(tick.event_ns, received_ns, tick.stream)

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
        flow = self.flows[symbol, stream]
        flow.messages += 1
        flow.received_ns = received_ns
        if event_ns is not None:
            flow.event_ns = max(flow.event_ns, event_ns)
            if timed:
                self.timed(event_ns, received_ns, stream)

    def best_of(self, symbol: str, book: Snapshot, received_ns: int) -> None:
        """The best prices of a whole book."""
        bids = [price for price, quantity in book.bids if quantity > 0]
        asks = [price for price, quantity in book.asks if quantity > 0]
        self.best[symbol] = Best(max(bids, default=None), min(asks, default=None), received_ns)

    def unhealed(self) -> list[str]:
        """Symbols whose book is not the venue's."""
        return [
            symbol
            for symbol, market in self.markets.items()
            if market.book is not None and not market.book.synchronised and symbol not in self.unknown
        ]

    def said_status(self, status: dict[str, str], at_ns: int) -> None:
        """What the venue says of the symbols it knows; those it does not name are unknown to it."""
        self.unknown = frozenset(symbol for symbol in self.markets if symbol not in status)
        self.left_out["unknown"] = len(self.unknown)
        for symbol, market in self.markets.items():
            market.status, market.status_ns = status.get(symbol), at_ns

    def status_of(self, symbol: str) -> str:
        """The status as last said, ``unknown`` when that is long ago or was never said."""
        market = self.markets[symbol]
        if market.status is None or self.now_ns() - market.status_ns > self.status_seconds * _NS:
            return "unknown"
        return market.status

    def timed(self, event_ns: int, received_ns: int, stream: str | None = None) -> None:
        """Something with a venue time arrived; a ping (no *stream*) tells of the clock, not of a stream's latency."""
        raw = received_ns - event_ns
        self.venue.fastest.observe(raw, received_ns)
        if stream is None:
            return
        self.venue.raw_ns[stream] = raw
        offset = self.venue.offset_ns(received_ns)
        if offset is not None:
            self.venue.latency[stream].observe(max(0, raw + offset) / _NS)

    def lost(self) -> None:
        """The connection ended: a chain starts anew with the next one."""
        self.connected = False
        for flow in self.flows.values():
            flow.chain.leave()
        for market in self.markets.values():
            if market.book is not None:
                market.book.lose()


class Markets:
    """Every venue and feed, and the lock over them."""

    def __init__(
        self,
        offset_window_seconds: float,
        expire_seconds: float,
        measure: Measure | None = None,
        limits: MarketLimits | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.measure = measure or Measure()
        self._limits = limits or MarketLimits()
        self.expire_seconds = expire_seconds
        self.venues: dict[str, Venue] = {}
        self.feeds: list[Feed] = []
        self._window = offset_window_seconds

    def open(
        self,
        venue: str,
        symbols: Iterable[str],
        streams: Iterable[str] = STREAMS,
        *,
        trips_stale_seconds: float = 60.0,
        name: Callable[[str], str] | None = None,
    ) -> Feed:
        """A feed of *symbols*, in the unified form; feeds of one venue share its clock.

        *name* makes the venue's own name of a symbol.  What the limits have no room for is left out and counted.
        """
        known = self.venues.get(venue)
        if known is None:
            known = self.venues[venue] = Venue(FastestMessage(self._window), RoundTrips(trips_stale_seconds))
        wanted, streams = list(symbols), tuple(streams)
        taken = wanted[: max(0, self._limits.symbols - sum(len(feed.markets) for feed in self.feeds))]
        held = sum(market.book is not None for feed in self.feeds for market in feed.markets.values())
        pairs = ((name or native)(symbol) for symbol in taken)
        feed = Feed(
            venue,
            known,
            zip(pairs, taken, strict=True),
            streams,
            self.measure,
            max(0, self._limits.books - held),
            self.expire_seconds,
        )
        feed.left_out["symbols_limit"] = len(wanted) - len(taken)
        if "depth" in streams:
            feed.left_out["books_limit"] = sum(market.book is None for market in feed.markets.values())
        self.feeds.append(feed)
        return feed


def native(symbol: str) -> str:
    """A unified symbol as Binance writes it: ``BTC/USDT:USDT`` and ``BTC/USDT`` are ``BTCUSDT``."""
    return symbol.partition(":")[0].replace("/", "").upper()
