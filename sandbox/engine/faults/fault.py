"""What a fault is, and how a request for one is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sandbox.engine.clock import rfc3339


class FaultKind(StrEnum):
    """What can be made to go wrong."""

    RUNAWAY = "runaway"
    """Child orders of one parent, again and again."""
    BLEED = "bleed"
    """Buying high and selling low, until the account has lost a given share."""
    IGNORE_PAUSE = "ignore_pause"
    """The control API says paused, and orders go on."""
    HANG = "hang"
    """The control API accepts requests and never answers."""
    DIE = "die"
    """The process ends at once, without a word."""
    SILENT = "silent"
    """Heartbeats stop; trading goes on."""


class FaultError(ValueError):
    """A request for a fault was refused; ``field`` names what is wrong."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.field = name
        self.message = message


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter of a fault: its default and its bounds, both included."""

    default: Decimal
    low: Decimal
    high: Decimal


def _knob(default: str, low: str, high: str) -> Knob:
    return Knob(Decimal(default), Decimal(low), Decimal(high))


KNOBS: Mapping[FaultKind, Mapping[str, Knob]] = MappingProxyType(
    {
        FaultKind.RUNAWAY: {
            "seconds": _knob("60", "0.1", "3600"),
            "rate": _knob("50", "1", "200"),
        },
        FaultKind.BLEED: {
            "seconds": _knob("60", "1", "3600"),
            "ratio": _knob("0.12", "0.001", "0.5"),
            "exposure": _knob("44000", "1000", "1000000"),
            "move_ratio": _knob("0.09", "0.001", "0.3"),
            "last_move_ratio": _knob("0.2", "0.001", "0.5"),
            "resting": _knob("6", "0", "50"),
        },
        FaultKind.IGNORE_PAUSE: {"seconds": _knob("3600", "0.1", "86400")},
        FaultKind.HANG: {"seconds": _knob("3600", "0.1", "86400")},
        FaultKind.DIE: {},
        FaultKind.SILENT: {"seconds": _knob("3600", "0.1", "86400")},
    }
)
"""Every kind and its parameters: seconds, orders per second, shares of equity and of price, exposure in quote units."""

NEEDS_STRATEGY = {FaultKind.RUNAWAY, FaultKind.BLEED}


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """What was asked for, checked; ``strategy`` None means all, or the engine itself."""

    kind: FaultKind
    strategy: str | None
    knobs: Mapping[str, Decimal]

    @classmethod
    def read(cls, body: Any, strategies: tuple[str, ...]) -> "FaultRequest":
        """Read a request's JSON; raises `FaultError`."""
        if not isinstance(body, dict):
            raise FaultError("body", 'must be a JSON object, e.g. {"kind": "bleed", "strategy": "mm-btc"}')
        try:
            kind = FaultKind(str(body.get("kind")))
        except ValueError:
            raise FaultError("kind", f"must be one of {', '.join(FaultKind)}") from None
        strategy = body.get("strategy")
        if strategy is None and kind in NEEDS_STRATEGY:
            raise FaultError("strategy", f"{kind} needs one of {', '.join(strategies)}")
        if strategy is not None and strategy not in strategies:
            raise FaultError("strategy", f"must be one of {', '.join(strategies)}")
        known = KNOBS[kind]
        for name in body:
            if name not in {"kind", "strategy", *known}:
                raise FaultError(str(name), f"is no parameter of {kind}; it has {', '.join(known) or 'none'}")
        return cls(kind, strategy, {name: _read(name, knob, body.get(name)) for name, knob in known.items()})


def _read(name: str, knob: Knob, raw: object) -> Decimal:
    if raw is None:
        return knob.default
    wanted = f"must be a number from {knob.low} to {knob.high}"
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise FaultError(name, wanted)
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        raise FaultError(name, wanted) from None
    if not value.is_finite() or not knob.low <= value <= knob.high:
        raise FaultError(name, wanted)
    return value


@dataclass(slots=True)
class Fault:
    """A fault that is on; ``progress`` says in words what it has done so far."""

    number: int
    request: FaultRequest
    started_at: datetime
    progress: str = "on"
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def ends_at(self) -> datetime:
        """When it ends by itself."""
        return self.started_at + timedelta(seconds=float(self.request.knobs.get("seconds", 0)))

    def concerns(self, strategy: str) -> bool:
        """Say whether a strategy is meant."""
        return self.request.strategy in {None, strategy}

    def described(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "id": self.number,
            "kind": self.request.kind.value,
            "strategy": self.request.strategy,
            "started_at": rfc3339(self.started_at),
            "ends_at": rfc3339(self.ends_at),
            "progress": self.progress,
            "facts": dict(self.facts),
            "parameters": {name: format(value, "f") for name, value in self.request.knobs.items()},
        }
