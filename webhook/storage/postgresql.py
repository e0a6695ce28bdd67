"""PostgreSQL: for several processes or hosts on one store."""

import time
from collections.abc import Generator
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event

_WRITERS = 0x616E646F6E
"""The advisory lock that all writers of one database queue for ("andon")."""

ANSWER_SECONDS = 1.0
"""A server that is alive ends a statement by itself; one that says nothing so long after that is given up."""

_T = TypeVar("_T")

_REASONS = {
    "25006": "read_only",
    "53100": "full",
    "55P03": "busy",
    "57014": "busy",
    "53300": "connection",
    "57P01": "connection",
    "57P03": "connection",
}


class PostgresqlServer:
    """A database on a server; see `webhook.storage.sql.Database`.

    The password need not stand in the URL: ``?passfile=/run/secrets/pgpass`` and all other libpq parameters work.
    """

    def __init__(self, url: URL, busy_seconds: float) -> None:
        self.name = f"store {url.host or url.query.get('host', 'local')}/{url.database}"
        self.busy_seconds = busy_seconds
        self._url = url.set(drivername="postgresql+psycopg")

    def connect(self) -> Engine:
        """Make the pool."""
        milliseconds = int(self.busy_seconds * 1000)
        settings = {
            "synchronous_commit": "on",
            "lock_timeout": milliseconds,
            "statement_timeout": milliseconds,
            # A process that was stopped inside a transaction must not keep all others from killing.
            "idle_in_transaction_session_timeout": 2 * milliseconds,
            "timezone": "UTC",
        }
        arguments: dict[str, Any] = {
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "connect_timeout": max(2, int(self.busy_seconds)),
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "application_name": "andon",
        }
        engine = create_engine(
            self._url,
            connect_args=arguments,
            pool_size=8,
            max_overflow=24,
            pool_timeout=self.busy_seconds,
            pool_pre_ping=True,
            pool_use_lifo=True,
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", self._connect)
        return engine

    def check(self) -> None:
        """Nothing to look at: a connection that is lost says so itself."""

    def begin_write(self, connection: Connection) -> None:
        """Queue for the one lock of all writers; it ends with the transaction."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%(key)s)", {"key": _WRITERS})

    def begin_view(self, connection: Connection) -> None:
        """Read one snapshot."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def _connect(self, _dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> Any:
        connection = _connection_class().connect(*arguments, **named)
        connection.answer_seconds = self.busy_seconds + ANSWER_SECONDS
        return connection

    def reason(self, error: BaseException) -> str:
        """See the protocol."""
        if not hasattr(error, "sqlstate"):
            return "store"
        state = error.sqlstate
        if state is None:
            return "connection"
        return _REASONS.get(state, "connection" if state.startswith("08") else "store")


@cache
def _connection_class() -> Any:
    """Psycopg's connection, that gives up on a frozen server: such a one neither answers nor closes its sockets."""
    import psycopg  # noqa: PLC0415 - an extra, which a service with SQLite does without

    class Connection(psycopg.Connection[Any]):
        answer_seconds = ANSWER_SECONDS

        # Which further arguments there are depends on the version.
        def wait(self, gen: Generator[Any, Any, _T], *arguments: Any, **named: Any) -> _T:
            return super().wait(within(gen, self.answer_seconds), *arguments, **named)

    def within(waiting: Generator[Any, Any, _T], seconds: float) -> Generator[Any, Any, _T]:
        deadline = time.monotonic() + seconds
        try:
            wanted = next(waiting)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    raise psycopg.OperationalError(f"the server has not answered for {seconds:g} s")
                wanted = waiting.send(ready)
        except StopIteration as end:
            value: _T = end.value
            return value

    return Connection
