"""Windows, sessions and last times in the state file."""

from decimal import Decimal
from typing import Any

from exporters.trading.quality import Inventory, Session
from exporters.trading.state import State


def dump(state: State) -> dict[str, Any]:
    """As plain JSON."""
    return {
        "slot_seconds": state.slot_seconds,
        "instruments": [
            [
                *key,
                each.quality.sent.dump(),
                each.quality.filled.dump(),
                None if each.quality.price is None else str(each.quality.price),
                str(each.quality.held),
                _session(each.quality.session),
            ]
            for key, each in state.instruments.items()
            if each.quality.price is not None or each.quality.session.orders or each.quality.session.trades
        ],
        "strategies": [
            [
                *key,
                each.last_order,
                each.last_acknowledgement,
                each.last_fill,
                {currency: _inventory(held) for currency, held in each.inventory.items()},
            ]
            for key, each in state.strategies.items()
        ],
    }


def restore(state: State, saved: Any) -> None:
    """Fill a fresh *state*; windows of another length begin anew."""
    same = saved["slot_seconds"] == state.slot_seconds
    for venue, account, strategy, symbol, sent, filled, price, held, session in saved["instruments"]:
        instrument = state.instrument((venue, account, strategy, symbol))
        if instrument is None:
            continue
        quality = instrument.quality
        if same:
            quality.sent.restore(sent)
            quality.filled.restore(filled)
        quality.price = None if price is None else Decimal(price)
        quality.held = Decimal(held)
        if session is not None:
            begins, ends, orders, order_volume, trades, trade_volume = session
            quality.session = Session(
                float(begins), float(ends), int(orders), Decimal(order_volume), int(trades), Decimal(trade_volume)
            )
    for venue, account, name, order, acknowledgement, fill, inventory in saved["strategies"]:
        strategy = state.strategy((venue, account, name))
        strategy.last_order = float(order)
        strategy.last_acknowledgement = float(acknowledgement)
        strategy.last_fill = float(fill)
        for currency, (gross, at, traded, held, known) in inventory.items():
            kept = strategy.inventory[currency] = Inventory(Decimal(gross), None if at is None else float(at))
            if same:
                kept.traded.restore(traded)
                kept.held.restore(held)
                kept.known.restore(known)


def _session(session: Session) -> list[Any] | None:
    if not session.orders and not session.trades:
        return None
    return [
        session.begins,
        session.ends,
        session.orders,
        str(session.order_volume),
        session.trades,
        str(session.trade_volume),
    ]


def _inventory(held: Inventory) -> list[Any]:
    return [str(held.gross), held.at, held.traded.dump(), held.held.dump(), held.known.dump()]
