"""Everything the trading exporter knows, and ``apply``: how one event changes it.

``apply`` reads no clock and does no I/O: the same events give the same state.  Counters start at zero with the
process, as Prometheus expects; what a restart must not forget is said in ``snapshot``.  Every collection here is
bounded.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from exporters.buckets import Buckets
from exporters.trading import events
from exporters.trading.equity import Book, day_of
from exporters.trading.events import INITIATORS, TYPES, Event
from exporters.trading.orders import InstrumentKey, Order, Orders
from exporters.trading.quality import Inventory, Quality, Strategy, slippage, slippage_buckets
from exporters.trading.risk.curve import Curve, RiskOptions

_ZERO: Final = Decimal(0)
_MAX_CODES: Final = 32
OTHER: Final = "other"

StrategyKey = tuple[str, str, str]
"""venue, account, strategy (empty: the whole account)."""
EquityKey = tuple[str, str, str, str]
"""venue, account, strategy (empty: the whole account), currency."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of memory; *max_ahead* is how many seconds ahead of our clock an event may be."""

    engines: int = 32
    sessions: int = 1_000
    strategies: int = 1_000
    instruments: int = 5_000
    open_orders: int = 20_000
    parents: int = 10_000
    max_ahead: float = 60.0


@dataclass(slots=True)
class Instrument:
    """Counts and the position of one (venue, account, strategy, symbol), and its *strategy* as a whole.

    *parented*: it is known to use parent orders, so no active parent means a ratio of 0 and not an unknown one.
    """

    strategy: Strategy
    quality: Quality = field(default_factory=Quality)
    sent: int = 0
    acknowledged: int = 0
    cancels_sent: int = 0
    fills: int = 0
    parents: int = 0
    rejected: dict[str, int] = field(default_factory=lambda: {OTHER: 0})
    cancelled: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INITIATORS, 0))
    filled_quantity: Decimal = _ZERO
    notional: Decimal = _ZERO
    multiplier: Decimal = Decimal(1)
    fees: dict[str, Decimal] = field(default_factory=dict)
    rebates: dict[str, Decimal] = field(default_factory=dict)
    position: events.Position | None = None
    parented: bool = False


@dataclass(slots=True)
class Pulse:
    """The last heartbeat of an engine or a strategy; *at* is the sooner of its own time and of our receipt of it."""

    at: float
    state: str
    started_at: float | None
    open_orders: int | None


@dataclass(slots=True)
class Engine:
    """What one engine said; *sessions* holds the highest ``seq`` of each, the longest silent first."""

    last_event: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TYPES, 0))
    missing: int = 0
    sessions: OrderedDict[str, int] = field(default_factory=OrderedDict)
    pulse: Pulse | None = None
    strategies: dict[str, Pulse] = field(default_factory=dict)


@dataclass(slots=True)
class Margin:
    """The last margin said for an account; *whole* when the account itself said it and not one of its strategies."""

    balance: Decimal
    maintenance: Decimal
    whole: bool


class State:
    """The books, the instruments, the engines and the orders."""

    def __init__(
        self, limits: Limits, day_starts_at: int = 0, window_minutes: int = 60, risk: RiskOptions | None = None
    ) -> None:
        """*day_starts_at* is seconds after 00:00 UTC; *window_minutes* is that of fill ratio and turnover."""
        self.limits = limits
        self.day_starts_at = day_starts_at
        self.slot_seconds = window_minutes
        self.risk = risk or RiskOptions()
        self.engines: dict[str, Engine] = {}
        self.books: dict[EquityKey, Book] = {}
        self.curves: dict[EquityKey, Curve] = {}
        self.pnl: dict[EquityKey, tuple[Decimal | None, Decimal | None]] = {}
        self.margins: dict[tuple[str, str], Margin] = {}
        self.instruments: dict[InstrumentKey, Instrument] = {}
        self.strategies: dict[StrategyKey, Strategy] = {}
        self.acknowledgements: dict[StrategyKey, Buckets] = {}
        self.slippage: dict[tuple[str, str], Buckets] = {}
        self.orders = Orders(limits.open_orders, limits.parents)
        self.codes: set[str] = {OTHER}
        self.dropped = dict.fromkeys(("engines", "strategies", "instruments"), 0)
        self.restored_at: float | None = None

    def fresh(self) -> "State":
        """An empty one with the same options."""
        return State(self.limits, self.day_starts_at, self.slot_seconds, self.risk)

    def expect(self, engine: str, strategy: StrategyKey, symbols: Iterable[str], codes: Iterable[str]) -> None:
        """Open the series of a configured strategy at zero, so that a rule sees its first event as an increase."""
        self._engine(engine)
        self.strategy(strategy)
        self.acknowledgements.setdefault(strategy, Buckets())
        self.slippage.setdefault((strategy[0], strategy[2]), slippage_buckets())
        for symbol in symbols:
            instrument = self.instrument((*strategy, symbol))
            if instrument is None:
                return
            instrument.parented = True
            for code in codes:
                instrument.rejected.setdefault(self._code(code), 0)

    def instrument(self, key: InstrumentKey) -> Instrument | None:
        """The instrument, made when it is new; ``None`` when there is no room for another."""
        found = self.instruments.get(key)
        if found is None:
            if len(self.instruments) >= self.limits.instruments:
                self.dropped["instruments"] += 1
                return None
            found = self.instruments[key] = Instrument(self.strategy(key[:3]), fees={currency_of(key[3]): _ZERO})
        return found

    def strategy(self, key: StrategyKey) -> Strategy:
        """The strategy, made when it is new; there are no more of them than instruments and configured ones."""
        found = self.strategies.get(key)
        if found is None:
            found = self.strategies[key] = Strategy()
        return found

    def _engine(self, name: str) -> Engine | None:
        found = self.engines.get(name)
        if found is None:
            if len(self.engines) >= self.limits.engines:
                self.dropped["engines"] += 1
                return None
            found = self.engines[name] = Engine()
        return found

    def _code(self, code: str) -> str:
        if code not in self.codes:
            if len(self.codes) >= _MAX_CODES:
                return OTHER
            self.codes.add(code)
        return code


def currency_of(symbol: str) -> str:
    """The currency a unified symbol is settled in: ``BTC/USDT:USDT`` and ``BTC/USDT`` give ``USDT``; else empty."""
    pair, _, settle = symbol.partition(":")
    return settle.partition("-")[0] or pair.partition("/")[2]


def apply(state: State, event: Event, received: float) -> bool:
    """Take in one event *received* at (seconds since the epoch); ``False``: its ``seq`` was seen, nothing changed."""
    engine = state._engine(event.engine)  # noqa: SLF001  # apply is the other half of State
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
    engine.sessions[event.session] = event.seq
    engine.counts[event.type] += 1
    engine.last_event = min(event.time, received)
    _APPLY[event.type](state, event, received)
    return True


def _instrument(state: State, event: Event) -> tuple[InstrumentKey, Instrument | None]:
    key = (event.venue, event.account, event.strategy, event.symbol)
    return key, state.instrument(key)


def _parent_order(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    key, instrument = _instrument(state, event)
    if instrument is not None:
        instrument.parents += 1
        instrument.parented = True
        state.orders.parent(key, body.parent_id, body.quantity, event.time, received, body.arrival_mid)


def _order_sent(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    key, instrument = _instrument(state, event)
    if instrument is not None:
        instrument.sent += 1
        strategy, quality = instrument.strategy, instrument.quality
        strategy.last_order = max(strategy.last_order, min(event.time, received))
        quality.sent.add(int(event.time // state.slot_seconds), body.quantity)
        if body.price is not None:
            quality.price = body.price
        if quality.session.admits(event.time, state.day_starts_at):
            quality.session.ordered(body.quantity)
        state.orders.sent(
            key, body.client_order_id, body.quantity, body.parent_id, event.time, received, body.arrival_mid
        )


def _modify_sent(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    _, instrument = _instrument(state, event)
    found = state.orders.modified(event.venue, event.account, body.client_order_id, body.quantity, event.time, received)
    if instrument is None:
        return
    instrument.strategy.modifies += 1
    volume = body.quantity or _ZERO
    if found is not None:
        order, more = found
        volume = body.quantity or order.unfilled
        instrument.quality.sent.add(int(order.sent // state.slot_seconds), more)
    if instrument.quality.session.admits(event.time, state.day_starts_at):
        instrument.quality.session.ordered(volume)


def _order_acknowledged(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    key, instrument = _instrument(state, event)
    if instrument is None:
        return
    instrument.acknowledged += 1
    strategy = instrument.strategy
    strategy.last_acknowledgement = max(strategy.last_acknowledgement, min(event.time, received))
    took = state.orders.acknowledged(event.venue, event.account, body.client_order_id, event.time)
    if took is not None:
        buckets = state.acknowledgements.get(key[:3])
        if buckets is None:
            buckets = state.acknowledgements[key[:3]] = Buckets()
        buckets.observe(took)


def _order_rejected(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    _, instrument = _instrument(state, event)
    if instrument is not None:
        code = state._code(body.code)  # noqa: SLF001
        instrument.rejected[code] = instrument.rejected.get(code, 0) + 1
    state.orders.ended(event.venue, event.account, body.client_order_id, None, event.time, received)


def _cancel_sent(state: State, event: Event, _received: float) -> None:
    body: Any = event.body
    _, instrument = _instrument(state, event)
    if instrument is None:
        return
    instrument.cancels_sent += 1
    session = instrument.quality.session
    if session.admits(event.time, state.day_starts_at):
        order = state.orders.open.get((event.venue, event.account, body.client_order_id))
        volume = _ZERO if order is None else order.unfilled
        session.ordered(volume)
        if order is not None:
            order.cancels += 1
            order.cancel_volume += volume


def _order_cancelled(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    _, instrument = _instrument(state, event)
    if instrument is not None:
        instrument.cancelled[body.initiator] += 1
    order = state.orders.ended(event.venue, event.account, body.client_order_id, body.remaining, event.time, received)
    if body.initiator == "kill" and instrument is not None and order is not None and order.cancels:
        # RTS 9 does not count the cancels of a kill: those that the engine sent for this order were such.
        session = instrument.quality.session
        session.orders = max(0, session.orders - order.cancels)
        session.order_volume = max(_ZERO, session.order_volume - order.cancel_volume)


def _fill(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    _, instrument = _instrument(state, event)
    order = state.orders.filled(event.venue, event.account, body.client_order_id, body.quantity, event.time, received)
    if instrument is not None:
        instrument.fills += 1
        instrument.filled_quantity += body.quantity
        notional = body.quantity * body.price * instrument.multiplier
        instrument.notional += notional
        _fill_quality(state, event, instrument, order, notional, received)
        if body.fee is not None:
            currency = body.fee_currency or currency_of(event.symbol)
            kept = instrument.fees if body.fee >= _ZERO else instrument.rebates
            if currency in kept or len(kept) < _MAX_CODES:
                kept[currency] = kept.get(currency, _ZERO) + abs(body.fee)


def _fill_quality(
    state: State, event: Event, instrument: Instrument, order: Order | None, notional: Decimal, received: float
) -> None:
    body: Any = event.body
    strategy, quality = instrument.strategy, instrument.quality
    strategy.last_fill = max(strategy.last_fill, min(event.time, received))
    quality.price = body.price
    if order is not None:
        # By the time it was sent, so that the ratio is that of the orders of the window and not above 1.
        quality.filled.add(int(order.sent // state.slot_seconds), body.quantity)
    if quality.session.admits(event.time, state.day_starts_at):
        quality.session.traded(body.quantity)
    _inventory(event, instrument).traded.add(int(event.time // state.slot_seconds), notional)
    mid = body.arrival_mid or (None if order is None else order.arrival_mid)
    if mid is not None:
        key = (event.venue, event.strategy)
        buckets = state.slippage.get(key)
        if buckets is None:
            buckets = state.slippage[key] = slippage_buckets()
        buckets.observe(slippage(body.side, body.price, mid))


def _inventory(event: Event, instrument: Instrument) -> Inventory:
    currency = currency_of(event.symbol) or (instrument.position.currency if instrument.position else "")
    inventory = instrument.strategy.inventory
    found = inventory.get(currency)
    if found is None:
        found = inventory[currency] = Inventory()
    return found


def _position(state: State, event: Event, _received: float) -> None:
    body: Any = event.body
    _, instrument = _instrument(state, event)
    if instrument is not None:
        instrument.position = body
        instrument.multiplier = body.multiplier
        instrument.quality.price = body.mark_price
        held = abs(body.quantity * body.mark_price * body.multiplier)
        _inventory(event, instrument).move(held - instrument.quality.held, event.time, state.slot_seconds)
        instrument.quality.held = held


def _equity(state: State, event: Event, _received: float) -> None:
    body: Any = event.body
    key = (event.venue, event.account, event.strategy, body.currency)
    book = state.books.get(key)
    if book is not None:
        book.observe(body.equity, body.net_deposits, event.time, state.day_starts_at)
    elif len(state.books) < state.limits.strategies:
        book = state.books[key] = Book.opened(body.equity, body.net_deposits, event.time, state.day_starts_at)
    else:
        state.dropped["strategies"] += 1
        return
    if event.strategy:
        _curve(state, key, book, event)
    if body.realised_pnl is not None or body.unrealised_pnl is not None:
        realised, unrealised = state.pnl.get(key, (None, None))
        state.pnl[key] = (
            realised if body.realised_pnl is None else body.realised_pnl,
            unrealised if body.unrealised_pnl is None else body.unrealised_pnl,
        )
    if body.margin_balance is not None and body.maintenance_margin is not None:
        account = (event.venue, event.account)
        known = state.margins.get(account)
        whole = not event.strategy
        if known is None or whole or not known.whole:
            state.margins[account] = Margin(body.margin_balance, body.maintenance_margin, whole)


def _curve(state: State, key: EquityKey, book: Book, event: Event) -> None:
    body: Any = event.body
    curve = state.curves.get(key)
    if curve is None:
        curve = state.curves[key] = Curve()
    curve.observe(body.equity, body.net_deposits, event.time, state.risk)
    drawdown = book.drawdown()
    if drawdown is not None:
        curve.drew_down(day_of(event.time, state.day_starts_at), float(drawdown), state.risk)


def _heartbeat(state: State, event: Event, received: float) -> None:
    body: Any = event.body
    engine = state.engines[event.engine]
    pulse = Pulse(min(event.time, received), body.state, body.started_at, body.open_orders)
    if not event.strategy:
        engine.pulse = pulse
    elif event.strategy in engine.strategies or len(engine.strategies) < state.limits.strategies:
        engine.strategies[event.strategy] = pulse
    else:
        state.dropped["strategies"] += 1


_APPLY: Final[dict[str, Callable[[State, Event, float], None]]] = {
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
    "heartbeat": _heartbeat,
}
