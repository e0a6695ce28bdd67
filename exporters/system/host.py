"""The host's CPU and memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psutil
from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge

_IDLE: Final = ("idle", "iowait")
_INSIDE_OTHERS: Final = ("guest", "guest_nice")  # the kernel counts them in user and nice already

_SOURCE: Final = "the kernel, by psutil"
CPU_USAGE: Final = gauge(
    "system_cpu_usage_ratio",
    "",
    "rest",
    "ratio 0-1",
    _SOURCE,
    "Share of all cores' time that was not idle, over the last look (1 s).",
)
CPU_SECONDS: Final = counter(
    "system_cpu_seconds_total", "mode", "rest", "seconds", _SOURCE, "Time of all cores by mode since boot."
)
MEMORY_USAGE: Final = gauge(
    "system_memory_usage_ratio", "", "rest", "ratio 0-1", _SOURCE, "1 - available / total memory."
)
MEMORY_AVAILABLE: Final = gauge(
    "system_memory_available_bytes", "", "rest", "bytes", _SOURCE, "Memory that can be given out without swapping."
)
MEMORY_TOTAL: Final = gauge("system_memory_total_bytes", "", "rest", "bytes", _SOURCE, "Memory of the host.")
LOAD1: Final = gauge("system_load1", "", "rest", "runnable tasks", _SOURCE, "Load average over one minute.")
SERIES: Final = (
    CPU_USAGE,
    CPU_SECONDS,
    MEMORY_USAGE,
    MEMORY_AVAILABLE,
    MEMORY_TOTAL,
    LOAD1,
)


@dataclass(frozen=True, slots=True)
class HostSight:
    """One look: CPU seconds by mode since boot, bytes of memory; *busy* is ``None`` at the first look."""

    cpu: dict[str, float]
    busy: float | None
    available: int
    total: int
    load1: float


class Host:
    """Remembers the look before, to tell how busy the time between was."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def look(self) -> HostSight:
        """Read the kernel's counters."""
        cpu = {mode: seconds for mode, seconds in psutil.cpu_times()._asdict().items() if mode not in _INSIDE_OTHERS}
        memory = psutil.virtual_memory()
        sight = HostSight(cpu, busy(self._before, cpu), memory.available, memory.total, psutil.getloadavg()[0])
        self._before = cpu
        return sight


def busy(before: dict[str, float], now: dict[str, float]) -> float | None:
    """Share of the time between two looks that was not idle; ``None`` at the first look."""
    if not before:
        return None
    spent = {mode: max(0.0, seconds - before.get(mode, 0.0)) for mode, seconds in now.items()}
    total = sum(spent.values())
    return None if total <= 0 else 1 - sum(spent.get(mode, 0.0) for mode in _IDLE) / total


def families(sight: HostSight | None) -> Iterator[Metric]:
    """The host's series; none when it was not seen lately."""
    if sight is None:
        return
    if sight.busy is not None:
        yield CPU_USAGE.family([((), sight.busy)])
    yield CPU_SECONDS.family(((mode,), seconds) for mode, seconds in sight.cpu.items())
    yield MEMORY_USAGE.family([((), 1 - sight.available / sight.total)])
    yield MEMORY_AVAILABLE.family([((), sight.available)])
    yield MEMORY_TOTAL.family([((), sight.total)])
    yield LOAD1.family([((), sight.load1)])
