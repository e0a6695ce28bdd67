"""Every venue and feed, and the lock over them: a feed's thread writes, a scrape reads; nothing here does I/O."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from exporters.market_data.clock import Clock, FastestMessage, RoundTrips
from exporters.market_data.feed import Feed
from exporters.market_data.market import Market
from exporters.market_data.settings import MarketLimits, Measure
from exporters.market_data.ticks import STREAMS
from exporters.market_data.venue import Venue


class Markets:
    """All that the exporter knows."""

    def __init__(
        self,
        offset_window_seconds: float,
        expire_seconds: float,
        measure: Measure | None = None,
        limits: MarketLimits | None = None,
        first_message_seconds: float = 30.0,
    ) -> None:
        """The fastest message is that of *offset_window_seconds*; prices older than *expire_seconds* are absent; a
        stream has *first_message_seconds* to begin.
        """
        self.lock = threading.Lock()
        self.measure = measure or Measure()
        self.venues: dict[str, Venue] = {}
        self.feeds: list[Feed] = []
        self._limits = limits or MarketLimits()
        self._window = offset_window_seconds
        self._expire = expire_seconds
        self._begin = first_message_seconds

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
            clock = Clock(FastestMessage(self._window), RoundTrips(trips_stale_seconds))
            known = self.venues[venue] = Venue(venue, clock)
        wanted, streams, now_ns = list(symbols), tuple(streams), time.time_ns()
        known.clock.follow(streams)
        taken = wanted[: max(0, self._limits.symbols - sum(len(feed.markets) for feed in self.feeds))]
        books = (
            max(0, self._limits.books - sum(market.book is not None for market in self)) if "depth" in streams else 0
        )
        feed = Feed(
            known,
            {
                (name or native)(symbol): Market(
                    (venue, symbol), streams, self.measure, now_ns, with_book=number < books
                )
                for number, symbol in enumerate(taken)
            },
            self._expire,
            self._begin,
        )
        feed.left_out["symbols_limit"] = len(wanted) - len(taken)
        if "depth" in streams:
            feed.left_out["books_limit"] = sum(market.book is None for market in feed.markets.values())
        self.feeds.append(feed)
        return feed

    def __iter__(self) -> Iterator[Market]:
        """Every symbol of every feed."""
        for feed in self.feeds:
            yield from feed.markets.values()


def native(symbol: str) -> str:
    """A unified symbol as Binance writes it: ``BTC/USDT:USDT`` and ``BTC/USDT`` are ``BTCUSDT``."""
    return symbol.partition(":")[0].replace("/", "").upper()
