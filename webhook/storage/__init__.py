"""Where the durable things are kept: SQLite by default, PostgreSQL for several hosts, memory when the disk fails."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from webhook.durability.port import Store
from webhook.errors import PermanentError
from webhook.storage.memory import MemoryStore
from webhook.storage.postgresql import PostgresqlServer
from webhook.storage.sql import Database, SqlStore
from webhook.storage.sqlite import SqliteFile

__all__ = ["KINDS", "MemoryStore", "file_of", "open_store"]

KINDS: dict[str, type[SqliteFile] | type[PostgresqlServer]] = {
    "sqlite": SqliteFile,
    "postgresql": PostgresqlServer,
}
"""What a store's URL may begin with."""

BUSY_SECONDS = 2.0
"""How long a transaction waits for its turn before it is an outage."""


def open_store(url: str, *, migrate: bool = True, required: bool = True, busy_seconds: float = BUSY_SECONDS) -> Store:
    """Open ``sqlite:////path/andon.db`` or ``postgresql+psycopg://user@host/name``, and bring its tables up to date.

    With *required* unset a store that is out is opened all the same, and prepared at its first use that succeeds: a
    webhook must be able to start, and to kill from memory, while its database is down.  With *migrate* unset the tables
    must be up to date already.  Raises `PermanentError` for a URL or tables that cannot be right, `StoreOutageError`
    when a required store is out.
    """
    store = SqlStore(_database(url, busy_seconds), migrate=migrate)
    if required:
        try:
            store.prepare()
        except BaseException:
            store.close()
            raise
    return store


def file_of(url: str) -> Path | None:
    """The file that a store keeps everything in; None for a database server."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _database(text: str, busy_seconds: float) -> Database:
    try:
        url: URL = make_url(text)
    except ArgumentError as error:
        raise PermanentError("store.url is not a URL like sqlite:////var/lib/andon/andon.db", reason="url") from error
    kind = KINDS.get(url.get_backend_name())
    if kind is None:
        raise PermanentError(
            f"store.url begins with {url.get_backend_name()}; a store may be {' or '.join(KINDS)}", reason="url"
        )
    return kind(url, busy_seconds)
