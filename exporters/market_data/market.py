"""What is remembered of one symbol, and what is measured of it once a second.

Counting happens as messages come in; measuring is apart, in a thread of its own (``Sampler``), because a book of
thousands of levels must be walked neither by a scrape nor under the lock that the kill scrape needs.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

import structlog

from exporters.market_data.book import Book
from exporters.market_data.liquidity import BookState, Liquidity, look
from exporters.market_data.moves import PriceHistory
from exporters.market_data.profile import UsualProfile, VolumeProfile
from exporters.market_data.settings import Measure
from exporters.market_data.ticks import Tick

if TYPE_CHECKING:
    from exporters.market_data.state import Feed, Markets

_NS: Final = 1_000_000_000
_RARE: Final = 5  # samples from one look at the session to the next
_NEEDED: Final = 12  # such looks before the session is a measure


@dataclass(frozen=True, slots=True)
class Measured:
    """The last sample; what is not known is absent or ``None``."""

    state: BookState | None = None
    liquidity: Liquidity | None = None
    depth_ratio: Mapping[str, float] = field(default_factory=dict)
    references: Mapping[str, float] = field(default_factory=dict)
    volatility: Mapping[str, float] = field(default_factory=dict)


class Market:
    """One symbol of one feed."""

    def __init__(self, measure: Measure, *, with_book: bool) -> None:
        """*with_book*: depth is wanted and there is room for it."""
        self.book = Book() if with_book else None
        self.history = PriceHistory(max((*measure.moves.values(), *measure.volatilities.values()), default=1.0))
        self.profile = VolumeProfile(measure.volume_window_seconds)
        rare = measure.session_seconds / (_RARE * measure.sample_seconds)
        self.usual = UsualProfile(max(_NEEDED, round(rare)), _NEEDED)
        self.depths: dict[str, deque[float]] = {
            side: deque(maxlen=max(_NEEDED, round(rare))) for side in ("bid", "ask")
        }
        self.traded: dict[str, float] = {"buy": 0.0, "sell": 0.0}
        self.last_trade: tuple[float, int] | None = None
        self.resubscribes = 0
        self.status: str | None = None
        self.status_ns = 0
        self.shares: list[float] | None = None
        self.score: float | None = None
        self.measured = Measured()
        self._measure = measure
        self._samples = 0

    def take(self, tick: Tick, received_ns: int) -> None:
        """One message that was in order."""
        if tick.stream == "depth":
            if self.book is not None:
                self.book.update(tick, received_ns)
        elif tick.stream == "trade":
            self.traded[tick.side] = self.traded.get(tick.side, 0.0) + tick.price * tick.quantity
            self.last_trade = (tick.price, received_ns)
            self.profile.trade(tick.price, tick.quantity, received_ns // _NS)

    def sample(self, feed: "Feed", symbol: str, lock: threading.Lock) -> None:
        """Measure; the lock is held to copy, and not to compute."""
        measure = self._measure
        with lock:
            now_ns = feed.now_ns()
            price = feed.price(symbol)
            bids, asks, state = self._levels(now_ns)
            rarely = self._samples % _RARE == 0
            self._samples += 1
            if rarely:
                self.shares = self.profile.shares(measure.volume_edges_bps, now_ns // _NS)
        now = now_ns / _NS
        if price is not None:
            self.history.add(now, price)
        found = look(bids, asks, measure.bands) if state == "ok" else None
        ratio: dict[str, float] = {}
        if found is not None:
            state = found.state
            for side, kept in self.depths.items():
                if (depth := found.depth.get((side, measure.depth_ratio_band_bps))) is None:
                    continue
                if rarely:
                    kept.append(depth)
                usual = median(kept) if len(kept) >= _NEEDED else 0.0
                if usual > 0:
                    ratio[side] = depth / usual
        if rarely:
            self._score()
        # Whose price is not known any more has no moves either; references alone would not say that.
        references = {name: self.history.reference(now, window) for name, window in measure.moves.items()}
        restless = {name: self.history.volatility(now, window) for name, window in measure.volatilities.items()}
        self.measured = Measured(
            state,
            found,
            ratio,
            {name: value for name, value in references.items() if value is not None},
            {name: value for name, value in restless.items() if value is not None and price is not None},
        )

    def _levels(self, now_ns: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]], BookState | None]:
        book = self.book
        if book is None:
            return [], [], None
        if not book.synchronised:
            return [], [], "unsynchronised"
        if now_ns - book.updated_ns > self._measure.book_stale_seconds * _NS:
            return [], [], "stale"
        return list(book.bids.items()), list(book.asks.items()), "ok"

    def _score(self) -> None:
        if self.shares is None:
            self.score = None
            return
        self.score = self.usual.score(self.shares)
        self.usual.learn(self.shares)


class Sampler:
    """Measures every symbol again and again in a thread of its own."""

    def __init__(self, markets: "Markets") -> None:
        self._markets = markets
        self._every = markets.measure.sample_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._log = structlog.get_logger(exporter="market-data")

    def start(self) -> None:
        """Begin to measure."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def sample(self) -> None:
        """Measure every symbol once; what one symbol does costs no other its numbers."""
        for feed in self._markets.feeds:
            for symbol, market in feed.markets.items():
                if self._stop.is_set():
                    return
                try:
                    market.sample(feed, symbol, self._markets.lock)
                except Exception as fault:  # noqa: BLE001  # the border: unknown is absent, and the next one is measured
                    market.measured = Measured()
                    self._log.error("cannot measure", symbol=symbol, error=type(fault).__name__, exc_info=True)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.sample()
