"""How an account is emptied: every symbol and book at once, by the widest request that the exchange has.

The chain, each link for what the one before could not do: one cancel-all for the account; one for each symbol; batches
of order ids; order by order.  What is counted are requests; whether anything is left, only a re-read can say.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook.actions.port import CancelReport, OpenOrder
from webhook.errors import AndonError, TemporaryError, UnknownOutcomeError
from webhook.venues.ccxt.read import Reader
from webhook.venues.ccxt.tables import Params

_TRIES = 3
_FIRST_PAUSE = 0.05
_LOOK_AFTER = 0.1
"""Seconds after which other symbols are looked for even when cancels are still unanswered."""
_MOST_AT_ONCE = 64
"""Requests of one kind in flight: above this a venue's limits, and our own CPU, make it slower and not faster."""
_PROBLEMS = 20


@dataclass(slots=True)
class Tally:
    """Counts for one report; lives on after a deadline, when its owner can no longer say anything itself."""

    requests: int = 0
    accepted: int = 0
    unknown: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)

    def report(self) -> CancelReport:
        """What is known so far; a request without an outcome counts as unknown."""
        open_ended = self.requests - self.accepted - self.unknown - self.refused
        return CancelReport(
            self.requests, self.accepted, self.unknown + open_ended, self.refused, tuple(self.problems[:_PROBLEMS])
        )


@dataclass(frozen=True, slots=True)
class Means:
    """What the exchange has: see `webhook.venues.ccxt.options.CapabilityOptions`."""

    account_wide: bool
    by_symbol_books: frozenset[str]
    batch_books: frozenset[str]
    batch_size: int


class Canceller:
    """One cancelling call: made for it, thrown away after it."""

    def __init__(self, reader: Reader, means: Means, tally: Tally, sent: Callable[[], None], deadline: float) -> None:
        """*deadline* is loop time; *sent* is called when the first cancel request is on the wire."""
        self._reader = reader
        self._reach = reader.reach
        self._exchange = reader.reach.exchange
        self._means = means
        self._tally = tally
        self._deadline = deadline
        self._told = False
        self._sent = sent
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._one_by_one = asyncio.Lock()
        self._resume_at = 0.0

    async def everything(self, symbols: Sequence[str] | None) -> None:
        """Cancel all orders in *symbols*; None: in the configured ones at once, and in whatever else a read shows."""
        if symbols is not None:
            await self._symbols(symbols)
        elif self._means.account_wide and await self._account():
            return
        elif not self._means.by_symbol_books:
            await self._read_and_cancel(None)
        else:
            configured = self._reader.configured
            known = asyncio.ensure_future(self._symbols(configured))
            if self._reader.account_wide:
                # Reading a thousand orders costs more CPU than cancelling them: let the cancels go out first.
                await asyncio.wait({known}, timeout=_LOOK_AFTER if configured else 0)
                await self._others(frozenset(configured))
            await known

    async def these(self, orders: Iterable[OpenOrder]) -> None:
        """Cancel just these orders."""
        groups: dict[tuple[str, str], list[OpenOrder]] = {}
        for order in orders:
            groups.setdefault((order.book, order.symbol), []).append(order)
        await asyncio.gather(*(self._by_id(book, symbol, group) for (book, symbol), group in groups.items()))

    async def _account(self) -> bool:
        """One request for each book and market type; True when every one was accepted."""
        wanted = [
            self._try(f"cancel all ({book})", self._bind(self._exchange.cancel_all_orders, None, params))
            for book, params in self._reader.wide_params()
        ]
        return all(error is None for error in await asyncio.gather(*wanted))

    async def _symbols(self, symbols: Sequence[str]) -> None:
        """Each symbol and book by one request; what cannot be cancelled so is read and cancelled order by order."""
        pairs = [(book, symbol) for symbol in symbols for book in self._reader.books_for(symbol)]
        quick = [pair for pair in pairs if pair[0] in self._means.by_symbol_books]
        done = await asyncio.gather(*(self._symbol(book, symbol) for book, symbol in quick))
        left = frozenset(pairs) - {pair for pair, was_done in zip(quick, done, strict=True) if was_done}
        if left:
            await self._read_and_cancel(left)

    async def _symbol(self, book: str, symbol: str) -> bool:
        """Cancel all of one symbol in one book; False when the exchange cannot do that."""
        await self._reader.know(symbol, self._deadline)
        request = self._bind(self._exchange.cancel_all_orders, symbol, self._reader.books[book])
        error = await self._try(f"cancel all of {symbol} ({book})", request)
        return error is None or error.reason != "unsupported"

    async def _read_and_cancel(self, wanted: frozenset[tuple[str, str]] | None) -> None:
        """Read and cancel by order id until a read shows nothing new: an exchange may list only a page at a time.

        *wanted*: pairs of book and symbol; None: everything in the account.
        """
        symbols = None if wanted is None else sorted({symbol for _, symbol in wanted})
        asked: set[tuple[str, str]] = set()
        while self._now() < self._deadline:
            try:
                found = await self._reader.open_orders(symbols, self._deadline, partial=True)
            except AndonError as error:
                self._tally.requests += 1
                self._note(error)
                return
            mine = [order for order in found if wanted is None or (order.book, order.symbol) in wanted]
            fresh = [order for order in mine if (order.book, order.order_id) not in asked]
            if not fresh:
                return
            asked.update((order.book, order.order_id) for order in fresh)
            await self.these(fresh)

    async def _others(self, known: frozenset[str]) -> None:
        """Look for orders in symbols that nobody configured, and cancel them."""
        try:
            orders = await self._reader.open_orders(None, self._deadline, partial=True)
        except AndonError as error:
            # Nothing was asked to be cancelled here, so nothing is counted; the caller's own re-read decides.
            self._tally.problems.append(str(error))
            return
        found = [order for order in orders if order.symbol not in known]
        for order in found:
            self._reader.remember(order)
        await self._symbols(sorted({order.symbol for order in found}))

    async def _by_id(self, book: str, symbol: str, orders: Sequence[OpenOrder]) -> None:
        await self._reader.know(symbol, self._deadline)
        params = self._reader.books.get(book, {})
        single = orders
        if book in self._means.batch_books and len(orders) > 1:
            size = self._means.batch_size
            batches = [orders[first : first + size] for first in range(0, len(orders), size)]
            undone = await asyncio.gather(*(self._batch(symbol, batch, params) for batch in batches))
            single = [order for batch, left in zip(batches, undone, strict=True) if left for order in batch]
        await asyncio.gather(
            *(
                self._try(
                    f"cancel {order.order_id} of {symbol}",
                    self._bind(self._exchange.cancel_order, order.order_id, params, symbol),
                )
                for order in single
            )
        )

    async def _batch(self, symbol: str, orders: Sequence[OpenOrder], params: Params) -> bool:
        """Cancel one batch; True when the exchange cannot do that and the orders must go one by one."""
        ids = [order.order_id for order in orders]
        request = self._bind(self._exchange.cancel_orders, ids, params, symbol)
        error = await self._try(f"cancel {len(ids)} orders of {symbol}", request, judge=_refusals_inside)
        return error is not None and error.reason in ("unsupported", "refused")

    def _bind(self, method: Any, first: Any, params: Params, symbol: str | None = None) -> Callable[[], Awaitable[Any]]:
        """A ccxt cancel call: ``(symbol, params)``, or ``(id or ids, symbol, params)``."""
        if symbol is None:
            return lambda: method(first, dict(params))
        return lambda: method(first, symbol, dict(params))

    async def _try(
        self,
        what: str,
        request: Callable[[], Awaitable[Any]],
        judge: Callable[[Any], int] = lambda _payload: 0,
    ) -> AndonError | None:
        """Send one cancel request and count it; what fails quickly is tried again while there is time.

        Returns None when it was accepted, else the last error.  "No such order" is accepted.
        """
        self._tally.requests += 1
        pause = _FIRST_PAUSE
        for tries in itertools.count(1):
            try:
                refused = judge(await self._send(what, request))
            except AndonError as error:
                if error.reason == "no_such_order":
                    break
                wait = pause
                if isinstance(error, TemporaryError) and error.reason == "rate_limited":
                    wait = error.retry_after or 4 * pause
                    self._resume_at = max(self._resume_at, self._now() + wait)
                in_time = self._now() + wait < self._deadline
                # What timed out is not asked again: the caller reads, and then knows.
                if error.permanent or tries >= _TRIES or not in_time or error.reason == "timeout":
                    self._note(error)
                    return error
                await asyncio.sleep(wait)
                pause *= 2
                continue
            if refused:
                self._tally.refused += 1
                self._tally.problems.append(f"{self._reach.name} {what}: {refused} refused")
                return None
            break
        self._tally.accepted += 1
        return None

    async def _send(self, what: str, request: Callable[[], Awaitable[Any]]) -> Any:
        """Send with the others, or, once the venue has said that we ask too much, one after the other."""
        async with self._slots if not self._resume_at else self._one_by_one:
            if (early := self._resume_at - self._now()) > 0:
                await asyncio.sleep(early)
            _, payload = await self._reach.ask(
                what, request, deadline=self._deadline, write=True, on_sent=None if self._told else self._first_sent
            )
        return payload

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _first_sent(self) -> None:
        if not self._told:
            self._told = True
            self._sent()

    def _note(self, error: AndonError) -> None:
        if isinstance(error, UnknownOutcomeError):
            self._tally.unknown += 1
        else:
            self._tally.refused += 1
        self._tally.problems.append(str(error))


def _refusals_inside(payload: Any) -> int:
    """How many entries of a batch answer are refusals other than "no such order" (Binance mixes them in)."""
    if not isinstance(payload, list):
        return 0
    codes = [entry.get("code") for entry in payload if isinstance(entry, Mapping)]
    return sum(1 for code in codes if isinstance(code, int) and code < 0 and code not in (-2011, -2013))
