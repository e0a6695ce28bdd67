"""What named processes use, and how often they were started anew."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import psutil
from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge

_SAME_START_SECONDS: Final = 1.5
_METRICS: Final = {
    b"process_cpu_seconds_total": "cpu_seconds",
    b"process_resident_memory_bytes": "memory_bytes",
    b"process_open_fds": "open_fds",
}

_SOURCE: Final = "the process table, by psutil; else the process's metrics page"
PROCESS_RESTARTS: Final = counter(
    "system_process_restarts_total",
    "process",
    "rest",
    "restarts",
    "the process's start time",
    "Times the named process was seen with another start than before, since the exporter runs; where nobody says since "
    "when it runs, times it came back after it was down.",
)
PROCESS_CPU: Final = counter(
    "system_process_cpu_seconds_total",
    "process",
    "rest",
    "seconds",
    _SOURCE,
    "CPU time of the named process and its children; absent when it is down or out of our sight, as those below.",
)
PROCESS_MEMORY: Final = gauge(
    "system_process_resident_memory_bytes",
    "process",
    "rest",
    "bytes",
    _SOURCE,
    "Resident memory of the named process and its children; pages they share are counted for each.",
)
PROCESS_FDS: Final = gauge(
    "system_process_open_fds",
    "process",
    "rest",
    "files",
    _SOURCE,
    "Open file descriptors of the named process and its children; absent for another user's process.",
)
PROCESS_THREADS: Final = gauge(
    "system_process_threads",
    "process",
    "rest",
    "threads",
    "the process table, by psutil",
    "Threads of the named process and its children.",
)
SERIES: Final = (
    PROCESS_RESTARTS,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FDS,
    PROCESS_THREADS,
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its living children use; ``None`` for what we may not see."""

    cpu_seconds: float | None = None
    memory_bytes: float | None = None
    open_fds: float | None = None
    threads: float | None = None


def of_process(process: psutil.Process) -> Usage | None:
    """Ask the kernel; ``None`` when the process ended meanwhile."""
    cpu = memory = fds = threads = 0.0
    sees_fds = True
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    for each in family:
        try:
            times = each.cpu_times()
            # What children used that have ended: it goes over to the parent, so that the sum does not fall.
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            used, held, running = times.user + times.system + ended, each.memory_info().rss, each.num_threads()
        except psutil.Error:
            if each is process:
                return None
            continue
        cpu, memory, threads = cpu + used, memory + held, threads + running
        try:
            fds += each.num_fds()
        except psutil.Error:  # another user's process
            sees_fds = False
    return Usage(cpu, memory, fds if sees_fds else None, threads)


def of_metrics(body: bytes) -> Usage | None:
    """What a metrics page says of its process; ``None`` when it says nothing."""
    found: dict[str, float] = {}
    for line in body.splitlines():
        name, _, value = line.partition(b" ")
        field = _METRICS.get(name)
        if field is not None:
            with contextlib.suppress(ValueError):
                found[field] = float(value)
    return Usage(**found) if found else None


class Restarts:
    """Counts how often a process was seen with another start than before."""

    def __init__(self) -> None:
        self.count = 0
        self._started: dict[str, float] = {}
        self._was_up = False
        self._was_lost = False

    def observe(self, *, up: bool, started_at: float | None, told_by: str) -> None:
        """One look; starts are only compared with what the same source (*told_by*) said, for two may not agree.

        Where nobody says since when it runs, coming back after it was down is a restart.
        """
        if not up:
            self._was_lost = self._was_up
            return
        if started_at is not None:
            before = self._started.get(told_by)
            self.count += before is not None and abs(before - started_at) > _SAME_START_SECONDS
            self._started[told_by] = started_at
        else:
            self.count += self._was_lost
        self._was_up, self._was_lost = True, False


def families(usages: Mapping[str, Usage | None], restarts: Mapping[str, Restarts]) -> Iterator[Metric]:
    """The processes' series; what is not known of one is absent."""
    yield PROCESS_RESTARTS.family(((name,), each.count) for name, each in restarts.items())
    seen = [(name, each) for name, each in usages.items() if each is not None]
    for declared, field in (
        (PROCESS_CPU, "cpu_seconds"),
        (PROCESS_MEMORY, "memory_bytes"),
        (PROCESS_FDS, "open_fds"),
        (PROCESS_THREADS, "threads"),
    ):
        rows = [((name,), getattr(each, field)) for name, each in seen]
        yield declared.family((labels, value) for labels, value in rows if value is not None)
