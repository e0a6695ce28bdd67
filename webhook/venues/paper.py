"""A venue in memory: the same promises as a real account, for tests, demonstrations and drills.

It keeps orders in the books it is told to have, fills reduce-only orders against a quoted price, and can be made to
misbehave in the ways real venues do (`Faults`): late, deaf, lying, unread.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from webhook.actions.port import (
    CancelReport,
    Coverage,
    Fill,
    OpenOrder,
    OrdersRead,
    Position,
    PositionsRead,
    Quote,
    ReduceOrder,
    Sent,
    Side,
)
from webhook.clock import Clock, SystemClock
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.venues.names import MarketNames

_Number = Annotated[Decimal, Field(strict=False)]
_Texts = Annotated[tuple[str, ...], Field(strict=False)]
_TICK, _STEP = Decimal("0.01"), Decimal("0.001")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SeedOrder(_Strict):
    """An order that rests from the start: sizes in base units, ``side`` buy or sell, ``book`` normal or trigger."""

    symbol: str
    side: Annotated[Side, Field(strict=False)]
    quantity: _Number | None
    price: _Number | None = None
    client_order_id: str | None = None
    reduce_only: bool = False
    book: str = "normal"
    position_side: str = "both"
    trigger: bool | None = None
    close_position: bool = False
    cancellable: bool = True


class SeedPosition(_Strict):
    """A position that stands from the start: ``quantity`` in base units, signed."""

    symbol: str
    quantity: _Number
    side: str = "both"


class PaperOptions(_Strict):
    """``symbols``: where orders are expected; ``marks``: mark price per symbol (100 where none is given).

    ``books``: its order books; of these, ``unread_books`` are cancelled but listed by no read.  ``books_known``: false
    for an exchange of which nobody knows what books it has.  ``has_positions``: false as on spot, where there are only
    balances.  ``markets``: each unified symbol with the exchange's own names of it; where it is left out, every unified
    symbol is taken for a market.  ``depth`` is what rests on each side of a book, in base units; ``maximum_quantity``
    the largest order it takes.
    """

    symbols: _Texts = ()
    orders: Annotated[tuple[SeedOrder, ...], Field(strict=False)] = ()
    positions: Annotated[tuple[SeedPosition, ...], Field(strict=False)] = ()
    marks: dict[str, _Number] = Field(default_factory=dict)
    books: _Texts = ("normal", "trigger")
    unread_books: _Texts = ()
    books_known: bool = True
    has_positions: bool = True
    markets: dict[str, _Texts] | None = None
    depth: _Number = Decimal(1000)
    maximum_quantity: _Number | None = None


@dataclass(slots=True)
class Faults:
    """What a drill breaks.  The counts are used up one a request; everything else holds until it is changed.

    ``latency``: seconds before each answer; ``slow``: the same for one method of the port, by its name
    (``{"positions": 60.0}``), instead of ``latency``.  ``failing``: methods that raise an outage.  ``unreachable``:
    nothing is sent at all.  ``cancels_unanswered``: that many cancel requests are applied but never answered.
    ``cancels_ignored``: that many are answered with success and not applied.  ``reads_failed``: that many reads fail.
    ``reduces_unanswered``: that many reduce-only orders are filled but never answered.  ``page``: a read lists no more
    orders of a book than this, and does not go on.  ``markets_unknown``: its markets are not loaded.
    """

    latency: float = 0.0
    slow: dict[str, float] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    unreachable: bool = False
    cancels_unanswered: int = 0
    cancels_ignored: int = 0
    reads_failed: int = 0
    reduces_unanswered: int = 0
    page: int | None = None
    markets_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method of the port that came in: when (monotonic seconds), and with what."""

    method: str
    at: float
    asked: Any = None


class PaperVenue:
    """One account of the paper venue; every method is safe to call from several threads."""

    def __init__(
        self,
        name: str = "paper",
        venue: str = "paper",
        account: str = "main",
        *,
        mode: str = "live",
        options: PaperOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.venue, self.account, self.mode = name, venue, account, mode
        self.faults = Faults()
        self.calls: list[Call] = []
        self._options = options or PaperOptions()
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._orders: dict[str, OpenOrder] = {}
        self._late: list[tuple[float, OpenOrder]] = []
        self._stuck: set[str] = set()
        self._positions: dict[tuple[str, str], Decimal] = {}
        self._marks = dict(self._options.marks)
        self._fills: dict[str, Fill] = {}
        self._last_id = 0
        for order in self._options.orders:
            self.place(**order.model_dump())
        for position in self._options.positions:
            self.hold(position.symbol, position.quantity, side=position.side)

    # What a test or a demonstration does to the account; no part of the port.

    def place(
        self,
        symbol: str,
        side: Side = Side.BUY,
        quantity: Decimal | None = Decimal(1),
        price: Decimal | None = None,
        *,
        client_order_id: str | None = None,
        reduce_only: bool = False,
        book: str = "normal",
        position_side: str = "both",
        trigger: bool | None = None,
        close_position: bool = False,
        late: float = 0.0,
        cancellable: bool = True,
    ) -> OpenOrder:
        """Let an order rest, as if a strategy had sent it.

        ``late``: the venue accepts it so many seconds from now; until then nobody sees or cancels it.  ``cancellable``:
        False for one that every cancel leaves alone.  ``trigger``: None for what the name of the book says.
        """
        with self._lock:
            self._last_id += 1
            order = OpenOrder(
                order_id=str(self._last_id),
                client_order_id=client_order_id,
                symbol=symbol,
                side=side,
                quantity=quantity,
                filled=Decimal(0),
                price=price,
                reduce_only=reduce_only,
                book=book,
                position_side=position_side,
                trigger=book == "trigger" if trigger is None else trigger,
                close_position=close_position,
            )
            if not cancellable:
                self._stuck.add(order.order_id)
            if late > 0:
                self._late.append((self._clock.monotonic() + late, order))
            else:
                self._orders[order.order_id] = order
            return order

    def free(self, order_id: str) -> None:
        """Let an order that could not be cancelled be cancelled."""
        with self._lock:
            self._stuck.discard(order_id)

    def hold(self, symbol: str, quantity: Decimal, *, side: str = "both") -> None:
        """Set the position in *symbol*, signed base units."""
        with self._lock:
            self._positions[symbol, side] = quantity

    def held(self, symbol: str, side: str = "both") -> Decimal:
        """The position in *symbol*, whatever a read would show."""
        with self._lock:
            return self._positions.get((symbol, side), Decimal(0))

    def mark(self, symbol: str, price: Decimal) -> None:
        """Set the mark price of *symbol*."""
        with self._lock:
            self._marks[symbol] = price

    def resting(self) -> tuple[OpenOrder, ...]:
        """Every order that rests now, whatever a read would show."""
        with self._lock:
            now = self._clock.monotonic()
            for due, order in self._late:
                if due <= now:
                    self._orders[order.order_id] = order
            self._late = [(due, order) for due, order in self._late if due > now]
            return tuple(self._orders.values())

    def count(self, *methods: str) -> int:
        """How often these methods were called."""
        with self._lock:
            return sum(1 for call in self.calls if call.method in methods)

    # The port.

    def prepare(self, timeout: float) -> None:
        """Nothing to load; raises when made unreachable."""
        self._answer("prepare", timeout)

    def ping(self, timeout: float) -> float:
        """Answer after the latency that a drill set."""
        started = self._clock.monotonic()
        self._answer("ping", timeout)
        return self._clock.monotonic() - started

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols."""
        return self._options.symbols

    def resolve(self, symbol: str) -> frozenset[str] | None:
        """What *symbol* may mean by the option ``markets``; without it, every unified symbol is a market."""
        if self.faults.markets_unknown:
            return None
        if (markets := self._options.markets) is not None:
            return MarketNames(markets.items()).resolve(symbol)
        with self._lock:
            known = {*self._options.symbols, *self._marks, *(order.symbol for order in self.resting())}
            known |= {held for held, _ in self._positions}
        # Binance's way to name its markets.
        found = MarketNames((one, (one.partition(":")[0].replace("/", ""),)) for one in known).resolve(symbol)
        return found or (frozenset({symbol}) if "/" in symbol else found)

    def order_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:  # noqa: ARG002
        """All of its books, whatever the symbol; None when made unknown."""
        return frozenset(self._options.books) if self._options.books_known else None

    def position_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:  # noqa: ARG002
        """One book; None where positions cannot be read."""
        return frozenset({"positions"}) if self._options.has_positions and self._options.books_known else None

    def cancel_everything(self, symbols: Sequence[str] | None, sent: Sent, timeout: float) -> CancelReport:
        """Cancel all orders of *symbols*, or of the account, in every book: one request a book, all at once."""
        self._note("cancel_everything", symbols)
        requests = [
            [
                order.order_id
                for order in self.resting()
                if order.book == book and (symbols is None or order.symbol in symbols)
            ]
            for book in self._options.books
        ]
        return self._cancel("cancel_everything", requests, sent, timeout)

    def cancel_orders(self, orders: Sequence[OpenOrder], sent: Sent, timeout: float) -> CancelReport:
        """Cancel just these in one request; one that is gone already counts as accepted."""
        if not orders:
            return CancelReport()
        ids = [order.order_id for order in orders]
        self._note("cancel_orders", tuple(ids))
        report = self._cancel("cancel_orders", [ids], sent, timeout)
        with self._lock:
            stuck = sorted(self._stuck & set(ids) & set(self._orders))
        if stuck and report.accepted:
            told = tuple(f"{self.name}: order {order_id} cannot be cancelled" for order_id in stuck)
            return CancelReport(requests=1, refused=1, problems=told)
        return report

    def open_orders(self, symbols: Collection[str] | None, timeout: float) -> OrdersRead:
        """Every resting order of *symbols*, or of the account, in the books that are read."""
        self._note("open_orders", symbols)
        self._read("open_orders", timeout)
        listed: list[OpenOrder] = []
        covered, problems = [], [f"book {book} is not read" for book in self._options.unread_books]
        for book in self._options.books:
            if book in self._options.unread_books:
                continue
            found = [
                order for order in self.resting() if order.book == book and (symbols is None or order.symbol in symbols)
            ]
            page = self.faults.page
            listed += found[:page]
            if page is None or len(found) < page:
                covered.append(book)
            else:
                problems.append(f"book {book}: {len(found[:page])} orders may be only the first page")
        return OrdersRead(tuple(listed), self._coverage(covered, symbols), tuple(problems))

    def positions(self, symbols: Collection[str] | None, timeout: float) -> PositionsRead:
        """Every position that is not zero; raises where there are only balances."""
        self._note("positions", symbols)
        if not self._options.has_positions:
            raise PermanentError(f"{self.name}: it has balances and no positions", reason="unsupported")
        self._read("positions", timeout)
        with self._lock:
            found = tuple(
                Position(symbol, quantity, self._mark(symbol), side)
                for (symbol, side), quantity in sorted(self._positions.items())
                if quantity != 0 and (symbols is None or symbol in symbols)
            )
        return PositionsRead(found, self._coverage(("positions",), symbols))

    def quote(self, symbol: str, depth_band: Decimal, timeout: float) -> Quote:
        """Quote one tick around the mark, with the configured depth on both sides."""
        self._note("quote", symbol)
        self._read("quote", timeout)
        with self._lock:
            mark = self._mark(symbol)
        return Quote(
            symbol=symbol,
            bid=mark - _TICK,
            ask=mark + _TICK,
            mark=mark,
            bid_depth=self._options.depth,
            ask_depth=self._options.depth,
            depth_band=depth_band,
            price_tick=_TICK,
            quantity_step=_STEP,
            minimum_quantity=_STEP,
            maximum_quantity=self._options.maximum_quantity,
        )

    def reduce(self, order: ReduceOrder, timeout: float) -> Fill:
        """Fill as far as price and depth allow; a known client order id gives the first fill again."""
        self._note("reduce", order)
        self._answer("reduce", timeout)
        with self._lock:
            if known := self._fills.get(order.client_order_id):
                return known
            most = self._options.maximum_quantity
            if most is not None and order.quantity > most:
                raise PermanentError(f"{self.name}: {order.quantity} is more than {most}", reason="order_refused")
            held = self._positions.get((order.symbol, order.position_side), Decimal(0))
            if held == 0 or (held > 0) == (order.side is Side.BUY):
                raise PermanentError(
                    f"{self.name}: no position in {order.symbol} to reduce", reason="nothing_to_reduce"
                )
            mark = self._mark(order.symbol)
            price = mark + _TICK if order.side is Side.BUY else mark - _TICK
            crosses = order.limit_price >= price if order.side is Side.BUY else order.limit_price <= price
            filled = min(order.quantity, abs(held), self._options.depth) if crosses else Decimal(0)
            self._positions[order.symbol, order.position_side] = held - filled if held > 0 else held + filled
            self._last_id += 1
            fill = Fill(str(self._last_id), filled, price if filled else None)
            self._fills[order.client_order_id] = fill
            if self.faults.reduces_unanswered > 0:
                self.faults.reduces_unanswered -= 1
                raise UnknownOutcomeError(f"{self.name}: no answer to the reduce-only order")
            return fill

    def close(self) -> None:
        """Wake who waits."""
        self._closed.set()

    def _coverage(self, books: Collection[str], symbols: Collection[str] | None) -> Coverage:
        return Coverage(frozenset(books), None if symbols is None else frozenset(symbols))

    def _mark(self, symbol: str) -> Decimal:
        return self._marks.get(symbol, Decimal(100))

    def _note(self, method: str, asked: Any = None) -> None:
        with self._lock:
            self.calls.append(Call(method, self._clock.monotonic(), asked))

    def _cancel(self, method: str, requests: Sequence[Sequence[str]], sent: Sent, timeout: float) -> CancelReport:
        """Send these cancel requests at once, apply them as the faults say, and wait for their answers."""
        count = len(requests)
        if self.faults.unreachable or method in self.faults.failing:
            return CancelReport(requests=count, unknown=count, problems=(f"{self.name}: made unreachable",))
        sent()
        unanswered = sum(self._apply(order_ids) for order_ids in requests)
        if not self._wait(method, timeout):
            unanswered = count
        problems = (f"{self.name}: no answer to a cancel",) if unanswered else ()
        return CancelReport(requests=count, accepted=count - unanswered, unknown=unanswered, problems=problems)

    def _apply(self, order_ids: Sequence[str]) -> bool:
        """Apply one cancel request; True when it will not be answered."""
        with self._lock:
            self._note("cancel_request", tuple(order_ids))
            if self.faults.cancels_ignored > 0:
                self.faults.cancels_ignored -= 1
                return False
            for order_id in set(order_ids) - self._stuck:
                self._orders.pop(order_id, None)
            unanswered = self.faults.cancels_unanswered > 0
            self.faults.cancels_unanswered -= unanswered
            return unanswered

    def _read(self, method: str, timeout: float) -> None:
        self._answer(method, timeout)
        with self._lock:
            if self.faults.reads_failed > 0:
                self.faults.reads_failed -= 1
                raise TemporaryError(f"{self.name}: made to fail a read")

    def _answer(self, method: str, timeout: float) -> None:
        if method in ("prepare", "ping"):
            self._note(method)
        if self.faults.unreachable or method in self.faults.failing:
            raise TemporaryError(f"{self.name}: made unreachable", reason="unreachable")
        if not self._wait(method, timeout):
            raise UnknownOutcomeError(f"{self.name}: no answer within {timeout:g} s")

    def _wait(self, method: str, timeout: float) -> bool:
        """Take the latency of a drill, never longer than *timeout*; False when the answer would come too late."""
        latency = self.faults.slow.get(method, self.faults.latency)
        if latency > 0:
            self._closed.wait(min(latency, timeout))
        return latency <= timeout


def build(*, name: str, venue: str, account: str, mode: str, options: PaperOptions, clock: Clock) -> PaperVenue:
    """Make the venue; never raises."""
    return PaperVenue(name, venue, account, mode=mode, options=options, clock=clock)


def coverage_fault(options: PaperOptions) -> str | None:
    """What it was told to leave uncovered."""
    if not options.books_known:
        return "the paper venue was told that its books are not known (`books_known: false`)"
    if options.unread_books:
        return f"the paper venue was told to read no {', '.join(options.unread_books)} (`unread_books`)"
    return None


def position_fault(options: PaperOptions) -> str | None:
    """What it was told to leave unreadable."""
    if not options.has_positions or not options.books_known:
        return "the paper venue was told that its positions cannot be read (`has_positions`, `books_known`)"
    return None
