"""The guard round every collector: whatever one of them does, the others are served and the fault is a series.

``/metrics?set=kill`` runs only the collectors that kill rules need, ``set=rest`` the others; the two share no family,
so that Prometheus can scrape them at their own pace and stores nothing twice.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector as Registered

from exporters.series import Series, Subset, gauge

SUCCESS: Final = gauge(
    "exporter_collector_success",
    "exporter collector",
    "rest",
    "boolean",
    "the exporter itself",
    "1 when the collector's last run succeeded, 0 when it raised; its series are then absent.",
)
DURATION: Final = gauge(
    "exporter_collector_duration_seconds",
    "exporter collector",
    "rest",
    "seconds",
    "the exporter itself",
    "How long the collector's last run took.",
)
GUARD_SERIES: Final[tuple[Series, ...]] = (SUCCESS, DURATION)


@dataclass(frozen=True, slots=True)
class Collector:
    """One subject: *read* yields fresh families out of memory, never does I/O, and all of them belong to *subset*."""

    name: str
    subset: Subset
    read: Callable[[], Iterable[Metric]]


class Scrape:
    """All collectors of one exporter behind the guard."""

    def __init__(self, exporter: str, collectors: Iterable[Collector], native: Iterable[Registered] = ()) -> None:
        """*native* are prometheus-client's own collectors (process and platform); they are served with ``rest``."""
        self._exporter = exporter
        self._collectors = (
            *collectors,
            *(
                Collector(type(each).__name__.removesuffix("Collector").lower(), "rest", each.collect)
                for each in native
            ),
        )
        self._last: dict[str, tuple[bool, float]] = {}
        self._log = structlog.get_logger(exporter=exporter)

    def families(self, subset: Subset | None) -> list[Metric]:
        """Every family of *subset* (``None``: of both) that has samples; never raises."""
        found: list[Metric] = []
        for collector in self._collectors:
            if subset is None or collector.subset == subset:
                found.extend(self._run(collector))
        if subset != "kill":
            found.append(SUCCESS.family(((self._exporter, name), float(ok)) for name, (ok, _) in self._last.items()))
            found.append(DURATION.family(((self._exporter, name), took) for name, (_, took) in self._last.items()))
        return [family for family in found if family.samples]

    def _run(self, collector: Collector) -> list[Metric]:
        started = time.perf_counter()
        try:
            families = list(collector.read())
        except Exception as fault:  # noqa: BLE001  # the border: a scrape must answer with what is left
            families = []
            self._log.error("collector failed", collector=collector.name, error=type(fault).__name__, exc_info=True)
            self._last[collector.name] = (False, time.perf_counter() - started)
        else:
            self._last[collector.name] = (True, time.perf_counter() - started)
        return families


class Exposed(Registered):
    """One answer, in the shape prometheus-client's encoders ask for."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """The families, once."""
        yield from self._families
