"""How an account is read: every book, page by page, and what each read can prove."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from webhook.actions.port import Coverage, OpenOrder, OrdersRead, Position, PositionsRead, Quote
from webhook.errors import AndonError, PermanentError
from webhook.venues.ccxt.connection import Connection
from webhook.venues.ccxt.exchanges.model import (
    Book,
    Exchange,
    Listing,
    Params,
    PositionBook,
    Product,
    dig,
    entries_at,
    fill,
    placeholders,
    rows_at,
)
from webhook.venues.ccxt.faults import RefusalError
from webhook.venues.ccxt.markets import Markets
from webhook.venues.ccxt.pages import IncompleteError, Row, pages
from webhook.venues.ccxt.parse import decimal, read_order, read_position, read_quote

_FEW = 3
"""Up to so many symbols are read one by one; for more, one read of the whole account is quicker."""
_MOST_REMEMBERED = 20_000
UNIFIED = frozenset({"fetch_open_orders", "fetch_positions"})
"""ccxt's own methods, for an exchange of which nothing else is known; everything else takes one body."""


@dataclass(slots=True)
class _Found:
    """What one book showed, and why that may not be everything in it."""

    orders: dict[tuple[str, str], OpenOrder] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    answered: bool = False
    error: AndonError | None = None


@dataclass(slots=True)
class _Held:
    """The same for positions."""

    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    answered: bool = False
    error: AndonError | None = None


class Reader:
    """Reads one account; *products*: what it can trade."""

    def __init__(
        self,
        connection: Connection,
        exchange: Exchange,
        markets: Markets,
        *,
        products: Sequence[Product],
        configured: Sequence[str],
    ) -> None:
        self.connection = connection
        self.exchange = exchange
        self.markets = markets
        self.configured = tuple(configured)
        names = {product.name for product in products}
        self.products = tuple(products)
        self.books = tuple(book for book in exchange.books if names & set(book.products))
        self.position_books = tuple(book for book in exchange.positions if book.product in names)
        self.margin_modes: dict[tuple[str, str], str | None] = {}
        """How each position that was read is margined, by symbol and side: some exchanges want it said in an order."""
        self._client = connection.exchange
        self._lists: dict[str, tuple[str, ...]] = {}
        self._remembered: dict[str, dict[str, dict[str, Any]]] = {}

    @property
    def common(self) -> dict[str, Any]:
        """What the placeholders stand for in a request that names no market."""
        named = (self._client.options.get(name) for name in ("subAccountAddress", "vaultAddress"))
        return {"$wallet": next(filter(None, named), getattr(self._client, "walletAddress", None))}

    async def load(self, deadline: float) -> None:
        """Load the markets."""
        await self.connection.ask(
            "markets", lambda: self._client.load_markets(True), deadline=deadline, write=False, patient=True
        )
        self.markets.load(self._client.markets)

    async def know(self, symbol: str, deadline: float) -> None:
        """See to it that the exchange's own name of *symbol* is known, as far as it can be."""
        if self.markets.own_name(symbol) is None and not self.markets.loaded:
            # Without the exchange's own name nothing can be said to it; the request itself will tell if this fails.
            try:
                await self.load(deadline)
            except AndonError:
                return

    def books_of(self, symbol: str) -> tuple[Book, ...]:
        """The books that can hold an order of *symbol*; every book when nobody knows."""
        products = self.markets.products_of(symbol)
        if products is None:
            return self.books
        names = {product.name for product in products}
        return tuple(book for book in self.books if names & set(book.products))

    def values(self, symbol: str) -> dict[str, Any]:
        """What the placeholders stand for in a request for *symbol*; raises `PermanentError` where nobody knows."""
        own = self.markets.own_name(symbol)
        if own is None:
            raise PermanentError(f"{self.connection.name}: no market {symbol} is known", reason="bad_symbol")
        market = self.markets.market(symbol) or {}
        return {"$symbol": own, "$unified": symbol, "$settle": market.get("settleId"), **self.common}

    async def open_orders(
        self, symbols: Collection[str] | None, deadline: float, *, books: Sequence[Book] | None = None
    ) -> OrdersRead:
        """See `webhook.actions.port.Venue.open_orders`; *books*: only these."""
        chosen = None if symbols is None else self.markets.unified(symbols)
        wanted = self.books if chosen is None else _union(self.books_of(symbol) for symbol in chosen)
        books = wanted if books is None else tuple(book for book in wanted if book in books)
        found = await asyncio.gather(*(self._book(book, chosen, deadline) for book in books))
        errors = [one.error for one in found if one.error is not None]
        if errors and not any(one.answered for one in found):
            raise errors[0]
        covered = frozenset(book.name for book, one in zip(books, found, strict=True) if not one.problems)
        orders = tuple(
            order for one in found for order in one.orders.values() if chosen is None or order.symbol in chosen
        )
        problems = tuple(problem for one in found for problem in one.problems)
        return OrdersRead(orders, Coverage(covered, None if symbols is None else frozenset(symbols)), problems)

    async def positions(self, symbols: Collection[str] | None, deadline: float) -> PositionsRead:
        """See `webhook.actions.port.Venue.positions`."""
        if not self.markets.loaded:
            await self.load(deadline)
        chosen = None if symbols is None else self.markets.unified(symbols)
        books = self.position_books
        if chosen is not None:
            names = {product.name for symbol in chosen for product in self.markets.products_of(symbol) or self.products}
            books = tuple(book for book in books if book.product in names)
        if not books:
            raise PermanentError(f"{self.connection.name}: it has balances and no positions", reason="unsupported")
        found = await asyncio.gather(*(self._positions(book, deadline) for book in books))
        errors = [one.error for one in found if one.error is not None]
        if errors and not any(one.answered for one in found):
            raise errors[0]
        covered = frozenset(book.name for book, one in zip(books, found, strict=True) if not one.problems)
        positions = tuple(
            position
            for one in found
            for position in one.positions.values()
            if chosen is None or position.symbol in chosen
        )
        problems = tuple(problem for one in found for problem in one.problems)
        return PositionsRead(positions, Coverage(covered, None if symbols is None else frozenset(symbols)), problems)

    async def quote(self, symbol: str, band: Decimal, deadline: float) -> Quote:
        """The book of *symbol*, with the mark price where the exchange has one (else mid)."""
        market = await self.market(symbol, deadline)
        book, mark = await asyncio.gather(
            self.connection.ask(
                f"book of {symbol}",
                lambda: self._client.fetch_order_book(symbol, self.exchange.depth),
                deadline=deadline,
                write=False,
            ),
            self._mark(symbol, market, deadline),
        )
        bids = book[0].get("bids") or [[0]]
        unit = self.markets.unit(symbol, mark or decimal(bids[0][0]))
        return read_quote(
            symbol,
            book[0],
            mark,
            market,
            self._client.precisionMode,
            band,
            unit=unit or Decimal(1),
            largest=self.exchange.largest,
        )

    async def market(self, symbol: str, deadline: float) -> Mapping[str, Any]:
        """The exchange's own market of *symbol*, never a guess: it sizes and prices orders."""
        if not self.markets.loaded:
            await self.load(deadline)
        if (market := self.markets.market(symbol)) is None:
            raise PermanentError(f"{self.connection.name}: the exchange has no market {symbol}", reason="bad_symbol")
        return market

    async def ping(self, deadline: float) -> None:
        """One signed, harmless read, as small as the exchange has one."""
        for symbol in self.configured:
            for book in self.books_of(symbol):
                for listing in book.symbol:
                    await self._ask("ping", listing.method, fill(listing.params, self.values(symbol)), deadline)
                    return
        for book in self.books:
            for listing in book.account:
                values = {**dict.fromkeys(self.exchange.lists, ""), **self.common}
                await self._ask("ping", listing.method, fill(listing.params, values), deadline)
                return
        raise PermanentError(f"{self.connection.name}: it has nothing to be asked", reason="unsupported")

    async def one(self, what: str, listing: Listing, values: Mapping[str, Any], deadline: float) -> Mapping[str, Any]:
        """The only row that *listing* gives; empty when it gives none."""
        payload = await self._ask(what, listing.method, fill(listing.params, values), deadline)
        rows = rows_at(payload, listing.rows) or []
        return rows[0] if rows else {}

    async def _book(self, book: Book, symbols: Sequence[str] | None, deadline: float) -> _Found:
        """One book of the account (*symbols*: None), or of these symbols."""
        found = _Found()
        if symbols is None and not book.account:
            # The configured symbols are read: that is enough for cancelling, and not for a verdict.
            found.problems.append(f"{book.name}: the exchange lists it symbol by symbol only")
            symbols = self.configured
        if symbols is not None and book.symbol and (len(symbols) <= _FEW or not book.account):
            mine = [symbol for symbol in symbols if book in self.books_of(symbol)]
            asked: list[tuple[Listing, str | None]] = [(one, symbol) for symbol in mine for one in book.symbol]
        else:
            asked = [(one, None) for one in book.account]

        def add(rows: Sequence[Row]) -> None:
            found.answered = True
            for row in rows:
                if book.closed is not None and str(row.get(book.closed[0])) in book.closed[1]:
                    continue
                order = self._order(book, row)
                if isinstance(order, str):
                    found.problems.append(f"{self.connection.name} {book.name}: an order cannot be read ({order})")
                else:
                    found.orders[order.symbol, order.order_id] = order
                    if book.remember:
                        self._remember(book, order.order_id, row)

        errors = await asyncio.gather(
            *(self._listing(f"open orders ({book.name})", *one, add, deadline) for one in asked)
        )
        for error in errors:
            if error is not None:
                found.problems.append(str(error))
                found.error = error if isinstance(error, AndonError) else found.error
        return found

    async def _listing(
        self, name: str, listing: Listing, symbol: str | None, add: Callable[[Sequence[Row]], None], deadline: float
    ) -> AndonError | IncompleteError | None:
        """Read one list to its end and *add* what is on each page; returns why that may not be everything."""
        what = f"{name} of {symbol or 'the account'}"

        async def ask(params: Params) -> Any:
            return await self._ask(what, listing.method, params, deadline)

        async def read(values: Mapping[str, Any]) -> None:
            async for rows in pages(listing, fill(listing.params, values), ask):
                add(rows)

        unlisted: AndonError | IncompleteError | None = None
        try:
            if symbol is not None:
                await self.know(symbol, deadline)
                every = [self.values(symbol)]
            else:
                every, unlisted = await self._everything(listing, deadline)
            await asyncio.gather(*(read(values) for values in every))
        except RefusalError as error:
            return None if error.code in listing.absent else error
        except AndonError as error:
            return error
        except IncompleteError as reason:
            return IncompleteError(f"{self.connection.name} {what}: {reason}")
        return unlisted

    async def _everything(
        self, listing: Listing, deadline: float
    ) -> tuple[list[dict[str, Any]], AndonError | IncompleteError | None]:
        """What stands for the placeholders of *listing*, once for each value that the exchange itself lists now.

        When it does not answer, the values of last time are better than nothing: for cancelling, not for a verdict.
        """
        error: AndonError | IncompleteError | None = None
        for name in placeholders(listing.params) & set(self.exchange.lists):
            values = self.exchange.lists[name]
            try:
                payload = await self._ask(f"list of {name[1:]}", values.listing.method, values.listing.params, deadline)
                entries = entries_at(payload, values.listing.rows)
                if entries is None:
                    error = IncompleteError(f"{self.connection.name} list of {name[1:]}: it cannot be read")
                else:
                    self._lists[name] = tuple(
                        str((dig(one, values.path) if values.path else one) or "") for one in entries
                    )
            except AndonError as fault:
                error = fault
            return [{name: value, **self.common} for value in self._lists.get(name, values.fallback)], error
        return [self.common], None

    def _order(self, book: Book, row: Row) -> OpenOrder | str:
        """The order in one row, or why it cannot be read."""
        own = str(dig(row, book.market) or "")
        symbol = self.markets.symbol(book.products, own) or own
        try:
            raw = self._parsed(book.parse, row, symbol)
            if book.sideless:
                raw = {**raw, "side": "buy", "amount": None}
            return read_order(
                raw,
                book.name,
                symbol=symbol,
                markets=self.markets,
                trigger=book.trigger,
                client_id=self.exchange.client_id,
            )
        except Exception as fault:  # noqa: BLE001 - ccxt raises whatever an unexpected row makes it raise
            return _reason(fault)

    def _remember(self, book: Book, order_id: str, row: Row) -> None:
        known = self._remembered.setdefault(book.name, {})
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[order_id] = {name: dig(row, path) for name, path in book.remember.items()}

    def remembered(self, book: Book, order_id: str) -> dict[str, Any]:
        """What a cancel of this order needs beside its id; raises `PermanentError` when it was not read before."""
        if not book.remember:
            return {}
        try:
            return self._remembered[book.name][order_id]
        except KeyError:
            raise PermanentError(f"{self.connection.name}: order {order_id} was not read before") from None

    def _parsed(self, parse: str, row: Row, symbol: str) -> Mapping[str, Any]:
        """A row as ccxt reads it; empty: it has been read already."""
        if not parse:
            return row
        read: Mapping[str, Any] = getattr(self._client, parse)(dict(row), self.markets.market(symbol))
        return read

    async def _positions(self, book: PositionBook, deadline: float) -> _Held:
        """One book of positions; every failure becomes a problem of it."""
        held = _Held()

        def add(rows: Sequence[Row]) -> None:
            held.answered = True
            for row in rows:
                position = self._position(book, row)
                if isinstance(position, str):
                    held.problems.append(f"{self.connection.name} {book.name}: a position cannot be read ({position})")
                elif position is not None:
                    key = position.symbol, position.side
                    before = held.positions.get(key)
                    # One market in cross and in isolated margin: two rows, both to be closed.
                    held.positions[key] = position if before is None else _sum(before, position)

        errors = await asyncio.gather(
            *(self._listing(f"positions ({book.name})", one, None, add, deadline) for one in book.account)
        )
        for error in errors:
            if error is not None:
                held.problems.append(str(error))
                held.error = error if isinstance(error, AndonError) else held.error
        return held

    def _position(self, book: PositionBook, row: Row) -> Position | str | None:
        """The position in one row, None when it is zero, or why it cannot be read."""
        size = decimal(dig(row, book.size))
        if size is None:
            return "it has no size"
        if size == 0:
            return None
        own = str(dig(row, book.market) or "")
        symbol = self.markets.symbol((book.product,), own) or own
        try:
            raw = self._parsed(book.parse, row, symbol)
            position = read_position(raw, symbol=symbol, markets=self.markets)
        except Exception as fault:  # noqa: BLE001 - as in `_order`
            return _reason(fault)
        self.margin_modes[symbol, position.side] = raw.get("marginMode")
        return position

    async def _ask(self, what: str, method: str, params: Params, deadline: float) -> Any:
        """One request; gives the decoded answer (of ccxt's own methods: what they made of it)."""
        if method in UNIFIED:
            query = {key: value for key, value in params.items() if key != "symbol"}
            first = (params.get("symbol"), None, None) if method == "fetch_open_orders" else (None,)
            result, _ = await self.connection.ask(
                what, lambda: getattr(self._client, method)(*first, query), deadline=deadline, write=False
            )
            return result
        _, payload = await self.connection.ask(
            what, lambda: getattr(self._client, method)(dict(params)), deadline=deadline, write=False
        )
        return payload

    async def _mark(self, symbol: str, market: Mapping[str, Any], deadline: float) -> Decimal | None:
        if self._client.has.get("fetchMarkPrice") is not True or not market.get("contract"):
            return None
        try:
            ticker, _ = await self.connection.ask(
                f"mark price of {symbol}",
                lambda: self._client.fetch_mark_price(symbol),
                deadline=deadline,
                write=False,
            )
        except AndonError:
            # Mid stands in for it: a flatten must not fail for want of a nicer price.
            return None
        return decimal(ticker.get("markPrice"))


def _union(groups: Iterable[Iterable[Book]]) -> tuple[Book, ...]:
    return tuple({book.name: book for group in groups for book in group}.values())


def _reason(fault: Exception) -> str:
    return str(fault) if isinstance(fault, ValueError) else type(fault).__name__


def _sum(one: Position, other: Position) -> Position:
    """Two positions of one market and side as one; a missing value is not known for the sum either."""
    value = None if one.value is None or other.value is None else one.value + other.value
    return Position(
        symbol=one.symbol,
        quantity=one.quantity + other.quantity,
        mark_price=other.mark_price,
        side=one.side,
        currency=one.currency,
        value=value,
    )
