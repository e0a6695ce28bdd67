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
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from webhook.actions.port import (
    CancelReport,
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
from webhook.venues.ccxt import coverage, exchanges, library
from webhook.venues.ccxt.cancel import Canceller, Tally
from webhook.venues.ccxt.close import Reducer
from webhook.venues.ccxt.connection import PREPARE_TIMEOUT_MS, Connection, note_answer
from webhook.venues.ccxt.exchanges.model import Exchange, Product
from webhook.venues.ccxt.lists import Lists
from webhook.venues.ccxt.markets import Markets
from webhook.venues.ccxt.options import CREDENTIAL_FIELDS, Options
from webhook.venues.ccxt.quote import Quotes
from webhook.venues.ccxt.read import Reader

T = TypeVar("T")

ccxt = library.load()

_WARM_AT_MOST = 32

# ccxt writes whole requests, keys and signatures included, to its log at DEBUG.
logging.getLogger("ccxt").setLevel(logging.INFO)


class CcxtVenue:
    """One account of one exchange; every method is safe to call from several threads."""

    def __init__(
        self,
        name: str,
        venue: str,
        account: str,
        *,
        mode: str,
        options: Options,
        clock: Clock,
        client: Any,
        exchange: Exchange,
    ) -> None:
        """*client* is ccxt's object, *exchange* what is known of the exchange."""
        self.name, self.venue, self.account, self.mode = name, venue, account, mode
        self._options = options
        self._clock = clock
        self._client = client
        self._exchange = exchange
        products = coverage.chosen(exchange, options)
        secrets = [getattr(client, field) for field in CREDENTIAL_FIELDS if getattr(client, field, None)]
        self._connection = Connection(
            name, client, request_timeout=options.request_timeout_seconds, secrets=secrets, tls=_tls(options)
        )
        self._markets = Markets(exchange, products, options.market_ids, options.symbols)
        self._lists = Lists(self._connection, exchange, self._markets)
        self._reader = Reader(self._lists, products=products, configured=options.symbols)
        self._quotes = Quotes(self._lists)
        self._reducer = Reducer(self._reader, self._quotes)
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

    def resolve(self, symbol: str) -> frozenset[str] | None:
        """Every market that *symbol* may mean, with the exchange's own names of them."""
        return self._markets.resolve(symbol)

    def order_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:
        """Every book that could hold an order of these symbols, where all that is in them can be read."""
        products = self._reach(symbols)
        if products is None or coverage.gap(self._exchange, self._options, products, account_wide=symbols is None):
            return None
        if coverage.unlisted(self._exchange, self._options, products, self._markets, self._client):
            return None
        names = {product.name for product in products}
        return frozenset(book.name for book in self._reader.books if names & set(book.products))

    def position_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:
        """The same for positions; None where they are balances, or how they are read is not established."""
        products = self._reach(symbols)
        if products is None or not self._exchange.known or self._exchange.refuses & set(self._options.options):
            return None
        if coverage.unlisted(self._exchange, self._options, products, self._markets, self._client):
            return None
        held = [product.name for product in products if product.holdings != "none"]
        read = {book.product for book in self._reader.position_books}
        if any(product.holdings == "balances" for product in products) or not set(held) <= read:
            return None
        return frozenset(book.name for book in self._reader.position_books if book.product in held)

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

    def open_orders(self, symbols: Collection[str] | None, timeout: float) -> OrdersRead:
        """Read every book; what could not be read to its end is missing from the coverage."""
        return self._run(lambda deadline: self._reader.open_orders(symbols, deadline), timeout)

    def positions(self, symbols: Collection[str] | None, timeout: float) -> PositionsRead:
        """Read the positions that are not zero; raises where there are only balances."""
        return self._run(lambda deadline: self._reader.positions(symbols, deadline), timeout)

    def quote(self, symbol: str, depth_band: Decimal, timeout: float) -> Quote:
        """Read the book of *symbol*."""
        return self._run(lambda deadline: self._quotes.quote(symbol, depth_band, deadline), timeout)

    def reduce(self, order: ReduceOrder, timeout: float) -> Fill:
        """Send one reduce-only limit IOC order; one that was sent before is looked up instead."""
        if self.mode == "shadow":
            raise PermanentError(f"{self.name}: in shadow mode nothing is sent", reason="shadow")
        return self._run(lambda deadline: self._reducer.reduce(order, deadline), timeout)

    def close(self) -> None:
        """Close connections and end the thread."""
        self._thread.close(self._connection.close())

    def _reach(self, symbols: Collection[str] | None) -> tuple[Product, ...] | None:
        """The products that orders of *symbols* can be in; None when that is not known."""
        if symbols is None:
            return self._reader.products
        products: dict[str, Product] = {}
        for symbol in self._markets.unified(symbols):
            if self._markets.loaded and self._markets.market(symbol) is None:
                return None
            mine = self._markets.products_of(symbol) or ()
            if all(product.holdings == "none" for product in mine):
                return None
            products |= {product.name: product for product in mine}
        return tuple(products.values())

    def _cancel(
        self, work: Callable[[Canceller], Coroutine[Any, Any, None]], sent: Sent, timeout: float
    ) -> CancelReport:
        if self.mode == "shadow":
            return CancelReport(requests=1, refused=1, problems=(f"{self.name}: in shadow mode nothing is sent",))
        tally = Tally()

        async def timed(deadline: float) -> None:
            await work(Canceller(self._reader, tally, sent, deadline))

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
        self._connection.open()
        if self._options.keep_warm_seconds > 0:
            # The task is cancelled with the loop; it holds no state that has to be saved.
            self._warmth = asyncio.ensure_future(self._keep_warm())

    async def _prepare(self, deadline: float) -> None:
        await self._connection.learn_clock(deadline)
        await self._lists.load(deadline)
        await self._warm_up(deadline)
        for method in self._exchange.prepare:
            # ccxt would make these calls when it is first asked for something: better now than in a kill.
            await self._connection.ask(method, getattr(self._client, method), deadline=deadline, write=False)
        unknown = self._markets.unknown(self._options.symbols)
        if unknown:
            near = difflib.get_close_matches(unknown[0], list(self._client.markets), 3)
            hint = f" (did you mean {', '.join(near)}?)" if near else ""
            raise PermanentError(
                f"{self.name}: the exchange has no market {', '.join(unknown)}{hint}", reason="bad_symbol"
            )

    async def _ping(self, deadline: float) -> float:
        for symbol in self._options.symbols[:1]:
            await self._lists.know(symbol, deadline)
        started = self._clock.monotonic()
        await self._reader.ping(deadline)
        return self._clock.monotonic() - started

    async def _keep_warm(self) -> None:
        """Use the connections now and then: one that the other side has closed costs a kill three round trips."""
        while True:
            await asyncio.sleep(self._options.keep_warm_seconds)
            if self._markets.loaded:
                with contextlib.suppress(AndonError):
                    await self._warm_up(asyncio.get_running_loop().time() + self._options.keep_warm_seconds)

    async def _warm_up(self, deadline: float) -> None:
        if self._client.has.get("fetchTime") is not True:
            return
        wanted = self._options.connections
        if not wanted:
            wanted = min(max(len(self._options.symbols) * len(self._reader.books), 2), _WARM_AT_MOST)
        asks = [
            self._connection.ask("time", self._client.fetch_time, deadline=deadline, write=False) for _ in range(wanted)
        ]
        for answer in await asyncio.gather(*asks, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer


def build(
    *,
    name: str,
    venue: str,
    account: str,
    mode: str,
    options: Options,
    clock: Clock,
    exchange: Exchange | None = None,
) -> CcxtVenue:
    """Make the venue; raises `PermanentError` for an unknown exchange or product, or a missing key. Calls nobody.

    *exchange*: what is known of it, where that shall not be what the catalogue says.
    """
    if options.exchange not in ccxt.exchanges:
        near = difflib.get_close_matches(options.exchange, ccxt.exchanges, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise PermanentError(f"exchange: ccxt has no {options.exchange!r}{hint}", reason="unknown_exchange")
    make = getattr(ccxt, options.exchange)
    exchange = exchange or exchanges.CATALOGUE.get(options.exchange) or exchanges.unknown(make())
    coverage.chosen(exchange, options)
    config: dict[str, Any] = {
        **options.credentials(),
        "enableRateLimit": False,
        "timeout": PREPARE_TIMEOUT_MS,
        "options": {"adjustForTimeDifference": True, **exchange.options, **options.options},
    }
    if options.receive_window_ms is not None:
        config["options"]["recvWindow"] = options.receive_window_ms
    if options.proxy is not None:
        config["aiohttp_proxy"] = options.proxy
    client = _ours(make, exchange.silenced)(config)
    if exchange.known:
        # Currencies are read with rights that a key which only trades may lack, and nothing here needs them.
        client.has["fetchCurrencies"] = False
    missing = [
        CREDENTIAL_FIELDS[field]
        for field, needed in client.requiredCredentials.items()
        if needed and field in CREDENTIAL_FIELDS and not getattr(client, field, None)
    ]
    if missing:
        raise PermanentError(f"{options.exchange} needs {' and '.join(missing)}", reason="secret")
    if options.sandbox:
        if not client.urls.get("test"):
            raise PermanentError(f"sandbox: {options.exchange} has no test system in ccxt", reason="sandbox")
        client.set_sandbox_mode(True)
    if options.base_url is not None:
        client.urls["api"] = _moved(client.urls["api"], options.base_url)
    if options.urls:
        client.urls["api"] = client.deep_extend(client.urls["api"], options.urls)
    return CcxtVenue(name, venue, account, mode=mode, options=options, clock=clock, client=client, exchange=exchange)


def _ours(base: Any, silenced: Sequence[str]) -> Any:
    """The exchange class, made to tell what each HTTP answer was; ccxt itself keeps only the last one.

    *silenced*: its methods that shall do nothing.
    """

    def handle_errors(self: Any, code: int, reason: str, url: str, method: str, headers: Any, *rest: Any) -> Any:
        note_answer(code, headers, rest[1])
        return base.handle_errors(self, code, reason, url, method, headers, *rest)

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    return type(base.__name__, (base,), {"handle_errors": handle_errors, **dict.fromkeys(silenced, nothing)})


def _moved(address: Any, base_url: str) -> Any:
    """Addresses with another scheme and host, their paths kept."""
    if isinstance(address, dict):
        return {name: _moved(inner, base_url) for name, inner in address.items()}
    return base_url + urlsplit(address).path if isinstance(address, str) else address


def _tls(options: Options) -> bool | ssl.SSLContext:
    if not options.verify_tls:
        return False
    return ssl.create_default_context(cafile=str(options.ca_file)) if options.ca_file else True
