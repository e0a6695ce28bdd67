"""Bring the tables to the shape this version knows, inside the caller's locked transaction: all of it or nothing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from webhook.errors import PermanentError

SCRIPTS = Path(__file__).parent / "migrations"


def bring_up_to_date(connection: Connection) -> None:
    """Run the migrations that are missing; raises `PermanentError` for a store of a newer version."""
    config = _config()
    if _revision(connection) == _newest(config):
        return
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise PermanentError(
            "the store was written by another version of Andon, which this one does not know: "
            "start the newer version, or restore a backup",
            reason="schema",
        ) from error


def check_up_to_date(connection: Connection) -> None:
    """Raise `PermanentError` unless the tables have exactly the shape this version knows."""
    found, newest = _revision(connection), _newest(_config())
    if found != newest:
        raise PermanentError(
            f"the store's tables are at {found or 'nothing'} and this version needs {newest}: start with migration on",
            reason="schema",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _newest(config: Config) -> str | None:
    return ScriptDirectory.from_config(config).get_current_head()
