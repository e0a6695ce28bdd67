"""A store in memory: what the service goes on with when the disk fails, and the quick twin in tests.

It keeps every promise of the port except the one to survive the process: transactions are serialised and rolled back
as a whole, a view is one moment, and what comes out has the shape that any other store gives back.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.audit.canonical import canonical_text
from webhook.audit.chain import seal
from webhook.audit.record import Record
from webhook.durability.port import Transaction
from webhook.errors import StoreOutageError
from webhook.intake.episode import Episode
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.lease import Lease
from webhook.killswitch.scope import Scope, widest_first
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, Trip
from webhook.notify.parcel import Parcel
from webhook.storage.text import short_key

T = TypeVar("T")


@dataclass(slots=True)
class _Tables:
    """Dicts that are never changed once they are shared: a transaction copies one before its first write to it."""

    switches: dict[Scope, Switch] = field(default_factory=dict)
    trips: dict[str, Trip] = field(default_factory=dict)
    progress: dict[tuple[str, str], Progress] = field(default_factory=dict)
    commanded: dict[tuple[str, Scope], Commanded] = field(default_factory=dict)
    episodes: dict[tuple[str, datetime], Episode] = field(default_factory=dict)
    resume_requests: dict[str, ResumeRequest] = field(default_factory=dict)
    parcels: dict[int, Parcel] = field(default_factory=dict)
    last_parcel: int = 0
    records: list[Record] = field(default_factory=list)
    record_count: int = 0
    leases: dict[str, Lease] = field(default_factory=dict)


class MemoryStore:
    """See `webhook.durability.port.Store`; thread-safe."""

    def __init__(self, *, busy_seconds: float = 5.0) -> None:
        self._tables = _Tables()
        self._busy_seconds = busy_seconds
        self._writing = threading.Lock()
        self._mine = threading.local()

    def begin(self) -> AbstractContextManager[Transaction]:
        """See the port."""
        return self._begin()

    @contextmanager
    def _begin(self) -> Iterator[Transaction]:
        if getattr(self._mine, "writing", False):
            raise RuntimeError("a transaction was begun inside another one of the same thread")
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise StoreOutageError("memory store: no turn to write in time", reason="busy")
        self._mine.writing = True
        try:
            tables = replace(self._tables)
            yield _MemoryTransaction(tables, writable=True)
            self._tables = tables
        finally:
            # The journal is shared and grows behind what a reader has counted: cut off what was not committed.
            del self._tables.records[self._tables.record_count :]
            self._mine.writing = False
            self._writing.release()

    def view(self) -> AbstractContextManager[Transaction]:
        """See the port."""
        return self._view()

    @contextmanager
    def _view(self) -> Iterator[Transaction]:
        yield _MemoryTransaction(replace(self._tables), writable=False)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* in a transaction of its own."""
        with self.begin() as tx:
            return work(tx)

    def ping(self) -> None:
        """See the port."""
        with self.begin():
            pass

    def clear(self) -> None:
        """Forget everything; the ids of parcels go on, as one may be under way still."""
        with self._writing:
            self._tables = _Tables(last_parcel=self._tables.last_parcel)

    def close(self) -> None:
        """See the port."""


class _MemoryTransaction:
    """See `webhook.durability.port.Transaction`."""

    def __init__(self, tables: _Tables, *, writable: bool) -> None:
        self._tables = tables
        self._writable = writable
        self._copied: set[str] = set()

    def switches(self) -> tuple[Switch, ...]:
        return tuple(self._tables.switches[scope] for scope in widest_first(self._tables.switches))

    def switch(self, scope: Scope) -> Switch:
        return self._tables.switches.get(scope) or Switch(scope, State.NORMAL)

    def put_switch(self, switch: Switch) -> None:
        self._mine("switches")[switch.scope] = switch

    def trip(self, trip_id: str) -> Trip | None:
        return self._tables.trips.get(trip_id)

    def trips(self, *, open_only: bool = False, limit: int = 100) -> tuple[Trip, ...]:
        found = [trip for trip in self._tables.trips.values() if not open_only or trip.closed_at is None]
        found.sort(key=lambda trip: (trip.received_at, trip.id), reverse=True)
        return tuple(found[:limit])

    def put_trip(self, trip: Trip) -> None:
        kept = self._mine("trips")
        there = kept.get(trip.id)
        if there is None or there.closed_at is None:
            kept[trip.id] = replace(trip, labels=_settled(trip.labels), annotations=_settled(trip.annotations))

    def count_trips(self, since: datetime) -> int:
        return sum(
            1
            for trip in self._tables.trips.values()
            if trip.received_at >= since and trip.source in ("alertmanager", "prometheus") and trip.reached
        )

    def progress(self, trip_ids: Sequence[str]) -> tuple[Progress, ...]:
        wanted = set(trip_ids)
        return tuple(row for row in self._tables.progress.values() if row.trip_id in wanted)

    def put_progress(self, rows: Sequence[Progress]) -> int:
        kept, taken = self._mine("progress"), 0
        for row in rows:
            if row.newer_than(kept.get((row.trip_id, row.target))):
                settled = replace(row, times=_settled(row.times), detail=_settled(row.detail))
                kept[row.trip_id, row.target] = settled
                taken += 1
        return taken

    def commanded(self, engine: str) -> tuple[Commanded, ...]:
        return tuple(row for row in self._tables.commanded.values() if row.engine == engine)

    def put_commanded(self, rows: Sequence[Commanded]) -> None:
        kept = self._mine("commanded")
        for row in rows:
            there = kept.get((row.engine, row.part))
            if there is None or (row.epoch, row.revision) > (there.epoch, there.revision):
                kept[row.engine, row.part] = row

    def episode(self, fingerprint: str, starts_at: datetime) -> Episode | None:
        return self._tables.episodes.get((fingerprint, starts_at))

    def put_episode(self, episode: Episode) -> None:
        self._mine("episodes")[episode.fingerprint, episode.starts_at] = episode

    def firing_episodes(self, since: datetime, *, found: bool = False) -> tuple[Episode, ...]:
        fires = ("firing", "found") if found else ("firing",)
        return tuple(one for one in self._tables.episodes.values() if one.status in fires and one.last_seen >= since)

    def resume_request(self, request_id: str) -> ResumeRequest | None:
        return self._tables.resume_requests.get(request_id)

    def resume_requests(self, *, status: ResumeStatus | None = None) -> tuple[ResumeRequest, ...]:
        found = [one for one in self._tables.resume_requests.values() if status is None or one.status is status]
        return tuple(sorted(found, key=lambda request: (request.requested_at, request.id), reverse=True))

    def put_resume_request(self, request: ResumeRequest) -> None:
        self._mine("resume_requests")[request.id] = request

    def enqueue(self, notifier: str, key: str, notice: dict[str, Any], at: datetime) -> None:
        kept = self._mine("parcels")
        self._tables.last_parcel += 1
        number = self._tables.last_parcel
        kept[number] = Parcel(number, notifier, short_key(key), _settled(notice), at, at)

    def claim_parcels(self, holder: str, now: datetime, until: datetime, limit: int) -> tuple[Parcel, ...]:
        kept = self._mine("parcels")
        first: dict[tuple[str, str], Parcel] = {}
        for parcel in kept.values():
            if parcel.status == "waiting":
                first.setdefault((parcel.notifier, parcel.key), parcel)
        due = [parcel for parcel in first.values() if parcel.next_at <= now and not _held(parcel, now)]
        taken = tuple(replace(parcel, holder=holder, lease_until=until) for parcel in due[:limit])
        kept.update({parcel.id: parcel for parcel in taken})
        return taken

    def put_parcels(self, parcels: Sequence[Parcel]) -> None:
        kept = self._mine("parcels")
        kept.update({parcel.id: replace(parcel, notice=_settled(parcel.notice)) for parcel in parcels})

    def waiting_parcels(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for parcel in self._tables.parcels.values():
            if parcel.status == "waiting":
                counts[parcel.notifier] = counts.get(parcel.notifier, 0) + 1
        return dict(sorted(counts.items()))

    def append(self, kind: str, actor: str, body: dict[str, Any], at: datetime, *, version: int = 1) -> Record:
        self._must_write()
        record = seal(self.last_record(), kind=kind, actor=actor, body=body, at=at, version=version)
        self._tables.records.append(record)
        self._tables.record_count += 1
        return record

    def records(self, *, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        return tuple(self._tables.records[after : min(after + limit, self._tables.record_count)])

    def last_record(self) -> Record | None:
        count = self._tables.record_count
        return self._tables.records[count - 1] if count else None

    def now(self) -> datetime:
        return datetime.now(UTC)

    def acquire_lease(self, name: str, holder: str, lifetime: timedelta, *, gone: bool = False) -> Lease | None:
        kept = self._mine("leases")
        held, now = kept.get(name), self.now()
        if held is not None and held.holder != holder and held.until > now and not gone:
            return None
        epoch = 1 if held is None else held.epoch + (held.holder != holder)
        kept[name] = Lease(name, holder, epoch, now + lifetime)
        lease: Lease = kept[name]
        return lease

    def lease(self, name: str) -> Lease | None:
        return self._tables.leases.get(name)

    def release_lease(self, name: str, holder: str) -> None:
        kept = self._mine("leases")
        if name in kept and kept[name].holder == holder:
            kept[name] = replace(kept[name], holder="", until=self.now())

    def _mine(self, name: str) -> Any:
        """The table *name*, as a copy that only this transaction has."""
        self._must_write()
        if name not in self._copied:
            setattr(self._tables, name, dict(getattr(self._tables, name)))
            self._copied.add(name)
        return getattr(self._tables, name)

    def _must_write(self) -> None:
        if not self._writable:
            raise RuntimeError("a view only reads: use Store.begin() to write")


def _held(thing: Parcel, now: datetime) -> bool:
    return thing.holder is not None and thing.lease_until is not None and thing.lease_until > now


def _settled(document: dict[str, Any]) -> dict[str, Any]:
    settled: dict[str, Any] = json.loads(canonical_text(document))
    return settled
