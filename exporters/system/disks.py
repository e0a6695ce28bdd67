"""How full the disks are."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.series import gauge

_SOURCE: Final = "the kernel"
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
    DISK_USAGE,
    DISK_AVAILABLE,
)


@dataclass(frozen=True, slots=True)
class DiskSight:
    """Bytes of one file system that are used, and that may still be used by whoever is not root."""

    used: int
    available: int


class Disks:
    """The file systems that hold the configured paths."""

    def __init__(self, mountpoints: Sequence[Path]) -> None:
        self._mountpoints = mountpoints
        self._log = structlog.get_logger(exporter="system")

    def look(self) -> dict[str, DiskSight]:
        """Ask the kernel; a path that cannot be asked for is left out."""
        found = {}
        for path in self._mountpoints:
            try:
                usage = shutil.disk_usage(path)
            except OSError as fault:
                self._log.warning("cannot look at a disk", mountpoint=str(path), error=type(fault).__name__)
                continue
            found[str(path)] = DiskSight(usage.used, usage.free)
        return found


def families(sights: Mapping[str, DiskSight] | None) -> Iterator[Metric]:
    """The disks' series; none when nobody looked lately."""
    seen = (sights or {}).items()
    yield DISK_USAGE.family(
        ((path,), each.used / (each.used + each.available)) for path, each in seen if each.used + each.available
    )
    yield DISK_AVAILABLE.family(((path,), each.available) for path, each in seen)
