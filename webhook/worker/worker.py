"""The duties of one process: each a short function in a thread of its own, that may fail and is tried again.

- *lease*: hold the leases of the targets, or take them from a process that ended;
- *refresh*: read what the store says of switches and progress, and wake the reconcilers when it differs;
- *deliver*: send notices from the outbox (and from the one in memory, while the store is out);
- *poll*: act on a kill alert that fires in Prometheus and that no POST brought;
- *probe*: prepare venues, keep their connections warm, see who answers;
- *show*: refresh the snapshot that the metrics are read from;
- *expire*: end what ends by itself.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from webhook.access.resume import ResumeStatus
from webhook.actions.account import AccountReconciler
from webhook.actions.engine import EngineReconciler
from webhook.durability.group_commit import GroupCommit
from webhook.durability.port import Transaction
from webhook.errors import AndonError, StoreOutageError
from webhook.killswitch.states import State
from webhook.killswitch.trip import TargetKind, TripStatus
from webhook.service.in_flight import InFlight
from webhook.service.outbox import Outbox
from webhook.service.resume import HEARD_SECONDS, Resumes
from webhook.telemetry.metrics import Residual, Snapshot, Telemetry
from webhook.worker.leases import Leases
from webhook.worker.poll import Poll
from webhook.worker.probes import Probes
from webhook.worker.process import announce, retire

log = structlog.get_logger(__name__)


FIRST_SECONDS = 5.0
"""So long a start waits for what the store says; one that hangs must not keep the service from killing."""


RECENT_TRIPS = 100
"""So many of the newest trips are remembered for the budget, in case that decisions are taken in memory."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between rounds of each duty."""

    lease: float = 1.0
    refresh: float = 0.5
    deliver: float = 0.2
    poll: float = 2.0
    probe: float = 5.0
    show: float = 0.5
    expire: float = 1.0


class Worker:
    """Runs the duties of one process."""

    def __init__(
        self,
        commit: GroupCommit,
        in_flight: InFlight,
        accounts: Mapping[str, AccountReconciler],
        engines: Mapping[str, EngineReconciler],
        leases: Leases,
        poll: Poll,
        probes: Probes,
        resumes: Resumes,
        outboxes: tuple[Outbox, ...],
        telemetry: Telemetry,
        rhythm: Rhythm,
        *,
        holder: str,
        mode: str,
        store_file: Path | None = None,
    ) -> None:
        self._commit, self._in_flight = commit, in_flight
        self._reconcilers: tuple[AccountReconciler | EngineReconciler, ...] = (*accounts.values(), *engines.values())
        self._leases, self._probes, self._resumes, self._outboxes = leases, probes, resumes, outboxes
        self._telemetry, self._holder, self._mode, self._store_file = telemetry, holder, mode, store_file
        self._stopping = threading.Event()
        self._began = {"refresh": threading.Event(), "lease": threading.Event()}
        self._waiting: dict[str, int] = {}
        self._pending_resumes = 0
        self._read_up_to = self._decided = 0
        duties: list[tuple[str, float, Callable[[], object]]] = [
            ("lease", rhythm.lease, leases.run),
            ("refresh", rhythm.refresh, self.refresh),
            ("deliver", rhythm.deliver, outboxes[0].deliver_due),
            ("deliver-memory", rhythm.deliver, outboxes[1].deliver_due),
            ("show", rhythm.show, self.show),
            ("expire", rhythm.expire, self._expire),
        ]
        if rhythm.poll > 0:
            duties.append(("poll", rhythm.poll, poll.run))
        duties += [(f"probe-{name}", rhythm.probe, probes.of_venue(one.venue)) for name, one in accounts.items()]
        duties += [
            (f"probe-{name}", rhythm.probe, probes.of_engine(one.engine))
            for name, one in engines.items()
            if one.target.shadow or not one.engine.capabilities.status
        ]
        self._threads = [
            threading.Thread(target=self._round, args=duty, name=f"worker-{duty[0]}", daemon=True) for duty in duties
        ]

    def start(self) -> None:
        """Start the reconcilers and the duties; what the store holds is known, if it can be, when this returns."""
        announce(self._holder)
        self._commit.start()
        for one in self._reconcilers:
            one.start()
        for thread in self._threads:
            thread.start()
        for duty in self._began.values():
            duty.wait(FIRST_SECONDS)

    def stop(self) -> None:
        """Stop the duties, then the reconcilers, then write what is left; another process goes on from there."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)
        for one in self._reconcilers:
            one.stop()
        self._commit.stop()
        for outbox in self._outboxes:
            outbox.stop()
        if not self._commit.waiting():
            # A store that still owes us a commit would only keep us from ending.
            try:
                self._leases.release()
            except StoreOutageError as error:
                log.warning("worker.leases_not_released", error=str(error))
        retire(self._holder)

    def _round(self, name: str, seconds: float, duty: Callable[[], object]) -> None:
        if name in ("lease", "show"):
            # Whoever takes a target over begins with what is known of it, and no metric says that nothing is halted
            # before the store was asked.
            self._began["refresh"].wait(FIRST_SECONDS)
        while not self._stopping.is_set():
            try:
                duty()
            except StoreOutageError as error:
                log.warning("worker.store_out", duty=name, error=str(error))
            except AndonError as error:
                log.warning("worker.outage", duty=name, reason=error.reason, error=str(error))
            except Exception:  # one of the named borders: no fault ends a duty
                log.exception("worker.fault", duty=name)
                self._telemetry.faults.labels(name).inc()
            if name in self._began:
                self._began[name].set()
            self._stopping.wait(seconds)

    def wake(self) -> None:
        """Have every reconciler look at the switches, which changed elsewhere."""
        for one in self._reconcilers:
            one.wake()

    # -- what the store says ----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read switches and progress: other processes decide, too, and a restart begins with this."""
        if self._commit.out:
            return
        settled = self._in_flight.unstored_decisions if self._commit.waiting() == 0 else None
        with self._commit.view() as tx:
            switches = tx.switches()
            held = [one.trip_id for one in switches if one.state is not State.NORMAL and one.trip_id]
            known = self._known_trips(settled)
            trips = [trip for trip in map(tx.trip, (one for one in held if one not in known)) if trip is not None]
            # Whoever looks after every target knows all progress better than the store does.
            know_all = self._leases.held == len(self._reconcilers) and self._began["refresh"].is_set()
            rows = () if know_all else tx.progress(held)
            self._waiting = tx.waiting_parcels()
            self._pending_resumes = len(tx.resume_requests(status=ResumeStatus.PENDING))
            self._remember(tx)
        if self._in_flight.refresh(switches, trips, rows, settled=settled):
            self.wake()

    def _known_trips(self, settled: int | None) -> Collection[str]:
        """The trips that need not be read: none changes while it holds a switch, unless memory decided about it."""
        if settled is not None and settled != self._decided:
            self._decided = settled
            return ()
        return self._in_flight.standing().trips

    def _remember(self, tx: Transaction) -> None:
        """Know what a decision in memory would need, before it is needed."""
        last = tx.last_record()
        if last is None or last.sequence == self._read_up_to:
            return
        self._in_flight.remember(
            tx.trips(limit=RECENT_TRIPS), tx.firing_episodes(tx.now() - timedelta(seconds=HEARD_SECONDS), found=True)
        )
        self._read_up_to = last.sequence

    def _expire(self) -> None:
        if not self._commit.out:
            self._resumes.expire()

    # -- the metrics' snapshot --------------------------------------------------------------------------------------

    def show(self) -> None:
        """Refresh what the metrics show; from memory alone, as they are needed most while the store hangs."""
        before = self._telemetry.snapshot
        standing = self._in_flight.standing()
        residuals: list[Residual] = []
        unverified: set[str] = set()
        stages = dict(before.last_stages)
        for switch in standing.switches:
            trip = standing.trips.get(switch.trip_id or "")
            scope = str(switch.scope)
            if trip is None:
                unverified.add(scope)
                continue
            rows = self._in_flight.rows(trip.id)
            # In shadow mode nothing is claimed; that it is shadow is told by `andon_target_stage`.
            if self._in_flight.verdict(trip, rows).status not in (TripStatus.VERIFIED, TripStatus.SHADOW):
                unverified.add(scope)
            residuals += [
                Residual(
                    scope,
                    row.target,
                    row.stage.value,
                    row.orders,
                    row.positions,
                    float(row.notional),
                    float(row.naked_notional),
                )
                for row in rows.values()
                if row.kind is TargetKind.ACCOUNT
            ]
            milestones = self._in_flight.milestones(trip, rows)
            stages |= {(scope, milestone): seconds for milestone, seconds in milestones.items()}
        known = {str(one.scope): one.state for one in self._in_flight.switches()}
        self._telemetry.snapshot = Snapshot(
            switches=known or before.switches,
            unverified=frozenset(unverified),
            residuals=tuple(residuals),
            waiting=dict.fromkeys(before.waiting, 0) | self._waiting,
            pending_resumes=self._pending_resumes,
            store_up=not self._commit.out,
            store_backlog=self._commit.waiting(),
            leases_held=self._leases.held,
            targets=len(self._reconcilers),
            venues=dict(self._probes.venues()),
            engines=dict(self._probes.engines()),
            last_stages=stages,
            mode=self._mode,
            store_bytes=self._store_bytes(),
        )
        self._probes.beat()

    def _store_bytes(self) -> float | None:
        if self._store_file is None:
            return None
        # The write-ahead log is part of it.
        files = (self._store_file, self._store_file.with_name(f"{self._store_file.name}-wal"))
        return float(sum(file.stat().st_size for file in files if file.exists()))
