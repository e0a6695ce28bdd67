"""What happens by itself: duties in threads of their own, each a short function that may fail and is tried again.

- *lead*: hold the lease of the sweep, take up what another process left unfinished, keep halted scopes empty;
- *renew*: say that the steps under way here are still ours;
- *deliver*: send notices from the outbox (and from the one in memory, when the store is out);
- *poll*: read the firing alerts from Prometheus and act on a kill that no POST brought;
- *probe*: prepare venues, keep their connections warm, see who answers;
- *show*: refresh the snapshot that the metrics are read from;
- *mend*: write what waited for the store, end what ends by itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog

from webhook.actions.port import Engine, Venue
from webhook.actions.run import Planned
from webhook.errors import AndonError, StoreOutageError
from webhook.intake.alert import Alert, Batch
from webhook.killswitch.port import ResumeStatus, Switch, Trip, TripStatus
from webhook.killswitch.states import Action, State
from webhook.notify.outbox import Outbox
from webhook.owner import announce, is_gone, retire
from webhook.policy.decide import Outcome, decide
from webhook.ruling import LEASE
from webhook.service import Service
from webhook.telemetry.metrics import Residual, Snapshot

log = structlog.get_logger(__name__)

LEADERSHIP = "sweep"
LEADER_LEASE = timedelta(seconds=5)
GRACE = timedelta(seconds=3)
"""An alert younger than this is left to Alertmanager, which brings it in a fraction of a second."""
BEING_LAUNCHED = timedelta(seconds=5)
"""A trip of our own that is younger may be on its way from the store to the lines."""
OPEN = (TripStatus.RUNNING, TripStatus.VERIFIED, TripStatus.UNVERIFIED)
PREPARE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between rounds of each duty."""

    lead: float = 1.0
    renew: float = 3.0
    deliver: float = 0.2
    poll: float = 2.0
    probe: float = 5.0
    show: float = 0.5
    mend: float = 1.0


class Worker:
    """Runs the duties of one process."""

    def __init__(self, service: Service, rhythm: Rhythm, *, mode: str, store_file: Path | None = None) -> None:
        self._service = service
        self._parts = service.parts
        self._mode = mode
        self._store_file = store_file
        self._leader = False
        self._stopping = threading.Event()
        telemetry = self._parts.telemetry
        counts = (
            lambda name: telemetry.sent.labels(name).inc(),
            lambda name, reason: telemetry.send_failures.labels(name, reason).inc(),
        )
        self._outboxes = tuple(
            Outbox(store, self._parts.notifiers, self._parts.clock, self._parts.owner, *counts)
            for store in (self._parts.store, self._parts.memory)
        )
        self._venues: dict[str, tuple[bool, float | None]] = {}
        self._engines: dict[str, bool] = {}
        self._prepared: set[str] = set()
        duties: list[tuple[str, float, Callable[[], None]]] = [
            ("lead", rhythm.lead, self.lead),
            ("renew", rhythm.renew, self.renew),
            ("deliver", rhythm.deliver, self._deliver_stored),
            ("deliver-memory", rhythm.deliver, self._deliver_from_memory),
            ("show", rhythm.show, self.show),
            ("mend", rhythm.mend, self.mend),
        ]
        if rhythm.poll > 0:
            duties.append(("poll", rhythm.poll, self.poll))
        duties += [
            (f"probe-{line.venue.name}", rhythm.probe, self._venue_probe(line.venue))
            for line in self._parts.lines.accounts.values()
        ]
        duties += [
            (f"probe-{line.engine.name}", rhythm.probe, self._engine_probe(line.engine))
            for line in self._parts.lines.engines.values()
        ]
        self._threads = [
            threading.Thread(target=self._round, args=duty, name=f"worker-{duty[0]}", daemon=True) for duty in duties
        ]

    def start(self) -> None:
        """Start the recorder, the lines and the duties."""
        announce(self._parts.owner)
        for line in self._parts.lines.accounts.values():
            self._parts.telemetry.declare_venue_account(line.venue.name)
        for name in self._parts.notifiers:
            self._parts.telemetry.declare_notifier(name)
        self._parts.recorder.start()
        self._parts.lines.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the duties, then the lines, then write what is left; the next process goes on with what is under way."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)
        self._parts.lines.stop()
        self._parts.recorder.stop()
        retire(self._parts.owner)
        for outbox in self._outboxes:
            outbox.stop()
        try:
            with self._parts.store.begin() as tx:
                tx.release_lease(LEADERSHIP, self._parts.owner)
        except StoreOutageError as error:
            log.warning("worker.lease_not_released", error=str(error))

    def _round(self, name: str, seconds: float, duty: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                duty()
            except StoreOutageError as error:
                log.warning("worker.store_out", duty=name, error=str(error))
            except AndonError as error:
                log.warning("worker.outage", duty=name, reason=error.reason, error=str(error))
            except Exception:  # one of the named borders: no fault ends a duty
                log.exception("worker.fault", duty=name)
                self._parts.telemetry.faults.labels(name).inc()
            self._stopping.wait(seconds)

    # -- keeping scopes empty ---------------------------------------------------------------------------------------

    def lead(self) -> None:
        """Take up what nobody works on; while this process leads, also keep what is verified."""
        parts = self._parts
        now = parts.clock.now()
        with parts.store.begin() as tx:
            holder = tx.lease_owner(LEADERSHIP)
            if holder is not None and is_gone(holder, parts.owner):
                tx.release_lease(LEADERSHIP, holder)
            self._leader = tx.acquire_lease(LEADERSHIP, parts.owner, now, now + LEADER_LEASE)
        taken: list[Planned] = []
        if self._leader:
            with parts.store.view() as tx:
                busy = parts.lines.busy_with() | {run.trip.id for run in parts.recorder.runs()}
                held = {one.trip_id for one in tx.switches() if one.state is not State.NORMAL and one.trip_id}
                found = [tx.trip(trip_id) for trip_id in sorted(held - busy)]
                idle = [trip for trip in found if trip is not None and trip.status in OPEN]
            taken = [plan for trip in idle if (plan := self._take_up(trip)) is not None]
        self._let_go_of_closed()
        if taken:
            parts.recorder.follow(taken, parts.store)
            parts.lines.launch(taken)
            log.warning("worker.taken_up", trips=[plan.trip.id for plan in taken])

    def _take_up(self, trip: Trip) -> Planned | None:
        """Claim what is left of a trip; None while another process works on it."""
        parts = self._parts
        now = parts.clock.now()
        with parts.store.begin() as tx:
            steps = tx.steps(trip.id)
            if now - trip.received_at < BEING_LAUNCHED and any(one.owner == parts.owner for one in steps):
                return None
            orphans = [one for one in steps if one.owner and is_gone(one.owner, parts.owner)]
            tx.put_steps(tuple(replace(one, owner=None, lease_until=None) for one in orphans))
            tx.claim_steps(trip.id, parts.owner, now, now + LEASE)
            newest, steps = tx.trip(trip.id), tx.steps(trip.id)
        if newest is None or newest.status is TripStatus.CLOSED:
            return None
        if any(not step.status.final and step.owner != parts.owner for step in steps):
            return None
        age = (now - trip.received_at).total_seconds()
        return Planned(newest, steps, parts.clock.monotonic() - max(age, 0.0))

    def _let_go_of_closed(self) -> None:
        """Another process may have resumed or superseded a trip that this one keeps; and only the leader sweeps."""
        parts = self._parts
        mine = [run for run in parts.recorder.runs() if run.store is parts.store]
        if not mine:
            return
        with parts.store.view() as tx:
            held = {one.trip_id for one in tx.switches() if one.state is not State.NORMAL}
            # One whose switch another trip holds, or nobody, is over; unless it is so new that it is not in this view.
            gone = {run.trip.id for run in mine if run.trip.id not in held and _is_closed(tx.trip(run.trip.id))}
        for run in mine:
            others = not self._leader and run.trip.status is TripStatus.VERIFIED
            if others or run.trip.id in gone or run.trip.status is TripStatus.SHADOW:
                parts.lines.drop(run.trip.id)
                parts.recorder.forget(run.trip.id)

    def renew(self) -> None:
        """Renew the leases of the steps under way here."""
        parts = self._parts
        unfinished = [
            run.trip.id
            for run in parts.recorder.runs()
            if run.store is parts.store and any(not step.status.final for step in run.steps.values())
        ]
        if not unfinished:
            return
        now = parts.clock.now()
        with parts.store.begin() as tx:
            for trip_id in unfinished:
                tx.claim_steps(trip_id, parts.owner, now, now + LEASE)

    # -- people -----------------------------------------------------------------------------------------------------

    def _deliver_stored(self) -> None:
        self._outboxes[0].deliver_due()

    def _deliver_from_memory(self) -> None:
        self._outboxes[1].deliver_due()

    # -- the eye behind Alertmanager --------------------------------------------------------------------------------

    def poll(self) -> None:
        """Act on a kill alert that fires in Prometheus and that nobody brought.

        A silence, a dead Alertmanager, a re-fire that it swallowed: none of them may keep a kill from happening.
        """
        parts = self._parts
        try:
            batch = parts.prometheus.firing()
        except AndonError:
            parts.telemetry.prometheus_up.set(0)
            raise
        parts.telemetry.prometheus_up.set(1)
        old_enough = parts.clock.now() - GRACE
        kills = [alert for alert in batch.alerts if alert.starts_at <= old_enough and self._is_news(alert)]
        if kills:
            log.warning("poll.found", alerts=[alert.name for alert in kills])
            self._service.receive(Batch(tuple(kills), "", "", 0, "prometheus"), parts.clock.now())

    def _is_news(self, alert: Alert) -> bool:
        decision = decide(alert, self._parts.policy)
        if decision.outcome is not Outcome.TRIP or decision.scope is None:
            return False
        switch = next((one for one in self._service.switches() if one.scope == decision.scope), None)
        held = switch.action.rank if switch is not None and switch.action is not None else 0
        if held >= decision.action.rank:
            return False
        if held == Action.HALT.rank and not self._service.flattenable(decision.scope):
            return False
        with self._parts.store.view() as tx:
            episode = tx.episode(alert.fingerprint, alert.starts_at)
            trip = None if episode is None or episode.trip_id is None else tx.trip(episode.trip_id)
        # The same episode gave a weaker action once (over budget): asking again every two seconds would change nothing.
        return trip is None or trip.status is TripStatus.CLOSED

    # -- who answers ------------------------------------------------------------------------------------------------

    def _venue_probe(self, venue: Venue) -> Callable[[], None]:
        def probe() -> None:
            try:
                if venue.name not in self._prepared:
                    venue.prepare(PREPARE_SECONDS)
                    self._prepared.add(venue.name)
                self._venues[venue.name] = (True, venue.ping(PREPARE_SECONDS))
            except AndonError:
                self._venues[venue.name] = (False, None)
                raise

        return probe

    def _engine_probe(self, engine: Engine) -> Callable[[], None]:
        def probe() -> None:
            try:
                engine.ping(PREPARE_SECONDS)
                self._engines[engine.name] = True
            except AndonError:
                self._engines[engine.name] = False
                raise

        return probe

    # -- the metrics' snapshot --------------------------------------------------------------------------------------

    def show(self) -> None:
        """Refresh what the metrics show."""
        parts = self._parts
        before = parts.telemetry.snapshot
        store_up, waiting, pending = True, before.waiting, before.pending_resumes
        switches: tuple[Switch, ...] = ()
        trips: tuple[Trip, ...] = ()
        try:
            switches = self._service.switches()
            with parts.store.view() as tx:
                waiting = dict.fromkeys(parts.notifiers, 0) | tx.waiting_parcels()
                pending = len(tx.resume_requests(status=ResumeStatus.PENDING))
                # The leader has every open trip at hand.
                trips = () if self._leader else tx.trips(statuses=OPEN, limit=1_000)
        except StoreOutageError:
            store_up = False
        newest = {trip.id: trip for trip in trips} | {run.trip.id: run.trip for run in parts.recorder.runs()}
        states = {str(one.scope): one.state for one in switches} or before.switches
        held = [trip for trip in newest.values() if states.get(str(trip.scope), State.NORMAL) is not State.NORMAL]
        residuals = tuple(
            Residual(
                str(trip.scope),
                account,
                left.get("orders", 0),
                left.get("positions", 0),
                float(left.get("notional", 0)),
            )
            for trip in held
            for account, left in trip.residual.items()
        )
        unverified = {str(trip.scope) for trip in held if trip.status is not TripStatus.VERIFIED}
        unverified |= {one.scope for one in residuals if one.orders or one.positions}
        stages = {
            (str(trip.scope), stage): seconds
            for trip in sorted(newest.values(), key=lambda trip: trip.id)
            for stage, seconds in trip.stages.items()
        }
        parts.telemetry.snapshot = Snapshot(
            switches=states,
            unverified=frozenset(unverified),
            residuals=residuals,
            waiting=waiting,
            pending_resumes=pending,
            store_up=store_up,
            leader=self._leader,
            venues=dict(self._venues),
            engines=dict(self._engines),
            last_stages={**before.last_stages, **stages},
            mode=self._mode,
            store_bytes=self._store_bytes(),
            beat=parts.clock.monotonic(),
        )

    def _store_bytes(self) -> float | None:
        if self._store_file is None:
            return None
        # The write-ahead log is part of it.
        files = (self._store_file, self._store_file.with_name(f"{self._store_file.name}-wal"))
        return float(sum(file.stat().st_size for file in files if file.exists()))

    def mend(self) -> None:
        """Write what waited for the store; end what ends by itself."""
        self._parts.recorder.flush()
        self._service.adopt()
        self._service.expire()


def _is_closed(trip: Trip | None) -> bool:
    return trip is not None and trip.status is TripStatus.CLOSED
