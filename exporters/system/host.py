"""The host's CPU and memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psutil
from prometheus_client.metrics_core import Metric

from exporters.system import series

_IDLE: Final = ("idle", "iowait")
_INSIDE_OTHERS: Final = ("guest", "guest_nice")  # the kernel counts them in user and nice already


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
        yield series.CPU_USAGE.family([((), sight.busy)])
    yield series.CPU_SECONDS.family(((mode,), seconds) for mode, seconds in sight.cpu.items())
    yield series.MEMORY_USAGE.family([((), 1 - sight.available / sight.total)])
    yield series.MEMORY_AVAILABLE.family([((), sight.available)])
    yield series.MEMORY_TOTAL.family([((), sight.total)])
    yield series.LOAD1.family([((), sight.load1)])
