"""Which series are read from which part of the state; the exporter wraps each reader in a guarded collector."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import DROPPED, Series
from exporters.trading import engines, fills, margin, positions, state_file
from exporters.trading.equity import series as equity
from exporters.trading.orders import series as orders
from exporters.trading.quality import series as quality
from exporters.trading.retirement import retired
from exporters.trading.risk import series as risk
from exporters.trading.state import State

Reader = Callable[[State, float], Iterable[Metric]]

SERIES: Final[tuple[Series, ...]] = (
    *equity.SERIES,
    *margin.SERIES,
    *positions.SERIES,
    *orders.SERIES,
    *fills.SERIES,
    *engines.SERIES,
    *quality.SERIES,
    *risk.SERIES,
    *retired.SERIES,
    DROPPED,
)


def _activity(state: State, now: float) -> Iterator[Metric]:
    counts = ((key, each.counts) for key, each in state.instruments.items())
    return orders.activity(counts, ((key, each.rate) for key, each in state.strategies.items()), state.orders, now)


def _orders(state: State, _now: float) -> Iterator[Metric]:
    counts = ((key, each.counts) for key, each in state.instruments.items())
    return orders.orders(counts, ((key, each.acknowledgements) for key, each in state.strategies.items()), state.orders)


def _quality(state: State, now: float) -> Iterator[Metric]:
    instruments = ((key, each.quality, each.multiplier) for key, each in state.instruments.items())
    executions = ((key, each.execution) for key, each in state.strategies.items())
    return quality.quality(instruments, executions, state.options.slot_seconds, now)


def _memory(state: State, _now: float) -> Iterator[Metric]:
    yield from state_file.memory(state.restored_at, state.began_at)
    yield DROPPED.family((("trading", reason), n) for reason, n in state.dropped.items())


KILL: Final[dict[str, Reader]] = {
    "equity": lambda state, now: equity.equity(state.books, state.options.equity, now),
    "margin": lambda state, _: margin.margin(state.wallets),
    "exposure": lambda state, _: positions.exposure(state.held()),
    "activity": _activity,
    "heartbeats": lambda state, now: engines.heartbeats(state.engines, state.retired.gone(now), state.restored_at, now),
    "retired": lambda state, now: retired.retired(state.retired, now),
}
REST: Final[dict[str, Reader]] = {
    "pnl": lambda state, _: equity.pnl(state.books, state.pnl, state.held()),
    "positions": lambda state, _: positions.positions(state.held()),
    "orders": _orders,
    "fills": lambda state, _: fills.fills((key, each.fills) for key, each in state.instruments.items()),
    "states": lambda state, _: engines.states(state.engines, state.expected),
    "events": lambda state, now: engines.events(state.engines, now),
    "quality": _quality,
    "value_at_risk": lambda state, _: risk.value_at_risk(state.curves, state.present, state.options.risk),
    "risk_exposure": lambda state, _: risk.exposure(state.books, state.curves, state.held()),
    "memory": _memory,
}
