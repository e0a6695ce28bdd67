"""Which engines and strategies are alive, what state they say they are in, and what came in from them."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge
from exporters.trading.events import STATES, STOPPED, TYPES
from exporters.trading.keys import StrategyKey

_SETTLE_SECONDS: Final = 10.0


@dataclass(slots=True)
class Pulse:
    """The last heartbeat of an engine or a strategy; *at* is the sooner of its own time and of our receipt of it."""

    at: float
    state: str
    started_at: float | None
    open_orders: int | None

    @property
    def gone(self) -> bool:
        """It ended in order: it says that it stopped, and that it left no order open."""
        return self.state == STOPPED and self.open_orders == 0


@dataclass(frozen=True, slots=True)
class Expected:
    """A strategy that the configuration says should run, on this *engine* and in these *symbols*."""

    engine: str
    strategy: StrategyKey
    symbols: tuple[str, ...] = ()


@dataclass(slots=True)
class Engine:
    """What one engine said; *sessions* holds the highest ``seq`` of each, the longest silent first."""

    last_event: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TYPES, 0))
    missing: int = 0
    sessions: OrderedDict[str, int] = field(default_factory=OrderedDict)
    pulse: Pulse | None = None
    strategies: dict[str, Pulse] = field(default_factory=dict)

    @property
    def gone(self) -> bool:
        """It and all of its strategies ended in order, as far as they say anything of themselves."""
        pulses = [*self.strategies.values(), *([] if self.pulse is None else [self.pulse])]
        return bool(pulses) and all(pulse.gone for pulse in pulses)

    def forget(self, strategy: str) -> None:
        """Drop the heartbeat of a strategy; with the last one the engine itself is missed no more."""
        self.strategies.pop(strategy, None)
        if not self.strategies:
            self.pulse, self.last_event = None, 0.0

    def dump(self) -> dict[str, Any]:
        """As plain JSON, without the counts."""
        return {
            "last_event": self.last_event,
            "sessions": list(self.sessions.items()),
            "pulse": _dump(self.pulse),
            "strategies": {strategy: _dump(pulse) for strategy, pulse in self.strategies.items()},
        }

    @classmethod
    def restored(cls, saved: Any) -> "Engine":
        """What ``dump`` gave."""
        pulses = ((strategy, _restored(pulse)) for strategy, pulse in saved["strategies"].items())
        return cls(
            last_event=float(saved["last_event"]),
            sessions=OrderedDict((str(session), int(seq)) for session, seq in saved["sessions"]),
            pulse=_restored(saved["pulse"]),
            strategies={strategy: pulse for strategy, pulse in pulses if pulse is not None},
        )


ENGINE_HEARTBEAT: Final = gauge(
    "trading_engine_last_heartbeat_timestamp_seconds",
    "engine",
    "kill",
    "seconds since the epoch",
    "`heartbeat` events without `strategy`",
    "When the engine last said that it is alive (its own time, never later than ours).",
)
STRATEGY_HEARTBEAT: Final = gauge(
    "trading_strategy_last_heartbeat_timestamp_seconds",
    "engine strategy",
    "kill",
    "seconds since the epoch",
    "`heartbeat` events with `strategy`",
    "When the strategy last said that it is alive (its own time, never later than ours); absent when it is gone.",
)
GONE: Final = gauge(
    "trading_strategy_gone",
    "engine strategy",
    "kill",
    "boolean",
    "`heartbeat` events with `strategy`, retirements",
    "1 when nobody must miss the strategy's heartbeat from this engine: it said that it stopped with no order open, or "
    "a person retired it.",
)
EXPECTED: Final = gauge(
    "trading_strategy_expected",
    "engine venue account strategy",
    "rest",
    "boolean",
    "the configuration",
    "1 for each strategy in `trading.strategies`: it should run.",
)
LAST_EVENT: Final = gauge(
    "trading_last_event_timestamp_seconds",
    "engine",
    "kill",
    "seconds since the epoch",
    "any event",
    "Time of the last event of the engine (its own time, never later than ours).",
)
STRATEGY_STATE: Final = gauge(
    "trading_strategy_state",
    "engine strategy state",
    "rest",
    "boolean",
    "`heartbeat` events with `strategy`",
    "1 for the state the strategy is in, 0 for the others: running, reduce_only, paused, stopped.",
)
ENGINE_STATE: Final = gauge(
    "trading_engine_state",
    "engine state",
    "rest",
    "boolean",
    "`heartbeat` events without `strategy`",
    "1 for the state the engine is in, 0 for the others: running, reduce_only, paused, stopped.",
)
ENGINE_START: Final = gauge(
    "trading_engine_start_time_seconds",
    "engine",
    "rest",
    "seconds since the epoch",
    "`heartbeat` events without `strategy`",
    "When the engine says it was started.",
)
ENGINE_OPEN_ORDERS: Final = gauge(
    "trading_engine_open_orders",
    "engine",
    "rest",
    "orders",
    "`heartbeat` events without `strategy`",
    "Open orders by the engine's own count; compare with trading_orders_open.",
)
EVENTS: Final = counter(
    "trading_events_total", "engine type", "rest", "events", "any event", "Events taken in, without duplicates."
)
MISSING: Final = counter(
    "trading_events_missing_total",
    "engine",
    "rest",
    "events",
    "`seq` of any event",
    "Numbers left out within a session: events that were lost on the way.",
)
LAG: Final = gauge(
    "trading_events_lag_seconds",
    "engine",
    "rest",
    "seconds",
    "any event",
    "Now less the time of the engine's last event; absent when it ended in order.",
)
SERIES: Final = (
    ENGINE_HEARTBEAT,
    STRATEGY_HEARTBEAT,
    GONE,
    LAST_EVENT,
    EXPECTED,
    STRATEGY_STATE,
    ENGINE_STATE,
    ENGINE_START,
    ENGINE_OPEN_ORDERS,
    EVENTS,
    MISSING,
    LAG,
)


def heartbeats(
    engines: Mapping[str, Engine], retired: Iterable[tuple[str, str]], restored_at: float | None, now: float
) -> Iterator[Metric]:
    """When engines and strategies last spoke, and who of them is gone; *retired* are such by a person's word.

    Heartbeats from before a restart of the exporter are held back for ten seconds: the engines could not reach it
    meanwhile, and an old heartbeat alone must not halt them. After that they are shown with their true age.
    """
    settling = restored_at is not None and now < restored_at + _SETTLE_SECONDS
    since = restored_at if settling and restored_at is not None else 0.0
    known = engines.items()
    yield ENGINE_HEARTBEAT.family(
        ((name,), engine.pulse.at) for name, engine in known if engine.pulse is not None and engine.pulse.at >= since
    )
    pulses = dict(_pulses(engines))
    yield STRATEGY_HEARTBEAT.family(
        (key, pulse.at) for key, pulse in pulses.items() if pulse.at >= since and not pulse.gone
    )
    gone = {key for key, pulse in pulses.items() if pulse.gone}
    yield GONE.family((key, 1.0) for key in sorted(gone | (set(retired) - set(pulses))))
    yield LAST_EVENT.family(
        ((name,), engine.last_event) for name, engine in known if engine.last_event and engine.last_event >= since
    )


def states(engines: Mapping[str, Engine], expected: Iterable[Expected]) -> Iterator[Metric]:
    """What engines and strategies say of themselves, and who should."""
    yield EXPECTED.family(((each.engine, *each.strategy), 1.0) for each in expected)
    spoken = [(name, engine.pulse) for name, engine in engines.items() if engine.pulse is not None]
    yield ENGINE_STATE.family(((name, each), float(each == pulse.state)) for name, pulse in spoken for each in STATES)
    yield ENGINE_START.family(((name,), pulse.started_at) for name, pulse in spoken if pulse.started_at is not None)
    yield ENGINE_OPEN_ORDERS.family(
        ((name,), pulse.open_orders) for name, pulse in spoken if pulse.open_orders is not None
    )
    yield STRATEGY_STATE.family(
        ((*key, each), float(each == pulse.state)) for key, pulse in _pulses(engines) for each in STATES
    )


def events(engines: Mapping[str, Engine], now: float) -> Iterator[Metric]:
    """What came in."""
    known = engines.items()
    yield EVENTS.family(((name, kind), n) for name, engine in known for kind, n in engine.counts.items())
    yield MISSING.family(((name,), engine.missing) for name, engine in known)
    yield LAG.family(
        ((name,), now - engine.last_event) for name, engine in known if engine.last_event and not engine.gone
    )


def _pulses(engines: Mapping[str, Engine]) -> Iterator[tuple[tuple[str, str], Pulse]]:
    for name, engine in engines.items():
        for strategy, pulse in engine.strategies.items():
            yield (name, strategy), pulse


def _dump(pulse: Pulse | None) -> list[Any] | None:
    return None if pulse is None else [pulse.at, pulse.state, pulse.started_at, pulse.open_orders]


def _restored(saved: Any) -> Pulse | None:
    if saved is None:
        return None
    at, state, started_at, open_orders = saved
    return Pulse(float(at), str(state), None if started_at is None else float(started_at), open_orders)
