"""What a restart must not forget, as plain JSON: peaks, day starts, seq marks, heartbeats, positions, open orders.

Counters are left out on purpose: one that came back a little lower than it was last scraped would look to Prometheus
like a reset, and ``increase()`` would see a burst of orders that never were.  Decimals are strings, so nothing is
rounded.
"""

from decimal import Decimal
from typing import Any, Final

from exporters.trading.engines import Engine
from exporters.trading.equity.book import Book
from exporters.trading.intake.intake import TailMark
from exporters.trading.margin import Wallet
from exporters.trading.positions import Holding, restored
from exporters.trading.retirement.retired import Retired
from exporters.trading.risk.curve import Curve
from exporters.trading.state import State

VERSION: Final = 2


def dump(state: State, marks: dict[str, TailMark]) -> dict[str, Any]:
    """One consistent cut; call it while nothing applies events."""
    instruments = state.instruments.items()
    options = state.options
    return {
        "version": VERSION,
        "began_at": state.began_at,
        "day_starts_at": options.equity.day_starts_at,
        "slot_seconds": options.slot_seconds,
        "interval_seconds": options.risk.interval_seconds,
        "engines": {name: engine.dump() for name, engine in state.engines.items()},
        "books": [[*key, *book.dump()] for key, book in state.books.items()],
        "pnl": [[*key, *(None if each is None else str(each) for each in said)] for key, said in state.pnl.items()],
        "curves": [[*key, *curve.dump()] for key, curve in state.curves.items()],
        "wallets": [[*key, *wallet.dump()] for key, wallet in state.wallets.items()],
        "positions": [[*key, *each.holding.dump()] for key, each in instruments if each.holding is not None],
        "orders": state.orders.dump(),
        "quality": [[*key, *saved] for key, each in instruments if (saved := each.quality.dump()) is not None],
        "executions": [[*key, *each.execution.dump()] for key, each in state.strategies.items()],
        "retired": state.retired.dump(),
        "tails": {
            path: [mark.device, mark.inode, mark.offset, mark.head, mark.fingerprint] for path, mark in marks.items()
        },
    }


def restore(state: State, saved: Any) -> dict[str, TailMark]:
    """Fill a fresh *state*; raises an ordinary exception for what ``dump`` did not write."""
    if type(saved) is not dict or saved.get("version") != VERSION:
        raise ValueError("version")
    options = state.options
    state.began_at = float(saved["began_at"])
    state.engines.update((name, Engine.restored(each)) for name, each in saved["engines"].items())
    same_day = saved["day_starts_at"] == options.equity.day_starts_at
    for venue, account, strategy, currency, *each in saved["books"]:
        key = (venue, account, strategy, currency)
        if state.has_room_for_money(key):
            state.books[key] = Book.restored(each, options.equity, same_day=same_day)
    for venue, account, strategy, currency, realised, unrealised in saved["pnl"]:
        state.pnl[(venue, account, strategy, currency)] = (
            None if realised is None else Decimal(realised),
            None if unrealised is None else Decimal(unrealised),
        )
    same_interval = saved["interval_seconds"] == options.risk.interval_seconds
    for venue, account, strategy, currency, *each in saved["curves"]:
        curve = Curve.restored(each, options.risk, same_interval=same_interval)
        state.curves[(venue, account, strategy, currency)] = curve
    for venue, account, currency, *each in saved["wallets"]:
        state.wallets[(venue, account, currency)] = Wallet.restored(each)
    _restore_instruments(state, saved)
    state.retired = Retired.restored(saved["retired"])
    return {
        path: TailMark(int(device), int(inode), int(offset), int(head), str(fingerprint))
        for path, (device, inode, offset, head, fingerprint) in saved["tails"].items()
    }


def _restore_instruments(state: State, saved: Any) -> None:
    for venue, account, strategy, symbol, *each in saved["positions"]:
        position = restored(each)
        instrument = state.instrument((venue, account, strategy, symbol))
        if instrument is not None and state.has_room_for_money((venue, account, strategy, position.currency)):
            instrument.fills.currency = instrument.fills.currency or position.currency
            instrument.multiplier = position.multiplier
            instrument.holding = Holding.of(position, instrument.currencies.base)
    state.orders.restore(saved["orders"])
    for (key, _), parent in state.orders.parents.items():
        instrument = state.instrument(key)
        if instrument is not None and parent.quantity is not None:
            instrument.counts.parented = True
    same_window = saved["slot_seconds"] == state.options.slot_seconds
    for venue, account, strategy, symbol, *each in saved["quality"]:
        instrument = state.instrument((venue, account, strategy, symbol))
        if instrument is not None:
            instrument.quality.restore(each, same_window=same_window)
    for venue, account, strategy, *each in saved["executions"]:
        found = state.strategy((venue, account, strategy))
        if found is not None:
            found.execution.restore(each, same_window=same_window)
