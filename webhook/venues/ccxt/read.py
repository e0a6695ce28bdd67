"""How an account is read: every book that its orders and positions can be in, and what each read can prove."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from webhook.actions.port import Coverage, OpenOrder, OrdersRead, Position, PositionsRead
from webhook.errors import AndonError, PermanentError
from webhook.venues.ccxt.exchanges.model import Book, Listing, PositionBook, Product, dig
from webhook.venues.ccxt.lists import Found, Lists
from webhook.venues.ccxt.pages import Row
from webhook.venues.ccxt.parse import decimal, read_order, read_position

_FEW = 3
"""Up to so many symbols are read one by one; for more, one read of the whole account is quicker."""
_MOST_REMEMBERED = 20_000


class Reader:
    """Reads one account; *products*: what it can trade; *configured*: symbols in which orders are expected."""

    def __init__(self, lists: Lists, *, products: Sequence[Product], configured: Sequence[str]) -> None:
        self.lists = lists
        self.configured = tuple(configured)
        self.products = tuple(products)
        names = {product.name for product in products}
        self.books = tuple(book for book in lists.exchange.books if names & set(book.products))
        self.position_books = tuple(book for book in lists.exchange.positions if book.product in names)
        self.margin_modes: dict[tuple[str, str], str | None] = {}
        """How each position that was read is margined, by symbol and side: some exchanges want it said in an order."""
        self._client = lists.connection.exchange
        self._remembered: dict[str, dict[str, dict[str, Any]]] = {}

    def books_of(self, symbol: str) -> tuple[Book, ...]:
        """The books that can hold an order of *symbol*; every book when nobody knows."""
        products = self.lists.markets.products_of(symbol)
        if products is None:
            return self.books
        names = {product.name for product in products}
        return tuple(book for book in self.books if names & set(book.products))

    def remembered(self, book: Book, order_id: str) -> dict[str, Any]:
        """What a cancel of this order needs beside its id; raises `PermanentError` when it was not read before."""
        if not book.remember:
            return {}
        try:
            return self._remembered[book.name][order_id]
        except KeyError:
            raise PermanentError(f"{self.lists.connection.name}: order {order_id} was not read before") from None

    async def ping(self, deadline: float) -> None:
        """One signed, harmless read, as small as the exchange has one."""
        for symbol in self.configured:
            listings = [listing for book in self.books_of(symbol) for listing in book.symbol]
            if listings and self.lists.markets.own_name(symbol) is not None:
                return await self.lists.ping(listings, symbol, deadline)
        return await self.lists.ping([one for book in self.books for one in book.account], None, deadline)

    async def open_orders(
        self, symbols: Collection[str] | None, deadline: float, *, books: Sequence[Book] | None = None
    ) -> OrdersRead:
        """See `webhook.actions.port.Venue.open_orders`; *books*: only these."""
        chosen = None if symbols is None else self.lists.markets.unified(symbols)
        wanted = self.books if chosen is None else _union(self.books_of(symbol) for symbol in chosen)
        books = wanted if books is None else tuple(book for book in wanted if book in books)
        found = await asyncio.gather(*(self._orders(book, chosen, deadline) for book in books))
        orders, problems = _gathered(found)
        return OrdersRead(
            tuple(order for order in orders if chosen is None or order.symbol in chosen),
            _coverage([book.name for book, one in zip(books, found, strict=True) if not one.problems], symbols),
            problems,
        )

    async def positions(self, symbols: Collection[str] | None, deadline: float) -> PositionsRead:
        """See `webhook.actions.port.Venue.positions`."""
        if not self.lists.markets.loaded:
            await self.lists.load(deadline)
        markets = self.lists.markets
        chosen = None if symbols is None else markets.unified(symbols)
        books = self.position_books
        if chosen is not None:
            names = {product.name for symbol in chosen for product in markets.products_of(symbol) or self.products}
            books = tuple(book for book in books if book.product in names)
        if not books:
            raise PermanentError(f"{self.lists.connection.name}: no positions can be read", reason="unsupported")
        found = await asyncio.gather(*(self._positions(book, deadline) for book in books))
        positions, problems = _gathered(found)
        return PositionsRead(
            tuple(position for position in positions if chosen is None or position.symbol in chosen),
            _coverage([book.name for book, one in zip(books, found, strict=True) if not one.problems], symbols),
            problems,
        )

    async def _orders(self, book: Book, symbols: Sequence[str] | None, deadline: float) -> Found[OpenOrder]:
        """One book of the account (*symbols*: None), or of these symbols."""
        found: Found[OpenOrder] = Found()
        what = f"open orders ({book.name})"
        expected = [(one, symbol) for symbol in self.configured if book in self.books_of(symbol) for one in book.symbol]
        asked: list[tuple[Listing, str | None]] = [(one, None) for one in book.account]
        if symbols is None and not book.account:
            # The configured symbols are read: that is enough for cancelling, and not for a verdict.
            found.problems.append(f"{book.name}: the exchange lists it symbol by symbol only")
            asked = [*expected]
        elif symbols is not None and book.symbol and (len(symbols) <= _FEW or not book.account):
            asked = [(one, symbol) for symbol in symbols if book in self.books_of(symbol) for one in book.symbol]

        def add(row: Row) -> str | None:
            if book.closed is not None and str(row.get(book.closed[0])) in book.closed[1]:
                return None
            order = self._order(book, row)
            if isinstance(order, str):
                return order
            found.items[order.symbol, order.order_id] = order
            self._remember(book, order.order_id, row)
            if symbols is not None and order.symbol not in symbols and self.lists.markets.market(order.symbol) is None:
                # It may be of the symbol that was asked for, under a name that nobody has matched with it.
                return f"its market {order.symbol} is not known"
            return None

        if await self.lists.collect(found, what, asked, add, deadline) and symbols is None:
            await self.lists.collect(found, what, expected, add, deadline)
        return found

    async def _positions(self, book: PositionBook, deadline: float) -> Found[Position]:
        """One book of positions."""
        found: Found[Position] = Found()

        def add(row: Row) -> str | None:
            position = self._position(book, row)
            if isinstance(position, str):
                return position
            if position is not None:
                before = found.items.get((position.symbol, position.side))
                # One market in cross and in isolated margin: two rows, both to be closed.
                found.items[position.symbol, position.side] = position if before is None else _sum(before, position)
            return None

        await self.lists.collect(
            found, f"positions ({book.name})", [(one, None) for one in book.account], add, deadline
        )
        return found

    def _order(self, book: Book, row: Row) -> OpenOrder | str:
        """The order in one row, or why it cannot be read."""
        own = str(dig(row, book.market) or "")
        symbol = self.lists.markets.symbol(book.products, own) or own
        try:
            raw = self._parsed(book.parse, row, symbol)
            if book.sideless:
                raw = {**raw, "side": "buy", "amount": None}
            return read_order(
                raw,
                book.name,
                symbol=symbol,
                markets=self.lists.markets,
                trigger=book.trigger,
                client_id=self.lists.exchange.client_id,
            )
        except Exception as fault:  # noqa: BLE001 - ccxt raises whatever an unexpected row makes it raise
            return _reason(fault)

    def _position(self, book: PositionBook, row: Row) -> Position | str | None:
        """The position in one row, None when it is zero, or why it cannot be read."""
        size = decimal(dig(row, book.size))
        if size is None:
            return "it has no size"
        if size == 0:
            return None
        own = str(dig(row, book.market) or "")
        symbol = self.lists.markets.symbol((book.product,), own) or own
        try:
            raw = self._parsed(book.parse, row, symbol)
            position = read_position(raw, symbol=symbol, markets=self.lists.markets)
        except Exception as fault:  # noqa: BLE001 - as in `_order`
            return _reason(fault)
        self.margin_modes[symbol, position.side] = raw.get("marginMode")
        return position

    def _parsed(self, parse: str, row: Row, symbol: str) -> Mapping[str, Any]:
        """A row as ccxt reads it; empty: it has been read already."""
        if not parse:
            return row
        read: Mapping[str, Any] = getattr(self._client, parse)(dict(row), self.lists.markets.market(symbol))
        return read

    def _remember(self, book: Book, order_id: str, row: Row) -> None:
        if not book.remember:
            return
        known = self._remembered.setdefault(book.name, {})
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[order_id] = {name: dig(row, path) for name, path in book.remember.items()}


def _gathered(found: Sequence[Found[Any]]) -> tuple[list[Any], tuple[str, ...]]:
    """Everything in *found*, with all problems; raises when nobody answered."""
    errors: list[AndonError] = [one.error for one in found if one.error is not None]
    if errors and not any(one.answered for one in found):
        raise errors[0]
    return [item for one in found for item in one.items.values()], tuple(p for one in found for p in one.problems)


def _coverage(books: Collection[str], symbols: Collection[str] | None) -> Coverage:
    return Coverage(frozenset(books), None if symbols is None else frozenset(symbols))


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
