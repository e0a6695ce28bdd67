"""How a request for a fault is read: strictly, and the message names the field that is wrong."""

import time
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.venue.faults.kinds import KINDS, Family, Fault, Kind
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
    "ids": (list,),
    "code": (int,),
}


_MATCHERS = ("account", "path", "method", "family")


class FaultError(Exception):
    """The specification of a fault is wrong; the message names the field."""


def read(spec: Mapping[str, Any], number: int, *, accounts: Collection[str], symbols: Collection[str]) -> Fault:
    """The fault that is asked for; raises FaultError."""
    given = dict(spec)
    name = given.pop("kind", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(name, str):
        raise FaultError(f"kind: one of {', '.join(KINDS)}")
    if not kind.per_request:
        _about_no_request(given, name)
    account, path, method, family = (_text(given, field) for field in _MATCHERS)
    if account is not None and account not in accounts:
        raise FaultError(f"account: no account {account!r}")
    if family not in {None, *Family}:
        raise FaultError(f"family: one of {', '.join(Family)}")
    left, lasts = _how_long(given, name, kind)
    params = _params(given, name, kind)
    if given:
        raise FaultError(f"{', '.join(map(str, given))}: {name} has no such field")
    _check(params, symbols)
    if name == "flash_move" and params["seconds"]:
        lasts = params["seconds"]
    if lasts is not None and (not isinstance(lasts, int | float) or lasts <= 0):
        raise FaultError("for_seconds: a number above 0")
    until = None if lasts is None else time.monotonic() + lasts
    return Fault(
        number=number,
        kind=name,
        account=account,
        path=path,
        family=None if family is None else Family(family),
        method=None if method is None else method.upper(),
        left=left,
        until=until,
        params=params,
    )


def _how_long(given: dict[str, Any], name: str, kind: Kind) -> tuple[int | None, Any]:
    """For how many requests, and for how many seconds (not checked yet)."""
    left, lasts = given.pop("count", None), given.pop("for_seconds", None)
    if left is not None and not kind.counted:
        raise FaultError(f"count: {name} ends by time (for_seconds) or by hand")
    if left is not None and (not isinstance(left, int) or left < 1):
        raise FaultError("count: a whole number above 0")
    return left, lasts if "seconds" in kind.params else given.pop("seconds", lasts)


def _about_no_request(given: Mapping[str, Any], name: str) -> None:
    for field in (*_MATCHERS, "count"):
        if field in given:
            raise FaultError(f"{field}: {name} is not about requests")


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
    if not all(isinstance(one, str | int) for one in params.get("ids", ())):
        raise FaultError("ids: a list of order ids, the venue's or the client's")
    try:
        ratio = Decimal(str(params.get("ratio", 0)))
    except InvalidOperation:
        raise FaultError("ratio: a number") from None
    if not -1 < ratio <= 10:
        raise FaultError("ratio: above -1, at most 10")
