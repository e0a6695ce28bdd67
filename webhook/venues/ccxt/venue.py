"""Any exchange, by ccxt: the only file that makes its objects.

Each account has an exchange object, a thread with an event loop and connections of its own, so that nothing that is
asked of one account, and no limiter, can stand before a cancel of another.  ccxt's own limiter is off: its queue has
been measured to hold a cancel back for twenty seconds.
"""

import asyncio
import contextlib
import difflib
import logging
import ssl
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from webhook.actions.port import (
    CancelReport,
    Coverage,
    Fill,
    OpenOrder,
    OrdersRead,
    PositionsRead,
    Quote,
    ReduceOrder,
    Sent,
)
from webhook.clock import Clock
from webhook.errors import AndonError, PermanentError
from webhook.net.loop import LoopThread
from webhook.venues.ccxt import library
from webhook.venues.ccxt.cancel import Canceller, Means, Tally
from webhook.venues.ccxt.close import Reducer
from webhook.venues.ccxt.connection import PREPARE_TIMEOUT_MS, Reach, note_answer
from webhook.venues.ccxt.options import CREDENTIAL_FIELDS, Options
from webhook.venues.ccxt.read import Reader
from webhook.venues.ccxt.tables import (
    BATCH_SIZES,
    BATCH_TRIGGER,
    CONSTRUCTION,
    CONTRACT_TYPES,
    NO_TRIGGER_CANCEL_ALL,
    ONLY_CONTRACTS,
    SYMBOL_REQUIRED_TO_CANCEL_ALL,
    SYMBOL_REQUIRED_TO_READ,
    Params,
    books_of,
    wide_markets,
)

T = TypeVar("T")

ccxt = library.load()

_WARM_AT_MOST = 32

# ccxt writes whole requests, keys and signatures included, to its log at DEBUG.
logging.getLogger("ccxt").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class VenueCapabilities:
    """What the account can do; goes away with the data files of the exchanges."""

    books: tuple[str, ...]
    positions: bool
    account_wide_cancel: bool
    account_wide_read: bool
    batch_cancel: bool


class CcxtVenue:
    """One account of one exchange; every method is safe to call from several threads."""

    def __init__(
        self, name: str, venue: str, account: str, *, mode: str, options: Options, clock: Clock, exchange: Any
    ) -> None:
        self.name, self.venue, self.account, self.mode = name, venue, account, mode
        self._options = options
        self._clock = clock
        self._exchange = exchange
        default = _default_market(exchange)
        markets = wide_markets(default, options.symbols, options.market_types)
        contracts = any(kind.get("type", default[0]) in CONTRACT_TYPES for kind in markets)
        books, self.capabilities, self._means = _abilities(exchange, options, contracts=contracts)
        secrets = [getattr(exchange, field) for field in CREDENTIAL_FIELDS if getattr(exchange, field, None)]
        self._reach = Reach(
            name, exchange, request_timeout=options.request_timeout_seconds, secrets=secrets, tls=_tls(options)
        )
        self._reader = Reader(
            self._reach,
            books=books,
            account_wide=self.capabilities.account_wide_read,
            markets=markets,
            market_ids=options.market_ids,
            configured=options.symbols,
            contracts=contracts,
        )
        self._reducer = Reducer(self._reader)
        self._thread = LoopThread(name)
        self._thread.run(self._open(), 5.0)

    def prepare(self, timeout: float) -> None:
        """Learn the clock offset, load markets, open connections; raises when the venue cannot be reached.

        Also raises, with everything else done, for a configured symbol that the exchange does not have.
        """
        self._run(self._prepare, timeout)

    def ping(self, timeout: float) -> float:
        """One signed read: the round trip in seconds; raises when the key or the venue is not usable."""
        return self._run(self._ping, timeout)

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols."""
        return self._options.symbols

    def cancel_everything(self, symbols: Sequence[str] | None, sent: Sent, timeout: float) -> CancelReport:
        """Cancel every order in *symbols* (None: in the account), in every book, in parallel."""

        async def work(canceller: Canceller) -> None:
            await canceller.everything(symbols)

        return self._cancel(work, sent, timeout)

    def cancel_orders(self, orders: Sequence[OpenOrder], sent: Sent, timeout: float) -> CancelReport:
        """Cancel just these, in batches where the exchange has them."""

        async def work(canceller: Canceller) -> None:
            await canceller.these(orders)

        return self._cancel(work, sent, timeout) if orders else CancelReport()

    def resolve(self, symbol: str) -> frozenset[str] | None:
        """Not known yet."""
        markets = self._exchange.markets if self._reader.loaded else None
        return None if markets is None else frozenset({symbol}) & frozenset(markets)

    def order_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:  # noqa: ARG002
        """Not known until each exchange has its data file."""
        return None

    def position_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:  # noqa: ARG002
        """Not known until each exchange has its data file."""
        return None

    def open_orders(self, symbols: Collection[str] | None, timeout: float) -> OrdersRead:
        """Read every book: complete, or it raises."""
        wanted = None if symbols is None else sorted(symbols)
        orders = self._run(lambda deadline: self._reader.open_orders(wanted, deadline), timeout)
        return OrdersRead(orders, Coverage())

    def positions(self, symbols: Collection[str] | None, timeout: float) -> PositionsRead:
        """Read the positions that are not zero: complete, or it raises; empty on spot."""
        wanted = None if symbols is None else sorted(symbols)
        found = self._run(lambda deadline: self._reader.positions(wanted, deadline), timeout)
        return PositionsRead(found, Coverage())

    def quote(self, symbol: str, depth_band: Decimal, timeout: float) -> Quote:
        """Read the book of *symbol*."""
        return self._run(lambda deadline: self._reader.quote(symbol, depth_band, deadline), timeout)

    def reduce(self, order: ReduceOrder, timeout: float) -> Fill:
        """Send one reduce-only limit IOC order; one that was sent before is looked up instead."""
        if self.mode == "shadow":
            raise PermanentError(f"{self.name}: in shadow mode nothing is sent", reason="shadow")
        return self._run(lambda deadline: self._reducer.reduce(order, deadline), timeout)

    def close(self) -> None:
        """Close connections and end the thread."""
        self._thread.close(self._reach.close())

    def _cancel(
        self, work: Callable[[Canceller], Coroutine[Any, Any, None]], sent: Sent, timeout: float
    ) -> CancelReport:
        if self.mode == "shadow":
            return CancelReport(requests=1, refused=1, problems=(f"{self.name}: in shadow mode nothing is sent",))
        tally = Tally()

        async def timed(deadline: float) -> None:
            await work(Canceller(self._reader, self._means, tally, sent, deadline))

        try:
            self._run(timed, timeout)
        except AndonError as error:
            tally.problems.append(str(error))
        return tally.report()

    def _run(self, work: Callable[[float], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Run *work*, which is given its deadline in loop time, on the thread of this account."""

        async def timed() -> T:
            return await work(asyncio.get_running_loop().time() + timeout)

        return self._thread.run(timed(), timeout)

    async def _open(self) -> None:
        self._reach.open()
        if self._options.keep_warm_seconds > 0:
            # The task is cancelled with the loop; it holds no state that has to be saved.
            self._warmth = asyncio.ensure_future(self._keep_warm())

    async def _prepare(self, deadline: float) -> None:
        await self._reach.learn_clock(deadline)
        await self._reader.load(deadline)
        await self._warm_up(deadline)
        if self.capabilities.positions:
            # ccxt reads the leverage brackets once, before the first positions; better now than while flattening.
            await self._reader.positions(None, deadline)
        unknown = [symbol for symbol in self._options.symbols if symbol not in self._exchange.markets]
        if unknown:
            near = difflib.get_close_matches(unknown[0], list(self._exchange.markets), 3)
            hint = f" (did you mean {', '.join(near)}?)" if near else ""
            raise PermanentError(
                f"{self.name}: the exchange has no market {', '.join(unknown)}{hint}", reason="bad_symbol"
            )

    async def _ping(self, deadline: float) -> float:
        started = self._clock.monotonic()
        symbol = self._options.symbols[0] if self._options.symbols else None
        if symbol is not None:
            await self._reader.know(symbol, deadline)
            started = self._clock.monotonic()
        if symbol is None and not self.capabilities.account_wide_read:
            await self._reach.ask("balance", self._exchange.fetch_balance, deadline=deadline, write=False)
        else:
            await self._reach.ask(
                "ping", lambda: self._exchange.fetch_open_orders(symbol), deadline=deadline, write=False
            )
        return self._clock.monotonic() - started

    async def _keep_warm(self) -> None:
        """Use the connections now and then: one that the other side has closed costs a kill three round trips."""
        while True:
            await asyncio.sleep(self._options.keep_warm_seconds)
            if self._reader.loaded:
                with contextlib.suppress(AndonError):
                    await self._warm_up(asyncio.get_running_loop().time() + self._options.keep_warm_seconds)

    async def _warm_up(self, deadline: float) -> None:
        if self._exchange.has.get("fetchTime") is not True:
            return
        wanted = self._options.connections
        if not wanted:
            wanted = min(max(len(self._options.symbols) * len(self._reader.books), 2), _WARM_AT_MOST)
        asks = [
            self._reach.ask("time", self._exchange.fetch_time, deadline=deadline, write=False) for _ in range(wanted)
        ]
        for answer in await asyncio.gather(*asks, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer


def build(*, name: str, venue: str, account: str, mode: str, options: Options, clock: Clock) -> CcxtVenue:
    """Make the venue; raises `PermanentError` for an unknown exchange or a missing key. Calls nobody."""
    if options.exchange not in ccxt.exchanges:
        near = difflib.get_close_matches(options.exchange, ccxt.exchanges, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise PermanentError(f"exchange: ccxt has no {options.exchange!r}{hint}", reason="unknown_exchange")
    config: dict[str, Any] = {
        **options.credentials(),
        "enableRateLimit": False,
        "timeout": PREPARE_TIMEOUT_MS,
        "options": {"adjustForTimeDifference": True, **CONSTRUCTION.get(options.exchange, {}), **options.options},
    }
    if options.receive_window_ms is not None:
        config["options"]["recvWindow"] = options.receive_window_ms
    if options.proxy is not None:
        config["aiohttp_proxy"] = options.proxy
    exchange = _noting(getattr(ccxt, options.exchange))(config)
    missing = [
        CREDENTIAL_FIELDS[field]
        for field, needed in exchange.requiredCredentials.items()
        if needed and field in CREDENTIAL_FIELDS and not getattr(exchange, field, None)
    ]
    if missing:
        raise PermanentError(f"{options.exchange} needs {' and '.join(missing)}", reason="secret")
    if options.sandbox:
        if not exchange.urls.get("test"):
            raise PermanentError(f"sandbox: {options.exchange} has no test system in ccxt", reason="sandbox")
        exchange.set_sandbox_mode(True)
    if options.base_url is not None:
        exchange.urls["api"] = _moved(exchange.urls["api"], options.base_url)
    if options.urls:
        exchange.urls["api"] = exchange.deep_extend(exchange.urls["api"], options.urls)
    return CcxtVenue(name, venue, account, mode=mode, options=options, clock=clock, exchange=exchange)


def coverage_fault(options: Options) -> str | None:
    """What of this account can never be verified."""
    return f"the books of {options.exchange} are not known yet"


def _noting(base: Any) -> Any:
    """The exchange class, made to tell what each HTTP answer was; ccxt itself keeps only the last one."""

    def handle_errors(self: Any, code: int, reason: str, url: str, method: str, headers: Any, *rest: Any) -> Any:
        note_answer(code, headers, rest[1])
        return base.handle_errors(self, code, reason, url, method, headers, *rest)

    return type(base.__name__, (base,), {"handle_errors": handle_errors})


def _moved(address: Any, base_url: str) -> Any:
    """Addresses with another scheme and host, their paths kept."""
    if isinstance(address, dict):
        return {name: _moved(inner, base_url) for name, inner in address.items()}
    return base_url + urlsplit(address).path if isinstance(address, str) else address


def _tls(options: Options) -> bool | ssl.SSLContext:
    if not options.verify_tls:
        return False
    return ssl.create_default_context(cafile=str(options.ca_file)) if options.ca_file else True


def _abilities(
    exchange: Any, options: Options, *, contracts: bool
) -> tuple[dict[str, Params], VenueCapabilities, Means]:
    """What this account of this exchange can do: ccxt's map, our tables, and the options over both."""
    given = options.capabilities
    has = {name: exchange.has.get(name) is True for name in ("cancelAllOrders", "cancelOrders", "fetchPositions")}
    books: dict[str, Params] = dict(given.books) if given.books else books_of(exchange.id, contracts=contracts)
    wide = has["cancelAllOrders"] and exchange.id not in SYMBOL_REQUIRED_TO_CANCEL_ALL
    by_symbol = given.symbol_cancel if given.symbol_cancel is not None else has["cancelAllOrders"]
    by_symbol_books = set(books) if by_symbol else set()
    if exchange.id in NO_TRIGGER_CANCEL_ALL:
        by_symbol_books.discard("trigger")
    # Binance has no batch cancel on spot.
    batch = has["cancelOrders"] and not (exchange.id == "binance" and not contracts)
    batch = batch if given.batch_cancel is None else given.batch_cancel
    batch_books = {book for book in books if book == "normal" or exchange.id in BATCH_TRIGGER} if batch else set()
    account_wide = wide if given.account_wide_cancel is None else given.account_wide_cancel
    read = exchange.id not in SYMBOL_REQUIRED_TO_READ
    capabilities = VenueCapabilities(
        books=tuple(books),
        positions=(has["fetchPositions"] and contracts) if given.positions is None else given.positions,
        account_wide_cancel=account_wide and by_symbol_books == set(books),
        account_wide_read=read if given.account_wide_read is None else given.account_wide_read,
        batch_cancel=batch,
    )
    means = Means(
        account_wide=capabilities.account_wide_cancel,
        by_symbol_books=frozenset(by_symbol_books),
        batch_books=frozenset(batch_books),
        batch_size=given.batch_size or BATCH_SIZES.get(exchange.id, 10),
    )
    return books, capabilities, means


def _default_market(exchange: Any) -> tuple[str, str | None]:
    """The market type, and the direction of contracts, that ccxt means when none is named."""
    direction = exchange.options.get("defaultSubType")
    if exchange.id in ONLY_CONTRACTS or exchange.has.get("spot") is False:
        return "swap", direction
    kind = str(exchange.options.get("defaultType") or "spot")
    return kind, direction if kind in CONTRACT_TYPES else None
