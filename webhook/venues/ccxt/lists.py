"""How one account is asked: the requests of its exchange's file, filled in, sent, and read to their end."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from webhook.errors import AndonError, PermanentError
from webhook.venues.ccxt.connection import Connection
from webhook.venues.ccxt.exchanges.model import Exchange, Listing, Params, dig, entries_at, fill, placeholders, rows_at
from webhook.venues.ccxt.faults import RefusalError
from webhook.venues.ccxt.markets import Markets
from webhook.venues.ccxt.pages import IncompleteError, Row, pages

T = TypeVar("T")

UNIFIED = frozenset({"fetch_open_orders", "fetch_positions"})
"""ccxt's own methods, for an exchange of which nothing else is known; everything else takes one body."""


@dataclass(slots=True)
class Found(Generic[T]):
    """What one book showed, by symbol and id (or side), and why that may not be everything in it."""

    items: dict[tuple[str, str], T] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    answered: bool = False
    error: AndonError | None = None


class Lists:
    """Asks one account for its lists."""

    def __init__(self, connection: Connection, exchange: Exchange, markets: Markets) -> None:
        self.connection = connection
        self.exchange = exchange
        self.markets = markets
        self._client = connection.exchange
        self._entries: dict[str, tuple[str, ...]] = {}

    @property
    def common(self) -> dict[str, Any]:
        """What the placeholders stand for in a request that names no market."""
        named = (self._client.options.get(name) for name in ("subAccountAddress", "vaultAddress"))
        return {"$wallet": next(filter(None, named), getattr(self._client, "walletAddress", None))}

    def values(self, symbol: str) -> dict[str, Any]:
        """What the placeholders stand for in a request for *symbol*; raises `PermanentError` where nobody knows."""
        own = self.markets.own_name(symbol)
        if own is None:
            raise PermanentError(f"{self.connection.name}: no market {symbol} is known", reason="bad_symbol")
        market = self.markets.market(symbol) or {}
        return {"$symbol": own, "$unified": symbol, "$settle": market.get("settleId"), **self.common}

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

    async def collect(
        self,
        found: Found[T],
        what: str,
        lists: Iterable[tuple[Listing, str | None]],
        add: Callable[[Row], str | None],
        deadline: float,
    ) -> bool:
        """Read *lists* (each of the account, or of one symbol) to their end, and *add* each row.

        *add* returns why a row cannot be read.  Every failure becomes a problem of *found*.  Returns True when a list
        cannot be asked for like this at all.
        """

        def take(rows: Sequence[Row]) -> None:
            found.answered = True
            for row in rows:
                if (reason := add(row)) is not None:
                    found.problems.append(f"{self.connection.name} {what}: an entry cannot be read ({reason})")

        errors = await asyncio.gather(
            *(self._read(f"{what} of {symbol or 'the account'}", one, symbol, take, deadline) for one, symbol in lists)
        )
        for error in errors:
            if error is not None:
                found.problems.append(str(error))
            if isinstance(error, AndonError):
                found.error = error
        return any(isinstance(error, AndonError) and error.reason == "unsupported" for error in errors)

    async def one(self, what: str, listing: Listing, values: Mapping[str, Any], deadline: float) -> Row:
        """The only row that *listing* gives; empty when it gives none."""
        payload = await self._ask(what, listing.method, fill(listing.params, values), deadline)
        rows = rows_at(payload, listing.rows) or []
        return rows[0] if rows else {}

    async def ping(self, listings: Iterable[Listing], symbol: str | None, deadline: float) -> None:
        """Send the first of *listings* once, whatever it answers as long as it is no refusal."""
        for listing in listings:
            values = {**dict.fromkeys(self.exchange.lists, ""), **self.common}
            values |= self.values(symbol) if symbol else {}
            await self._ask("ping", listing.method, fill(listing.params, values), deadline)
            return
        raise PermanentError(f"{self.connection.name}: it has nothing to be asked", reason="unsupported")

    async def _read(
        self, what: str, listing: Listing, symbol: str | None, take: Callable[[Sequence[Row]], None], deadline: float
    ) -> AndonError | IncompleteError | None:
        """Read one list to its end and *take* each page; returns why that may not be everything."""

        async def ask(params: Params) -> Any:
            return await self._ask(what, listing.method, params, deadline)

        async def read(values: Mapping[str, Any]) -> None:
            async for rows in pages(listing, fill(listing.params, values), ask):
                take(rows)

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
            what = f"list of {name[1:]}"
            try:
                payload = await self._ask(what, values.listing.method, values.listing.params, deadline)
                entries = entries_at(payload, values.listing.rows)
                if entries is None:
                    error = IncompleteError(f"{self.connection.name} {what}: it cannot be read")
                else:
                    told = (dig(one, values.path) if values.path else one for one in entries)
                    self._entries[name] = tuple(str(value or "") for value in told)
            except AndonError as fault:
                error = fault
            known = self._entries.get(name, values.fallback)
            return [{name: value, **self.common} for value in known], error
        return [self.common], None

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
