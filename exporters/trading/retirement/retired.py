"""Who has left, for as long as somebody could miss them, and what of theirs still comes in late."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from prometheus_client.metrics_core import Metric

from exporters.series import gauge
from exporters.trading.events import Event
from exporters.trading.keys import BOOK, StrategyKey

PATH: Final = "/api/v1/strategies/retire"
# Prometheus remembers for an hour whom it saw; whoever left must be known as gone for longer than that.
_SHOWN_SECONDS: Final = 7_200.0
_MOST: Final = 250

RETIRED: Final = gauge(
    "trading_strategy_retired_timestamp_seconds",
    BOOK,
    "kill",
    "seconds since the epoch",
    f"`POST {PATH}`",
    "When a person retired the strategy; shown for two hours, or until it speaks again. Strategy is empty for the "
    "account's own equity.",
)
SERIES: Final = (RETIRED,)

HeartbeatKey = tuple[str, str]
"""engine, strategy."""
Key = TypeVar("Key")


@dataclass(slots=True)
class Retired:
    """When which strategies and heartbeats were retired, seconds since the epoch; the oldest go when there are many."""

    strategies: dict[StrategyKey, float] = field(default_factory=dict)
    heartbeats: dict[HeartbeatKey, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.strategies or self.heartbeats)

    def add_strategy(self, key: StrategyKey, now: float) -> None:
        """It left."""
        self.strategies = {**_newest(self.strategies), key: now}

    def add_heartbeat(self, key: HeartbeatKey, now: float) -> None:
        """It left this engine."""
        self.heartbeats = {**_newest(self.heartbeats), key: now}

    def hides(self, event: Event) -> bool:
        """The event is from before its strategy was retired.  A later one says that it is back."""
        if event.type == "heartbeat":
            return _hides(self.heartbeats, (event.engine, event.strategy), event.time)
        return _hides(self.strategies, (event.venue, event.account, event.strategy), event.time)

    def gone(self, now: float) -> list[HeartbeatKey]:
        """The heartbeats that nobody must miss."""
        return [key for key, at in self.heartbeats.items() if now - at < _SHOWN_SECONDS]

    def dump(self) -> list[Any]:
        """As plain JSON."""
        return [[[*key, at] for key, at in kept.items()] for kept in (self.strategies, self.heartbeats)]

    @classmethod
    def restored(cls, saved: Any) -> "Retired":
        """What ``dump`` gave."""
        strategies, heartbeats = saved
        return cls(
            {(venue, account, strategy): float(at) for venue, account, strategy, at in strategies},
            {(engine, strategy): float(at) for engine, strategy, at in heartbeats},
        )


def retired(who: Retired, now: float) -> Iterator[Metric]:
    """Who left within the last two hours."""
    yield RETIRED.family((key, at) for key, at in who.strategies.items() if now - at < _SHOWN_SECONDS)


def _newest(kept: dict[Key, float]) -> dict[Key, float]:
    return dict(sorted(kept.items(), key=lambda item: item[1])[-(_MOST - 1) :])


def _hides(kept: dict[Key, float], key: Key, happened: float) -> bool:
    at = kept.get(key)
    if at is None:
        return False
    if happened > at:
        del kept[key]
        return False
    return True
