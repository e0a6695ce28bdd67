"""How a request for a fault is read: strictly, and the message names the field that is wrong."""

import time
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.venue.faults.kinds import KINDS, Fault, Kind
from sandbox.venue.instruments import Market

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


class FaultError(Exception):
    """The specification of a fault is wrong; the message names the field."""


def read(spec: Mapping[str, Any], number: int, *, accounts: Collection[str], symbols: Collection[str]) -> Fault:
    """The fault that is asked for; raises FaultError."""
    given = dict(spec)
    name = given.pop("kind", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(name, str):
        raise FaultError(f"kind: one of {', '.join(KINDS)}")
    account, path, method = (_text(given, field) for field in ("account", "path", "method"))
    if account is not None and account not in accounts:
        raise FaultError(f"account: no account {account!r}")
    left, lasts = given.pop("count", None), given.pop("for_seconds", None)
    if "seconds" not in kind.params:
        lasts = given.pop("seconds", lasts)
    if left is not None and (not isinstance(left, int) or left < 1):
        raise FaultError("count: a whole number above 0")
    params = _params(given, name, kind)
    if given:
        raise FaultError(f"{', '.join(map(str, given))}: {name} has no such field")
    _check(params, symbols)
    if name == "flash_move" and params["seconds"]:
        lasts = params["seconds"]
    if lasts is not None and (not isinstance(lasts, int | float) or lasts <= 0):
        raise FaultError("for_seconds: a number above 0")
    until = None if lasts is None else time.monotonic() + lasts
    return Fault(number, name, account, path, method and method.upper(), left, until, params)


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise FaultError(f"{name}: a string")
    return value


def _params(given: dict[str, Any], name: str, kind: Kind) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for param, default in kind.params.items():
        value = given.pop(param, default)
        if value is None:
            raise FaultError(f"{param}: {name} needs it")
        if not isinstance(value, _TYPES[param]) or (isinstance(value, bool) and bool not in _TYPES[param]):
            raise FaultError(f"{param}: not of the right type")
        params[param] = value
    return params


def _check(params: Mapping[str, Any], symbols: Collection[str]) -> None:
    if "symbol" in params and params["symbol"] not in symbols:
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
