"""What can go wrong on command.  Each fault lasts for a count of requests, for a time, or until it is taken away.

Some change answers to requests (matched by account, path prefix and method), some change the market or the clock.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any, Protocol

from sandbox.venue.instruments import Market


class FaultError(Exception):
    """The specification of a fault is wrong; the message names the field."""


class World(Protocol):
    """What faults of the market and the clock act on."""

    def stall(self, market: Market, symbol: str, *, stalled: bool) -> None:
        """Hold back (or let flow) a symbol's messages."""

    def lose(self, market: Market, symbol: str, updates: int) -> None:
        """Lose the next depth updates."""

    def skew(self, seconds: float) -> None:
        """Set the clock's error."""

    def move(self, symbol: str, ratio: Decimal) -> None:
        """Move both markets of a symbol; 0 brings them back."""

    def knows(self, symbol: str) -> bool:
        """Whether the symbol is traded."""


@dataclass(slots=True)
class Fault:
    """One fault at work.  `left` counts down requests; `until` is the monotonic second at which it ends."""

    number: int
    kind: str
    account: str | None
    path: str | None
    method: str | None
    left: int | None
    until: float | None
    params: dict[str, Any]
    applied: int = 0
    timer: asyncio.TimerHandle | None = None

    def shown(self) -> dict[str, Any]:
        """As the admin API shows it."""
        return {
            "id": self.number,
            "kind": self.kind,
            "account": self.account,
            "path": self.path,
            "method": self.method,
            "count_left": self.left,
            "seconds_left": None if self.until is None else round(max(0.0, self.until - time.monotonic()), 3),
            "applied": self.applied,
            **self.params,
        }


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: its parameters with their defaults (None: must be given), and whether it is about requests.

    Of those that `replace` each other the newest counts; when it ends, the one before it does again.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    per_request: bool = True
    replace: bool = False
    begin: Callable[[World, Fault], None] | None = None
    end: Callable[[World, Fault], None] | None = None


def _each_market(fault: Fault) -> list[Market]:
    return [Market(fault.params["market"])] if fault.params["market"] else list(Market)


def _stall(*, stalled: bool) -> Callable[[World, Fault], None]:
    def act(world: World, fault: Fault) -> None:
        for market in _each_market(fault):
            world.stall(market, fault.params["symbol"], stalled=stalled)

    return act


def _lose(world: World, fault: Fault) -> None:
    for market in _each_market(fault):
        world.lose(market, fault.params["symbol"], fault.params["n"])


# `seconds` is a parameter of its own for some kinds; for all others it means how long the fault lasts.
KINDS: dict[str, Kind] = {
    "latency": Kind({"seconds": None}),
    "error_5xx": Kind({"status": 500, "applied": False}),
    "html": Kind({"status": 503, "applied": False}),
    "rate_limit": Kind({"status": 429, "retry_after": 1}),
    "reset": Kind({"applied": False}),
    "accept_then_timeout": Kind({"hold_seconds": 60.0}),
    "cancel_late": Kind({"seconds": None}),
    "cancel_partial": Kind({"n": 0, "ratio": 0.0}),
    "stalled_feed": Kind(
        {"symbol": None, "market": ""}, per_request=False, begin=_stall(stalled=True), end=_stall(stalled=False)
    ),
    "sequence_gap": Kind({"symbol": None, "n": 1, "market": ""}, per_request=False, begin=_lose),
    "clock_skew": Kind(
        {"seconds": None},
        per_request=False,
        replace=True,
        begin=lambda world, fault: world.skew(fault.params["seconds"]),
        end=lambda world, _: world.skew(0.0),
    ),
    "flash_move": Kind(
        {"symbol": None, "ratio": None, "seconds": 0.0},
        per_request=False,
        replace=True,
        begin=lambda world, fault: world.move(fault.params["symbol"], Decimal(str(fault.params["ratio"]))),
        end=lambda world, fault: world.move(fault.params["symbol"], Decimal(0)),
    ),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "seconds": (int, float),
    "hold_seconds": (int, float),
    "status": (int,),
    "retry_after": (int,),
    "n": (int,),
    "ratio": (int, float),
    "applied": (bool,),
    "symbol": (str,),
    "market": (str,),
}


class Faults:
    """The faults at work."""

    def __init__(self, world: World, accounts: set[str]) -> None:
        self.applied: dict[str, int] = {}
        self._world = world
        self._accounts = accounts
        self._active: dict[int, Fault] = {}
        self._numbers = count(1)

    def __bool__(self) -> bool:
        return bool(self._active)

    def active(self) -> list[Fault]:
        """Those at work, oldest first."""
        return list(self._active.values())

    def add(self, spec: Mapping[str, Any]) -> Fault:
        """Start a fault; raises FaultError."""
        fault = self._read(dict(spec))
        kind = KINDS[fault.kind]
        if kind.begin:
            kind.begin(self._world, fault)
            fault.applied = 1
            self._count(fault.kind)
        if fault.kind == "sequence_gap":
            return fault  # it is done: the updates are marked to be lost
        self._active[fault.number] = fault
        if fault.until is not None:
            delay = fault.until - time.monotonic()
            fault.timer = asyncio.get_running_loop().call_later(delay, self.remove, fault.number)
        return fault

    def _read(self, spec: dict[str, Any]) -> Fault:
        name = spec.pop("kind", None)
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None or not isinstance(name, str):
            raise FaultError(f"kind: one of {', '.join(KINDS)}")
        account, path, method = (self._text(spec, field_) for field_ in ("account", "path", "method"))
        if account is not None and account not in self._accounts:
            raise FaultError(f"account: no account {account!r}")
        left, lasts = spec.pop("count", None), spec.pop("for_seconds", None)
        if "seconds" not in kind.params:
            lasts = spec.pop("seconds", lasts)
        if left is not None and (not isinstance(left, int) or left < 1):
            raise FaultError("count: a whole number above 0")
        params = self._params(spec, name, kind)
        if spec:
            raise FaultError(f"{', '.join(map(str, spec))}: {name} has no such field")
        self._check(params)
        if name == "flash_move" and params["seconds"]:
            lasts = params["seconds"]
        if lasts is not None and (not isinstance(lasts, int | float) or lasts <= 0):
            raise FaultError("for_seconds: a number above 0")
        until = None if lasts is None else time.monotonic() + lasts
        return Fault(next(self._numbers), name, account, path, method and method.upper(), left, until, params)

    def _params(self, spec: dict[str, Any], name: str, kind: Kind) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for param, default in kind.params.items():
            value = spec.pop(param, default)
            if value is None:
                raise FaultError(f"{param}: {name} needs it")
            if not isinstance(value, _TYPES[param]) or (isinstance(value, bool) and bool not in _TYPES[param]):
                raise FaultError(f"{param}: not of the right type")
            params[param] = value
        return params

    def _text(self, spec: dict[str, Any], name: str) -> str | None:
        value = spec.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise FaultError(f"{name}: a string")
        return value

    def _check(self, params: Mapping[str, Any]) -> None:
        if "symbol" in params and not self._world.knows(params["symbol"]):
            raise FaultError(f"symbol: {params['symbol']!r} is not traded here")
        if params.get("market") not in {None, "", *Market}:
            raise FaultError(f"market: one of {', '.join(Market)}")
        if not 100 <= params.get("status", 500) <= 599:
            raise FaultError("status: an HTTP status")
        try:
            ratio = Decimal(str(params.get("ratio", 0)))
        except InvalidOperation:
            raise FaultError("ratio: a number") from None
        if not -1 < ratio <= 10:
            raise FaultError("ratio: above -1, at most 10")

    def remove(self, number: int) -> bool:
        """End a fault; False when there is no such one (any more)."""
        fault = self._active.pop(number, None)
        if fault is None:
            return False
        if fault.timer:
            fault.timer.cancel()
        kind = KINDS[fault.kind]
        if kind.end:
            kind.end(self._world, fault)
        if kind.replace and kind.begin:
            symbol = fault.params.get("symbol")
            same = [one for one in self.active() if one.kind == fault.kind and one.params.get("symbol") == symbol]
            if same:
                kind.begin(self._world, same[-1])
        return True

    def clear(self) -> None:
        """End all."""
        for number in list(self._active):
            self.remove(number)

    def meet(self, method: str, path: str, account: str | None) -> dict[str, Fault]:
        """The faults that this request meets, one of a kind (the oldest); each is used up by one."""
        met: dict[str, Fault] = {}
        for fault in self.active():
            if not KINDS[fault.kind].per_request or fault.kind in met:
                continue
            if fault.account is not None and fault.account != account:
                continue
            if fault.path is not None and not path.startswith(fault.path):
                continue
            if fault.method is not None and fault.method != method:
                continue
            if fault.kind.startswith("cancel_") and method != "DELETE":
                continue
            met[fault.kind] = fault
            fault.applied += 1
            self._count(fault.kind)
            if fault.left is not None:
                fault.left -= 1
                if fault.left == 0:
                    self.remove(fault.number)
        return met

    def _count(self, kind: str) -> None:
        self.applied[kind] = self.applied.get(kind, 0) + 1
