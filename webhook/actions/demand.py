"""What one trip demands of one venue account or of one engine, and what is found out about it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from webhook.killswitch.states import Action
from webhook.killswitch.scope import Scope


class Gate:
    """Holds the verdict back until the engines are blocked, or until they had their time.

    Before it opens an engine may still send an order after our re-read, so "empty" would mean nothing.
    """

    def __init__(self, engines: Sequence[str], opens_at: float, monotonic: Callable[[], float]) -> None:
        """``opens_at`` is the moment, in *monotonic* seconds, from which no engine is waited for any more."""
        self._waiting = set(engines)
        self._opens_at = opens_at
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def confirm(self, engine: str) -> bool:
        """An engine is blocked; returns whether this was the last one."""
        with self._lock:
            last = self._waiting == {engine}
            self._waiting.discard(engine)
            return last

    @property
    def open(self) -> bool:
        """Whether a re-read that starts now may be a verdict."""
        return not self._waiting or self._monotonic() >= self._opens_at


class Found(StrEnum):
    """What a line reports."""

    CANCEL_DONE = "cancel_done"
    """The first, fast cancel was answered, well or badly."""
    EMPTY = "empty"
    """Re-read with the gate open: no order in scope."""
    FLAT = "flat"
    """Re-read after that: no position in scope either."""
    LEFT = "left"
    """Something is left, or the venue does not say."""
    LATE = "late"
    """The deadline passed before the scope was empty (or flat)."""
    BROKEN = "broken"
    """An order or position appeared in a scope that was verified before."""
    SHADOW = "shadow"
    """Nothing was sent; this is what would have been."""
    BLOCKED = "blocked"
    """The engine confirmed, by its own success condition."""
    BLOCK_LATE = "block_late"
    """The engine did not confirm in time; it is asked again and again."""
    RUNS_AGAIN = "runs_again"
    """The engine had confirmed and trades again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One report of a line: what was found for a trip at a target, and when (``at``, monotonic seconds).

    ``orders`` and ``positions`` count what is left in scope; ``notional`` is their value in the account's currency;
    ``known`` is False when the venue did not say.  ``detail`` is for people and for the journal.
    """

    found: Found
    trip_id: str
    target: str
    at: float
    orders: int = 0
    positions: int = 0
    notional: Decimal = Decimal(0)
    known: bool = True
    detail: dict[str, object] = field(default_factory=dict)


Report = Callable[[Sequence[Finding]], None]
"""Where findings go; it must return at once (the service queues them)."""

FirstSent = Callable[[str, float], None]
"""Called with a trip's id and the monotonic time when its first cancel request goes out on the wire."""


@dataclass(slots=True, eq=False)
class Demand:
    """Keep one scope of one venue account empty; mutable, and owned by the line of that account.

    ``late_at`` is the monotonic deadline of the stage it is in.  ``kept``: it was verified once and is swept.
    """

    trip_id: str
    scope: Scope
    action: Action
    gate: Gate
    empty_by: float
    flat_by: float
    kept: bool = False
    cancel_answered: bool = False
    reads: int = 0
    empty: bool = False
    late: bool = False
    broken: bool = False
    attempt: int = 0
    slices: int = 0
    first_sizes: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    @property
    def late_at(self) -> float:
        """When a person must be told that the present stage takes too long."""
        return self.flat_by if self.empty and self.action is Action.FLATTEN else self.empty_by


@dataclass(slots=True, eq=False)
class BlockDemand:
    """Keep one scope of one engine blocked (or reduce-only); owned by the line of that engine."""

    trip_id: str
    scope: Scope
    action: Action
    reason: str
    gate: Gate
    late_at: float
    confirmed: bool = False
    late: bool = False
    tries: int = 0
    next_at: float = 0.0
    busy: bool = False
