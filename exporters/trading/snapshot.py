"""What a restart must not forget, as plain JSON: peaks, day starts, deposits, ``seq`` marks, heartbeats, positions, open orders.

Counters are left out on purpose: one that came back a little lower than it was last scraped would look to Prometheus like a reset,
and ``increase()`` would see a burst of orders that never were.  Decimals are strings, so nothing is rounded.
"""

from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from exporters.trading import events
from exporters.trading.equity import DAY_SECONDS, Book, day_of
from exporters.trading.orders import Order, Parent
from exporters.trading.state import Engine, Margin, Pulse, State

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class TailMark:
    """How far a tailed file was read: *offset* is after the last whole line, *fingerprint* is of the first *head* bytes."""

    device: int
    inode: int
    offset: int
    head: int
    fingerprint: str


def dump(state: State, marks: dict[str, TailMark]) -> dict[str, Any]:
    """One consistent cut; call it while nothing applies events."""
    return {
        "version": VERSION,
        "day_starts_at": state.day_starts_at,
        "engines": {
            name: {
                "last_event": engine.last_event,
                "sessions": list(engine.sessions.items()),
                "pulse": _pulse(engine.pulse),
                "strategies": {strategy: _pulse(pulse) for strategy, pulse in engine.strategies.items()},
            }
            for name, engine in state.engines.items()
        },
        "books": [
            [
                *key,
                str(book.equity),
                _text(book.net_deposits),
                str(book.peak),
                book.time,
                book.day,
                str(book.day_equity),
                str(book.day_flows),
                *(_text(each) for each in state.pnl.get(key, (None, None))),
            ]
            for key, book in state.books.items()
        ],
        "margins": [
            [*key, str(each.balance), str(each.maintenance), each.whole] for key, each in state.margins.items()
        ],
        "positions": [
            [*key, *(_text(value) if isinstance(value, Decimal) else value for value in each.position)]
            for key, each in state.instruments.items()
            if each.position is not None
        ],
        "orders": [
            [
                key[2],
                *order.instrument,
                str(order.quantity),
                str(order.filled),
                order.parent_id,
                order.sent,
                order.acknowledged,
            ]
            for key, order in state.orders.open.items()
        ],
        "parents": [
            [*instrument, parent_id, _text(parent.quantity), str(parent.child), parent.seen]
            for (instrument, parent_id), parent in state.orders.parents.items()
        ],
        "tails": {
            path: [mark.device, mark.inode, mark.offset, mark.head, mark.fingerprint] for path, mark in marks.items()
        },
    }


def restore(state: State, saved: Any) -> dict[str, TailMark]:
    """Fill a fresh *state*; raises ValueError, TypeError, KeyError or ArithmeticError for what ``dump`` did not write."""
    if type(saved) is not dict or saved.get("version") != VERSION:
        raise ValueError("version")
    for name, each in saved["engines"].items():
        state.engines[name] = Engine(
            last_event=float(each["last_event"]),
            sessions=OrderedDict((str(session), int(seq)) for session, seq in each["sessions"]),
            pulse=_read_pulse(each["pulse"]),
            strategies={
                strategy: pulse
                for strategy, saved_pulse in each["strategies"].items()
                if (pulse := _read_pulse(saved_pulse))
            },
        )
    for venue, account, strategy, currency, *rest in saved["books"]:
        key = (venue, account, strategy, currency)
        equity, net_deposits, peak, time, day, day_equity, day_flows, realised, unrealised = rest
        book = Book(
            Decimal(equity),
            _decimal(net_deposits),
            Decimal(peak),
            float(time),
            int(day),
            Decimal(day_equity),
            Decimal(day_flows),
        )
        if saved["day_starts_at"] != state.day_starts_at:
            # Somebody moved the boundary: the day under way keeps its start, on the new grid.
            book.day = day_of(book.day + DAY_SECONDS - 1, state.day_starts_at)
        state.books[key] = book
        if realised is not None or unrealised is not None:
            state.pnl[key] = (_decimal(realised), _decimal(unrealised))
    for venue, account, balance, maintenance, whole in saved["margins"]:
        state.margins[(venue, account)] = Margin(Decimal(balance), Decimal(maintenance), bool(whole))
    for venue, account, strategy, symbol, quantity, mark, multiplier, currency, unrealised, realised in saved[
        "positions"
    ]:
        instrument = state.instrument((venue, account, strategy, symbol))
        if instrument is not None:
            instrument.position = events.Position(
                Decimal(quantity),
                Decimal(mark),
                Decimal(multiplier),
                str(currency),
                _decimal(unrealised),
                _decimal(realised),
            )
            instrument.multiplier = Decimal(multiplier)
    for order_id, venue, account, strategy, symbol, quantity, filled, parent_id, sent, acknowledged in saved["orders"]:
        state.orders.open[(venue, account, order_id)] = Order(
            (venue, account, strategy, symbol),
            Decimal(quantity),
            Decimal(filled),
            parent_id,
            float(sent),
            bool(acknowledged),
        )
    for venue, account, strategy, symbol, parent_id, quantity, child, seen in saved["parents"]:
        key = (venue, account, strategy, symbol)
        state.orders.parents[(key, parent_id)] = Parent(_decimal(quantity), Decimal(child), float(seen))
        instrument = state.instrument(key)
        if instrument is not None and quantity is not None:
            instrument.parented = True
    return {
        path: TailMark(int(device), int(inode), int(offset), int(head), str(fingerprint))
        for path, (device, inode, offset, head, fingerprint) in saved["tails"].items()
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _pulse(pulse: Pulse | None) -> list[Any] | None:
    return None if pulse is None else [pulse.at, pulse.state, pulse.started_at, pulse.open_orders]


def _read_pulse(saved: Any) -> Pulse | None:
    if saved is None:
        return None
    at, state, started_at, open_orders = saved
    return Pulse(float(at), str(state), None if started_at is None else float(started_at), open_orders)
