"""A venue in memory: the same promises as a real account, for tests, demonstrations and drills.

It keeps orders in the books it is told to have, fills reduce-only orders against a quoted price, and can be made to
misbehave in the ways real venues do (`Faults`): late, deaf, lying.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from webhook.actions.port import (
    CancelReport,
    Fill,
    OpenOrder,
    Position,
    Quote,
    ReduceOrder,
    Sent,
    Side,
    VenueCapabilities,
)
from webhook.clock import Clock, SystemClock
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError

_Number = Annotated[Decimal, Field(strict=False)]
_Texts = Annotated[tuple[str, ...], Field(strict=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SeedOrder(_Strict):
    """An order that rests from the start: sizes in base units, ``side`` buy or sell, ``book`` normal or trigger."""

    symbol: str
    side: Annotated[Side, Field(strict=False)]
    quantity: _Number
    price: _Number | None = None
    client_order_id: str | None = None
    reduce_only: bool = False
    book: str = "normal"


class SeedPosition(_Strict):
    """A position that stands from the start: ``quantity`` in base units, signed."""

    symbol: str
    quantity: _Number
    side: str = "both"


class PaperOptions(_Strict):
    """``symbols``: where orders are expected; ``marks``: mark price per symbol (100 where none is given).

    ``books``, ``has_positions``, ``account_wide_cancel`` and ``batch_cancel`` are its capabilities; ``depth`` is what
    rests on each side of a book, in base units.
    """

    symbols: _Texts = ()
    orders: Annotated[tuple[SeedOrder, ...], Field(strict=False)] = ()
    positions: Annotated[tuple[SeedPosition, ...], Field(strict=False)] = ()
    marks: dict[str, _Number] = Field(default_factory=dict)
    books: _Texts = ("normal", "trigger")
    has_positions: bool = True
    account_wide_cancel: bool = True
    batch_cancel: bool = True
    depth: _Number = Decimal(1000)


@dataclass(slots=True)
class Faults:
    """What a drill breaks.  The counts are used up one a request; everything else holds until it is changed.

    ``latency``: seconds before each answer.  ``unreachable``: nothing is sent at all.  ``cancels_unanswered``: that
    many cancel requests are applied but never answered.  ``cancels_ignored``: that many are answered with success and
    not applied.  ``reads_failed``: that many reads fail.  ``reduces_unanswered``: that many reduce-only orders are
    filled but never answered.
    """

    latency: float = 0.0
    unreachable: bool = False
    cancels_unanswered: int = 0
    cancels_ignored: int = 0
    reads_failed: int = 0
    reduces_unanswered: int = 0


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
        self._options = options or PaperOptions()
        self.capabilities = VenueCapabilities(
            books=self._options.books,
            positions=self._options.has_positions,
            account_wide_cancel=self._options.account_wide_cancel,
            batch_cancel=self._options.batch_cancel,
        )
        self.faults = Faults()
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._orders: dict[str, OpenOrder] = {}
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
        quantity: Decimal = Decimal(1),
        price: Decimal | None = None,
        *,
        client_order_id: str | None = None,
        reduce_only: bool = False,
        book: str = "normal",
    ) -> OpenOrder:
        """Let an order rest, as if a strategy had sent it."""
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
            )
            self._orders[order.order_id] = order
            return order

    def hold(self, symbol: str, quantity: Decimal, *, side: str = "both") -> None:
        """Set the position in *symbol*, signed base units."""
        with self._lock:
            self._positions[symbol, side] = quantity

    def mark(self, symbol: str, price: Decimal) -> None:
        """Set the mark price of *symbol*."""
        with self._lock:
            self._marks[symbol] = price

    # The port.

    def prepare(self, timeout: float) -> None:
        """Nothing to load; raises when made unreachable."""
        self._reach(timeout)

    def ping(self, timeout: float) -> float:
        """Answer after the latency that a drill set."""
        started = self._clock.monotonic()
        self._reach(timeout)
        return self._clock.monotonic() - started

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols."""
        return self._options.symbols

    def cancel_everything(self, symbols: Sequence[str] | None, sent: Sent, timeout: float) -> CancelReport:
        """Cancel all orders of *symbols*, or of the account, in every book: one request a book."""
        report = CancelReport()
        for book in self.capabilities.books:
            chosen = [
                order.order_id
                for order in self._snapshot()
                if order.book == book and (symbols is None or order.symbol in symbols)
            ]
            report += self._cancel(chosen, sent, timeout)
        return report

    def cancel_orders(self, orders: Sequence[OpenOrder], sent: Sent, timeout: float) -> CancelReport:
        """Cancel just these; one that is gone already counts as accepted."""
        if not orders:
            return CancelReport()
        return self._cancel([order.order_id for order in orders], sent, timeout)

    def open_orders(self, symbols: Sequence[str] | None, timeout: float) -> tuple[OpenOrder, ...]:
        """Every resting order of *symbols*, or of the account."""
        self._read(timeout)
        return tuple(order for order in self._snapshot() if symbols is None or order.symbol in symbols)

    def positions(self, symbols: Sequence[str] | None, timeout: float) -> tuple[Position, ...]:
        """Every position that is not zero."""
        if not self.capabilities.positions:
            return ()
        self._read(timeout)
        with self._lock:
            return tuple(
                Position(symbol, quantity, self._mark(symbol), side)
                for (symbol, side), quantity in sorted(self._positions.items())
                if quantity != 0 and (symbols is None or symbol in symbols)
            )

    def quote(self, symbol: str, depth_band: Decimal, timeout: float) -> Quote:
        """Quote one tick around the mark, with the configured depth on both sides."""
        self._read(timeout)
        with self._lock:
            mark, tick = self._mark(symbol), Decimal("0.01")
            return Quote(
                symbol=symbol,
                bid=mark - tick,
                ask=mark + tick,
                mark=mark,
                bid_depth=self._options.depth,
                ask_depth=self._options.depth,
                depth_band=depth_band,
                price_tick=tick,
                quantity_step=Decimal("0.001"),
                minimum_quantity=Decimal("0.001"),
            )

    def reduce(self, order: ReduceOrder, timeout: float) -> Fill:
        """Fill as far as price and depth allow; a known client order id gives the first fill again."""
        self._reach(timeout)
        with self._lock:
            if known := self._fills.get(order.client_order_id):
                return known
            held = self._positions.get((order.symbol, order.position_side), Decimal(0))
            if held == 0 or (held > 0) == (order.side is Side.BUY):
                raise PermanentError(
                    f"{self.name}: no position in {order.symbol} to reduce", reason="nothing_to_reduce"
                )
            tick, mark = Decimal("0.01"), self._mark(order.symbol)
            price = mark + tick if order.side is Side.BUY else mark - tick
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
        """Nothing to release."""

    def _snapshot(self) -> tuple[OpenOrder, ...]:
        with self._lock:
            return tuple(self._orders.values())

    def _mark(self, symbol: str) -> Decimal:
        return self._marks.get(symbol, Decimal(100))

    def _cancel(self, order_ids: Sequence[str], sent: Sent, timeout: float) -> CancelReport:
        """Send one cancel request and apply it as the faults say."""
        if self.faults.unreachable:
            return CancelReport(requests=1, unknown=1, problems=(f"{self.name}: made unreachable",))
        sent()
        with self._lock:
            ignored, unanswered = self.faults.cancels_ignored > 0, self.faults.cancels_unanswered > 0
            self.faults.cancels_ignored -= ignored
            self.faults.cancels_unanswered -= unanswered and not ignored
            if not ignored:
                for order_id in order_ids:
                    self._orders.pop(order_id, None)
        in_time = self._wait(timeout)
        if not in_time or (unanswered and not ignored):
            return CancelReport(requests=1, unknown=1, problems=(f"{self.name}: no answer to a cancel",))
        return CancelReport(requests=1, accepted=1)

    def _read(self, timeout: float) -> None:
        self._reach(timeout)
        with self._lock:
            if self.faults.reads_failed > 0:
                self.faults.reads_failed -= 1
                raise TemporaryError(f"{self.name}: made to fail a read")

    def _reach(self, timeout: float) -> None:
        if self.faults.unreachable:
            raise TemporaryError(f"{self.name}: made unreachable", reason="unreachable")
        if not self._wait(timeout):
            raise UnknownOutcomeError(f"{self.name}: no answer within {timeout:g} s")

    def _wait(self, timeout: float) -> bool:
        """Take the latency of a drill, never longer than *timeout*; False when the answer would come too late."""
        latency = self.faults.latency
        if latency > 0:
            time.sleep(min(latency, timeout))
        return latency <= timeout


def build(*, name: str, venue: str, account: str, mode: str, options: PaperOptions, clock: Clock) -> PaperVenue:
    """Make the venue; never raises."""
    return PaperVenue(name, venue, account, mode=mode, options=options, clock=clock)
