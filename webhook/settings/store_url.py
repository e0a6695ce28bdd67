"""The address of the store, read without loading the library that uses it: every command reads settings."""

import re
from pathlib import Path
from urllib.parse import quote

_SQLITE = re.compile(r"(?P<kind>sqlite(?:\+pysqlite)?):///(?P<path>[^?#]+)")
_POSTGRESQL = re.compile(
    r"(?P<kind>postgresql(?:\+psycopg)?)://(?:(?P<user>[^:@/]+)(?P<password>:[^@/]*)?@)?(?P<rest>[^@\s]+/[^@\s/]+)"
)
_ADVICE = (
    "use sqlite:////absolute/path.db (one host) or postgresql+psycopg://user@host/database (several hosts); "
    "the latch must survive a restart, so nothing in memory is accepted"
)


def checked(url: str) -> str:
    """*url* itself; raises ValueError with what would be right. A password in it is refused and never repeated."""
    sqlite = _SQLITE.fullmatch(url)
    if sqlite is not None and ":memory:" not in sqlite["path"]:
        return url
    postgresql = _POSTGRESQL.fullmatch(url)
    if postgresql is None:
        raise ValueError(_ADVICE)
    if postgresql["password"] is not None:
        raise ValueError("write no password here: put it into a file and name that file in store.password_file")
    return url


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite store; None for any other."""
    found = _SQLITE.fullmatch(url)
    return None if found is None else Path(found["path"])


def in_folder(url: str, folder: Path) -> str:
    """*url* with a relative SQLite path taken from *folder*."""
    found = _SQLITE.fullmatch(url)
    return url if found is None or ":memory:" in found["path"] else f"{found['kind']}:///{folder / found['path']}"


def with_password(url: str, password: str) -> str:
    """*url* with the password of its user; raises ValueError when it names no user."""
    found = _POSTGRESQL.fullmatch(url)
    if found is None or found["user"] is None:
        raise ValueError("store.password_file needs a user in store.url: postgresql+psycopg://user@host/database")
    return f"{found['kind']}://{found['user']}:{quote(password, safe='')}@{found['rest']}"
