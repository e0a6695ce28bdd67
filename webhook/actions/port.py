"""What the kill path asks of a venue and of an engine.  Every adapter fails *closed*: unknown is never "done".

Both ports are blocking and thread-safe: the service calls them from several threads at once.  A method either returns
what it is sure of or raises one of `webhook.errors`: `UnknownOutcomeError` when a request may have been applied,
`TemporaryError` for an outage, `PermanentError` for a refusal.  ``timeout`` is in seconds and is kept: no call may
block longer, whatever the other side does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from webhook.policy.scope import Scope


class Side(StrEnum):
    """The side of an order (FIX tag 54)."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One resting order as the venue reports it.

    ``book`` names the order book of the venue it rests in (``normal`` or ``trigger``, the conditional or algo book);
    ``symbol`` is in ccxt's unified form; ``quantity`` and ``filled`` are in base units; ``price`` is None for orders
    without one; ``client_order_id`` is None when the venue shows none.
    """

    order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    reduce_only: bool
    book: str = "normal"

    @property
    def remaining(self) -> Decimal:
        """What can still trade, in base units."""
        return max(self.quantity - self.filled, Decimal(0))


@dataclass(frozen=True, slots=True)
class Position:
    """One open position: ``quantity`` in base units, signed (long > 0); ``mark_price`` in quote units.

    ``side`` is ``both`` in one-way mode, ``long`` or ``short`` in hedge mode, where both may stand at once and must
    never be netted.  ``multiplier`` is the contract size: notional = quantity * multiplier * mark_price.
    """

    symbol: str
    quantity: Decimal
    mark_price: Decimal
    side: str = "both"
    multiplier: Decimal = Decimal(1)
    currency: str = "USDT"

    @property
    def notional(self) -> Decimal:
        """The absolute value at mark, in ``currency``."""
        return abs(self.quantity * self.multiplier * self.mark_price)


@dataclass(frozen=True, slots=True)
class Quote:
    """The top of the book, its depth, and the rules an order must keep: all in quote or base units of the symbol.

    ``bid_depth`` and ``ask_depth`` are base units resting within ``depth_band`` (a ratio of mid) of the mid price.
    ``price_tick`` and ``quantity_step`` are what prices and quantities must be whole multiples of; ``minimum_quantity``
    is the smallest that a reduce-only order may have.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    mark: Decimal
    bid_depth: Decimal
    ask_depth: Decimal
    depth_band: Decimal
    price_tick: Decimal
    quantity_step: Decimal
    minimum_quantity: Decimal


@dataclass(frozen=True, slots=True)
class ReduceOrder:
    """A limit IOC order, reduce-only, never more than the position; ``limit_price`` is the collar.

    ``client_order_id`` is deterministic (trip, symbol, slice), at most 36 characters, so that a resend after an unknown
    outcome is refused by the venue as a duplicate instead of trading twice.
    """

    symbol: str
    side: Side
    quantity: Decimal
    limit_price: Decimal
    client_order_id: str
    position_side: str = "both"


@dataclass(frozen=True, slots=True)
class Fill:
    """What came of a `ReduceOrder`: ``filled`` base units at ``average_price`` (None when nothing traded)."""

    order_id: str
    filled: Decimal
    average_price: Decimal | None


@dataclass(frozen=True, slots=True)
class CancelReport:
    """What became of the cancel requests; it counts requests, and proves nothing about orders.

    ``accepted``: answered with success, or "no such order", which is success too.  ``unknown``: no trustworthy answer.
    ``refused``: the venue said no.  ``problems`` says in words, without secrets, what was not accepted.
    """

    requests: int = 0
    accepted: int = 0
    unknown: int = 0
    refused: int = 0
    problems: tuple[str, ...] = ()

    def __add__(self, other: "CancelReport") -> "CancelReport":
        return CancelReport(
            self.requests + other.requests,
            self.accepted + other.accepted,
            self.unknown + other.unknown,
            self.refused + other.refused,
            self.problems + other.problems,
        )


@dataclass(frozen=True, slots=True)
class VenueCapabilities:
    """What the venue can do, as data; the kill path reads it, and never finds out by an exception.

    ``books``: the order books to cancel in and to re-read.  ``positions``: whether there are any (spot has none).
    ``account_wide_cancel``: one request cancels all symbols.  ``account_wide_read``: open orders of all symbols can be
    read at once, so that an order in a symbol nobody configured is found.
    """

    books: tuple[str, ...] = ("normal",)
    positions: bool = True
    account_wide_cancel: bool = False
    account_wide_read: bool = True
    batch_cancel: bool = False


Sent = Callable[[], None]
"""Called by an adapter at the moment its first cancel request goes out on the wire; it must not raise or block."""


class Venue(Protocol):
    """One exchange account we can act on."""

    name: str
    """The name from the configuration: unique, used in metrics, logs and records."""
    venue: str
    """The value of the label ``venue``, e.g. ``binance``; several accounts share it."""
    account: str
    """The value of the label ``account``."""
    mode: str
    """``live`` or ``shadow``.  The kill path never calls a cancelling or trading method of a shadow venue."""
    capabilities: VenueCapabilities

    def prepare(self, timeout: float) -> None:
        """Load markets, warm connections, learn the clock offset; raises when the venue cannot be reached.

        Called at start and again in the background until it succeeds; a kill does not wait for it.
        """

    def ping(self, timeout: float) -> float:
        """One signed, harmless request: the round trip in seconds; raises when the key or the venue is not usable."""

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols, where orders are expected: cancelled first, without reading."""

    def cancel_everything(self, symbols: Sequence[str] | None, sent: Sent, timeout: float) -> CancelReport:
        """Cancel every order in *symbols* (None: in the whole account), in every book, in parallel.

        For None the configured symbols are cancelled at once and, beside that, open orders are read to find others.
        Never raises for a venue's answer: failures are counted in the report, and one never stops another.
        """

    def cancel_orders(self, orders: Sequence[OpenOrder], sent: Sent, timeout: float) -> CancelReport:
        """Cancel just these, in batches where the venue has them; never raises for a venue's answer."""

    def open_orders(self, symbols: Sequence[str] | None, timeout: float) -> tuple[OpenOrder, ...]:
        """Read every book again: complete, or it raises.  None: the whole account."""

    def positions(self, symbols: Sequence[str] | None, timeout: float) -> tuple[Position, ...]:
        """Read the positions that are not zero: complete, or it raises.  Empty for a venue without positions."""

    def quote(self, symbol: str, depth_band: Decimal, timeout: float) -> Quote:
        """Read the book of *symbol*; ``depth_band`` is a ratio of mid, e.g. 0.005."""

    def reduce(self, order: ReduceOrder, timeout: float) -> Fill:
        """Send one reduce-only order; a duplicate ``client_order_id`` is looked up and its fill returned."""

    def close(self) -> None:
        """Release connections and threads."""


class EngineState(StrEnum):
    """What an engine does with new orders."""

    RUNNING = "running"
    REDUCE_ONLY = "reduce_only"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """``scopes``: the dimensions it can be blocked by (empty: only as a whole); ``reduce_only``: it has that state."""

    scopes: tuple[str, ...] = ()
    reduce_only: bool = True
    status: bool = True


class Engine(Protocol):
    """A trading program we can tell to stop.  Returning means *confirmed by its own success condition*."""

    name: str
    mode: str
    """``live`` or ``shadow``; the kill path sends nothing to a shadow engine."""
    scope: Scope
    """What this engine trades: it is told to stop when a trip's scope overlaps this."""
    capabilities: EngineCapabilities

    def block(self, scope: Scope, reason: str, timeout: float) -> EngineState:
        """Stop sending orders in *scope*; where it cannot be that precise it stops wider, never narrower."""

    def reduce_only(self, scope: Scope, reason: str, timeout: float) -> EngineState:
        """Send nothing that adds exposure; an engine without that state is blocked instead."""

    def resume(self, scope: Scope, reason: str, timeout: float) -> EngineState:
        """Trade again in *scope*; idempotent."""

    def status(self, scope: Scope, timeout: float) -> EngineState:
        """What it does now in *scope*: the least restricted of its parts; UNKNOWN when it does not say."""

    def ping(self, timeout: float) -> float:
        """One harmless request: the round trip in seconds; raises when it cannot be reached."""

    def close(self) -> None:
        """Release connections."""
