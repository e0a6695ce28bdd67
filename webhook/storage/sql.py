"""A store in an SQL database: one write transaction at a time, and every failure an outage that heals by itself.

What SQLite and PostgreSQL do differently (how to connect, how writers queue, what an error means) is a `Database`.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from webhook.durability.port import Transaction
from webhook.errors import PermanentError, StoreOutageError
from webhook.storage.migrate import bring_up_to_date, check_up_to_date
from webhook.storage.rehearsal import rehearse
from webhook.storage.transaction import SqlTransaction


class Database(Protocol):
    """One kind of database."""

    name: str
    """For messages: where it is, without secrets."""
    busy_seconds: float
    """How long a writer waits for its turn."""

    def connect(self) -> Engine:
        """Make the pool of connections; opens none yet."""

    def check(self) -> None:
        """Look, cheaply, whether the database is still the one that was opened; raises `OSError` when it is gone.

        Raises `ReplacedError` when another one is in its place, so that the connections are opened anew.
        """

    def begin_write(self, connection: Connection) -> None:
        """Begin a transaction that no other writer, of any process, can be in at the same time."""

    def begin_view(self, connection: Connection) -> None:
        """Begin a transaction that sees one moment and cannot write."""

    def reason(self, error: BaseException) -> str:
        """A short token for what went wrong: ``busy``, ``full``, ``read_only``, ``connection`` or ``store``.

        `SqlStore` adds ``value``, for a write that can never succeed because of what is in it.
        """


class ReplacedError(Exception):
    """The database that was opened is not the one that is there now."""


MOST_READS = 8
"""Reads at a time: on a disk or server that hangs they hold the threads that they came in, and an alert needs one."""
READ_TURN_SECONDS = 0.2
"""A read that gets no turn for so long is refused, for the same reason."""

_IN_SQL = (SQLAlchemyError,)
"""Also a value that cannot be bound, which is a fault of ours: it too must let the kill go on from memory."""
_BEFORE_SQL = (SQLAlchemyError, OSError)
"""An `OSError` is the store's only while a file is looked for; inside a transaction it is the caller's."""


class SqlStore:
    """See `webhook.durability.port.Store`; thread-safe."""

    def __init__(self, database: Database, *, migrate: bool = True) -> None:
        self._database = database
        self._migrate = migrate
        self._engine: Engine = database.connect()
        self._prepared = False
        self._preparing = threading.Lock()
        # Writers of this process queue here, in order and without polling; those of other processes in the database.
        self._writing = threading.Lock()
        self._reading = threading.BoundedSemaphore(MOST_READS)
        self._mine = threading.local()

    def prepare(self) -> None:
        """Bring the tables up to date once; later calls do nothing."""
        with self._preparing:
            if self._prepared:
                return
            with self._connected() as connection:
                if self._migrate:
                    self._database.begin_write(connection)
                    bring_up_to_date(connection)
                    connection.commit()
                    self._database.begin_write(connection)
                    rehearse(SqlTransaction(connection, writable=True))
                else:
                    # Whoever only reads (an auditor) neither writes nor keeps writers waiting.
                    self._database.begin_view(connection)
                    check_up_to_date(connection)
                connection.rollback()
            with self._outages(_BEFORE_SQL):
                self._database.check()
            self._prepared = True

    def begin(self) -> AbstractContextManager[Transaction]:
        """See the port."""
        return self._begin()

    @contextmanager
    def _begin(self) -> Iterator[Transaction]:
        if getattr(self._mine, "writing", False):
            raise RuntimeError("a transaction was begun inside another one of the same thread")
        self._ready()
        if not self._writing.acquire(timeout=self._database.busy_seconds):
            raise StoreOutageError(f"{self._database.name}: no turn to write in time", reason="busy")
        self._mine.writing = True
        try:
            with self._connected() as connection:
                self._database.begin_write(connection)
                yield SqlTransaction(connection, writable=True)
                connection.commit()
        finally:
            self._mine.writing = False
            self._writing.release()

    def view(self) -> AbstractContextManager[Transaction]:
        """See the port."""
        return self._view()

    @contextmanager
    def _view(self) -> Iterator[Transaction]:
        if not self._reading.acquire(timeout=READ_TURN_SECONDS):
            raise StoreOutageError(f"{self._database.name}: too many reads wait for it", reason="busy")
        try:
            self._ready()
            with self._connected() as connection:
                self._database.begin_view(connection)
                yield SqlTransaction(connection, writable=False)
                connection.rollback()
        finally:
            self._reading.release()

    def ping(self) -> None:
        """See the port."""
        with self.begin() as transaction:
            transaction.acquire_lease("ping", "ping", timedelta(seconds=1))

    def close(self) -> None:
        """See the port."""
        self._engine.dispose()

    def _ready(self) -> None:
        if self._prepared:
            with self._outages(_BEFORE_SQL):
                try:
                    self._database.check()
                except ReplacedError:
                    with self._preparing:
                        self._engine.dispose()
                        self._prepared = False
        if not self._prepared:
            try:
                self.prepare()
            except PermanentError as error:
                # Refused at the start, but an outage now: whoever is in the middle of a kill has to go on.
                raise StoreOutageError(str(error), reason=error.reason) from error

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._outages(_BEFORE_SQL):
            connection = self._engine.connect()
        with self._outages(_IN_SQL), connection:
            try:
                yield connection
            except _IN_SQL:
                # A connection that has seen a full or vanished disk is not trusted again.
                connection.invalidate()
                raise

    @contextmanager
    def _outages(self, kinds: tuple[type[Exception], ...]) -> Iterator[None]:
        try:
            yield
        except kinds as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            if isinstance(cause, PoolTimeoutError):
                reason = "busy"
            elif _is_unstorable(error):
                reason = "value"
            else:
                reason = self._database.reason(cause)
            first_line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise StoreOutageError(f"{self._database.name}: {first_line}", reason=reason) from error


def _is_unstorable(error: Exception) -> bool:
    """Whether it is the value that is wrong, and not the database: the same write will never succeed."""
    not_bound = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    return not_bound or isinstance(error, DataError)
