"""What a flatten has to know of a market: its book, its mark price, and the rules that an order must keep."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from webhook.actions.port import Quote
from webhook.errors import AndonError, PermanentError
from webhook.venues.ccxt.lists import Lists
from webhook.venues.ccxt.parse import decimal, read_quote


class Quotes:
    """Quotes the markets of one account."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._connection = lists.connection
        self._client = lists.connection.exchange

    async def quote(self, symbol: str, band: Decimal, deadline: float) -> Quote:
        """The book of *symbol*, with the mark price where the exchange has one (else mid)."""
        market = await self.market(symbol, deadline)
        depth = self._lists.exchange.depth
        (book, _), mark = await asyncio.gather(
            self._connection.ask(
                f"book of {symbol}",
                lambda: self._client.fetch_order_book(symbol, depth),
                deadline=deadline,
                write=False,
            ),
            self._mark(symbol, market, deadline),
        )
        best = next(iter(book.get("bids") or ()), [None])[0]
        unit = self._lists.markets.unit(symbol, mark or decimal(best))
        return read_quote(
            symbol,
            book,
            mark,
            market,
            self._client.precisionMode,
            band,
            unit=unit or Decimal(1),
            largest=self._lists.exchange.largest,
        )

    async def market(self, symbol: str, deadline: float) -> Mapping[str, Any]:
        """The exchange's own market of *symbol*, never a guess: it sizes and prices orders."""
        if not self._lists.markets.loaded:
            await self._lists.load(deadline)
        if (market := self._lists.markets.market(symbol)) is None:
            raise PermanentError(f"{self._connection.name}: the exchange has no market {symbol}", reason="bad_symbol")
        return market

    async def _mark(self, symbol: str, market: Mapping[str, Any], deadline: float) -> Decimal | None:
        if self._client.has.get("fetchMarkPrice") is not True or not market.get("contract"):
            return None
        try:
            ticker, _ = await self._connection.ask(
                f"mark price of {symbol}",
                lambda: self._client.fetch_mark_price(symbol),
                deadline=deadline,
                write=False,
            )
        except AndonError:
            # Mid stands in for it: a flatten must not fail for want of a nicer price.
            return None
        return decimal(ticker.get("markPrice"))
