"""One SQL transaction as the `webhook.durability.port.Transaction` that the service knows."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Executable, Table, and_, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.audit.chain import seal
from webhook.audit.record import Record
from webhook.intake.episode import Episode
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.lease import Lease
from webhook.killswitch.scope import Scope, widest_first
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, Trip
from webhook.notify.parcel import Parcel
from webhook.storage import tables
from webhook.storage.text import plain_text, short_key

Kept = TypeVar("Kept", Switch, Trip, Progress, Commanded, Episode, ResumeRequest, Parcel, Record, Lease)

_ALERTS = ("alertmanager", "prometheus")


class SqlTransaction:
    """Reads and writes over one connection; `webhook.storage.sql.SqlStore` begins and ends it."""

    def __init__(self, connection: Connection, *, writable: bool) -> None:
        self._connection = connection
        self._writable = writable
        self._head: Record | None = None

    def switches(self) -> tuple[Switch, ...]:
        """See the port."""
        found = {switch.scope: switch for switch in self._read(Switch, tables.switches)}
        return tuple(found[scope] for scope in widest_first(found))

    def switch(self, scope: Scope) -> Switch:
        """See the port."""
        found = self._read(Switch, tables.switches, tables.switches.c.scope == scope)
        return found[0] if found else Switch(scope, State.NORMAL)

    def put_switch(self, switch: Switch) -> None:
        """See the port."""
        self._put(tables.switches, (switch,))

    def trip(self, trip_id: str) -> Trip | None:
        """See the port."""
        found = self._read(Trip, tables.trips, tables.trips.c.id == trip_id)
        return found[0] if found else None

    def trips(self, *, open_only: bool = False, limit: int = 100) -> tuple[Trip, ...]:
        """See the port."""
        columns = tables.trips.c
        query = select(tables.trips).order_by(columns.received_at.desc(), columns.id.desc()).limit(limit)
        if open_only:
            query = query.where(columns.closed_at.is_(None))
        return tuple(Trip(*row) for row in self._connection.execute(query))

    def put_trip(self, trip: Trip) -> None:
        """See the port."""
        self._put(tables.trips, (trip,))

    def count_trips(self, since: datetime) -> int:
        """See the port."""
        columns = tables.trips.c
        query = select(func.count()).where(
            columns.received_at >= since, columns.source.in_(_ALERTS), columns.reached.is_(True)
        )
        return int(self._connection.execute(query).scalar_one())

    def progress(self, trip_ids: Sequence[str]) -> tuple[Progress, ...]:
        """See the port."""
        found: list[Progress] = []
        for first in range(0, len(trip_ids), _MOST_NAMES):
            query = select(tables.progress).where(tables.progress.c.trip_id.in_(trip_ids[first : first + _MOST_NAMES]))
            found += [Progress(*row) for row in self._connection.execute(query)]
        return tuple(found)

    def put_progress(self, rows: Sequence[Progress]) -> int:
        """See the port."""
        return self._put(tables.progress, rows)

    def commanded(self, engine: str) -> tuple[Commanded, ...]:
        """See the port."""
        return tuple(self._read(Commanded, tables.commanded, tables.commanded.c.engine == engine))

    def put_commanded(self, rows: Sequence[Commanded]) -> None:
        """See the port."""
        self._put(tables.commanded, rows)

    def episode(self, fingerprint: str, starts_at: datetime) -> Episode | None:
        """See the port."""
        columns = tables.episodes.c
        found = self._read(
            Episode, tables.episodes, and_(columns.fingerprint == fingerprint, columns.starts_at == starts_at)
        )
        return found[0] if found else None

    def put_episode(self, episode: Episode) -> None:
        """See the port."""
        self._put(tables.episodes, (episode,))

    def firing_episodes(self, since: datetime, *, found: bool = False) -> tuple[Episode, ...]:
        """See the port."""
        columns = tables.episodes.c
        fires = columns.status.in_(("firing", "found") if found else ("firing",))
        return tuple(self._read(Episode, tables.episodes, and_(fires, columns.last_seen >= since)))

    def resume_request(self, request_id: str) -> ResumeRequest | None:
        """See the port."""
        found = self._read(ResumeRequest, tables.resume_requests, tables.resume_requests.c.id == request_id)
        return found[0] if found else None

    def resume_requests(self, *, status: ResumeStatus | None = None) -> tuple[ResumeRequest, ...]:
        """See the port."""
        columns = tables.resume_requests.c
        query = select(tables.resume_requests).order_by(columns.requested_at.desc(), columns.id.desc())
        if status is not None:
            query = query.where(columns.status == status)
        return tuple(ResumeRequest(*row) for row in self._connection.execute(query))

    def put_resume_request(self, request: ResumeRequest) -> None:
        """See the port."""
        self._put(tables.resume_requests, (request,))

    def enqueue(self, notifier: str, key: str, notice: dict[str, Any], at: datetime) -> None:
        """See the port."""
        self._must_write()
        row = {"notifier": notifier, "key": short_key(key), "notice": notice, "created_at": at, "next_at": at}
        # A list of one keeps SQLAlchemy from asking for the new id, which nobody needs.
        self._connection.execute(_INSERT_PARCEL, [{**row, "status": "waiting", "tries": 0}])

    def claim_parcels(self, holder: str, now: datetime, until: datetime, limit: int) -> tuple[Parcel, ...]:
        """See the port."""
        self._must_write()
        one, older = tables.parcels.alias("one"), tables.parcels.alias("older")
        is_behind = exists().where(
            older.c.status == "waiting",
            older.c.notifier == one.c.notifier,
            older.c.key == one.c.key,
            older.c.id < one.c.id,
        )
        due = (
            select(one.c.id)
            .where(one.c.status == "waiting", one.c.next_at <= now, _not_held(one.c, now), ~is_behind)
            .order_by(one.c.id)
            .limit(limit)
        )
        claim = (
            update(tables.parcels)
            .where(tables.parcels.c.id.in_(due.scalar_subquery()))
            .values(holder=holder, lease_until=until)
            .returning(tables.parcels)
        )
        taken = [Parcel(*row) for row in self._connection.execute(claim)]
        return tuple(sorted(taken, key=lambda parcel: parcel.id))

    def put_parcels(self, parcels: Sequence[Parcel]) -> None:
        """See the port."""
        self._put(tables.parcels, parcels)

    def waiting_parcels(self) -> dict[str, int]:
        """See the port."""
        columns = tables.parcels.c
        query = (
            select(columns.notifier, func.count())
            .where(columns.status == "waiting")
            .group_by(columns.notifier)
            .order_by(columns.notifier)
        )
        return {notifier: int(count) for notifier, count in self._connection.execute(query)}

    def append(self, kind: str, actor: str, body: dict[str, Any], at: datetime, *, version: int = 1) -> Record:
        """See the port."""
        self._must_write()
        # Writers are serialised, so the head that this transaction has read is the head until it ends.
        last = self._head or self.last_record()
        record = seal(last, kind=kind, actor=plain_text(actor), body=body, at=at, version=version)
        self._connection.execute(_INSERT_RECORD, [_row(record)])
        self._head = record
        return record

    def records(self, *, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        """See the port."""
        columns = tables.journal.c
        query = select(tables.journal).where(columns.sequence > after).order_by(columns.sequence).limit(limit)
        return tuple(Record(*row) for row in self._connection.execute(query))

    def last_record(self) -> Record | None:
        """See the port."""
        row = self._connection.execute(_LAST_RECORD).one_or_none()
        return None if row is None else Record(*row)

    def now(self) -> datetime:
        """See the port."""
        text = "SELECT " + _CLOCK[self._connection.dialect.name]
        microseconds: int = self._connection.exec_driver_sql(text).scalar_one()
        return tables.moment(microseconds)

    def acquire_lease(self, name: str, holder: str, lifetime: timedelta, *, gone: bool = False) -> Lease | None:
        """See the port."""
        self._must_write()
        held, now = self.lease(name), self.now()
        if held is not None and held.holder != holder and held.until > now and not gone:
            return None
        epoch = 1 if held is None else held.epoch + (held.holder != holder)
        lease = Lease(name, holder, epoch, now + lifetime)
        self._put(tables.leases, (lease,))
        return lease

    def lease(self, name: str) -> Lease | None:
        """See the port."""
        found = self._read(Lease, tables.leases, tables.leases.c.name == name)
        return found[0] if found else None

    def release_lease(self, name: str, holder: str) -> None:
        """See the port."""
        self._must_write()
        held = self.lease(name)
        if held is not None and held.holder == holder:
            self._put(tables.leases, (replace(held, holder="", until=self.now()),))

    def _read(self, kind: type[Kept], table: Table, condition: ColumnElement[bool] | None = None) -> list[Kept]:
        query = select(table) if condition is None else select(table).where(condition)
        return [kind(*row) for row in self._connection.execute(query)]

    def _put(self, table: Table, things: Sequence[Kept]) -> int:
        """Upsert; returns how many rows were written."""
        self._must_write()
        if not things:
            return 0
        statement = _upsert(self._connection.dialect.name, table)
        return self._connection.execute(statement, [_row(thing) for thing in things]).rowcount

    def _must_write(self) -> None:
        if not self._writable:
            raise RuntimeError("a view only reads: use Store.begin() to write")


def _not_held(columns: Any, now: datetime) -> ColumnElement[bool]:
    return or_(columns.holder.is_(None), columns.lease_until.is_(None), columns.lease_until <= now)


# Making a statement costs more than running it on SQLite, and these are run for every trip.
@cache
def _upsert(dialect: str, table: Table) -> Executable:
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.key for column in table.primary_key]
    changes = {column.key: statement.excluded[column.key] for column in table.c if column.key not in keys}
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=changes, where=_may_replace(table, statement.excluded)
    ).execution_options(preserve_rowcount=True)


def _may_replace(table: Table, new: Any) -> ColumnElement[bool] | None:
    """What must hold of the row that stands there: newer rows and ended trips are never overwritten."""
    if table is tables.trips:
        return table.c.closed_at.is_(None)
    if "revision" in table.c:
        same_epoch = and_(new.epoch == table.c.epoch, new.revision > table.c.revision)
        return or_(new.epoch > table.c.epoch, same_epoch)
    return None


_MOST_NAMES = 500
"""Bound parameters in one statement: SQLite takes a limited number."""

_CLOCK = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
}
"""The database's own clock, in microseconds since 1970."""


_INSERT_PARCEL = insert(tables.parcels)
_INSERT_RECORD = insert(tables.journal)
_LAST_RECORD = select(tables.journal).order_by(tables.journal.c.sequence.desc()).limit(1)


_NAMES = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (Switch, Trip, Progress, Commanded, Episode, ResumeRequest, Parcel, Record, Lease)
}


def _row(thing: Any) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in _NAMES[type(thing)]}
