"""What can be asked of the service: switches, trips, requests, the journal, and how it is."""

from dataclasses import dataclass

from webhook.audit.chain import GENESIS, verify
from webhook.errors import StoreOutageError
from webhook.killswitch.port import Record, ResumeRequest, ResumeStatus, Step, Switch, Trip, TripStatus
from webhook.killswitch.states import State
from webhook.parts import Parts
from webhook.killswitch.scope import Scope

WORKER_SILENT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class TripDetail:
    """A trip with its steps."""

    trip: Trip
    steps: tuple[Step, ...]


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


class Reading:
    """The reading half of the service; what is under way here is shown as it is now, ahead of the store."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def switches(self) -> tuple[Switch, ...]:
        """Every switch that ever left NORMAL; what was decided without the store included."""
        found: dict[Scope, Switch] = {}
        outage: StoreOutageError | None = None
        try:
            with self.parts.store.view() as tx:
                found = {switch.scope: switch for switch in tx.switches()}
        except StoreOutageError as error:
            outage = error
        with self.parts.memory.view() as tx:
            for switch in tx.switches():
                if switch.state.rank > found.get(switch.scope, Switch(switch.scope, State.NORMAL)).state.rank:
                    found[switch.scope] = switch
        if outage is not None and not found:
            raise outage
        return tuple(sorted(found.values(), key=lambda one: (len(one.scope.constraints), str(one.scope))))

    def trips(self, limit: int = 100) -> tuple[Trip, ...]:
        """The newest trips first, each as far as it is now."""
        with self.parts.store.view() as tx:
            trips = tx.trips(limit=limit)
        return tuple(self._newest(trip) for trip in trips)

    def trip_detail(self, trip_id: str) -> TripDetail | None:
        """One trip with its steps, as far as it is now; None when there is no such trip."""
        live = self.parts.recorder.run_of(trip_id)
        if live is not None:
            return TripDetail(*live)
        with self.parts.store.view() as tx:
            trip = tx.trip(trip_id)
            return None if trip is None else TripDetail(trip, tx.steps(trip_id))

    def resume_requests(self, status: ResumeStatus | None = None) -> tuple[ResumeRequest, ...]:
        """Requests to resume, the newest first."""
        with self.parts.store.view() as tx:
            return tx.resume_requests(status=status)

    def records(self, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        """The journal from sequence *after* + 1 on."""
        with self.parts.store.view() as tx:
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
        checks: dict[str, Check] = {}
        try:
            self.parts.store.ping()
            checks["store"] = Check(ok=True, detail="writable")
        except StoreOutageError as error:
            checks["store"] = Check(ok=False, detail=str(error))
        seen = self.parts.telemetry.snapshot
        for name, (up, _) in seen.venues.items():
            checks[f"venue {name}"] = Check(ok=up, detail="answers" if up else "does not answer")
        for name, up in seen.engines.items():
            checks[f"engine {name}"] = Check(ok=up, detail="answers" if up else "does not answer")
        worker = bool(seen.beat) and self.parts.clock.monotonic() - seen.beat < WORKER_SILENT_SECONDS
        checks["worker"] = Check(ok=worker, detail="runs" if worker else "does not run")
        # What is down outside is shown, and does not make the service unready: it must take kills then, most of all.
        return Health(checks["store"].ok and worker, checks)

    def _newest(self, trip: Trip) -> Trip:
        live = self.parts.recorder.run_of(trip.id)
        return trip if live is None or trip.status is TripStatus.CLOSED else live[0]
