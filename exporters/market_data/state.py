"""What is known of each venue's feeds.  One lock: a feed's thread writes, a scrape reads; nothing here does I/O."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from exporters.buckets import Buckets
from exporters.market_data.offset import FastestMessage, RoundTrips
from exporters.market_data.sequence import Chain, Link
from exporters.market_data.ticks import STREAMS, Tick

_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Flow:
    """One stream of one symbol; times are nanoseconds since the epoch, 0 for never."""

    messages: int = 0
    event_ns: int = 0
    received_ns: int = 0
    gaps: int = 0
    missing: int = 0
    out_of_order: int = 0
    chain: Chain = field(default_factory=Chain)


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
        self, name: str, venue: Venue, symbols: Iterable[tuple[str, str]], streams: Iterable[str] = STREAMS
    ) -> None:
        """*symbols* are pairs of the venue's own name and the unified one, which becomes the label."""
        self.venue_name = name
        self.venue = venue
        self.connected = False
        self.behind_ns = 0
        self.strangers = 0
        self.unified = dict(symbols)
        streams = tuple(streams)
        self.flows = {(symbol, stream): Flow() for symbol in self.unified for stream in streams}
        self.best: dict[str, Best] = {}
        for stream in streams:
            venue.latency.setdefault(stream, Buckets())

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
        if tick.event_ns is not None:
            self.timed(tick.event_ns, received_ns, tick.stream)

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


class Markets:
    """Every venue and feed, and the lock over them."""

    def __init__(self, offset_window_seconds: float, expire_seconds: float) -> None:
        self.lock = threading.Lock()
        self.expire_seconds = expire_seconds
        self.venues: dict[str, Venue] = {}
        self.feeds: list[Feed] = []
        self._window = offset_window_seconds

    def open(
        self, venue: str, symbols: Iterable[str], streams: Iterable[str] = STREAMS, *, trips_stale_seconds: float = 60.0
    ) -> Feed:
        """A feed of *symbols*, in the unified form; feeds of one venue share its clock."""
        known = self.venues.get(venue)
        if known is None:
            known = self.venues[venue] = Venue(FastestMessage(self._window), RoundTrips(trips_stale_seconds))
        feed = Feed(venue, known, ((native(symbol), symbol) for symbol in symbols), streams)
        self.feeds.append(feed)
        return feed


def native(symbol: str) -> str:
    """A unified symbol as Binance writes it: ``BTC/USDT:USDT`` and ``BTC/USDT`` are ``BTCUSDT``."""
    return symbol.partition(":")[0].replace("/", "").upper()
