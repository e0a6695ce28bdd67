"""SQLite: one file beside the service, in WAL mode, synced at every commit."""

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from webhook.errors import PermanentError
from webhook.storage.sql import ReplacedError

_REASONS = {
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_FULL": "full",
    "SQLITE_READONLY": "read_only",
    "SQLITE_CANTOPEN": "connection",
    "SQLITE_NOTADB": "corrupt",
    "SQLITE_CORRUPT": "corrupt",
}


class SqliteFile:
    """A database file; see `webhook.storage.sql.Database`."""

    def __init__(self, url: URL, busy_seconds: float) -> None:
        if not url.database or url.database == ":memory:":
            raise PermanentError("store.url must name a file, e.g. sqlite:////var/lib/andon/andon.db", reason="url")
        self.path = Path(url.database)
        self.name = f"store {self.path}"
        self.busy_seconds = busy_seconds
        self._url = url.set(drivername="sqlite+pysqlite")
        self._identity: tuple[int, int] | None = None

    def connect(self) -> Engine:
        """Make the pool."""
        engine = create_engine(
            self._url,
            connect_args={"timeout": self.busy_seconds, "check_same_thread": False},
            pool_size=8,
            max_overflow=56,
            pool_timeout=self.busy_seconds,
            pool_use_lifo=True,
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", self._make_private)
        event.listen(engine, "connect", _configure)
        return engine

    def check(self) -> None:
        """Compare the file with the one that was opened: a deleted file would go on taking writes that nobody reads."""
        found = self.path.stat()
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            self._identity = None
            raise ReplacedError

    def begin_write(self, connection: Connection) -> None:
        """Take the write lock at once, so that what is read stays true until the commit."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_view(self, connection: Connection) -> None:
        """Read one snapshot of the WAL."""
        connection.exec_driver_sql("BEGIN")

    def reason(self, error: BaseException) -> str:
        """See the protocol."""
        if isinstance(error, FileNotFoundError):
            return "connection"
        code = getattr(error, "sqlite_errorname", "") or ""
        return next((reason for name, reason in _REASONS.items() if code.startswith(name)), "store")

    def _make_private(self, *_: Any) -> None:
        # SQLite gives its -wal and -shm files the mode of the database file.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, stat.S_IRUSR | stat.S_IWUSR))


def _configure(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # BEGIN and COMMIT are ours
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # the commit is on disk when it returns
        "foreign_keys=ON",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")
