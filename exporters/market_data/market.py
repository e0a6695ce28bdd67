"""One symbol of one feed: all that is known of it.

Messages are counted as they come in; measuring is apart, once a second in a thread of its own (``sampler.py``), because
a book of thousands of levels must be walked neither by a scrape nor under the lock that the kill scrape needs.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Final

from exporters.market_data.book import Book
from exporters.market_data.flow import Flow
from exporters.market_data.liquidity import BookState, Level, Measured, UsualDepth, look
from exporters.market_data.moves import PriceHistory
from exporters.market_data.prices import Best, Price
from exporters.market_data.sequence import CHAINED, Link, Sequence
from exporters.market_data.settings import Measure
from exporters.market_data.ticks import Tick
from exporters.market_data.volume import Volume

_NS: Final = 1_000_000_000
_RARE: Final = 5  # samples from one look at the session to the next
_NEEDED: Final = 12  # such looks before the session is a measure


class Market:
    """*labels* are venue and unified symbol."""

    def __init__(
        self, labels: tuple[str, str], streams: Iterable[str], measure: Measure, since_ns: int, *, with_book: bool
    ) -> None:
        """*with_book*: depth is wanted and there is room for it; *since_ns* is when it is first followed."""
        looks = max(_NEEDED, round(measure.session_seconds / (_RARE * measure.sample_seconds)))
        self.labels = labels
        self.flows = {
            stream: Flow((*labels, stream), Sequence(stream in CHAINED, stream in CHAINED), since_ns)
            for stream in streams
        }
        self.best: Best | None = None
        self.book = Book() if with_book else None
        self.volume = Volume(measure.volume_window_seconds, looks, _NEEDED) if "trade" in self.flows else None
        self.last_trade: Price | None = None
        self.status: tuple[str, int] | None = None  # what the venue said, and when
        self.measured = Measured()
        self.volatility: Mapping[str, float] = {}
        self._book_mid: Price | None = None
        self._history = PriceHistory(max((*measure.moves.values(), *measure.volatilities.values()), default=1.0))
        self._usual_depth = UsualDepth(looks, _NEEDED)
        self._measure = measure
        self._windows = tuple(((*labels, name), seconds) for name, seconds in measure.moves.items())
        self._samples = 0

    def take(self, tick: Tick, received_ns: int) -> None:
        """One message of a stream that is followed."""
        flow = self.flows[tick.stream]
        flow.messages += 1
        flow.received_ns = received_ns
        if flow.sequence.join(tick) is Link.OUT_OF_ORDER:
            return
        if tick.event_ns is not None:
            flow.event_ns = tick.event_ns
        if tick.stream == "book_ticker":
            self.best = Best(tick.bid, tick.ask, received_ns)
        elif tick.stream == "trade":
            self.trade(tick, received_ns)
        elif self.book is not None:
            self.book.update(tick, received_ns)

    def trade(self, tick: Tick, received_ns: int) -> None:
        """A trade of the market that is new."""
        self.last_trade = Price(tick.price, received_ns)
        if self.volume is not None:
            self.volume.trade(tick, received_ns // _NS)

    def lost(self) -> None:
        """The connection ended: what is missed until the next message is unknown."""
        for flow in self.flows.values():
            flow.sequence.leave()
        if self.book is not None:
            self.book.lose()

    def price(self, oldest_ns: int) -> Price | None:
        """The mid of the best prices, or of the book where that is newer; without either, the last trade.

        ``None`` when it is from before *oldest_ns* or a side is empty.
        """
        best, mid = self.best, self._book_mid
        if best is not None and (
            mid is None or best.received_ns >= mid.at_ns - _NS
        ):  # the book is looked at each second
            found = best.mid
        elif mid is not None or self.book is not None:
            found = mid
        else:
            found = self.last_trade
        return found if found is not None and found.at_ns >= oldest_ns else None

    def moves(self, now_ns: int, oldest_ns: int) -> list[tuple[tuple[str, str, str], float]]:
        """How far the price has moved up to now, by venue, symbol and window."""
        price = self.price(oldest_ns)
        if price is None:
            return []
        return self._history.moves(now_ns / _NS, price.value, price.at_ns / _NS, self._windows)

    def sample(self, now_ns: int, oldest_ns: int, lock: threading.Lock) -> None:
        """Measure; the lock is held to copy, and not to compute."""
        measure = self._measure
        rarely = self._samples % _RARE == 0
        self._samples += 1
        with lock:
            price = self.price(oldest_ns)
            if price is not None:
                self._history.add(price.at_ns / _NS, price.value)
            bids, asks, state = self._levels(now_ns)
            updated_ns = 0 if self.book is None else self.book.updated_ns
            if rarely and self.volume is not None:
                self.volume.look(measure.volume_edges_bps, now_ns // _NS)
        self.measured = self._look(bids, asks, learn=rarely) if state == "ok" else Measured(state)
        seen = self.measured.liquidity
        self._book_mid = None if seen is None or seen.mid is None else Price(seen.mid, updated_ns)
        now = now_ns / _NS
        restless = {name: self._history.volatility(now, window) for name, window in measure.volatilities.items()}
        self.volatility = {name: each for name, each in restless.items() if each is not None and price is not None}

    def forget(self) -> None:
        """Nothing that was measured is known."""
        self.measured, self.volatility, self._book_mid = Measured(), {}, None

    def _levels(self, now_ns: int) -> tuple[list[Level], list[Level], BookState | None]:
        book = self.book
        if book is None:
            return [], [], None
        if not book.synchronised:
            return [], [], "unsynchronised"
        if now_ns - book.updated_ns > self._measure.book_stale_seconds * _NS:
            return [], [], "stale"
        return list(book.bids.items()), list(book.asks.items()), "ok"

    def _look(self, bids: list[Level], asks: list[Level], *, learn: bool) -> Measured:
        found = look(bids, asks, self._measure.bands)
        if learn:
            self._usual_depth.learn(found, self._measure.depth_ratio_band_bps)
        return Measured(found.state, found, self._usual_depth.ratio(found, self._measure.depth_ratio_band_bps))
