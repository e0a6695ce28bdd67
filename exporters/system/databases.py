"""What PostgreSQL does, read over a connection of its own that cannot write and cannot wait for long."""

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.series import counter, gauge
from exporters.system.settings import Database

LOCK_MODES: Final = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
STATES: Final = ("active", "idle", "idle in transaction", "idle in transaction (aborted)")
_MOST_REPLICAS: Final = 32
_CACHE_WINDOW_SECONDS: Final = 300.0

_ACTIVITY: Final = """
SELECT xact_commit, xact_rollback, tup_returned, tup_fetched, tup_inserted, tup_updated, tup_deleted, blks_hit,
       blks_read, pg_database_size(datid)
FROM pg_stat_database WHERE datname = current_database()"""
_LOCKS: Final = """
SELECT mode, count(*) FROM pg_locks
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY mode"""
_CONNECTIONS: Final = """
SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1"""
_RECOVERY: Final = "SELECT pg_is_in_recovery()"
# A replica that has everything has no lag, whatever it measured last; one that nobody may see has an unknown one.
_REPLICAS: Final = """
SELECT application_name, max(CASE WHEN replay_lsn >= pg_current_wal_lsn() THEN 0
                                  ELSE extract(epoch FROM replay_lag) END)
FROM pg_stat_replication WHERE replay_lsn IS NOT NULL GROUP BY application_name ORDER BY 1 LIMIT %s"""
# A replica that has replayed all it received is up to date only while it receives; without rights the status is NULL.
_OURSELVES: Final = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
             AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE coalesce(status, 'streaming') = 'streaming') THEN 0
            ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END"""

_SOURCE: Final = "PostgreSQL's statistics, over a read-only connection; off by default"
DATABASE_UP: Final = gauge(
    "database_up",
    "database",
    "rest",
    "boolean",
    _SOURCE,
    "1 when the database answered the last time, 0 when not: the series below are then absent.",
)
DATABASE_TRANSACTIONS: Final = counter(
    "database_transactions_total",
    "database outcome",
    "rest",
    "transactions",
    _SOURCE,
    "Transactions, by outcome (committed, rolled_back), since the server's statistics began.",
)
DATABASE_ROWS: Final = counter(
    "database_rows_total",
    "database operation",
    "rest",
    "rows",
    _SOURCE,
    "Rows returned by scans, fetched by index, inserted, updated, deleted.",
)
DATABASE_CACHE: Final = gauge(
    "database_cache_hit_ratio",
    "database",
    "rest",
    "ratio 0-1",
    _SOURCE,
    "Blocks found in the server's buffers over blocks asked for, in the last 5 minutes; absent when none was.",
)
DATABASE_LOCKS: Final = gauge(
    "database_locks", "database mode", "rest", "locks", _SOURCE, "Locks held or waited for, by mode."
)
DATABASE_LAG: Final = gauge(
    "database_replication_lag_seconds",
    "database replica",
    "rest",
    "seconds",
    _SOURCE,
    "How far the replica (by its application_name; self when the database is one) is behind in replaying; 0 when it "
    "has everything; of a replica that receives nothing, the time since what it replayed last; absent without replicas "
    "or the right to see them (pg_monitor).",
)
DATABASE_SIZE: Final = gauge("database_size_bytes", "database", "rest", "bytes", _SOURCE, "Size of the database.")
DATABASE_CONNECTIONS: Final = gauge(
    "database_connections",
    "database state",
    "rest",
    "connections",
    _SOURCE,
    "Connections to the database by state (active, idle, ...); unknown where the role may not see it.",
)
SERIES: Final = (
    DATABASE_UP,
    DATABASE_TRANSACTIONS,
    DATABASE_ROWS,
    DATABASE_CACHE,
    DATABASE_LOCKS,
    DATABASE_LAG,
    DATABASE_SIZE,
    DATABASE_CONNECTIONS,
)


@dataclass(frozen=True, slots=True)
class DatabaseSight:
    """One look; when not *up* nothing else is known."""

    up: bool
    transactions: Mapping[str, float]
    rows: Mapping[str, float]
    cache_hit_ratio: float | None
    locks: Mapping[str, float]
    lags: Mapping[str, float]
    size_bytes: float | None
    connections: Mapping[str, float]


DOWN: Final = DatabaseSight(False, {}, {}, None, {}, {}, None, {})


class PostgresProbe:
    """One database, asked over one connection that is made anew when it breaks."""

    def __init__(self, database: Database, timeout: float) -> None:
        """Raises ValueError when psycopg is not installed or the password cannot be read."""
        try:
            import psycopg  # noqa: PLC0415  # an optional extra: only who watches a database needs it
        except ImportError:
            raise ValueError("system.databases needs psycopg: install andon[postgresql]") from None
        self._psycopg = psycopg
        self._password = database.password()
        self.name = database.name
        self._conninfo = database.conninfo
        self._timeout = timeout
        self._connection: Any = None
        self._blocks: deque[tuple[float, float, float]] = deque()
        self._log = structlog.get_logger(exporter="system", database=database.name)

    def look(self) -> DatabaseSight:
        """Ask everything once; what PostgreSQL or the way to it does is no fault of ours and gives DOWN."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            return self._read(self._connection)
        except (self._psycopg.Error, OSError) as fault:
            # Its message may hold the address and the user: the kind and the code are enough.
            self._log.warning("cannot ask", error=type(fault).__name__, code=getattr(fault, "sqlstate", None))
            self.close()
            return DOWN

    def close(self) -> None:
        """Hang up; the next look connects again."""
        if self._connection is not None:
            with contextlib.suppress(self._psycopg.Error):
                self._connection.close()
        self._connection = None
        self._blocks.clear()

    def _connect(self) -> Any:
        milliseconds = int(self._timeout * 1000)
        given: dict[str, Any] = {} if self._password is None else {"password": self._password}
        return self._psycopg.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=max(2, int(self._timeout)),  # libpq knows no shorter one
            application_name="andon-exporter",
            tcp_user_timeout=milliseconds,
            options=f"-c default_transaction_read_only=on -c statement_timeout={milliseconds}",
            **given,
        )

    def _read(self, connection: Any) -> DatabaseSight:
        with connection.cursor() as cursor:
            row = cursor.execute(_ACTIVITY).fetchone()
            committed, rolled_back, *rows, hit, read, size = (float(value) for value in row)
            locks = {str(mode): float(count) for mode, count in cursor.execute(_LOCKS)}
            connections = {str(state): float(count) for state, count in cursor.execute(_CONNECTIONS)}
            if cursor.execute(_RECOVERY).fetchone()[0]:
                lags = [("self", cursor.execute(_OURSELVES).fetchone()[0])]
            else:
                lags = cursor.execute(_REPLICAS, (_MOST_REPLICAS,)).fetchall()
        return DatabaseSight(
            up=True,
            transactions={"committed": committed, "rolled_back": rolled_back},
            rows=dict(zip(("returned", "fetched", "inserted", "updated", "deleted"), rows, strict=True)),
            cache_hit_ratio=self._hits(hit, read),
            locks={**dict.fromkeys(LOCK_MODES, 0.0), **locks},
            lags={str(name): float(lag) for name, lag in lags if lag is not None},
            size_bytes=size,
            connections={**dict.fromkeys(STATES, 0.0), **connections},
        )

    def _hits(self, hit: float, read: float) -> float | None:
        """Over the last minutes; at the first look since the server's statistics began."""
        now = time.monotonic()
        blocks = self._blocks
        if blocks and hit + read < blocks[-1][1] + blocks[-1][2]:  # the statistics were reset
            blocks.clear()
        blocks.append((now, hit, read))
        while len(blocks) > 2 and blocks[1][0] <= now - _CACHE_WINDOW_SECONDS:  # one before the window
            blocks.popleft()
        _, hit_then, read_then = blocks[0] if len(blocks) > 1 else (0.0, 0.0, 0.0)
        touched = hit - hit_then + read - read_then
        return (hit - hit_then) / touched if touched > 0 else None


def families(seen: Iterable[tuple[str, DatabaseSight | None]]) -> Iterator[Metric]:
    """The databases' series; of one that is down only that, and of one that nobody asked lately none."""
    known = [(name, sight) for name, sight in seen if sight is not None]
    yield DATABASE_UP.family(((name,), float(sight.up)) for name, sight in known)
    for declared, field in (
        (DATABASE_TRANSACTIONS, "transactions"),
        (DATABASE_ROWS, "rows"),
        (DATABASE_LOCKS, "locks"),
        (DATABASE_LAG, "lags"),
        (DATABASE_CONNECTIONS, "connections"),
    ):
        yield declared.family(
            ((name, label), value) for name, sight in known for label, value in getattr(sight, field).items()
        )
    for declared, field in ((DATABASE_CACHE, "cache_hit_ratio"), (DATABASE_SIZE, "size_bytes")):
        rows = [((name,), getattr(sight, field)) for name, sight in known]
        yield declared.family((labels, value) for labels, value in rows if value is not None)
