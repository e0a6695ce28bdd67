"""What can go wrong on command.  Each fault lasts for a count of requests, for a time, or until it is taken away.

Some change answers to requests (matched by account, path prefix, family and method), some change the market or the
clock.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from sandbox.venue.instruments import Market


class Family(StrEnum):
    """Paths of one subject, in every market and version of the API."""

    ORDERS = "orders"
    """Placing, reading and cancelling orders of every book; executions."""
    POSITIONS = "positions"
    """Positions and balances."""
    BOOK = "book"
    """The order book, trades, tickers and mark prices."""


class Only(StrEnum):
    """Requests of one sort, of those that a fault matches."""

    CANCELS = "cancels"
    NEW_ORDERS = "new orders"


class Faultable(Protocol):
    """What faults of the market and the clock act on."""

    def stall(self, market: Market, symbol: str, *, stalled: bool) -> None:
        """Hold back (or let flow) a symbol's messages."""

    def lose(self, market: Market, symbol: str, updates: int) -> None:
        """Lose the next depth updates."""

    def skew(self, seconds: float) -> None:
        """Set the clock's error."""

    def move(self, symbol: str, ratio: Decimal) -> None:
        """Move both markets of a symbol; 0 brings them back."""


@dataclass(slots=True)
class Fault:
    """One fault at work.  `left` counts down requests; `until` is the monotonic second at which it ends."""

    number: int
    kind: str
    account: str | None
    path: str | None
    family: Family | None
    method: str | None
    left: int | None
    until: float | None
    params: dict[str, Any]
    applied: int = 0
    timer: asyncio.TimerHandle | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def shown(self) -> dict[str, Any]:
        """As the admin API shows it."""
        return {
            "id": self.number,
            "kind": self.kind,
            "account": self.account,
            "path": self.path,
            "family": self.family,
            "method": self.method,
            "count_left": self.left,
            "seconds_left": None if self.until is None else round(max(0.0, self.until - time.monotonic()), 3),
            "applied": self.applied,
            **self.params,
        }


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: its parameters with their defaults (None: must be given), and whether it is about requests.

    One that is not `counted` ends by time or by hand.  Of those that `replace` each other the newest counts; when it
    ends, the one before it does again.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    per_request: bool = True
    only: Only | None = None
    counted: bool = True
    replace: bool = False
    begin: Callable[[Faultable, Fault], None] | None = None
    end: Callable[[Faultable, Fault], None] | None = None


def _each_market(fault: Fault) -> list[Market]:
    return [Market(fault.params["market"])] if fault.params["market"] else list(Market)


def _stall(*, stalled: bool) -> Callable[[Faultable, Fault], None]:
    def act(venue: Faultable, fault: Fault) -> None:
        for market in _each_market(fault):
            venue.stall(market, fault.params["symbol"], stalled=stalled)

    return act


def _lose(venue: Faultable, fault: Fault) -> None:
    for market in _each_market(fault):
        venue.lose(market, fault.params["symbol"], fault.params["n"])


# `seconds` is a parameter of its own for some kinds; for all others it means how long the fault lasts.
KINDS: dict[str, Kind] = {
    "latency": Kind({"seconds": None}),
    "error_5xx": Kind({"status": 500, "applied": False}),
    "html": Kind({"status": 503, "applied": False}),
    "rate_limit": Kind({"status": 429, "retry_after": 1}),
    "reset": Kind({"applied": False}),
    "accept_then_timeout": Kind({"hold_seconds": 60.0}),
    "hang": Kind(counted=False),
    "order_late": Kind({"seconds": 0.03, "hold_seconds": 60.0}, only=Only.NEW_ORDERS),
    "cancel_late": Kind({"seconds": None}, only=Only.CANCELS),
    "cancel_partial": Kind({"n": 0, "ratio": 0.0}, only=Only.CANCELS),
    "cancel_refused": Kind({"ids": [], "code": -2011}, only=Only.CANCELS),
    "stalled_feed": Kind(
        {"symbol": None, "market": ""}, per_request=False, begin=_stall(stalled=True), end=_stall(stalled=False)
    ),
    "sequence_gap": Kind({"symbol": None, "n": 1, "market": ""}, per_request=False, begin=_lose),
    "clock_skew": Kind(
        {"seconds": None},
        per_request=False,
        replace=True,
        begin=lambda venue, fault: venue.skew(fault.params["seconds"]),
        end=lambda venue, _: venue.skew(0.0),
    ),
    "flash_move": Kind(
        {"symbol": None, "ratio": None, "seconds": 0.0},
        per_request=False,
        replace=True,
        begin=lambda venue, fault: venue.move(fault.params["symbol"], Decimal(str(fault.params["ratio"]))),
        end=lambda venue, fault: venue.move(fault.params["symbol"], Decimal(0)),
    ),
}
