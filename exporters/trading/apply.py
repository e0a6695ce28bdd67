"""How one event changes the state.

``apply`` reads no clock and does no I/O: the same events give the same state.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from exporters.trading.engines import Pulse
from exporters.trading.equity.book import Book, day_of
from exporters.trading.events import Event
from exporters.trading.keys import EquityKey
from exporters.trading.margin import Wallet
from exporters.trading.orders.ledger import Order
from exporters.trading.positions import Holding, notional
from exporters.trading.quality.inventory import Inventory
from exporters.trading.risk.curve import Curve
from exporters.trading.state import Instrument, State

_ZERO: Final = Decimal(0)


def apply(state: State, event: Event, received: float) -> bool:
    """Take in one event *received* at (seconds since the epoch); ``False``: its ``seq`` was seen, nothing changed."""
    engine = state.engines.get(event.engine) or state.engine(event.engine)
    if engine is None:
        return True
    last = engine.sessions.get(event.session)
    if last is not None:
        if event.seq <= last:
            return False
        engine.missing += event.seq - last - 1
        engine.sessions.move_to_end(event.session)
    elif len(engine.sessions) >= state.limits.sessions:
        engine.sessions.popitem(last=False)
        state.dropped["sessions"] += 1
    engine.sessions[event.session] = event.seq
    engine.counts[event.type] += 1
    engine.last_event = happened = min(event.time, received)
    if not (state.retired and state.retired.hides(event)):
        _APPLY[event.type](state, event, happened, received)
    return True


def _parent_order(state: State, event: Event, _happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is not None:
        instrument.counts.parents += 1
        instrument.counts.parented = True
        state.orders.parent(key, body.parent_id, body.quantity, event.time, received, body.arrival_mid)


def _order_sent(state: State, event: Event, happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is not None:
        time = event.time
        instrument.counts.sent += 1
        strategy, quality = instrument.strategy, instrument.quality
        strategy.rate.sent(happened, received)
        execution = strategy.execution
        execution.last_order = max(execution.last_order, happened)
        quality.sent.add(int(time // state.options.slot_seconds), body.quantity)
        if body.price is not None:
            quality.price = body.price
        if quality.session.admits(time, state.options.equity.day_starts_at):
            quality.session.ordered(body.quantity)
        state.orders.sent(key, body.client_order_id, body.quantity, body.parent_id, time, received, body.arrival_mid)


def _modify_sent(state: State, event: Event, _happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    found = state.orders.modified(event.venue, event.account, body.client_order_id, body.quantity, event.time, received)
    if instrument is None:
        return
    instrument.counts.modifies += 1
    volume = body.quantity or _ZERO
    if found is not None:
        order, more = found
        volume = body.quantity or order.unfilled
        instrument.quality.sent.add(int(order.sent // state.options.slot_seconds), more)
    if instrument.quality.session.admits(event.time, state.options.equity.day_starts_at):
        instrument.quality.session.ordered(volume)


def _order_acknowledged(state: State, event: Event, happened: float, _received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is None:
        return
    instrument.counts.acknowledged += 1
    execution = instrument.strategy.execution
    execution.last_acknowledgement = max(execution.last_acknowledgement, happened)
    took = state.orders.acknowledged(event.venue, event.account, body.client_order_id, event.time)
    if took is not None:
        instrument.strategy.acknowledgements.observe(took)


def _order_rejected(state: State, event: Event, _happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is not None:
        instrument.counts.reject(body.code)
    state.orders.ended(event.venue, event.account, body.client_order_id, None, event.time, received)


def _cancel_sent(state: State, event: Event, _happened: float, _received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is None:
        return
    instrument.counts.cancels_sent += 1
    session = instrument.quality.session
    if session.admits(event.time, state.options.equity.day_starts_at):
        order = state.orders.open.get((event.venue, event.account, body.client_order_id))
        volume = _ZERO if order is None else order.unfilled
        session.ordered(volume)
        if order is not None:
            order.cancels += 1
            order.cancel_volume += volume


def _order_cancelled(state: State, event: Event, _happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is not None:
        instrument.counts.cancelled[body.initiator] += 1
    order = state.orders.ended(event.venue, event.account, body.client_order_id, body.remaining, event.time, received)
    if body.initiator == "kill" and instrument is not None and order is not None and order.cancels:
        # RTS 9 does not count the cancels of a kill: those that the engine sent for this order were such.
        session = instrument.quality.session
        session.orders = max(0, session.orders - order.cancels)
        session.order_volume = max(_ZERO, session.order_volume - order.cancel_volume)


def _fill(state: State, event: Event, happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    order = state.orders.filled(event.venue, event.account, body.client_order_id, body.quantity, event.time, received)
    if instrument is not None:
        fills = instrument.fills
        fills.count += 1
        fills.quantity += body.quantity
        worth = notional(body.quantity, body.price, instrument.multiplier, inverse=instrument.inverse)
        fills.notional += worth
        _fill_quality(state, event, instrument, order, worth, happened)
        if body.fee is not None and not fills.pay(body.fee, body.fee_currency or fills.currency):
            state.dropped["currencies"] += 1


def _fill_quality(
    state: State, event: Event, instrument: Instrument, order: Order | None, worth: Decimal, happened: float
) -> None:
    body: Any = event.body
    execution, quality = instrument.strategy.execution, instrument.quality
    execution.last_fill = max(execution.last_fill, happened)
    quality.price = body.price
    slot_seconds = state.options.slot_seconds
    if order is not None:
        # By the time it was sent, so that the ratio is that of the orders of the window and not above 1.
        quality.filled.add(int(order.sent // slot_seconds), body.quantity)
    if quality.session.admits(event.time, state.options.equity.day_starts_at):
        quality.session.traded(body.quantity)
    _inventory(instrument).traded.add(int(event.time // slot_seconds), worth)
    mid = body.arrival_mid or (None if order is None else order.arrival_mid)
    if mid is not None:
        at_mid = notional(body.quantity, mid, instrument.multiplier, inverse=instrument.inverse)
        if not execution.slippage.measure(body.side, body.price, mid, at_mid, instrument.fills.currency):
            state.dropped["currencies"] += 1


def _inventory(instrument: Instrument) -> Inventory:
    inventory = instrument.strategy.execution.inventory
    currency = instrument.fills.currency
    found = inventory.get(currency)
    if found is None:
        found = inventory[currency] = Inventory()
    return found


def _position(state: State, event: Event, _happened: float, _received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, event.symbol)
    instrument = state.instruments.get(key) or state.instrument(key)
    if instrument is None:
        return
    known = instrument.holding
    if (known is None or known.position.currency != body.currency) and not state.has_room_for_money(
        (*key[:3], body.currency)
    ):
        return
    if not instrument.fills.currency:
        instrument.fills.currency = body.currency  # the symbol does not say it
    holding = Holding.of(body, instrument.currencies.base)
    before = _ZERO if known is None else abs(known.notional)
    _inventory(instrument).move(abs(holding.notional) - before, event.time, state.options.slot_seconds)
    instrument.holding = holding
    instrument.multiplier = body.multiplier
    instrument.quality.price = body.mark_price
    instrument.marks.observe(float(body.mark_price), event.time)


def _equity(state: State, event: Event, happened: float, received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, body.currency)
    if body.margin_balance is not None and body.maintenance_margin is not None:
        _margin(state, event, happened, received)
    options = state.options.equity
    book = state.books.get(key)
    earlier = _ZERO
    if book is not None:
        earlier = book.observe(body.equity, body.net_deposits, event.time, received, options)
    elif state.has_room_for_money(key):
        book = state.books[key] = Book.opened(body.equity, body.net_deposits, event.time, options)
    else:
        return
    if event.strategy:
        _curve(state, key, book, earlier, event, received)
    if body.realised_pnl is not None or body.unrealised_pnl is not None:
        realised, unrealised = state.pnl.get(key, (None, None))
        state.pnl[key] = (
            realised if body.realised_pnl is None else body.realised_pnl,
            unrealised if body.unrealised_pnl is None else body.unrealised_pnl,
        )


def _curve(state: State, key: EquityKey, book: Book, earlier: Decimal, event: Event, received: float) -> None:
    curve = state.curves.get(key)
    if curve is None:
        curve = state.curves[key] = Curve()
    options = state.options
    if curve.observe(book.equity - book.flows, earlier, event.time, options.risk):
        present = state.present.get(key)
        curve.of_positions = present.estimates if present is not None and present.held else {}
    drawdown = book.drawdown_at(received, options.equity)
    if drawdown is not None:
        curve.drew_down(day_of(event.time, options.equity.day_starts_at), float(drawdown), options.risk)


def _margin(state: State, event: Event, _happened: float, _received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, body.currency)
    known = state.wallets.get(key)
    if known is None and len(state.wallets) >= state.limits.strategies:
        state.dropped["strategies"] += 1
    elif known is None or known.strategy or not event.strategy:
        state.wallets[key] = Wallet(body.margin_balance, body.maintenance_margin, event.strategy)


def _heartbeat(state: State, event: Event, happened: float, _received: float) -> None:
    body: Any = event.body
    engine = state.engines[event.engine]
    pulse = Pulse(happened, body.state, body.started_at, body.open_orders)
    if not event.strategy:
        engine.pulse = pulse
    elif (
        event.strategy in engine.strategies
        or sum(len(each.strategies) for each in state.engines.values()) < state.limits.strategies
    ):
        engine.strategies[event.strategy] = pulse
    else:
        state.dropped["strategies"] += 1


_APPLY: Final[dict[str, Callable[[State, Event, float, float], None]]] = {
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
