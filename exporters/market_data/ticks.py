"""One line of a Binance combined stream becomes one Tick, or an error that names the field and never its value.

Times stay integers in nanoseconds, so that receive minus event time is exact; prices and quantities are decimal
strings at the venue and floats here: they are shown, not summed.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?").fullmatch
_MILLISECOND: Final = 1_000_000
_MAX_MILLISECONDS: Final = 4_102_444_800_000  # the year 2100

STREAMS: Final = ("trade", "depth", "book_ticker")
STREAM_OF: Final = {"trade": "trade", "aggTrade": "trade", "depth": "depth", "bookTicker": "book_ticker"}


class TickError(ValueError):
    """The line is malformed; the message names the field, without its value."""


class Tick(NamedTuple):
    """One message; *symbol* as the venue writes it, *event_ns* ``None`` where no time is carried (spot book ticker).

    *first*..*last* are the update ids a depth message covers (for others both are its id) and *previous* the last id
    of the message before it, where the venue says so.  *bid* and *ask* are ``None`` for an empty side and outside
    ``book_ticker``.
    """

    stream: str
    symbol: str
    event_ns: int | None
    first: int
    last: int
    previous: int | None
    bid: float | None = None
    ask: float | None = None


class Pulse(NamedTuple):
    """A ping of the stream, with the venue's time when it says it."""

    event_ns: int | None


def parse(line: bytes) -> Tick | Pulse | None:
    """Read one line; ``None`` for what is neither a message nor a ping (a book snapshot); raises TickError."""
    try:
        outer = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise TickError("not JSON") from None
    if type(outer) is not dict:
        raise TickError("not a JSON object")
    name = outer.get("stream")
    if name is None:
        if outer.get("type") == "ping":
            return Pulse(None if outer.get("E") is None else _time(outer))
        if outer.get("type") == "snapshot" or "lastUpdateId" in outer:
            return None
        raise TickError("stream: missing")
    data = outer.get("data")
    if type(name) is not str or type(data) is not dict:
        raise TickError("stream, data: must be text and an object")
    symbol, _, rest = name.partition("@")
    stream = STREAM_OF.get(rest.partition("@")[0])
    if stream is None or not symbol:
        raise TickError("stream: unknown")
    return _READERS[stream](symbol.upper(), data)


def _trade(symbol: str, data: Mapping[str, Any]) -> Tick:
    number = _id(data, "a" if data.get("e") == "aggTrade" else "t")
    if not _decimal(data, "p") or not _decimal(data, "q"):
        raise TickError("p, q: must be above zero")
    return Tick("trade", symbol, _time(data), number, number, None)


def _depth(symbol: str, data: Mapping[str, Any]) -> Tick:
    first, last = _id(data, "U"), _id(data, "u")
    if first > last:
        raise TickError("U, u: out of order")
    if type(data.get("b")) is not list or type(data.get("a")) is not list:
        raise TickError("b, a: must be lists")
    return Tick("depth", symbol, _time(data), first, last, _id(data, "pu") if "pu" in data else None)


def _book_ticker(symbol: str, data: Mapping[str, Any]) -> Tick:
    number = _id(data, "u")
    bid = _decimal(data, "b") if _decimal(data, "B") else 0.0
    ask = _decimal(data, "a") if _decimal(data, "A") else 0.0
    happened = _time(data) if "E" in data else None
    return Tick("book_ticker", symbol, happened, number, number, None, bid or None, ask or None)


def _id(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if type(value) is not int or value < 0:
        raise TickError(f"{name}: must be an integer that is not negative")
    return value


def _time(data: Mapping[str, Any]) -> int:
    value = data.get("E")
    if type(value) is not int or not 0 < value < _MAX_MILLISECONDS:
        raise TickError("E: must be milliseconds since the epoch")
    return value * _MILLISECOND


def _decimal(data: Mapping[str, Any], name: str) -> float:
    value = data.get(name)
    if type(value) is not str or _DECIMAL(value) is None:
        raise TickError(f"{name}: must be a decimal string that is not negative")
    return float(value)


_READERS: Final = {"trade": _trade, "depth": _depth, "book_ticker": _book_ticker}
