"""The series of disks, of what processes use, of time servers and of databases."""

from typing import Final

from exporters.series import counter, gauge

_HOST: Final = "the kernel"
_PROCESS: Final = "the process table, by psutil; else the process's metrics page"
_NTP: Final = "a question over UDP (RFC 4330), off by default"
_POSTGRES: Final = "PostgreSQL's statistics, over a read-only connection; off by default"

DISK_USAGE: Final = gauge(
    "system_disk_usage_ratio",
    "mountpoint",
    "rest",
    "ratio 0-1",
    _HOST,
    "Used / (used + available to whoever is not root) of the file system that holds the path.",
)
DISK_AVAILABLE: Final = gauge(
    "system_disk_available_bytes",
    "mountpoint",
    "rest",
    "bytes",
    _HOST,
    "Bytes that whoever is not root may still write to the file system that holds the path.",
)
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
    _PROCESS,
    "CPU time of the named process and its children; absent when it is down or out of our sight, as those below.",
)
PROCESS_MEMORY: Final = gauge(
    "system_process_resident_memory_bytes",
    "process",
    "rest",
    "bytes",
    _PROCESS,
    "Resident memory of the named process and its children; pages they share are counted for each.",
)
PROCESS_FDS: Final = gauge(
    "system_process_open_fds",
    "process",
    "rest",
    "files",
    _PROCESS,
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
NTP_UP: Final = gauge(
    "system_ntp_up",
    "server",
    "rest",
    "boolean",
    _NTP,
    "1 when the time server's last answer could be believed, 0 when there was none (or it asks to be left alone).",
)
NTP_OFFSET: Final = gauge(
    "system_ntp_offset_seconds",
    "server",
    "rest",
    "seconds, signed",
    _NTP,
    "Server's clock minus ours by the fastest of the last 8 answers, ((T2-T1)+(T3-T4))/2; absent without an answer.",
)
DATABASE_UP: Final = gauge(
    "database_up",
    "database",
    "rest",
    "boolean",
    _POSTGRES,
    "1 when the database answered the last time, 0 when not: the series below are then absent.",
)
DATABASE_TRANSACTIONS: Final = counter(
    "database_transactions_total",
    "database outcome",
    "rest",
    "transactions",
    _POSTGRES,
    "Transactions, by outcome (committed, rolled_back), since the server's statistics began.",
)
DATABASE_ROWS: Final = counter(
    "database_rows_total",
    "database operation",
    "rest",
    "rows",
    _POSTGRES,
    "Rows returned by scans, fetched by index, inserted, updated, deleted.",
)
DATABASE_CACHE: Final = gauge(
    "database_cache_hit_ratio",
    "database",
    "rest",
    "ratio 0-1",
    _POSTGRES,
    "Blocks found in the server's buffers over blocks asked for, in the last 5 minutes; absent when none was.",
)
DATABASE_LOCKS: Final = gauge(
    "database_locks", "database mode", "rest", "locks", _POSTGRES, "Locks held or waited for, by mode."
)
DATABASE_LAG: Final = gauge(
    "database_replication_lag_seconds",
    "database replica",
    "rest",
    "seconds",
    _POSTGRES,
    "How far the replica (by its application_name; self when the database is one) is behind in replaying; 0 when it "
    "has everything; absent without replicas or the right to see them (pg_monitor).",
)
DATABASE_SIZE: Final = gauge("database_size_bytes", "database", "rest", "bytes", _POSTGRES, "Size of the database.")
DATABASE_CONNECTIONS: Final = gauge(
    "database_connections",
    "database state",
    "rest",
    "connections",
    _POSTGRES,
    "Connections to the database by state (active, idle, ...); unknown where the role may not see it.",
)
SERIES: Final = (
    DISK_USAGE,
    DISK_AVAILABLE,
    PROCESS_RESTARTS,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FDS,
    PROCESS_THREADS,
    NTP_UP,
    NTP_OFFSET,
    DATABASE_UP,
    DATABASE_TRANSACTIONS,
    DATABASE_ROWS,
    DATABASE_CACHE,
    DATABASE_LOCKS,
    DATABASE_LAG,
    DATABASE_SIZE,
    DATABASE_CONNECTIONS,
)
