"""Every series of the system exporter."""

from typing import Final

from exporters.series import counter, gauge, histogram
from exporters.system import more_series

_HOST: Final = "the kernel, by psutil"
_PROBE: Final = "a probe in the background"

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
CPU_USAGE: Final = gauge(
    "system_cpu_usage_ratio",
    "",
    "rest",
    "ratio 0-1",
    _HOST,
    "Share of all cores' time that was not idle, over the last look (1 s).",
)
CPU_SECONDS: Final = counter(
    "system_cpu_seconds_total", "mode", "rest", "seconds", _HOST, "Time of all cores by mode since boot."
)
MEMORY_USAGE: Final = gauge(
    "system_memory_usage_ratio", "", "rest", "ratio 0-1", _HOST, "1 - available / total memory."
)
MEMORY_AVAILABLE: Final = gauge(
    "system_memory_available_bytes", "", "rest", "bytes", _HOST, "Memory that can be given out without swapping."
)
MEMORY_TOTAL: Final = gauge("system_memory_total_bytes", "", "rest", "bytes", _HOST, "Memory of the host.")
LOAD1: Final = gauge("system_load1", "", "rest", "runnable tasks", _HOST, "Load average over one minute.")
ROUND_TRIP: Final = histogram(
    "system_venue_round_trip_seconds",
    "venue",
    "rest",
    "seconds",
    _PROBE,
    "From asking the venue for its time to the whole answer, on an open connection.",
)
CONNECT: Final = histogram(
    "system_venue_connect_seconds",
    "venue",
    "rest",
    "seconds",
    _PROBE,
    "Time to open a TCP connection to the venue, its name resolved.",
)
PROBE_FAILURES: Final = counter(
    "system_venue_probe_failures_total",
    "venue reason",
    "rest",
    "probes",
    _PROBE,
    "Probes that failed; reason is dns, refused, timeout, tls, reset, status, body or other.",
)
VENUE_UP: Final = gauge(
    "system_venue_up",
    "venue",
    "rest",
    "boolean",
    _PROBE,
    "1 when the last probe succeeded; absent while nobody probes.",
)
VENUE_OFFSET: Final = gauge(
    "system_venue_clock_offset_seconds",
    "venue",
    "rest",
    "seconds, signed",
    _PROBE,
    "Venue clock minus ours at the middle of the fastest of the last round trips; absent when the last probe failed.",
)
SERIES: Final = (
    PROCESS_UP,
    PROCESS_START,
    CPU_USAGE,
    CPU_SECONDS,
    MEMORY_USAGE,
    MEMORY_AVAILABLE,
    MEMORY_TOTAL,
    LOAD1,
    ROUND_TRIP,
    CONNECT,
    PROBE_FAILURES,
    VENUE_UP,
    VENUE_OFFSET,
    *more_series.SERIES,
)
