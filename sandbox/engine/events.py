"""Trading events, version 1, exactly as docs/events.md says; the exporter on the other side trusts only that page.

An event gets its `seq` and is encoded when it happens, so that what waits in memory is small and cannot change.
"""

import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import orjson

from sandbox.engine.clock import Clock, rfc3339

SCHEMA_VERSION = 1
STOPPED = "stopped"
"""The state of the last heartbeat of a program that ends."""

Value = str | Decimal | datetime | bool | int
"""What a field of an event may hold; money and sizes are `Decimal` and nothing else."""

_log = logging.getLogger(__name__)


def plain(number: Decimal) -> str:
    """Write a decimal without an exponent and without needless zeros: ``0.015``."""
    if not number.is_finite():
        raise ValueError(f"{number} has no place in an event")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def encode(fields: Mapping[str, Value | None]) -> bytes:
    """Write one event as one line of JSON with its newline; a field that is None is left out."""
    line: dict[str, str | bool | int] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, Decimal):
            line[name] = plain(value)
        elif isinstance(value, datetime):
            line[name] = rfc3339(value)
        else:
            line[name] = value
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class EventQueue:
    """What was said and not yet delivered, oldest first; bounded, and the oldest go when nobody listens for long.

    `seq` is given here, so that an event that was dropped leaves a visible hole and nothing is ever renumbered.
    """

    def __init__(self, engine: str, session: str, clock: Clock, capacity: int = 20_000) -> None:
        self.engine = engine
        self.session = session
        self.dropped = 0
        self.emitted = 0
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._capacity = capacity

    def emit(self, kind: str, **fields: Value | None) -> None:
        """Queue an event of this type; ``time`` may be among the fields, and is now otherwise."""
        self.emitted += 1
        time = fields.pop("time", None) or self._clock()
        line = encode(
            {
                "v": SCHEMA_VERSION,
                "type": kind,
                "time": time,
                "engine": self.engine,
                "session": self.session,
                "seq": self.emitted,
                **fields,
            }
        )
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            if self.dropped % 1000 == 0:
                _log.warning(
                    "events are not being delivered: dropping the oldest (%d dropped so far)", self.dropped + 1
                )
            self.dropped += 1
        self._waiting.append(line)

    def take(self, count: int) -> list[bytes]:
        """Remove and give the oldest lines, at most *count*."""
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def __len__(self) -> int:
        return len(self._waiting)


class Reporter:
    """Says what one strategy does; every method is one type of event, and its arguments are what that type needs."""

    def __init__(self, events: EventQueue, strategy: str, venue: str, account: str, symbol: str, currency: str) -> None:
        self._events = events
        self.strategy = strategy
        self.venue = venue
        self.account = account
        self.symbol = symbol
        self.currency = currency

    def _emit(self, kind: str, **fields: Value | None) -> None:
        self._events.emit(
            kind, strategy=self.strategy, venue=self.venue, account=self.account, symbol=self.symbol, **fields
        )

    def parent_order(self, parent_id: str, side: str, quantity: Decimal, arrival_mid: Decimal | None) -> None:
        """Say that a parent order was decided; its children will name it."""
        self._emit("parent_order", parent_id=parent_id, side=side, quantity=quantity, arrival_mid=arrival_mid)

    def order_sent(
        self,
        client_order_id: str,
        side: str,
        order_type: str,
        quantity: Decimal,
        *,
        price: Decimal | None,
        parent_id: str | None,
        reduce_only: bool,
        arrival_mid: Decimal | None,
    ) -> None:
        """Say that an order is about to be sent, before its answer is known."""
        self._emit(
            "order_sent",
            client_order_id=client_order_id,
            side=side,
            order_type=order_type,
            quantity=quantity,
            price=price,
            parent_id=parent_id,
            reduce_only=reduce_only,
            arrival_mid=arrival_mid,
        )

    def order_acknowledged(self, client_order_id: str, order_id: str) -> None:
        """Say that the venue has the order."""
        self._emit("order_acknowledged", client_order_id=client_order_id, order_id=order_id)

    def order_rejected(self, client_order_id: str, code: str, reason: str) -> None:
        """Say that the venue does not have the order, and why."""
        self._emit("order_rejected", client_order_id=client_order_id, code=code, reason=reason[:200])

    def cancel_sent(self, client_order_id: str) -> None:
        """Say that a cancel is about to be sent."""
        self._emit("cancel_sent", client_order_id=client_order_id)

    def order_cancelled(
        self, client_order_id: str, remaining_quantity: Decimal, *, order_id: str | None, initiator: str
    ) -> None:
        """Say that an order ended with *remaining_quantity* unfilled; *initiator* is engine, venue or kill."""
        self._emit(
            "order_cancelled",
            client_order_id=client_order_id,
            remaining_quantity=remaining_quantity,
            order_id=order_id,
            initiator=initiator,
        )

    def fill(
        self,
        client_order_id: str,
        trade_id: str,
        side: str,
        quantity: Decimal,
        price: Decimal,
        *,
        time: datetime,
        order_id: str,
        fee: Decimal,
        fee_currency: str,
        liquidity: str,
        realised_pnl: Decimal,
        arrival_mid: Decimal | None,
    ) -> None:
        """Say that (part of) an order traded; *time* is the venue's."""
        self._emit(
            "fill",
            time=time,
            client_order_id=client_order_id,
            trade_id=trade_id,
            side=side,
            quantity=quantity,
            price=price,
            order_id=order_id,
            fee=fee,
            fee_currency=fee_currency,
            liquidity=liquidity,
            realised_pnl=realised_pnl,
            arrival_mid=arrival_mid,
        )

    def position(
        self,
        quantity: Decimal,
        mark_price: Decimal,
        *,
        entry_price: Decimal | None,
        unrealised_pnl: Decimal,
    ) -> None:
        """Say what the strategy holds: *quantity* is signed, in base units."""
        self._emit(
            "position",
            quantity=quantity,
            mark_price=mark_price,
            currency=self.currency,
            entry_price=entry_price,
            unrealised_pnl=unrealised_pnl,
        )

    def equity(
        self,
        equity: Decimal,
        *,
        whole_account: bool,
        realised_pnl: Decimal,
        unrealised_pnl: Decimal,
        net_deposits: Decimal,
        margin_balance: Decimal,
        maintenance_margin: Decimal,
        initial_margin: Decimal,
    ) -> None:
        """Say what the strategy is worth, or with *whole_account* what its account is worth."""
        self._events.emit(
            "equity",
            strategy=None if whole_account else self.strategy,
            venue=self.venue,
            account=self.account,
            currency=self.currency,
            equity=equity,
            realised_pnl=realised_pnl,
            unrealised_pnl=unrealised_pnl,
            net_deposits=net_deposits,
            margin_balance=margin_balance,
            maintenance_margin=maintenance_margin,
            initial_margin=initial_margin,
        )

    def heartbeat(self, state: str, started_at: datetime, open_orders: int) -> None:
        """Say that the strategy is alive, and what it may do."""
        self._events.emit(
            "heartbeat", strategy=self.strategy, state=state, started_at=started_at, open_orders=open_orders
        )
