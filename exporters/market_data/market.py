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
from exporters.market_data.prices import Best
from exporters.market_data.sequence import CHAINED, Link, Sequence
from exporters.market_data.settings import Measure
from exporters.market_data.ticks import Tick
from exporters.market_data.volume import Volume

_NS: Final = 1_000_000_000
_RARE: Final = 5  # samples from one look at the session to the next
_NEEDED: Final = 12  # such looks before the session is a measure


class Market:
    """*labels* are venue and unified symbol."""

    def __init__(self, labels: tuple[str, str], streams: Iterable[str], measure: Measure, *, with_book: bool) -> None:
        """*with_book*: depth is wanted and there is room for it."""
        looks = max(_NEEDED, round(measure.session_seconds / (_RARE * measure.sample_seconds)))
        self.labels = labels
        self.flows = {
            stream: Flow((*labels, stream), Sequence(stream in CHAINED, stream in CHAINED)) for stream in streams
        }
        self.best: Best | None = None
        self.book = Book() if with_book else None
        self.volume = Volume(measure.volume_window_seconds, looks, _NEEDED) if "trade" in self.flows else None
        self.last_trade: tuple[float, int] | None = None
        self.status: tuple[str, int] | None = None  # what the venue said, and when
        self.measured = Measured()
        self.volatility: Mapping[str, float] = {}
        self._references: Mapping[str, float] = {}
        self._history = PriceHistory(max((*measure.moves.values(), *measure.volatilities.values()), default=1.0))
        self._usual_depth = UsualDepth(looks, _NEEDED)
        self._measure = measure
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
        self.last_trade = (tick.price, received_ns)
        if self.volume is not None:
            self.volume.trade(tick, received_ns // _NS)

    def lost(self) -> None:
        """The connection ended: what is missed until the next message is unknown."""
        for flow in self.flows.values():
            flow.sequence.leave()
        if self.book is not None:
            self.book.lose()

    def price(self, oldest_ns: int) -> float | None:
        """The mid of the best prices, else of the book, else the last trade; ``None`` when it is from before
        *oldest_ns* or a side is empty.
        """
        if self.best is not None:
            return self.best.mid if self.best.received_ns >= oldest_ns else None
        if self.book is not None:
            seen = self.measured.liquidity
            return seen.mid if seen is not None and self.book.updated_ns >= oldest_ns else None
        if self.last_trade is not None and self.last_trade[1] >= oldest_ns:
            return self.last_trade[0]
        return None

    def moves(self, oldest_ns: int) -> Mapping[str, float]:
        """How far the price has moved up to now, by window."""
        price = self.price(oldest_ns) if self._references else None
        if price is None:
            return {}
        return {window: price / reference - 1 for window, reference in self._references.items()}

    def sample(self, now_ns: int, oldest_ns: int, lock: threading.Lock) -> None:
        """Measure; the lock is held to copy, and not to compute."""
        measure = self._measure
        rarely = self._samples % _RARE == 0
        self._samples += 1
        with lock:
            price = self.price(oldest_ns)
            bids, asks, state = self._levels(now_ns)
            if rarely and self.volume is not None:
                self.volume.look(measure.volume_edges_bps, now_ns // _NS)
        now = now_ns / _NS
        if price is not None:
            self._history.add(now, price)
        self.measured = self._look(bids, asks, learn=rarely) if state == "ok" else Measured(state)
        # Whose price is not known any more has no moves either; references alone would not say that.
        references = {name: self._history.reference(now, window) for name, window in measure.moves.items()}
        self._references = {name: value for name, value in references.items() if value is not None}
        restless = {name: self._history.volatility(now, window) for name, window in measure.volatilities.items()}
        self.volatility = {name: each for name, each in restless.items() if each is not None and price is not None}

    def forget(self) -> None:
        """Nothing that was measured is known."""
        self.measured, self.volatility, self._references = Measured(), {}, {}

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
