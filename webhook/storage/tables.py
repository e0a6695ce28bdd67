"""The tables.  Columns stand in the order of the fields of the dataclass they hold, so that a row makes one directly.

Times are whole microseconds since 1970 in UTC, decimals are text inside JSON, JSON is canonical (sorted keys): the same
on SQLite and PostgreSQL, byte for byte.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Index, Integer, MetaData, Table, Text, TypeDecorator

from webhook.access.resume import ResumeStatus
from webhook.audit.canonical import canonical_text
from webhook.killswitch.scope import Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action, State
from webhook.killswitch.trip import TargetKind
from webhook.storage.text import plain_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Words(TypeDecorator[str]):
    """Free text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make it storable."""
        del dialect
        return None if value is None else plain_text(value)


class Moment(TypeDecorator[datetime]):
    """A time, aware, to the microsecond."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Count microseconds."""
        del dialect
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Make it UTC."""
        del dialect
        return None if value is None else moment(value)


class Number(TypeDecorator[Decimal]):
    """A decimal, exactly, as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Write it."""
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read it."""
        del dialect
        return None if value is None else Decimal(value)


class Json(TypeDecorator[dict[str, Any]]):
    """An object, as canonical JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str:
        """Write it."""
        del dialect
        return canonical_text(value or {})

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any]:
        """Read it."""
        del dialect
        document: dict[str, Any] = json.loads(value or "{}")
        return document


def moment(microseconds: int) -> datetime:
    """The time that a number in a column means."""
    return _EPOCH + microseconds * _MICROSECOND


class JournalMoment(Moment):
    """A time of a record; what somebody made unreadable is read as the first time there is, and breaks the chain."""

    cache_ok = True

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read it."""
        try:
            return super().process_result_value(value, dialect)
        except (TypeError, OverflowError):
            return datetime.min.replace(tzinfo=UTC)


class JournalBody(Json):
    """The body of a record; what somebody made unreadable is read as text, and breaks the chain."""

    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any]:
        """Read it."""
        try:
            return super().process_result_value(value, dialect)
        except (TypeError, ValueError, RecursionError):
            return {"unreadable": str(value)}


class Word(TypeDecorator[StrEnum]):
    """One word of an enumeration."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """Write it."""
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Read it."""
        del dialect
        return None if value is None else self.words(value)


class ScopeText(TypeDecorator[Scope]):
    """A scope by its text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Scope | None, dialect: Dialect) -> str | None:
        """Write it."""
        del dialect
        return None if value is None else plain_text(str(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Scope | None:
        """Read it."""
        del dialect
        return None if value is None else Scope.parse(value)


metadata = MetaData()

switches = Table(
    "switches",
    metadata,
    Column("scope", ScopeText, primary_key=True),
    Column("state", Word(State), nullable=False),
    Column("action", Word(Action)),
    Column("trip_id", Words),
    Column("tripped_by", Words),
    Column("since", Moment),
    Column("until", Moment),
    Column("keep_protective", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
)

trips = Table(
    "trips",
    metadata,
    Column("id", Words, primary_key=True),
    Column("scope", ScopeText, nullable=False),
    Column("action", Word(Action), nullable=False),
    Column("requested", Word(Action), nullable=False),
    Column("source", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("fingerprint", Words),
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),
    Column("keep_protective", Boolean, nullable=False),
    Column("reached", Boolean, nullable=False),
    Column("closed_at", Moment),
    Index("trips_by_time", "received_at", "id"),
    Index("trips_by_end", "closed_at", "received_at", "id"),
)

progress = Table(
    "progress",
    metadata,
    Column("trip_id", Words, primary_key=True),
    Column("target", Words, primary_key=True),
    Column("kind", Word(TargetKind), nullable=False),
    Column("stage", Word(Stage), nullable=False),
    Column("since", Moment),
    Column("read_at", Moment),
    Column("orders", Integer, nullable=False),
    Column("positions", Integer, nullable=False),
    Column("notional", Number, nullable=False),
    Column("naked_notional", Number, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("times", Json, nullable=False),
    Column("detail", Json, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

commanded = Table(
    "commanded",
    metadata,
    Column("engine", Words, primary_key=True),
    Column("part", ScopeText, primary_key=True),
    Column("state", Word(State), nullable=False),
    Column("stopped_before", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

episodes = Table(
    "episodes",
    metadata,
    Column("fingerprint", Words, primary_key=True),
    Column("starts_at", Moment, primary_key=True, autoincrement=False),
    Column("name", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("trip_id", Words),
    Column("scope", ScopeText),
    Column("granted", Word(Action)),
    Column("resolved_at", Moment),
    Index("episodes_by_status", "status", "last_seen"),
)

resume_requests = Table(
    "resume_requests",
    metadata,
    Column("id", Words, primary_key=True),
    Column("scope", ScopeText, nullable=False),
    Column("requested_by", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("switch_version", BigInteger, nullable=False),
    Column("status", Word(ResumeStatus), nullable=False),
    Column("approved_by", Words),
    Column("decided_at", Moment),
    Index("resume_requests_by_status", "status", "requested_at"),
)

parcels = Table(
    "parcels",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("notifier", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("notice", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("status", Words, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("holder", Words),
    Column("lease_until", Moment),
    Column("last_error", Words),
    Index("parcels_by_status", "status", "notifier", "key", "id"),
    # Ids give the order of delivery, so one must never be used again.
    sqlite_autoincrement=True,
)

journal = Table(
    "journal",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", JournalMoment, nullable=False),
    Column("kind", Words, nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor", Words, nullable=False),
    Column("body", JournalBody, nullable=False),
    Column("previous", Words, nullable=False),
    Column("hash", Words, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Words, primary_key=True),
    Column("holder", Words, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("until", Moment, nullable=False),
)
