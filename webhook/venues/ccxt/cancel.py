"""How an account is emptied: every symbol and book at once, by the widest request that the exchange has.

The chain, each link for what the one before could not do: one cancel-all for the account; one for each symbol; batches
of order ids; order by order.  What is counted are requests; whether anything is left, only a re-read can say.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook.actions.port import CancelReport, OpenOrder
from webhook.errors import AndonError, TemporaryError, UnknownOutcomeError
from webhook.venues.ccxt.exchanges.model import Book, Exchange, Request, dig, fill
from webhook.venues.ccxt.read import Reader

_TRIES = 3
_FIRST_PAUSE = 0.05
_LOOK_AFTER = 0.1
"""Seconds after which other symbols are looked for even when cancels are still unanswered."""
_MOST_AT_ONCE = 64
"""Requests of one kind in flight: above this a venue's limits, and our own CPU, make it slower and not faster."""
_PROBLEMS = 20
_UNIFIED = {
    "cancel_all_orders": ("symbol",),
    "cancel_order": ("id", "symbol"),
    "cancel_orders": ("ids", "symbol"),
}
"""ccxt's own methods, with the names of their first arguments; everything else takes one body."""


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


class Canceller:
    """One cancelling call: made for it, thrown away after it."""

    def __init__(self, reader: Reader, tally: Tally, sent: Callable[[], None], deadline: float) -> None:
        """*deadline* is loop time; *sent* is called when the first cancel request is on the wire."""
        self._reader = reader
        self._lists = reader.lists
        self._connection = reader.lists.connection
        self._client = reader.lists.connection.exchange
        self._tally = tally
        self._deadline = deadline
        self._told = False
        self._sent = sent
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._one_by_one = asyncio.Lock()
        self._resume_at = 0.0

    async def everything(self, symbols: Collection[str] | None) -> None:
        """Cancel all orders in *symbols*; None: in the configured ones at once, and in whatever else a read shows."""
        books = self._reader.books
        if symbols is not None:
            await self._symbols(self._lists.markets.unified(symbols), books)
            return
        at_once = [book for book in books if book.cancel_account]
        by_symbol = [book for book in books if book.cancel_symbol and not book.cancel_account]
        configured = self._reader.configured
        known = asyncio.ensure_future(self._symbols(configured, by_symbol))

        async def strangers() -> None:
            # Reading a thousand orders costs more CPU than cancelling them: let the cancels go out first.
            await asyncio.wait({known}, timeout=_LOOK_AFTER if configured else 0)
            await self._strangers(by_symbol, frozenset(configured))

        await asyncio.gather(
            self._account(at_once),
            self._read_and_cancel(None, [book for book in books if not book.cancel_symbol and not book.cancel_account]),
            strangers(),
        )
        await known

    async def these(self, orders: Iterable[OpenOrder]) -> None:
        """Cancel just these orders."""
        books = {book.name: book for book in self._reader.books}
        groups: dict[tuple[str, str, str], list[OpenOrder]] = {}
        values: dict[tuple[str, str, str], dict[str, Any]] = {}
        for order in orders:
            try:
                extra = self._reader.remembered(books[order.book], order.order_id)
            except (KeyError, AndonError) as error:
                self._tally.requests += 1
                self._tally.refused += 1
                self._tally.problems.append(str(error) if isinstance(error, AndonError) else f"no book {order.book}")
                continue
            key = order.book, order.symbol, repr(extra)
            groups.setdefault(key, []).append(order)
            values[key] = extra
        await asyncio.gather(*(self._by_id(books[key[0]], key[1], group, values[key]) for key, group in groups.items()))

    async def _account(self, books: Sequence[Book]) -> None:
        """Everything in these books; what the exchange refuses to cancel so is read and cancelled order by order."""
        pairs = [(book, request) for book in books for request in book.cancel_account]
        errors = await asyncio.gather(
            *(self._request(f"cancel all ({book.name})", request, self._lists.common) for book, request in pairs)
        )
        told = zip(pairs, errors, strict=True)
        refused = {book.name: book for (book, _), error in told if error is not None and error.permanent}
        await self._read_and_cancel(None, tuple(refused.values()))

    async def _symbols(self, symbols: Sequence[str], books: Sequence[Book]) -> None:
        """Each symbol and book by one request; what cannot be cancelled so is read and cancelled order by order."""
        pairs = [(book, symbol) for symbol in symbols for book in self._reader.books_of(symbol) if book in books]
        quick = [(book, symbol) for book, symbol in pairs if book.cancel_symbol]

        async def cancel() -> None:
            done = await asyncio.gather(*(self._symbol(book, symbol) for book, symbol in quick))
            await self._pairs([pair for pair, was_done in zip(quick, done, strict=True) if not was_done])

        await asyncio.gather(cancel(), self._pairs([pair for pair in pairs if not pair[0].cancel_symbol]))

    async def _pairs(self, pairs: Sequence[tuple[Book, str]]) -> None:
        books = {book.name: book for book, _ in pairs}
        await self._read_and_cancel(sorted({symbol for _, symbol in pairs}), tuple(books.values()))

    async def _symbol(self, book: Book, symbol: str) -> bool:
        """Cancel all of one symbol in one book; False when the exchange cannot do that."""
        await self._lists.know(symbol, self._deadline)
        try:
            values = self._lists.values(symbol)
        except AndonError as error:
            self._tally.requests += 1
            self._note(error)
            return True
        errors = await asyncio.gather(
            *(self._request(f"cancel all of {symbol} ({book.name})", request, values) for request in book.cancel_symbol)
        )
        return all(error is None or error.reason != "unsupported" for error in errors)

    async def _read_and_cancel(self, symbols: Sequence[str] | None, books: Sequence[Book]) -> None:
        """Read and cancel by order id until a read shows nothing new: an exchange may list only a page at a time.

        *symbols*: None for everything in these books.
        """
        asked: set[tuple[str, str, str]] = set()
        while books and self._now() < self._deadline:
            try:
                found = await self._reader.open_orders(symbols, self._deadline, books=books)
            except AndonError as error:
                self._tally.requests += 1
                self._note(error)
                return
            fresh = [one for one in found.orders if (one.book, one.symbol, one.order_id) not in asked]
            if not fresh:
                self._tally.problems += found.problems
                return
            asked.update((one.book, one.symbol, one.order_id) for one in fresh)
            await self.these(fresh)

    async def _strangers(self, books: Sequence[Book], known: frozenset[str]) -> None:
        """Look in *books* for orders in symbols that nobody configured, and cancel them."""
        listed = [book for book in books if book.account]
        if not listed:
            return
        try:
            found = await self._reader.open_orders(None, self._deadline, books=listed)
        except AndonError as error:
            # Nothing was asked to be cancelled here, so nothing is counted; the caller's own re-read decides.
            self._tally.problems.append(str(error))
            return
        self._tally.problems += found.problems
        strangers = [order for order in found.orders if order.symbol not in known]
        by_book: dict[str, set[str]] = {}
        for order in strangers:
            by_book.setdefault(order.book, set()).add(order.symbol)
        await asyncio.gather(
            *(self._symbol(book, symbol) for book in listed for symbol in sorted(by_book.get(book.name, ())))
        )

    async def _by_id(self, book: Book, symbol: str, orders: Sequence[OpenOrder], extra: Mapping[str, Any]) -> None:
        try:
            await self._lists.know(symbol, self._deadline)
            values = {**self._lists.values(symbol), **extra}
        except AndonError as error:
            self._tally.requests += len(orders)
            for _ in orders:
                self._note(error)
            return
        single = orders
        if book.batch is not None and len(orders) > 1:
            size = book.batch_size
            batches = [orders[first : first + size] for first in range(0, len(orders), size)]
            undone = await asyncio.gather(*(self._batch(book, symbol, batch, values) for batch in batches))
            single = [order for batch, left in zip(batches, undone, strict=True) if left for order in batch]
        if book.cancel is not None:
            request = book.cancel
            await asyncio.gather(
                *(
                    self._request(
                        f"cancel {order.order_id} of {symbol}",
                        request,
                        {**values, "$id": order.order_id, "$ids": [order.order_id], "$client": order.client_order_id},
                    )
                    for order in single
                )
            )

    async def _batch(self, book: Book, symbol: str, orders: Sequence[OpenOrder], values: Mapping[str, Any]) -> bool:
        """Cancel one batch; True when the exchange cannot do that and the orders must go one by one."""
        ids = [order.order_id for order in orders]
        request = book.batch
        if request is None:
            return True
        error = await self._request(f"cancel {len(ids)} orders of {symbol}", request, {**values, "$ids": ids})
        return error is not None and error.reason in ("unsupported", "refused")

    async def _request(self, what: str, request: Request, values: Mapping[str, Any]) -> AndonError | None:
        """Send one cancel request and count it; returns its error, if it had one."""
        body: Any = fill(request.params, values)
        if request.each is not None:
            entries = [fill(request.each, {**values, "$id": order_id}) for order_id in values["$ids"]]
            if request.wrap is None:
                body = entries
            else:
                body = [body, *entries] if request.wrap == "first" else {**body, request.wrap: entries}
        method = getattr(self._client, request.method)
        if request.method in _UNIFIED:
            names = _UNIFIED[request.method]
            rest = {key: value for key, value in body.items() if key not in names}
            return await self._try(what, lambda: method(*(body.get(name) for name in names), rest))
        return await self._try(what, lambda: method(body), lambda payload: _refused_in(payload, self._lists.exchange))

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
                self._tally.problems.append(f"{self._connection.name} {what}: {refused} refused")
                return None
            break
        self._tally.accepted += 1
        return None

    async def _send(self, what: str, request: Callable[[], Awaitable[Any]]) -> Any:
        """Send with the others, or, once the venue has said that we ask too much, one after the other."""
        async with self._slots if not self._resume_at else self._one_by_one:
            if (early := self._resume_at - self._now()) > 0:
                await asyncio.sleep(early)
            _, payload = await self._connection.ask(
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


def _refused_in(payload: Any, exchange: Exchange) -> int:
    """How many entries of an answer are refusals other than "no such order"; several exchanges mix them in."""
    failed = dig(payload, ("data", "failureList"))
    entries = failed if failed is not None else payload
    if isinstance(results := dig(payload, ("results",)), list):
        # Coinbase tells success order by order, and a reason in words.
        return sum(
            1
            for entry in results
            if isinstance(entry, Mapping)
            and entry.get("success") is False
            and str(entry.get("failure_reason")) not in exchange.gone
        )
    for path in (("data",), ("result", "list"), ("retExtInfo", "list")):
        entries = inner if isinstance(inner := dig(payload, path), list) else entries
    if not isinstance(entries, list):
        return 0
    refused = 0
    for entry in entries:
        if isinstance(entry, Mapping):
            code = next((str(entry[key]) for key in ("code", "sCode", "errorCode") if entry.get(key) is not None), "")
            refused += (code not in ("", "0", "200") or failed is not None) and code not in exchange.gone
    return refused
