"""How full the disks are."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.series import gauge

_SOURCE: Final = "the kernel"
DISK_UP: Final = gauge(
    "system_disk_up",
    "mountpoint",
    "rest",
    "boolean",
    _SOURCE,
    "1 when the kernel told how full the file system is that holds the path, 0 when there is no such path or no "
    "answer: the two series below are then absent.",
)
DISK_USAGE: Final = gauge(
    "system_disk_usage_ratio",
    "mountpoint",
    "rest",
    "ratio 0-1",
    _SOURCE,
    "Used / (used + available to whoever is not root) of the file system that holds the path.",
)
DISK_AVAILABLE: Final = gauge(
    "system_disk_available_bytes",
    "mountpoint",
    "rest",
    "bytes",
    _SOURCE,
    "Bytes that whoever is not root may still write to the file system that holds the path.",
)
SERIES: Final = (
    DISK_UP,
    DISK_USAGE,
    DISK_AVAILABLE,
)


@dataclass(frozen=True, slots=True)
class DiskSight:
    """Bytes of one file system that are used, and that may still be used by whoever is not root."""

    up: bool
    used: int = 0
    available: int = 0


DOWN: Final = DiskSight(up=False)


def look(path: Path) -> DiskSight:
    """Ask the kernel for the file system that holds *path*."""
    try:
        usage = shutil.disk_usage(path)
    except OSError as fault:
        structlog.get_logger(exporter="system").warning(
            "cannot look at a disk", mountpoint=str(path), error=type(fault).__name__
        )
        return DOWN
    return DiskSight(True, usage.used, usage.free)


def families(sights: Iterable[tuple[str, DiskSight | None]]) -> Iterator[Metric]:
    """The disks' series; of one that cannot be asked only that."""
    known = [((path,), sight) for path, sight in sights if sight is not None]
    seen = [(path, sight) for path, sight in known if sight.up]
    yield DISK_UP.family((path, float(sight.up)) for path, sight in known)
    yield DISK_USAGE.family(
        (path, sight.used / (sight.used + sight.available)) for path, sight in seen if sight.used + sight.available
    )
    yield DISK_AVAILABLE.family((path, sight.available) for path, sight in seen)
