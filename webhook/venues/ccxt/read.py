"""How an account is read: every book, whole or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from webhook.actions.port import OpenOrder, Position, Quote
from webhook.errors import AndonError, PermanentError, TemporaryError
from webhook.venues.ccxt.connection import Reach
from webhook.venues.ccxt.parse import check_whole, decimal, read_order, read_positions, read_quote
from webhook.venues.ccxt.tables import (
    BOOK_DEPTHS,
    CONTRACT_TRIGGER_BOOKS,
    CONTRACT_TYPES,
    PAGE_SIZES,
    Params,
    guessed_market,
)

_FEW = 3
"""Up to so many symbols are read one by one; for more, one read of the whole account is quicker."""


class Reader:
    """Reads one account, and knows its markets."""

    def __init__(
        self,
        reach: Reach,
        *,
        books: Mapping[str, Params],
        account_wide: bool,
        markets: Sequence[Params],
        market_ids: Mapping[str, str],
        configured: Sequence[str],
        contracts: bool,
    ) -> None:
        """*contracts*: a symbol of which only the exchange's own name is known is taken for a contract."""
        self.reach = reach
        self.books = books
        self.account_wide = account_wide
        self._markets = tuple(markets)
        self._market_ids = dict(market_ids)
        self.configured = tuple(configured)
        self._contracts = contracts
        self._exchange = reach.exchange
        self.loaded = False
        """Whether the exchange's own markets were loaded; otherwise those in use are guessed."""

    async def load(self, deadline: float) -> None:
        """Load the markets; guessed ones are replaced."""
        await self.reach.ask(
            "markets", lambda: self._exchange.load_markets(True), deadline=deadline, write=False, patient=True
        )
        self.loaded = True

    async def know(self, symbol: str, deadline: float) -> None:
        """See to it that ccxt has a market for *symbol*: loaded, else guessed, else loaded now."""
        if symbol in (self._exchange.markets or {}):
            return
        exchange = self._exchange
        market = guessed_market(exchange.id, symbol, self._market_ids.get(symbol), contract=self._contracts)
        if market is not None and not exchange.markets:
            exchange.set_markets([market])
        elif market is not None:
            exchange.markets[symbol] = exchange.deep_extend(exchange.safe_market_structure(), market)
            exchange.markets_by_id.setdefault(market["id"], []).append(exchange.markets[symbol])
        elif not self.loaded:
            # Without the exchange's own names nothing can be said to it; the request itself will tell if this fails.
            try:
                await self.load(deadline)
            except AndonError:
                return

    def remember(self, order: OpenOrder) -> None:
        """Keep the name under which an order in an unknown market was listed: it is the exchange's own."""
        if "/" not in order.symbol:
            self._market_ids.setdefault(order.symbol, order.symbol)

    def books_for(self, symbol: str) -> list[str]:
        """The books that orders of *symbol* can rest in."""
        if ":" not in symbol and "/" in symbol and self._exchange.id in CONTRACT_TRIGGER_BOOKS:
            return [book for book in self.books if book != "trigger"]
        return list(self.books)

    def wide_params(self) -> list[tuple[str, Params]]:
        """What a request for the whole account must be sent with, once for each: book and parameters."""
        no_trigger_on_spot = self._exchange.id in CONTRACT_TRIGGER_BOOKS
        return [
            (book, {**params, **kind})
            for kind in self._markets
            for book, params in self.books.items()
            if not (book == "trigger" and kind.get("type") in ("spot", "margin") and no_trigger_on_spot)
        ]

    async def open_orders(
        self, symbols: Sequence[str] | None, deadline: float, *, partial: bool = False
    ) -> tuple[OpenOrder, ...]:
        """Every resting order in *symbols*, or in the account; raises unless it is complete.

        *partial*: take what is there, for cancelling; never for a verdict.
        """
        wanted = None if symbols is None else set(symbols)
        if self.account_wide and (wanted is None or len(wanted) > _FEW):
            reads = [self._read_book(book, None, params, deadline, partial) for book, params in self.wide_params()]
        else:
            chosen = sorted(wanted) if wanted is not None else self.configured
            reads = [
                self._read_book(book, symbol, self.books[book], deadline, partial)
                for symbol in chosen
                for book in self.books_for(symbol)
            ]
        found: dict[tuple[str, str], OpenOrder] = {}
        for orders in await asyncio.gather(*reads):
            for order in orders:
                # Some exchanges list an order in two books; the first named is the one it is cancelled in.
                found.setdefault((order.symbol, order.order_id), order)
        return tuple(order for order in found.values() if wanted is None or order.symbol in wanted)

    async def _read_book(
        self, book: str, symbol: str | None, params: Params, deadline: float, partial: bool
    ) -> list[OpenOrder]:
        what = f"open orders of {symbol or 'the account'} ({book})"
        if symbol is not None:
            await self.know(symbol, deadline)
        limit = PAGE_SIZES.get(self._exchange.id)
        parsed, payload = await self.reach.ask(
            what,
            lambda: self._exchange.fetch_open_orders(symbol, None, limit, dict(params)),
            deadline=deadline,
            write=False,
        )
        if not partial:
            check_whole(self._exchange.id, parsed, payload, what)
        try:
            return [read_order(raw, book) for raw in parsed]
        except ValueError as fault:
            raise TemporaryError(f"{self.reach.name} {what}: {fault}", reason="unreadable") from fault

    async def positions(self, symbols: Sequence[str] | None, deadline: float) -> tuple[Position, ...]:
        """Every position that is not zero; raises unless it is complete."""
        if not self.loaded:
            await self.load(deadline)
        contracts = [kind for kind in self._markets if kind.get("type", "swap") in CONTRACT_TYPES]
        reads = await asyncio.gather(*(self._read_positions(kind, deadline) for kind in contracts))
        found = {(position.symbol, position.side): position for positions in reads for position in positions}
        return tuple(position for position in found.values() if symbols is None or position.symbol in symbols)

    async def _read_positions(self, params: Params, deadline: float) -> tuple[Position, ...]:
        parsed, payload = await self.reach.ask(
            "positions", lambda: self._exchange.fetch_positions(None, dict(params)), deadline=deadline, write=False
        )
        return read_positions(parsed, payload, f"{self.reach.name} positions")

    async def quote(self, symbol: str, band: Decimal, deadline: float) -> Quote:
        """The book of *symbol*, with the mark price where the exchange has one (else mid)."""
        market = await self.market(symbol, deadline)
        depth = BOOK_DEPTHS.get(self._exchange.id)
        book, mark = await asyncio.gather(
            self.reach.ask(
                f"book of {symbol}",
                lambda: self._exchange.fetch_order_book(symbol, depth),
                deadline=deadline,
                write=False,
            ),
            self._mark(symbol, market, deadline),
        )
        return read_quote(symbol, book[0], mark, market, self._exchange.precisionMode, band)

    async def _mark(self, symbol: str, market: Mapping[str, Any], deadline: float) -> Decimal | None:
        if self._exchange.has.get("fetchMarkPrice") is not True or not market.get("contract"):
            return None
        try:
            ticker, _ = await self.reach.ask(
                f"mark price of {symbol}",
                lambda: self._exchange.fetch_mark_price(symbol),
                deadline=deadline,
                write=False,
            )
        except AndonError:
            # Mid stands in for it: a flatten must not fail for want of a nicer price.
            return None
        return decimal(ticker.get("markPrice"))

    async def market(self, symbol: str, deadline: float) -> Mapping[str, Any]:
        """The exchange's own market of *symbol*, never a guess: it sizes and prices orders."""
        if not self.loaded:
            await self.load(deadline)
        market: Mapping[str, Any] | None = (self._exchange.markets or {}).get(symbol)
        if market is None or not market.get("info"):
            raise PermanentError(f"{self.reach.name}: the exchange has no market {symbol}", reason="bad_symbol")
        return market
