"""Binance's own forms: lines of a combined stream, its list of symbols, its time.

An error names the field and never its value.  A JSON number is taken as well as a decimal string.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from exporters.market_data.status import WORDS
from exporters.market_data.ticks import Levels, Pulse, Snapshot, Tick, TickError, number_of

_MILLISECOND: Final = 1_000_000
_MAX_MILLISECONDS: Final = 4_102_444_800_000  # the year 2100
_NOT_NUMBERS: Final = (b"NaN", b"Infinity", b"nan", b"inf")

STREAM_OF: Final = {"trade": "trade", "aggTrade": "trade", "depth": "depth", "bookTicker": "book_ticker"}


def parse(line: bytes) -> Tick | Snapshot | Pulse:
    """Read one line; raises TickError."""
    try:
        outer = orjson.loads(line)
    except orjson.JSONDecodeError:
        # Some venues write NaN where JSON has no word for it.
        raise TickError("not JSON", "price" if any(word in line for word in _NOT_NUMBERS) else None) from None
    if type(outer) is not dict:
        raise TickError("not a JSON object")
    name = outer.get("stream")
    if name is None:
        if outer.get("type") == "ping":
            return Pulse(None if outer.get("E") is None else _time(outer))
        if outer.get("type") == "snapshot" or "lastUpdateId" in outer:
            return _snapshot(outer)
        raise TickError("stream: missing")
    data = outer.get("data")
    if type(name) is not str or type(data) is not dict:
        raise TickError("stream, data: must be text and an object")
    symbol, _, rest = name.partition("@")
    stream = STREAM_OF.get(rest.partition("@")[0])
    if stream is None or not symbol:
        raise TickError("stream: unknown")
    return _READERS[stream](symbol.upper(), data)


def _snapshot(data: Mapping[str, Any]) -> Snapshot:
    symbol = data.get("symbol")
    if symbol is not None and type(symbol) is not str:
        raise TickError("symbol: must be text")
    last = _id(data, "lastUpdateId")
    return Snapshot(None if symbol is None else symbol.upper(), last, _levels(data, "bids"), _levels(data, "asks"))


def _trade(symbol: str, data: Mapping[str, Any]) -> Tick:
    number = _id(data, "a" if data.get("e") == "aggTrade" else "t")
    price, quantity = _decimal(data, "p", "price"), _decimal(data, "q", "quantity")
    if not price or not quantity:
        raise TickError("p, q: must be above zero", "quantity" if price else "price")
    maker_bought = data.get("m")
    side = "unknown" if type(maker_bought) is not bool else "sell" if maker_bought else "buy"
    return Tick(
        "trade", symbol, _time(data), number, number, None, None, None, price=price, quantity=quantity, side=side
    )


def _depth(symbol: str, data: Mapping[str, Any]) -> Tick:
    first, last = _id(data, "U"), _id(data, "u")
    if first > last:
        raise TickError("U, u: out of order", "id")
    previous = _id(data, "pu") if "pu" in data else None
    return Tick("depth", symbol, _time(data), first, last, previous, bids=_levels(data, "b"), asks=_levels(data, "a"))


def _book_ticker(symbol: str, data: Mapping[str, Any]) -> Tick:
    number = _id(data, "u")
    bid = _decimal(data, "b", "price") if _decimal(data, "B", "quantity") else 0.0
    ask = _decimal(data, "a", "price") if _decimal(data, "A", "quantity") else 0.0
    happened = _time(data) if "E" in data else None
    return Tick("book_ticker", symbol, happened, number, number, None, bid or None, ask or None)


def _id(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if type(value) is not int or value < 0:
        raise TickError(f"{name}: must be an integer that is not negative", "id" if name in data else None)
    return value


def _time(data: Mapping[str, Any]) -> int:
    value = data.get("E")
    if type(value) is not int or not 0 < value < _MAX_MILLISECONDS:
        raise TickError("E: must be milliseconds since the epoch", "time" if "E" in data else None)
    return value * _MILLISECOND


def _levels(data: Mapping[str, Any], name: str) -> Levels:
    found = data.get(name)
    if type(found) is not list:
        raise TickError(f"{name}: must be a list")
    levels = []
    for each in found:
        if type(each) is not list or len(each) < 2:
            raise TickError(f"{name}: must hold pairs of price and quantity")
        price, quantity = number_of(each[0]), number_of(each[1])
        if price is None or price == 0:
            raise TickError(f"{name}: a price must be a number above zero", "price")
        if quantity is None:
            raise TickError(f"{name}: a quantity must be a number that is not negative", "quantity")
        levels.append((price, quantity))
    return tuple(levels)


def _decimal(data: Mapping[str, Any], name: str, value: str) -> float:
    number = number_of(data.get(name))
    if number is None:
        raise TickError(f"{name}: must be a decimal number that is not negative", value if name in data else None)
    return number


_READERS: Final = {"trade": _trade, "depth": _depth, "book_ticker": _book_ticker}


def statuses(body: bytes) -> dict[str, str] | None:
    """Symbol as the venue writes it -> one of STATUSES, by Binance's ``exchangeInfo``; ``None`` for anything else."""
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    listed = said.get("symbols") if type(said) is dict else None
    if type(listed) is not list:
        return None
    found = {}
    for each in listed:
        name = each.get("symbol") if type(each) is dict else None
        if type(name) is str:
            word = each.get("status", each.get("contractStatus"))
            found[name.upper()] = WORDS.get(word.upper(), "unknown") if type(word) is str else "unknown"
    return found


def server_time(body: bytes) -> int | None:
    """``serverTime`` of an answer in nanoseconds since the epoch; ``None`` for anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    value = said.get("serverTime") if type(said) is dict else None
    return value * 1_000_000 if type(value) is int and value > 0 else None
