"""The tables.  Columns stand in the order of the fields of the dataclass they hold, so that a row makes one directly.

Times are whole microseconds since 1970 in UTC, decimals are text inside JSON, JSON is canonical (sorted keys): the same
on SQLite and PostgreSQL, byte for byte.
"""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Index, Integer, MetaData, Table, Text, TypeDecorator

from webhook.audit.canonical import canonical_text
from webhook.killswitch.port import ResumeStatus, StepKind, StepStatus, TripStatus
from webhook.killswitch.states import Action, State
from webhook.killswitch.scope import Scope
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
        return None if value is None else _EPOCH + value * _MICROSECOND


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
    Column("status", Word(TripStatus), nullable=False),
    Column("fingerprint", Words),
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),
    Column("stages", Json, nullable=False),
    Column("residual", Json, nullable=False),
    Column("closed_at", Moment),
    Index("trips_by_time", "received_at", "id"),
    Index("trips_by_status", "status", "received_at", "id"),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Words, primary_key=True),
    Column("trip_id", Words, nullable=False),
    Column("kind", Word(StepKind), nullable=False),
    Column("target", Words, nullable=False),
    Column("place", Integer, key="order", nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("status", Word(StepStatus), nullable=False),
    Column("owner", Words),
    Column("lease_until", Moment),
    Column("tries", Integer, nullable=False),
    Column("result", Json, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Index("steps_by_trip", "trip_id", "order", "id"),
)

episodes = Table(
    "episodes",
    metadata,
    Column("fingerprint", Words, primary_key=True),
    Column("starts_at", Moment, primary_key=True, autoincrement=False),
    Column("status", Words, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("trip_id", Words),
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
    Column("owner", Words),
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
    Column("owner", Words, nullable=False),
    Column("until", Moment, nullable=False),
)
