"""Any exchange that ccxt knows: asked again and again over REST, or listened to by ccxt.pro's websockets.

Only public data is asked for, so that no key is needed.  ccxt is an optional extra, loaded when a feed names it.
"""

import asyncio
import contextlib
import importlib
import random
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import structlog

from exporters.logs import LogBudget
from exporters.market_data.feed import Feed
from exporters.market_data.markets import Markets
from exporters.market_data.settings import CcxtFeed
from exporters.market_data.sources.unified import (
    BASE,
    Contract,
    NewTrades,
    book_of,
    contract_of,
    statuses_of,
    time_of,
    trade_of,
)
from exporters.market_data.ticks import TickError

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_BOOK_EVERY_NS: Final = 250_000_000  # a whole book is copied no more often than this; its best prices always are
_TIME_EVERY: Final = 5.0
_TRADES: Final = 500
_MILLISECOND: Final = 1_000_000


class _Ccxt:
    """What both ways share: what is told to the feed, and what went wrong."""

    def __init__(self, settings: CcxtFeed, feed: Feed, markets: Markets, module: str, gaps_of: str) -> None:
        """*gaps_of* is the stream in which a gap can be seen; ValueError when ccxt or the exchange is missing."""
        try:
            package = importlib.import_module(module)
            self._errors: Any = importlib.import_module("ccxt")
        except ImportError:
            raise ValueError("market_data.feeds: ccxt is missing: install andon[exporters-ccxt]") from None
        if settings.exchange not in package.exchanges:
            raise ValueError(f"market_data.feeds: {settings.exchange} is no exchange of {module}")
        config = {"enableRateLimit": True, **settings.config, "timeout": int(settings.timeout_seconds * 1000)}
        self._make: Callable[[], Any] = lambda: getattr(package, settings.exchange)(config)
        self._settings = settings
        self._feed = feed
        self._markets = markets
        self._new = {symbol: NewTrades() for symbol in feed.markets}
        self._contracts: dict[tuple[str, str], Contract] = {}
        self._copied: dict[str, int] = {}
        self._budget = LogBudget(1)
        self._log = structlog.get_logger(exporter="market-data", venue=feed.venue.name)
        for market in feed.markets.values():
            for stream, flow in market.flows.items():
                flow.sequence.shows_gaps, flow.sequence.shows_missing = stream == gaps_of, False
        feed.has_status = True
        feed.status_seconds = 3 * (settings.status_every_seconds + settings.timeout_seconds)

    def _wanted(self) -> list[str]:
        with self._markets.lock:
            return [symbol for symbol in self._feed.markets if symbol not in self._feed.unknown]

    def _listed(self, exchange: Any) -> None:
        contracts = {
            (symbol, stream): contract_of(exchange.id, exchange.markets[symbol], stream)
            for symbol, market in self._feed.markets.items()
            for stream in market.flows
            if symbol in exchange.markets
        }
        self._contracts = {place: contract for place, contract in contracts.items() if contract is not None}
        with self._markets.lock:
            self._feed.said_status(statuses_of(exchange.markets), time.time_ns())
            self._feed.cannot_count({symbol for (symbol, _), contract in contracts.items() if contract is None})

    def _book(self, symbol: str, said: Mapping[str, Any], *, timed: bool) -> None:
        received_ns = time.time_ns()
        event_ns = time_of(said)
        try:
            whole = received_ns - self._copied.get(symbol, 0) >= _BOOK_EVERY_NS
            contract = self._contracts.get((symbol, "depth"), BASE)
            book = book_of(symbol, said, contract, self._settings.book_levels if whole else 1)
        except TickError as fault:
            self._refuse(fault)
            return
        with self._markets.lock:
            self._feed.connected = True
            self._feed.arrived(symbol, "depth", event_ns, received_ns, timed=timed)
            self._feed.best_of(symbol, book, received_ns)
            if whole:
                self._feed.restore(book, received_ns)
                self._copied[symbol] = received_ns

    def _trades(self, symbol: str, said: list[Mapping[str, Any]], *, timed: bool) -> bool:
        """Take new trades in; whether some may have been missed before them."""
        received_ns = time.time_ns()
        fresh, missed = self._new[symbol].of(said)
        for each in fresh:
            try:
                tick = trade_of(symbol, each, self._contracts.get((symbol, "trade"), BASE))
            except TickError as fault:
                self._refuse(fault)
                continue
            with self._markets.lock:
                self._feed.connected = True
                self._feed.arrived(symbol, "trade", tick.event_ns, received_ns, timed=timed)
                self._feed.markets[symbol].trade(tick, received_ns)
        return missed and bool(fresh)

    def _refuse(self, fault: TickError) -> None:
        with self._markets.lock:
            self._feed.venue.refuse(fault)
        self._complain("malformed message", fault)

    def _lost(self, fault: BaseException) -> None:
        with self._markets.lock:
            self._feed.lost()
            self._feed.venue.reconnects += 1
        self._copied.clear()
        self._complain("not connected", fault)

    def _complain(self, what: str, fault: BaseException) -> None:
        held_back = self._budget.take()
        if held_back is not None:  # not its message, which may hold anything that an exchange sends
            self._log.warning(what, error=type(fault).__name__, held_back=held_back)


class RestSource(_Ccxt):
    """Asks for books and trades by REST in a thread of its own, one symbol after the other, within ccxt's limits."""

    def __init__(self, settings: CcxtFeed, feed: Feed, markets: Markets) -> None:
        """Raises ValueError when ccxt or the exchange is missing."""
        # A list of trades that shares none with the one before is a gap.
        super().__init__(settings, feed, markets, "ccxt", gaps_of="trade")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ccxt {feed.venue.name}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End; a question under way is left to its own time limit."""
        self._stop.set()

    def _run(self) -> None:
        exchange = self._make()
        listed = timed = 0.0
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                if not listed or began - listed >= self._settings.status_every_seconds:
                    exchange.load_markets(True)
                    self._listed(exchange)
                    listed = began
                if exchange.has.get("fetchTime") and (not timed or began - timed >= _TIME_EVERY):
                    self._ask_time(exchange)
                    timed = began
                self._round(exchange)
            except Exception as fault:  # noqa: BLE001  # the border: whatever ccxt raises, the feed is lost and tried again
                self._lost(fault)
                self._stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311  # spreads questions, guards nothing
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = _FIRST_PAUSE
            self._stop.wait(max(0.0, self._settings.every_seconds - (time.monotonic() - began)))

    def _round(self, exchange: Any) -> None:
        """Each symbol once; raises what the last one raised when none answered."""
        answered = 0
        last: Exception | None = None
        for symbol in self._wanted():
            if self._stop.is_set():
                return
            try:
                if "depth" in self._settings.streams:
                    self._book(symbol, exchange.fetch_order_book(symbol, self._settings.book_levels), timed=True)
                if "trade" in self._settings.streams and self._trades(
                    symbol, exchange.fetch_trades(symbol, None, _TRADES), timed=False
                ):
                    with self._markets.lock:
                        self._feed.markets[symbol].flows["trade"].sequence.gaps += 1
            except Exception as fault:  # noqa: BLE001  # the border, per symbol: one must not cost the others
                last = fault
                self._complain("no answer for a symbol", fault)
            else:
                answered += 1
        if last is not None and not answered:
            raise last

    def _ask_time(self, exchange: Any) -> None:
        sent_ns = time.time_ns()
        began = time.perf_counter_ns()
        venue_ms = exchange.fetch_time()
        received_ns = sent_ns + time.perf_counter_ns() - began
        if isinstance(venue_ms, int | float) and venue_ms > 0:
            with self._markets.lock:
                self._feed.venue.clock.trips.observe(sent_ns, int(venue_ms) * _MILLISECOND, received_ns)


class ProSource(_Ccxt):
    """Listens by ccxt.pro, in a thread and an event loop of its own: one task for each stream of each symbol."""

    def __init__(self, settings: CcxtFeed, feed: Feed, markets: Markets) -> None:
        """Raises ValueError when ccxt or the exchange is missing."""
        # ccxt.pro checks how the updates of a book follow, and raises.
        super().__init__(settings, feed, markets, "ccxt.pro", gaps_of="depth")
        self._over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"ccxt.pro {feed.venue.name}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._over.set()
        loop, main = self._loop, self._main
        if loop is not None and main is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(main.cancel)
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._listen())

    async def _listen(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        exchange = self._make()
        try:
            await self._again(lambda: self._load(exchange))
            async with asyncio.TaskGroup() as tasks:
                await self._keep_watching(exchange, tasks)
        finally:
            await exchange.close()

    async def _load(self, exchange: Any) -> None:
        await exchange.load_markets(True)
        self._listed(exchange)

    async def _again(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        pause = _FIRST_PAUSE
        while not self._over.is_set():
            try:
                await work()
            except Exception as fault:  # noqa: BLE001  # the border, as above
                self._lost(fault)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                return

    async def _keep_watching(self, exchange: Any, tasks: asyncio.TaskGroup) -> None:
        """Watch what the exchange lists, and what it lists later from then on."""
        watches = {"depth": self._watch_book, "trade": self._watch_trades}
        watched: set[str] = set()
        while not self._over.is_set():
            for symbol in self._wanted():
                for stream in self._settings.streams if symbol not in watched else ():
                    tasks.create_task(self._watch(exchange, symbol, watches[stream]))
                watched.add(symbol)
            await asyncio.sleep(self._settings.status_every_seconds)
            try:
                await self._load(exchange)
            except Exception as fault:  # noqa: BLE001  # what was said before grows old and is then unknown
                self._complain("no answer for the symbols", fault)

    async def _watch(self, exchange: Any, symbol: str, watch: Callable[[Any, str], Coroutine[Any, Any, None]]) -> None:
        """Watch for ever; whatever ends it, it is begun again, ever more slowly when it does not help."""
        pause = _FIRST_PAUSE
        while not self._over.is_set():
            began = time.monotonic()
            try:
                while True:
                    await watch(exchange, symbol)
            except self._errors.InvalidNonce as fault:  # an update was missed: the next watch asks for the book anew
                with self._markets.lock:
                    market = self._feed.markets[symbol]
                    market.flows["depth"].sequence.gaps += 1
                    if market.book is not None:
                        market.book.resubscribes += 1
                        market.book.lose()
                self._copied.pop(symbol, None)
                self._complain("a book missed an update", fault)
            except Exception as fault:  # noqa: BLE001  # the border, as above
                if self._feed.connected or symbol == next(iter(self._feed.markets)):
                    self._lost(fault)  # one connection carries many symbols: it is counted once
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # spreads reconnects, guards nothing
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _watch_book(self, exchange: Any, symbol: str) -> None:
        self._book(symbol, await exchange.watch_order_book(symbol), timed=True)

    async def _watch_trades(self, exchange: Any, symbol: str) -> None:
        self._trades(symbol, await exchange.watch_trades(symbol), timed=True)
