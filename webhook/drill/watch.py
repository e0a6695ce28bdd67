"""Watches the exporters and Prometheus, each on its own thread, while the main loop follows the service."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from webhook.cli.client import AnswerError, UnreachableError
from webhook.drill.faults import Break, Sign
from webhook.drill.world import World, firing, limit_of, series
from webhook.killswitch.scope import Scope

EXPORTER_SECONDS = 0.01
PROMETHEUS_SECONDS = 0.1
_RATE_WINDOW = 2.0


@dataclass(frozen=True, slots=True)
class Breach:
    """The first series that was above its limit."""

    at: float
    metric: str
    value: float
    limit: float


@dataclass(slots=True)
class Watch:
    """What was seen so far; times are Unix seconds."""

    world: World
    broken: Break
    strategy: str
    scope: Scope
    breach: Breach | None = None
    alerts: dict[str, float] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    limits: dict[Sign, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _counts: dict[str, deque[tuple[float, float]]] = field(default_factory=dict)

    def prepare(self) -> list[str]:
        """Read the limits; returns the series that are above theirs already."""
        for sign in self.broken.signs:
            limit = limit_of(self.world, sign, self.strategy)
            if limit is not None:
                self.limits[sign] = limit
        return [breach.metric for breach in self._above(time.time())]

    def start(self, since: float) -> None:
        """Begin to watch for what starts after *since*."""
        self._run("exporters", EXPORTER_SECONDS, self._look_at_exporters)
        self._run("Prometheus", PROMETHEUS_SECONDS, lambda: self._look_at_prometheus(since))

    def stop(self) -> None:
        """End both threads."""
        self._stop.set()

    def _run(self, name: str, seconds: float, look: Callable[[], None]) -> None:
        def loop() -> None:
            while not self._stop.wait(seconds):
                try:
                    look()
                    self.trouble.pop(name, None)
                except (UnreachableError, AnswerError, KeyError, TypeError, ValueError) as error:
                    self.trouble[name] = str(error)

        threading.Thread(target=loop, name=f"drill-{name}", daemon=True).start()

    def _look_at_exporters(self) -> None:
        if self.breach is None:
            found = self._above(time.time())
            if found:
                self.breach = found[0]

    def _look_at_prometheus(self, since: float) -> None:
        for name, at in firing(self.world, self.scope, since).items():
            self.alerts.setdefault(name, at)

    def _above(self, now: float) -> list[Breach]:
        texts = {
            name: self.world.exporters[name].text("/metrics?set=kill")
            for name in {sign.exporter for sign in self.limits}
        }
        found = []
        for sign, limit in self.limits.items():
            for key, labels, value in series(texts[sign.exporter], sign.metric):
                if sign.by_strategy and labels.get("strategy") != self.strategy:
                    continue
                read = self._read(sign, f"{sign.metric}{key}", value, now)
                if read is not None and read > limit:
                    found.append(Breach(now, sign.metric, read, limit))
        return found

    def _read(self, sign: Sign, key: str, value: float, now: float) -> float | None:
        if sign.reads == "value":
            return value
        if sign.reads == "age":
            return now - value
        counts = self._counts.setdefault(key, deque())
        counts.append((now, value))
        while counts[0][0] < now - _RATE_WINDOW:
            counts.popleft()
        first_at, first = counts[0]
        # As Prometheus does over its window: what came in, over the window's whole length.
        return (value - first) / _RATE_WINDOW if now > first_at else None
