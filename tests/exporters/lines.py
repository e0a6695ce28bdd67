"""Lines of docs/events.md with sensible fields, and what the series say after them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from prometheus_client.metrics_core import Metric

from exporters.trading import readers
from exporters.trading.apply import apply
from exporters.trading.equity.book import EquityOptions
from exporters.trading.events import parse
from exporters.trading.state import Limits, Options, State

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
_PLACE = {"venue": "sandbox", "account": "mm", "strategy": "mm-btc", "symbol": "BTC/USDT:USDT"}
_SEQ = count(1)
_NEEDED: dict[str, dict[str, Any]] = {
    "parent_order": {"parent_id": "p1", "side": "buy", "quantity": "10"},
    "order_sent": {"client_order_id": "c1", "side": "buy", "order_type": "limit", "quantity": "1"},
    "modify_sent": {"client_order_id": "c1"},
    "order_acknowledged": {"client_order_id": "c1", "order_id": "7"},
    "order_rejected": {"client_order_id": "c1", "code": "-2010", "reason": "no money"},
    "cancel_sent": {"client_order_id": "c1"},
    "order_cancelled": {"client_order_id": "c1", "remaining_quantity": "1"},
    "fill": {"client_order_id": "c1", "trade_id": "t1", "side": "buy", "quantity": "1", "price": "100"},
    "position": {"quantity": "1", "mark_price": "100", "currency": "USDT"},
    "equity": {"currency": "USDT", "equity": "1000"},
    "margin": {"currency": "USDT", "margin_balance": "1000", "maintenance_margin": "10"},
    "heartbeat": {"state": "running"},
}
TYPES = tuple(_NEEDED)


def rfc3339(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def fields(kind: str, time: float = NOON, **changes: Any) -> dict[str, Any]:
    """An event as a dictionary; a change to ``None`` leaves the field out."""
    event = {
        "v": 1, "type": kind, "time": rfc3339(time), "engine": "sandbox-engine", "session": "s1", "seq": next(_SEQ),
        **_PLACE, **_NEEDED[kind], **changes,
    }  # fmt: skip
    return {name: value for name, value in event.items() if value is not None}


def line(kind: str, time: float = NOON, **changes: Any) -> bytes:
    """An event as it is sent."""
    return json.dumps(fields(kind, time, **changes)).encode()


def state_after(*lines: bytes, limits: Limits | None = None, day_starts_at: int = 0, received: float = NOON) -> State:
    """A fresh state that took these lines in."""
    state = State(Options(limits=limits or Limits(), equity=EquityOptions(day_starts_at=day_starts_at)))
    for each in lines:
        apply(state, parse(each), received)
    return state


def values(found: Iterable[Metric]) -> dict[str, float]:
    """Samples as ``name{label values}`` -> value, label values joined by commas."""
    return {
        f"{sample.name}{{{','.join(sample.labels.values())}}}": sample.value
        for family in found for sample in family.samples
    }  # fmt: skip


def shown(state: State, now: float = NOON) -> dict[str, float]:
    """Every sample of the trading exporter about *state*."""
    every = (*readers.KILL.values(), *readers.REST.values())
    return values(family for reader in every for family in reader(state, now))
