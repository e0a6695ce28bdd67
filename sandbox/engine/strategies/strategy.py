"""What a strategy sees and what it may wish; it never talks to a venue, and never learns what time it is by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from sandbox.engine.market import Rules, Side, Tick
from sandbox.engine.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Working:
    """One order of the strategy that can still trade; ``age`` in seconds; ``leaving``: a cancel is on its way."""

    client_order_id: str
    side: Side
    price: Decimal | None
    remaining: Decimal
    reduce_only: bool
    parent_id: str | None
    age: float
    leaving: bool


@dataclass(frozen=True, slots=True)
class Parent:
    """A large order that is traded in slices: ``committed`` is what its children have working or filled.

    ``age`` in seconds; ``since_child``: seconds since the last child went out, None before the first.
    """

    parent_id: str
    side: Side
    quantity: Decimal
    filled: Decimal
    committed: Decimal
    age: float
    since_child: float | None

    @property
    def remaining(self) -> Decimal:
        """What may still be sent."""
        return max(self.quantity - self.committed, Decimal(0))


@dataclass(frozen=True, slots=True)
class View:
    """What a strategy knows when it decides; ``now`` in seconds of the monotonic clock, ``position`` signed."""

    now: float
    tick: Tick
    rules: Rules
    position: Decimal
    working: tuple[Working, ...]
    parent: Parent | None


@dataclass(frozen=True, slots=True)
class Place:
    """Wish for a limit order (``price`` given) or a market order."""

    side: Side
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool = False
    of_parent: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Wish that a working order goes away."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class OpenParent:
    """Decide on a parent order; there is one at a time."""

    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class CloseParent:
    """Forget the parent order; whatever it has working stays its own."""


Intent = Place | Cancel | OpenParent | CloseParent


class Strategy(Protocol):
    """Decides on every tick what should be different."""

    @property
    def parameters(self) -> Parameters:
        """What can be set."""

    def adjust(self, changes: Mapping[str, Any]) -> None:
        """Change parameters, or none of them; raises `ParameterError`."""

    def decide(self, view: View) -> list[Intent]:
        """Give what to do now, in order; nothing is the usual answer."""
