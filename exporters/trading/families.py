"""Families out of the state: pure, by subject; the exporter wraps each in a guarded collector."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import Row
from exporters.trading import quality_families, series
from exporters.trading.events import STATES, Position
from exporters.trading.orders import InstrumentKey
from exporters.trading.risk import families as risk
from exporters.trading.state import EquityKey, Instrument, Pulse, State, currency_of

_SETTLE_SECONDS: Final = 10.0

Reader = Callable[[State, float], Iterable[Metric]]


def equity(state: State, now: float) -> Iterator[Metric]:
    """Equity, peak, drawdown and daily loss of strategies and of whole accounts."""
    starts_at = state.day_starts_at
    own = {key: book for key, book in state.books.items() if key[2]}
    yield series.EQUITY.family((key, float(book.equity)) for key, book in own.items())
    yield series.EQUITY_PEAK.family((key, float(book.peak)) for key, book in own.items())
    yield series.DAILY_PNL.family((key, float(book.daily_pnl_at(now, starts_at))) for key, book in own.items())
    yield series.DRAWDOWN.family(_worst((key[:3], book.drawdown()) for key, book in own.items()))
    yield series.DAILY_LOSS.family(_worst((key[:3], book.daily_loss_at(now, starts_at)) for key, book in own.items()))
    whole = {(key[0], key[1], key[3]): book for key, book in state.books.items() if not key[2]}
    yield series.ACCOUNT_EQUITY.family((key, float(book.equity)) for key, book in whole.items())
    yield series.ACCOUNT_EQUITY_PEAK.family((key, float(book.peak)) for key, book in whole.items())
    yield series.ACCOUNT_DRAWDOWN.family(_worst((key[:2], book.drawdown()) for key, book in whole.items()))
    yield series.ACCOUNT_DAILY_LOSS.family(
        _worst((key[:2], book.daily_loss_at(now, starts_at)) for key, book in whole.items())
    )


def _worst(rows: Iterable[tuple[tuple[str, ...], Decimal | None]]) -> Iterable[Row]:
    worst: dict[tuple[str, ...], float] = {}
    for key, ratio in rows:
        if ratio is not None:
            worst[key] = max(worst.get(key, float("-inf")), float(ratio))
    return worst.items()


def margin(state: State, _now: float) -> Iterator[Metric]:
    """Margin usage; without any balance to hold a margin it is infinite, and without both it is unknown."""
    rows = []
    for key, each in state.margins.items():
        if each.balance > 0:
            rows.append((key, float(each.maintenance / each.balance)))
        elif each.maintenance > 0:
            rows.append((key, float("inf")))
    yield series.MARGIN_USAGE.family(rows)


def exposure(state: State, _now: float) -> Iterator[Metric]:
    """Gross and net exposure of each strategy and currency."""
    gross: dict[EquityKey, Decimal] = {}
    net: dict[EquityKey, Decimal] = {}
    for key, position in _positions(state):
        book = (*key[:3], position.currency)
        notional = position.quantity * position.mark_price * position.multiplier
        gross[book] = gross.get(book, Decimal(0)) + abs(notional)
        net[book] = net.get(book, Decimal(0)) + notional
    yield series.GROSS_EXPOSURE.family((key, float(total)) for key, total in gross.items())
    yield series.NET_EXPOSURE.family((key, float(total)) for key, total in net.items())


def activity(state: State, now: float) -> Iterator[Metric]:
    """Orders sent and the worst child/parent ratio."""
    yield series.ORDERS_SENT.family((key, each.sent) for key, each in state.instruments.items())
    ratios = state.orders.worst_ratios(now)
    worst = (
        (key, ratios.get(key, Decimal(0))) for key, each in state.instruments.items() if each.parented or key in ratios
    )
    yield series.CHILD_PARENT.family((key, float(ratio)) for key, ratio in worst if ratio is not None)


def heartbeats(state: State, now: float) -> Iterator[Metric]:
    """When engines and strategies last spoke.

    What they said before a restart of ours is held back for a few seconds: they could not reach us meanwhile, and a
    heartbeat that is old for that reason must not halt them.  Who does not speak up after that is shown as old as he
    is.
    """
    settling = state.restored_at is not None and now < state.restored_at + _SETTLE_SECONDS
    since = state.restored_at if settling and state.restored_at is not None else 0.0
    engines = state.engines.items()
    yield series.ENGINE_HEARTBEAT.family(
        ((name,), engine.pulse.at) for name, engine in engines if engine.pulse is not None and engine.pulse.at >= since
    )
    yield series.STRATEGY_HEARTBEAT.family((key, pulse.at) for key, pulse in _pulses(state) if pulse.at >= since)
    yield series.LAST_EVENT.family(
        ((name,), engine.last_event) for name, engine in engines if engine.last_event and engine.last_event >= since
    )


def pnl(state: State, _now: float) -> Iterator[Metric]:
    """Realised and unrealised profit: what the equity events say, else the sum over the positions that say it."""
    realised: dict[EquityKey, Decimal] = {}
    unrealised: dict[EquityKey, Decimal] = {}
    for key, position in _positions(state):
        book = (*key[:3], position.currency)
        for kept, value in ((realised, position.realised_pnl), (unrealised, position.unrealised_pnl)):
            if value is not None:
                kept[book] = kept.get(book, Decimal(0)) + value
    for book, (first, second) in state.pnl.items():
        if book[2] and first is not None:
            realised[book] = first
        if book[2] and second is not None:
            unrealised[book] = second
    yield series.REALISED.family((key, float(value)) for key, value in realised.items())
    yield series.UNREALISED.family((key, float(value)) for key, value in unrealised.items())


def positions(state: State, _now: float) -> Iterator[Metric]:
    """Quantity and notional of each position."""
    found = list(_positions(state))
    yield series.POSITION_QUANTITY.family((key, float(each.quantity)) for key, each in found)
    yield series.POSITION_NOTIONAL.family(
        ((*key, each.currency), float(each.quantity * each.mark_price * each.multiplier)) for key, each in found
    )


def orders(state: State, _now: float) -> Iterator[Metric]:
    """What became of the orders."""
    known = state.instruments.items()
    yield series.ACKNOWLEDGED.family((key, each.acknowledged) for key, each in known)
    yield series.REJECTED.family(((*key, code), n) for key, each in known for code, n in each.rejected.items())
    yield series.CANCELS_SENT.family((key, each.cancels_sent) for key, each in known)
    yield series.CANCELLED.family(((*key, who), n) for key, each in known for who, n in each.cancelled.items())
    yield series.PARENTS.family((key, each.parents) for key, each in known)
    yield series.ORPHANS.family((key, state.orders.orphans.get(key, 0)) for key, _ in known)
    counts = state.orders.open_per_instrument()
    yield series.ORDERS_OPEN.family((key, counts.get(key, 0)) for key, _ in known)
    yield series.ACK_SECONDS.histogram(state.acknowledgements.items())
    yield series.FORGOTTEN.family(
        [(("open_order",), state.orders.forgotten_orders), (("parent_order",), state.orders.forgotten_parents)]
    )


def fills(state: State, _now: float) -> Iterator[Metric]:
    """What was traded and what it cost."""
    known = state.instruments.items()
    yield series.FILLS.family((key, each.fills) for key, each in known)
    yield series.FILLED_QUANTITY.family((key, float(each.filled_quantity)) for key, each in known)
    yield series.TRADED_NOTIONAL.family(((*key, _currency(key, each)), float(each.notional)) for key, each in known)
    yield series.FEES.family(
        ((*key, currency), float(paid)) for key, each in known for currency, paid in each.fees.items()
    )
    yield series.REBATES.family(
        ((*key, currency), float(got)) for key, each in known for currency, got in each.rebates.items()
    )


def states(state: State, _now: float) -> Iterator[Metric]:
    """What engines and strategies say of themselves."""
    spoken = [(name, engine.pulse) for name, engine in state.engines.items() if engine.pulse is not None]
    yield series.ENGINE_STATE.family(
        ((name, each), float(each == pulse.state)) for name, pulse in spoken for each in STATES
    )
    yield series.ENGINE_START.family(
        ((name,), pulse.started_at) for name, pulse in spoken if pulse.started_at is not None
    )
    yield series.ENGINE_OPEN_ORDERS.family(
        ((name,), pulse.open_orders) for name, pulse in spoken if pulse.open_orders is not None
    )
    yield series.STRATEGY_STATE.family(
        ((*key, each), float(each == pulse.state)) for key, pulse in _pulses(state) for each in STATES
    )


def events(state: State, now: float) -> Iterator[Metric]:
    """What came in."""
    engines = state.engines.items()
    yield series.EVENTS.family(((name, kind), n) for name, engine in engines for kind, n in engine.counts.items())
    yield series.MISSING.family(((name,), engine.missing) for name, engine in engines)
    yield series.LAG.family(((name,), now - engine.last_event) for name, engine in engines if engine.last_event)


def _positions(state: State) -> Iterator[tuple[InstrumentKey, Position]]:
    for key, each in state.instruments.items():
        if each.position is not None:
            yield key, each.position


def _pulses(state: State) -> Iterator[tuple[tuple[str, str], Pulse]]:
    for name, engine in state.engines.items():
        for strategy, pulse in engine.strategies.items():
            yield (name, strategy), pulse


def _currency(key: InstrumentKey, instrument: Instrument) -> str:
    return currency_of(key[3]) or (instrument.position.currency if instrument.position else "")


KILL: Final[dict[str, Reader]] = {
    "equity": equity,
    "margin": margin,
    "exposure": exposure,
    "activity": activity,
    "heartbeats": heartbeats,
}
REST: Final[dict[str, Reader]] = {
    "pnl": pnl,
    "positions": positions,
    "orders": orders,
    "fills": fills,
    "states": states,
    "events": events,
    "quality": quality_families.quality,
    "value_at_risk": risk.value_at_risk,
    "risk_exposure": risk.exposure,
}
