"""Whether the named processes run, and since when."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import orjson
import psutil
from prometheus_client.metrics_core import Metric

from exporters.series import gauge
from exporters.system.ask import AskError, fetch
from exporters.system.settings import Process
from exporters.system.usage import Usage, of_metrics, of_process

PROCESS_UP: Final = gauge(
    "system_process_up",
    "process",
    "kill",
    "boolean",
    "the process table or the process's health endpoint",
    "1 when the named process runs (and, where it has a health endpoint, says that it is well); absent while nobody "
    "has looked.",
)
PROCESS_START: Final = gauge(
    "system_process_start_time_seconds",
    "process",
    "kill",
    "seconds since the epoch",
    "the process table, its status or its metrics",
    "When the named process was started; absent when it is down or does not say.",
)
SERIES: Final = (
    PROCESS_UP,
    PROCESS_START,
)


@dataclass(frozen=True, slots=True)
class ProcessSight:
    """One look; *started_at* is seconds since the epoch, ``None`` when it is not known."""

    up: bool
    started_at: float | None
    told_by: str = field(default="", compare=False)
    usage: Usage | None = field(default=None, compare=False)


DOWN = ProcessSight(up=False, started_at=None)


def watcher(process: Process, timeout: float) -> Callable[[], ProcessSight]:
    """How to look at *process*: by its health endpoint where it has one, and in this host's process table."""
    path = process.pid_file
    local: Callable[[], ProcessSight] | None = None
    if process.cmdline is not None:
        local = Local(process.cmdline).look
    elif path is not None:
        local = partial(by_pid_file, path)
    if process.health_url is None:
        return local or (lambda: DOWN)
    return Remote(process, timeout, local).look


class Local:
    """A process on this host whose command line contains *part*; of several the one that was started first."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._found: psutil.Process | None = None

    def look(self) -> ProcessSight:
        """The process table is searched only when the process that was found before is gone."""
        if self._found is None or not _runs(self._found):
            self._found = self._search()
        return DOWN if self._found is None else _local_sight(self._found)

    def _search(self) -> psutil.Process | None:
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and self._part in " ".join(process.cmdline()) and _runs(process):
                    found.append(process)
            except psutil.Error:  # it ended while we looked, or is not ours to see
                continue
        return min(found, key=lambda process: process.create_time(), default=None)


def by_pid_file(path: Path) -> ProcessSight:
    """The process whose id is written in *path*."""
    try:
        process = psutil.Process(int(path.read_text()))
    except (OSError, ValueError, psutil.Error):
        return DOWN
    return _local_sight(process) if _runs(process) else DOWN


def _local_sight(process: psutil.Process) -> ProcessSight:
    return ProcessSight(up=True, started_at=process.create_time(), told_by="local", usage=of_process(process))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Remote:
    """A process that answers 200 at its health endpoint, here or elsewhere."""

    def __init__(self, process: Process, timeout: float, local: Callable[[], ProcessSight] | None) -> None:
        """*local* tells since when it runs, where no endpoint does."""
        self._local = local
        self._health = urlsplit(process.health_url or "")
        self._timeout = timeout
        self._start: list[tuple[SplitResult, Callable[[bytes], float | None]]] = [
            (urlsplit(url), read)
            for url, read in ((process.status_url, status_start), (process.metrics_url, metrics_start))
            if url is not None
        ]

    def look(self) -> ProcessSight:
        """Ask; a process that is well but does not say since when is up all the same."""
        try:
            fetch(self._health, self._timeout)
        except AskError:
            return DOWN
        here = DOWN if self._local is None else self._local()
        usage = here.usage
        found: tuple[float, str] | None = None
        for url, read in self._start:
            if found is not None and (usage is not None or read is not metrics_start):
                continue
            try:
                body = fetch(url, self._timeout)
            except AskError:
                continue
            if read is metrics_start and usage is None:
                usage = of_metrics(body)
            if found is None and (started_at := read(body)) is not None:
                found = (started_at, read.__name__)
        if found is None:
            return ProcessSight(up=True, started_at=here.started_at, told_by=here.told_by, usage=usage)
        return ProcessSight(up=True, started_at=found[0], told_by=found[1], usage=usage)


def status_start(body: bytes) -> float | None:
    """``started_at`` of a JSON status, RFC 3339 or seconds since the epoch."""
    try:
        said: Any = orjson.loads(body)
        value = said.get("started_at") if isinstance(said, dict) else None
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.timestamp() if moment.tzinfo is not None else None
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def metrics_start(body: bytes) -> float | None:
    """``process_start_time_seconds`` of a metrics page."""
    for line in body.splitlines():
        if line.startswith(b"process_start_time_seconds "):
            try:
                return float(line.split()[1])
            except ValueError:
                return None
    return None


def families(sights: Mapping[str, ProcessSight | None]) -> Iterator[Metric]:
    """The processes' series; a process that nobody looked at lately has none."""
    seen = [(name, sight) for name, sight in sights.items() if sight is not None]
    yield PROCESS_UP.family(((name,), float(sight.up)) for name, sight in seen)
    yield PROCESS_START.family(((name,), sight.started_at) for name, sight in seen if sight.started_at is not None)
