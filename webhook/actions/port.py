"""What the reconcilers ask of a venue and of an engine.  Every adapter fails *closed*: unknown is never "done".

Both ports are blocking and thread-safe: a reconciler calls them from several threads at once.  A method either returns
what it is sure of or raises one of `webhook.errors`: `UnknownOutcomeError` when a request may have been applied,
`TemporaryError` for an outage, `PermanentError` for a refusal.  ``timeout`` is in seconds and is kept: no call may
block longer, whatever the other side does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from webhook.killswitch.scope import Scope


class Side(StrEnum):
    """The side of an order (FIX tag 54)."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The other side: the one that closes a position which this side opened."""
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One resting order as the venue reports it.

    ``book`` names the book it rests in (one of `Venue.order_books`); ``symbol`` is in ccxt's unified form, or the
    exchange's own name for a market that the exchange does not list (yet).  ``quantity`` and ``filled`` are in base
    units (contracts times contract size); ``quantity`` is None when the venue does not say.  ``price`` is None for
    orders without one; ``client_order_id`` is None when the venue shows none.  ``position_side`` is ``both`` in one-way
    mode, else the side of the position that it belongs to (``long`` or ``short``).  ``trigger``: it waits for a price
    (stop, take profit, trailing).  ``close_position``: it closes whatever position there is, whatever its quantity.
    """

    order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    quantity: Decimal | None
    filled: Decimal
    price: Decimal | None
    reduce_only: bool
    book: str = "normal"
    position_side: str = "both"
    trigger: bool = False
    close_position: bool = False

    @property
    def remaining(self) -> Decimal | None:
        """What can still trade, in base units; None when that is not known."""
        return None if self.quantity is None else max(self.quantity - self.filled, Decimal(0))

    @property
    def notional(self) -> Decimal:
        """``remaining`` at ``price``, in quote units; 0 where one of them is not known."""
        return (self.remaining or Decimal(0)) * (self.price or Decimal(0))

    @property
    def protective(self) -> bool:
        """Whether it is a stop that can only close: the venue itself holds it to reducing."""
        return self.trigger and (self.reduce_only or self.close_position)


@dataclass(frozen=True, slots=True)
class Position:
    """One open position: ``quantity`` in base units, signed (long > 0); ``mark_price`` in quote units.

    ``side`` is ``both`` in one-way mode, ``long`` or ``short`` in hedge mode, where both may stand at once and must
    never be netted.  ``currency`` is that of ``notional``; ``value`` is the venue's own figure of it, where it gives
    one (an inverse contract's value is not quantity times price).
    """

    symbol: str
    quantity: Decimal
    mark_price: Decimal
    side: str = "both"
    multiplier: Decimal = Decimal(1)
    currency: str = "USDT"
    value: Decimal | None = None

    @property
    def notional(self) -> Decimal:
        """The absolute value at mark, in ``currency``."""
        return abs(self.quantity * self.multiplier * self.mark_price) if self.value is None else abs(self.value)

    @property
    def closing_side(self) -> Side:
        """The side of an order that closes it."""
        return Side.SELL if self.quantity > 0 else Side.BUY


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a read really covered: these books, each whole, for ``symbols`` (None: for every symbol of them)."""

    books: frozenset[str] = frozenset()
    symbols: frozenset[str] | None = frozenset()

    def contains(self, books: Collection[str], symbols: Collection[str] | None) -> bool:
        """Whether an order of *symbols* (None: of any) in one of *books* would have been seen."""
        if not set(books) <= self.books:
            return False
        return self.symbols is None or (symbols is not None and set(symbols) <= self.symbols)


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """What one read showed; ``problems`` says in words, without secrets, which books are missing from the coverage.

    An order that is listed may be cancelled whatever the coverage; only the coverage can prove that there is none.
    """

    orders: tuple[OpenOrder, ...]
    coverage: Coverage
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PositionsRead:
    """The positions that are not zero; ``coverage`` and ``problems`` as in `OrdersRead`."""

    positions: tuple[Position, ...]
    coverage: Coverage
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """The top of the book, its depth, and the rules an order must keep: all in quote or base units of the symbol.

    ``bid_depth`` and ``ask_depth`` are base units resting within ``depth_band`` (a ratio of mid) of the mid price.
    ``price_tick`` and ``quantity_step`` are what prices and quantities must be whole multiples of; ``minimum_quantity``
    is the smallest that a reduce-only order may have, ``maximum_quantity`` the largest (None: no limit is known).
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
    maximum_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ReduceOrder:
    """A limit IOC order, reduce-only, never more than the position; ``limit_price`` is the collar.

    ``client_order_id`` is deterministic (trip, symbol, lease epoch, slice), at most 36 characters of letters, digits
    and ``-._``; the adapter maps it one to one to what its exchange takes.  A resend after an unknown outcome is then
    refused by the venue as a duplicate instead of trading twice.
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

    def prepare(self, timeout: float) -> None:
        """Load markets, warm connections, learn the clock offset, switch side effects of a first order off.

        Called at start and again in the background until it succeeds; a kill does not wait for it.  Raises when the
        venue cannot be reached.
        """

    def ping(self, timeout: float) -> float:
        """One signed, harmless request: the round trip in seconds; raises when the key or the venue is not usable."""

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols, where orders are expected: cancelled first, without reading."""

    def resolve(self, symbol: str) -> frozenset[str] | None:
        """Every symbol that *symbol*, as a label or a person writes it, may mean in this account.

        ``SOLUSDT``, ``eth/usdt:usdt`` and ``ETH-PERP`` are understood; where several markets fit, all are meant.  The
        exchange's own name of each market is among them.  Empty: the exchange has no such market.  None: not known yet,
        because its markets are not loaded.  Never blocks.
        """

    def order_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:
        """Every book that could hold an order of these symbols (None: of the account), or None when that is not known.

        This is what a read has to cover before "empty" may be said.  Never blocks.
        """

    def position_books(self, symbols: Collection[str] | None) -> frozenset[str] | None:
        """The same for positions; None too where they cannot be read as positions (the balances of a spot account)."""

    def cancel_everything(self, symbols: Sequence[str] | None, sent: Sent, timeout: float) -> CancelReport:
        """Cancel every order in *symbols* (None: in the whole account), in every book, in parallel.

        For None the configured symbols are cancelled at once and, beside that, open orders are read to find others.
        Never raises for a venue's answer: failures are counted in the report, and one never stops another.  Never
        cancels outside *symbols*.
        """

    def cancel_orders(self, orders: Sequence[OpenOrder], sent: Sent, timeout: float) -> CancelReport:
        """Cancel just these, in batches where the venue has them; never raises for a venue's answer."""

    def open_orders(self, symbols: Collection[str] | None, timeout: float) -> OrdersRead:
        """Read every book again for *symbols* (None: the whole account); raises when no book could be read.

        A book that could not be read, or not to its end, is missing from the coverage; what it did list is returned.
        """

    def positions(self, symbols: Collection[str] | None, timeout: float) -> PositionsRead:
        """Read the positions that are not zero, for *symbols* (None: the whole account); raises as `open_orders`."""

    def quote(self, symbol: str, depth_band: Decimal, timeout: float) -> Quote:
        """Read the book of *symbol*; ``depth_band`` is a ratio of mid, e.g. 0.005."""

    def reduce(self, order: ReduceOrder, timeout: float) -> Fill:
        """Send one reduce-only order; a duplicate ``client_order_id`` is looked up and its fill returned."""

    def close(self) -> None:
        """Release connections and threads."""


class EngineState(StrEnum):
    """What an engine does with new orders."""

    RUNNING = "running"
    UNKNOWN = "unknown"
    REDUCE_ONLY = "reduce_only"
    BLOCKED = "blocked"

    @property
    def rank(self) -> int:
        """How restricted: 0 for RUNNING to 3 for BLOCKED.  What is not known counts as hardly restricted."""
        return _RESTRICTION[self]


_RESTRICTION = {EngineState.RUNNING: 0, EngineState.UNKNOWN: 1, EngineState.REDUCE_ONLY: 2, EngineState.BLOCKED: 3}


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """``scopes``: the dimensions it can be blocked by (empty: only as a whole); ``reduce_only``: it has that state."""

    scopes: tuple[str, ...] = ()
    reduce_only: bool = True
    status: bool = True


class Engine(Protocol):
    """A trading program we can tell to stop.  Returning means *confirmed by its own success condition*.

    A part of an engine is a scope over ``capabilities.scopes`` whose values all come from the configuration; the whole
    engine is ``global``.  Only these ever reach an adapter: nothing from a label of an alert does.
    """

    name: str
    mode: str
    """``live`` or ``shadow``; the kill path sends nothing to a shadow engine."""
    scope: Scope
    """What this engine trades: it is told to stop when a switch's scope overlaps this."""
    capabilities: EngineCapabilities

    def block(self, part: Scope, reason: str, timeout: float) -> EngineState:
        """Stop sending orders in *part*; where it cannot be that precise it stops wider, never narrower."""

    def reduce_only(self, part: Scope, reason: str, timeout: float) -> EngineState:
        """Send nothing that adds exposure; an engine without that state is blocked instead."""

    def resume(self, part: Scope, reason: str, timeout: float) -> EngineState:
        """Trade again in *part*; idempotent."""

    def status(self, parts: Sequence[Scope], timeout: float) -> Mapping[Scope, EngineState]:
        """What it does now in each of *parts*: the least restricted of what belongs to it; UNKNOWN where not said."""

    def ping(self, timeout: float) -> float:
        """One harmless request: the round trip in seconds; raises when it cannot be reached."""

    def close(self) -> None:
        """Release connections."""
