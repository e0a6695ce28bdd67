"""What can be asked of the service: switches, trips, requests, the journal, and how it is."""

from collections.abc import Callable
from dataclasses import dataclass

from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.audit.chain import GENESIS, verify
from webhook.audit.record import Record
from webhook.durability.group_commit import GroupCommit
from webhook.errors import StoreOutageError
from webhook.killswitch.scope import Scope
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, Trip, Verdict
from webhook.service.in_flight import InFlight


@dataclass(frozen=True, slots=True)
class TripView:
    """A trip, its rows by target, and what follows from them; as it is now, ahead of the store."""

    trip: Trip
    verdict: Verdict
    milestones: dict[str, float]
    rows: tuple[Progress, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the service: whether it is well, and what was seen."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    """``ok``: the service itself can take a kill and store it; ``checks`` also says how the outside is."""

    ok: bool
    checks: dict[str, Check]


class Queries:
    """Thread-safe; reads the store and what is in flight, and writes nothing."""

    def __init__(self, commit: GroupCommit, in_flight: InFlight, checks: Callable[[], dict[str, Check]]) -> None:
        """*checks* says how the worker and the outside are, by name; ``worker`` is among them."""
        self._commit, self._in_flight, self._checks = commit, in_flight, checks

    def switches(self) -> tuple[Switch, ...]:
        """Every switch that ever left NORMAL; what was decided without the store included."""
        found: dict[Scope, Switch] = {switch.scope: switch for switch in self._in_flight.switches()}
        if not self._commit.out:
            try:
                with self._commit.view() as tx:
                    for switch in tx.switches():
                        known = found.get(switch.scope)
                        if known is None or switch.version > known.version:
                            found[switch.scope] = switch
            except StoreOutageError:
                if not found:
                    raise
        return tuple(sorted(found.values(), key=lambda one: (len(one.scope.constraints), str(one.scope))))

    def trips(self, limit: int = 100) -> tuple[TripView, ...]:
        """The newest trips first."""
        found: dict[str, Trip] = {}
        rows: dict[str, dict[str, Progress]] = {}
        try:
            with self._commit.view() as tx:
                found = {trip.id: trip for trip in tx.trips(limit=limit)}
                for row in tx.progress(tuple(found)):
                    rows.setdefault(row.trip_id, {})[row.target] = row
        except StoreOutageError:
            if not self._commit.out:
                raise
        # What is not on disk yet is shown all the same.
        found |= {trip.id: trip for trip in self._in_flight.standing().trips.values() if trip.id not in found}
        newest = sorted(found.values(), key=lambda trip: (trip.received_at, trip.id), reverse=True)[:limit]
        return tuple(self._view(trip, rows.get(trip.id, {})) for trip in newest)

    def trip(self, trip_id: str) -> TripView | None:
        """One trip; None when there is none of this id."""
        live = self._in_flight.standing().trips.get(trip_id)
        if live is not None:
            return self._view(live, {})
        with self._commit.view() as tx:
            trip = tx.trip(trip_id)
            return None if trip is None else self._view(trip, {row.target: row for row in tx.progress((trip_id,))})

    def resume_requests(self, status: ResumeStatus | None = None) -> tuple[ResumeRequest, ...]:
        """Requests to resume, the newest first."""
        with self._commit.view() as tx:
            return tx.resume_requests(status=status)

    def records(self, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        """The journal from sequence *after* + 1 on."""
        with self._commit.view() as tx:
            return tx.records(after=after, limit=limit)

    def verify_audit(self) -> str | None:
        """Walk the whole journal; None when every link holds, else the first fault in words."""
        previous, expected = GENESIS, 1
        while True:
            records = self.records(expected - 1, 5000)
            broken = verify(records, expect_first_previous=previous, expect_first=expected)
            if broken is not None:
                return f"record {broken.sequence}: {broken.why}"
            if not records:
                return None
            previous, expected = records[-1].hash, records[-1].sequence + 1

    def health(self) -> Health:
        """Whether the service could do its work now; each part by name."""
        checks = {"store": self._store(), **self._checks()}
        # What is down outside is shown, and does not make the service unready: it must take kills then, most of all.
        return Health(checks["store"].ok and checks["worker"].ok, checks)

    def _store(self) -> Check:
        if self._commit.out:
            return Check(ok=False, detail="out: kills run from memory")
        try:
            self._commit.store.ping()
        except StoreOutageError as error:
            return Check(ok=False, detail=str(error))
        return Check(ok=True, detail="writable")

    def _view(self, trip: Trip, stored: dict[str, Progress]) -> TripView:
        rows = dict(stored)
        for target, row in self._in_flight.rows(trip.id).items():
            if row.newer_than(rows.get(target)):
                rows[target] = row
        return TripView(
            trip,
            self._in_flight.verdict(trip, rows),
            self._in_flight.milestones(trip, rows),
            tuple(sorted(rows.values(), key=lambda row: (row.kind.value, row.target))),
        )
