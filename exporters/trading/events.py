"""One line of docs/events.md becomes one Event, or an error that names the field and never its value.

Checked by hand and not by a model: this is the path that must carry 50,000 events a second.  Decimal strings become
``Decimal`` (exact), times become seconds since the epoch as ``float`` (good to a quarter of a microsecond until the
year 2100).
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

MAX_TEXT: Final = 128  # bytes: what Prometheus counts when it bounds the length of a label
_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?").fullmatch
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"
).fullmatch
_SCALE: Final[dict[int, int]] = {digits: 10**digits for digits in range(1, 10)}
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,32}").fullmatch
_ZERO: Final = Decimal(0)

INITIATORS: Final = ("engine", "venue", "kill")
STOPPED: Final = "stopped"
STATES: Final = ("running", "reduce_only", "paused", STOPPED)


class EventError(ValueError):
    """The line is malformed; the message names the field and what is wrong with it, without its value."""


class ParentOrder(NamedTuple):
    """A strategy decided to trade *quantity*; its children name it."""

    parent_id: str
    quantity: Decimal
    arrival_mid: Decimal | None


class OrderSent(NamedTuple):
    """An order left the engine."""

    client_order_id: str
    quantity: Decimal
    parent_id: str | None
    price: Decimal | None
    arrival_mid: Decimal | None


class ModifySent(NamedTuple):
    """The engine asked for an order to be changed; *quantity* is what it is to be, ``None`` when it stays."""

    client_order_id: str
    quantity: Decimal | None


class OrderAcknowledged(NamedTuple):
    """The venue took the order."""

    client_order_id: str


class OrderRejected(NamedTuple):
    """The venue refused the order; *code* is a short token, ``other`` when it was none."""

    client_order_id: str
    code: str


class CancelSent(NamedTuple):
    """The engine asked for an order to be cancelled."""

    client_order_id: str


class OrderCancelled(NamedTuple):
    """An order ended with *remaining* unfilled."""

    client_order_id: str
    remaining: Decimal
    initiator: str


class Fill(NamedTuple):
    """*quantity* of an order traded at *price*; *fee* is negative for a rebate."""

    client_order_id: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_currency: str | None
    arrival_mid: Decimal | None


class Position(NamedTuple):
    """The position a strategy holds now; *quantity* is signed."""

    quantity: Decimal
    mark_price: Decimal
    multiplier: Decimal
    currency: str
    unrealised_pnl: Decimal | None
    realised_pnl: Decimal | None


class Equity(NamedTuple):
    """What a strategy, or with an empty strategy the account, is worth now."""

    currency: str
    equity: Decimal
    realised_pnl: Decimal | None
    unrealised_pnl: Decimal | None
    net_deposits: Decimal | None
    margin_balance: Decimal | None
    maintenance_margin: Decimal | None


class Margin(NamedTuple):
    """What one wallet of an account has, and must have."""

    currency: str
    margin_balance: Decimal
    maintenance_margin: Decimal


class Heartbeat(NamedTuple):
    """A strategy, or with an empty strategy the engine, is alive."""

    state: str
    started_at: float | None
    open_orders: int | None


Body = (
    ParentOrder
    | OrderSent
    | ModifySent
    | OrderAcknowledged
    | OrderRejected
    | CancelSent
    | OrderCancelled
    | Fill
    | Position
    | Equity
    | Margin
    | Heartbeat
)


class Event(NamedTuple):
    """The envelope of every event.  *time* is seconds since the epoch; text that the type does not need is empty."""

    type: str
    time: float
    engine: str
    session: str
    seq: int
    strategy: str
    venue: str
    account: str
    symbol: str
    body: Body


def parse(line: bytes) -> Event:
    """Read one line; raises EventError."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise EventError("not JSON") from None
    if type(fields) is not dict:
        raise EventError("not a JSON object")
    version = fields.get("v")
    if type(version) is not int or version != 1:
        raise EventError("v: must be the integer 1")
    kind = fields.get("type")
    reader = _READERS.get(kind) if type(kind) is str else None
    if kind is None or reader is None:
        raise EventError("type: unknown")
    seq = fields.get("seq")
    if type(seq) is not int or seq < 0:
        raise EventError("seq: must be an integer that is not negative")
    happened = _time(fields, "time")
    engine = _text(fields, "engine")
    session = _text(fields, "session")
    if reader is _equity or reader is _margin:
        symbol = ""
        strategy = _optional_text(fields, "strategy") or ""
        venue, account = _text(fields, "venue"), _text(fields, "account")
    elif reader is _heartbeat:
        symbol = venue = account = ""
        strategy = _optional_text(fields, "strategy") or ""
    else:
        symbol, strategy = _text(fields, "symbol"), _text(fields, "strategy")
        venue, account = _text(fields, "venue"), _text(fields, "account")
    return Event(kind, happened, engine, session, seq, strategy, venue, account, symbol, reader(fields))


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if (
        type(value) is not str
        or not value
        or len(value) > MAX_TEXT
        or not value.isprintable()
        or (not value.isascii() and len(value.encode()) > MAX_TEXT)
    ):
        raise EventError(
            f"{name}: " + ("missing" if value is None else f"must be printable text of 1 to {MAX_TEXT} bytes")
        )
    return value


def _optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _number(fields: Mapping[str, Any], name: str) -> Decimal:
    value = fields.get(name)
    if type(value) is not str or _DECIMAL(value) is None:
        raise EventError(f"{name}: " + ("missing" if value is None else "must be a decimal string without exponent"))
    return Decimal(value)


def _optional_number(fields: Mapping[str, Any], name: str) -> Decimal | None:
    return None if fields.get(name) is None else _number(fields, name)


def _positive(fields: Mapping[str, Any], name: str) -> Decimal:
    number = _number(fields, name)
    if number <= _ZERO:
        raise EventError(f"{name}: must be above zero")
    return number


def _not_negative(fields: Mapping[str, Any], name: str) -> Decimal:
    number = _number(fields, name)
    if number < _ZERO:
        raise EventError(f"{name}: must not be negative")
    return number


def _optional_positive(fields: Mapping[str, Any], name: str) -> Decimal | None:
    return None if fields.get(name) is None else _positive(fields, name)


def _time(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    if type(value) is str and value[19:20] == "." and value[-1] == "Z":
        fraction = value[20:-1]
        if len(fraction) in _SCALE and fraction.isascii() and fraction.isdecimal():
            second = _second(value[:19])
            if second is not None:
                return second + int(fraction) / _SCALE[len(fraction)]
    if type(value) is not str or _TIME(value) is None:
        raise EventError(f"{name}: " + ("missing" if value is None else "must be RFC 3339 in UTC"))
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        raise EventError(f"{name}: no such time") from None


@lru_cache(maxsize=256)
def _second(text: str) -> float | None:
    """A whole second; many events fall into the same one.  ``None``: it is none, or must be looked at more closely."""
    if _TIME(f"{text}Z") is None:
        return None
    try:
        return datetime.fromisoformat(f"{text}Z").timestamp()
    except ValueError:
        return None


def _side(fields: Mapping[str, Any]) -> str:
    side = fields.get("side")
    if side == "buy":
        return "buy"
    if side == "sell":
        return "sell"
    raise EventError("side: must be buy or sell")


def _parent_order(fields: Mapping[str, Any]) -> ParentOrder:
    _side(fields)
    return ParentOrder(
        _text(fields, "parent_id"), _positive(fields, "quantity"), _optional_positive(fields, "arrival_mid")
    )


def _order_sent(fields: Mapping[str, Any]) -> OrderSent:
    _side(fields)
    _text(fields, "order_type")
    if type(fields.get("reduce_only", False)) is not bool:
        raise EventError("reduce_only: must be true or false")
    return OrderSent(
        _text(fields, "client_order_id"),
        _positive(fields, "quantity"),
        _optional_text(fields, "parent_id"),
        _optional_positive(fields, "price"),
        _optional_positive(fields, "arrival_mid"),
    )


def _modify_sent(fields: Mapping[str, Any]) -> ModifySent:
    _optional_positive(fields, "price")
    return ModifySent(_text(fields, "client_order_id"), _optional_positive(fields, "quantity"))


def _order_acknowledged(fields: Mapping[str, Any]) -> OrderAcknowledged:
    _text(fields, "order_id")
    return OrderAcknowledged(_text(fields, "client_order_id"))


def _order_rejected(fields: Mapping[str, Any]) -> OrderRejected:
    code, reason = fields.get("code"), fields.get("reason")
    if type(code) is not str or type(reason) is not str:
        raise EventError("code, reason: must be text")
    return OrderRejected(_text(fields, "client_order_id"), code if _CODE(code) else "other")


def _cancel_sent(fields: Mapping[str, Any]) -> CancelSent:
    return CancelSent(_text(fields, "client_order_id"))


def _order_cancelled(fields: Mapping[str, Any]) -> OrderCancelled:
    initiator = fields.get("initiator")
    if initiator is None:
        initiator = "engine"
    elif initiator not in INITIATORS:
        raise EventError("initiator: must be engine, venue or kill")
    _optional_text(fields, "order_id")
    return OrderCancelled(_text(fields, "client_order_id"), _not_negative(fields, "remaining_quantity"), initiator)


def _fill(fields: Mapping[str, Any]) -> Fill:
    side = _side(fields)
    _text(fields, "trade_id")
    _optional_text(fields, "order_id")
    _optional_number(fields, "realised_pnl")
    if fields.get("liquidity") not in (None, "maker", "taker"):
        raise EventError("liquidity: must be maker or taker")
    return Fill(
        _text(fields, "client_order_id"),
        side,
        _positive(fields, "quantity"),
        _positive(fields, "price"),
        _optional_number(fields, "fee"),
        _optional_text(fields, "fee_currency"),
        _optional_positive(fields, "arrival_mid"),
    )


def _position(fields: Mapping[str, Any]) -> Position:
    _optional_number(fields, "entry_price")
    multiplier = _optional_positive(fields, "multiplier")
    return Position(
        _number(fields, "quantity"),
        _positive(fields, "mark_price"),
        Decimal(1) if multiplier is None else multiplier,
        _text(fields, "currency"),
        _optional_number(fields, "unrealised_pnl"),
        _optional_number(fields, "realised_pnl"),
    )


def _equity(fields: Mapping[str, Any]) -> Equity:
    _optional_number(fields, "initial_margin")
    return Equity(
        _text(fields, "currency"),
        _number(fields, "equity"),
        _optional_number(fields, "realised_pnl"),
        _optional_number(fields, "unrealised_pnl"),
        _optional_number(fields, "net_deposits"),
        _optional_number(fields, "margin_balance"),
        _optional_number(fields, "maintenance_margin"),
    )


def _margin(fields: Mapping[str, Any]) -> Margin:
    return Margin(_text(fields, "currency"), _number(fields, "margin_balance"), _number(fields, "maintenance_margin"))


def _heartbeat(fields: Mapping[str, Any]) -> Heartbeat:
    state = fields.get("state")
    if state not in STATES:
        raise EventError("state: must be running, reduce_only, paused or stopped")
    open_orders = fields.get("open_orders")
    if open_orders is not None and (type(open_orders) is not int or open_orders < 0):
        raise EventError("open_orders: must be an integer that is not negative")
    return Heartbeat(state, None if fields.get("started_at") is None else _time(fields, "started_at"), open_orders)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Body]]] = {
    "parent_order": _parent_order,
    "order_sent": _order_sent,
    "modify_sent": _modify_sent,
    "order_acknowledged": _order_acknowledged,
    "order_rejected": _order_rejected,
    "cancel_sent": _cancel_sent,
    "order_cancelled": _order_cancelled,
    "fill": _fill,
    "position": _position,
    "equity": _equity,
    "margin": _margin,
    "heartbeat": _heartbeat,
}
TYPES: Final = tuple(_READERS)
