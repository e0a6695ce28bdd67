"""What a restart must not forget, as plain JSON: peaks, day starts, seq marks, heartbeats, positions, open orders.

Counters are left out on purpose: one that came back a little lower than it was last scraped would look to Prometheus
like a reset, and ``increase()`` would see a burst of orders that never were.  Decimals are strings, so nothing is
rounded.
"""

from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from exporters.trading import events, quality_snapshot
from exporters.trading.equity import Book, day_of
from exporters.trading.orders import Order, Parent
from exporters.trading.risk.curve import Curve
from exporters.trading.state import Engine, Margin, Pulse, State

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class TailMark:
    """How far a tailed file was read: to *offset*, after a whole line; *fingerprint* is of its first *head* bytes."""

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
                _text(order.arrival_mid),
                order.cancels,
                str(order.cancel_volume),
            ]
            for key, order in state.orders.open.items()
        ],
        "parents": [
            [
                *instrument,
                parent_id,
                _text(parent.quantity),
                str(parent.child),
                parent.seen,
                parent.touched,
                _text(parent.arrival_mid),
            ]
            for (instrument, parent_id), parent in state.orders.parents.items()
        ],
        "quality": quality_snapshot.dump(state),
        "risk": {
            "interval_seconds": state.risk.interval_seconds,
            "curves": [[*key, curve.dump()] for key, curve in state.curves.items()],
        },
        "tails": {
            path: [mark.device, mark.inode, mark.offset, mark.head, mark.fingerprint] for path, mark in marks.items()
        },
    }


def restore(state: State, saved: Any) -> dict[str, TailMark]:
    """Fill a fresh *state*; raises an ordinary exception for what ``dump`` did not write."""
    if type(saved) is not dict or saved.get("version") != VERSION:
        raise ValueError("version")
    _restore_engines(state, saved["engines"])
    _restore_books(state, saved["books"], same_day=saved["day_starts_at"] == state.day_starts_at)
    for venue, account, balance, maintenance, whole in saved["margins"]:
        state.margins[(venue, account)] = Margin(Decimal(balance), Decimal(maintenance), bool(whole))
    _restore_positions(state, saved["positions"])
    _restore_orders(state, saved["orders"], saved["parents"])
    if "quality" in saved:  # older state files have none
        quality_snapshot.restore(state, saved["quality"])
    if "risk" in saved:
        _restore_curves(state, saved["risk"])
    return {
        path: TailMark(int(device), int(inode), int(offset), int(head), str(fingerprint))
        for path, (device, inode, offset, head, fingerprint) in saved["tails"].items()
    }


def _restore_engines(state: State, saved: Any) -> None:
    for name, each in saved.items():
        pulses = ((strategy, _read_pulse(pulse)) for strategy, pulse in each["strategies"].items())
        state.engines[name] = Engine(
            last_event=float(each["last_event"]),
            sessions=OrderedDict((str(session), int(seq)) for session, seq in each["sessions"]),
            pulse=_read_pulse(each["pulse"]),
            strategies={strategy: pulse for strategy, pulse in pulses if pulse is not None},
        )


def _restore_books(state: State, saved: Any, *, same_day: bool) -> None:
    for venue, account, strategy, currency, *rest in saved:
        key = (venue, account, strategy, currency)
        equity, net_deposits, peak, time, day, day_equity, day_flows, realised, unrealised = rest
        book = Book(
            equity=Decimal(equity),
            net_deposits=_decimal(net_deposits),
            peak=Decimal(peak),
            time=float(time),
            day=int(day),
            day_equity=Decimal(day_equity),
            day_flows=Decimal(day_flows),
        )
        if not same_day:
            # Somebody moved the boundary: the day under way keeps its start until the next one begins on the new grid.
            book.day = day_of(book.time, state.day_starts_at)
        state.books[key] = book
        if realised is not None or unrealised is not None:
            state.pnl[key] = (_decimal(realised), _decimal(unrealised))


def _restore_curves(state: State, saved: Any) -> None:
    same = saved["interval_seconds"] == state.risk.interval_seconds
    for venue, account, strategy, currency, curve in saved["curves"]:
        key = (venue, account, strategy, currency)
        state.curves[key] = Curve.restored(curve, state.risk, same_interval=same)


def _restore_positions(state: State, saved: Any) -> None:
    for venue, account, strategy, symbol, quantity, mark, multiplier, currency, unrealised, realised in saved:
        instrument = state.instrument((venue, account, strategy, symbol))
        if instrument is not None:
            instrument.multiplier = Decimal(multiplier)
            instrument.position = events.Position(
                quantity=Decimal(quantity),
                mark_price=Decimal(mark),
                multiplier=Decimal(multiplier),
                currency=str(currency),
                unrealised_pnl=_decimal(unrealised),
                realised_pnl=_decimal(realised),
            )


def _restore_orders(state: State, orders: Any, parents: Any) -> None:
    for order_id, venue, account, strategy, symbol, quantity, filled, parent_id, sent, acknowledged, *more in orders:
        order = state.orders.open[(venue, account, order_id)] = Order(
            (venue, account, strategy, symbol),
            Decimal(quantity),
            Decimal(filled),
            parent_id,
            float(sent),
            bool(acknowledged),
        )
        if more:
            mid, cancels, cancel_volume = more
            order.arrival_mid, order.cancels, order.cancel_volume = _decimal(mid), int(cancels), Decimal(cancel_volume)
    for venue, account, strategy, symbol, parent_id, quantity, child, seen, touched, *more in parents:
        key = (venue, account, strategy, symbol)
        parent = Parent(key, _decimal(quantity), Decimal(child), float(seen), float(touched))
        parent.arrival_mid = _decimal(more[0]) if more else None
        parent.weigh()
        state.orders.parents[(key, parent_id)] = parent
        instrument = state.instrument(key)
        if instrument is not None and quantity is not None:
            instrument.parented = True


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
