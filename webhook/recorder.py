"""What the lines find out, written down: steps, stages, the trip's status, the journal, and who must be told.

Findings come from the lines' threads and are only queued there; one thread here takes all that wait and writes them in
one transaction.  When the store is out, what is known stays true in memory and is written when the store is back: a
broken disk never holds up a line.
"""

import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from webhook.actions.demand import Finding, Found
from webhook.actions.run import Planned
from webhook.clock import Clock
from webhook.errors import StoreOutageError
from webhook.killswitch.port import Step, StepKind, StepStatus, Store, Transaction, Trip, TripStatus
from webhook.killswitch.states import Action
from webhook.notify.compose import Composer
from webhook.notify.outbox import enqueue
from webhook.notify.port import Notice, Notifier
from webhook.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

ACTOR = "andon"
"""The journal's name for the service itself."""
AT_ONCE = 64
"""At most so many findings in one transaction."""
TELL_AGAIN_SECONDS = 60.0
"""A halt that stays broken is paged at most so often."""


@dataclass(slots=True)
class Run:
    """A trip under way in this process: the newest truth about it, which the store follows."""

    trip: Trip
    steps: dict[str, Step]
    received_at: float
    store: Store
    would: list[Finding] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Entry:
    """What one finding changes, to be written in one transaction with its neighbours."""

    trip: Trip
    steps: tuple[Step, ...] = ()
    records: tuple[tuple[str, dict[str, Any]], ...] = ()
    notices: tuple[Notice, ...] = ()


class Recorder:
    """Follows the trips of this process; thread-safe."""

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        composer: Composer,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._notifiers = notifiers
        self._composer = composer
        self._telemetry = telemetry
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Sequence[Finding] | None] = queue.SimpleQueue()
        self._backlog: list[tuple[Store, list[_Entry]]] = []
        self._thread = threading.Thread(target=self._loop, name="recorder", daemon=True)

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    # -- what the lines call ----------------------------------------------------------------------------------------

    def report(self, findings: Sequence[Finding]) -> None:
        """Take findings; returns at once."""
        self._queue.put(findings)

    def first_sent(self, trip_id: str, at: float) -> None:
        """The first cancel request of a trip goes out."""
        with self._lock:
            run = self._runs.get(trip_id)
            if run is not None:
                self._stage(run, "first_cancel_sent", at)

    # -- what the service calls -------------------------------------------------------------------------------------

    def follow(self, plans: Iterable[Planned], store: Store) -> None:
        """Follow trips that are about to be launched; *store* is where they were written."""
        with self._lock:
            for plan in plans:
                steps = {step.id: step for step in plan.steps}
                self._runs[plan.trip.id] = Run(plan.trip, steps, plan.received_at, store)

    def forget(self, trip_id: str) -> None:
        """Stop following: the trip was closed, or another process has it."""
        with self._lock:
            self._runs.pop(trip_id, None)

    def run_of(self, trip_id: str) -> tuple[Trip, tuple[Step, ...]] | None:
        """The newest truth about a trip under way here, ahead of the store."""
        with self._lock:
            run = self._runs.get(trip_id)
            return None if run is None else (run.trip, tuple(run.steps.values()))

    def runs(self) -> tuple[Run, ...]:
        """Everything under way here."""
        with self._lock:
            return tuple(self._runs.values())

    def stage(self, trip_id: str, stage: str, at: float) -> None:
        """Note that a trip reached a stage, at a monotonic time."""
        with self._lock:
            run = self._runs.get(trip_id)
            if run is not None:
                self._stage(run, stage, at)

    def move(self, trip_id: str, store: Store) -> None:
        """The trip is in another store now: the disk is back."""
        with self._lock:
            run = self._runs.get(trip_id)
            if run is not None:
                run.store = store

    def flush(self) -> bool:
        """Write what could not be written before; whether nothing waits any more."""
        with self._lock:
            backlog, self._backlog = self._backlog, []
        for place, (store, entries) in enumerate(backlog):
            try:
                self._write(store, entries)
            except StoreOutageError:
                with self._lock:
                    self._backlog = backlog[place:] + self._backlog
                return False
        return True

    # -- the thread -------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            findings = self._queue.get()
            last = findings is None
            together = list(findings or ())
            while not self._queue.empty():
                more = self._queue.get()
                last = last or more is None
                together.extend(more or ())
            try:
                # In parts: alerts that come in now must not wait for a long transaction of ours.
                for start in range(0, len(together), AT_ONCE):
                    self._take(together[start : start + AT_ONCE])
            except Exception:  # one of the named borders: a fault here must not stop the writing
                log.exception("recorder.fault")
                self._telemetry.faults.labels("recorder").inc()
            if last:
                return

    def _take(self, findings: Sequence[Finding]) -> None:
        batches: dict[int, tuple[Store, list[_Entry]]] = {}
        with self._lock:
            for finding in findings:
                run = self._runs.get(finding.trip_id)
                if run is None:
                    continue
                entry = self._absorb(run, finding)
                if entry is not None:
                    batches.setdefault(id(run.store), (run.store, []))[1].append(entry)
        for store, entries in batches.values():
            try:
                self._write(store, entries)
            except StoreOutageError as error:
                self._telemetry.store_failures.inc()
                log.warning("recorder.store_out", error=str(error))
                with self._lock:
                    self._backlog.append((store, entries))

    def _write(self, store: Store, entries: Sequence[_Entry]) -> None:
        now = self._clock.now()
        newest: dict[str, Trip] = {entry.trip.id: entry.trip for entry in entries}
        steps: dict[str, Step] = {step.id: step for entry in entries for step in entry.steps}
        with store.begin() as tx:
            for trip in newest.values():
                put_unless_closed(tx, trip)
            if steps:
                tx.put_steps(tuple(steps.values()))
            for entry in entries:
                for kind, body in entry.records:
                    tx.append(kind, ACTOR, body, now)
                for notice in entry.notices:
                    enqueue(tx, notice, self._notifiers)

    # -- what a finding means ---------------------------------------------------------------------------------------

    def _absorb(self, run: Run, finding: Finding) -> _Entry | None:  # noqa: PLR0911 - one return a finding
        """Move the run on; returns what is to be written, None when nothing is worth a transaction."""
        if finding.found in (Found.EMPTY, Found.FLAT, Found.LEFT, Found.LATE, Found.BROKEN):
            self._residual(run, finding)
        match finding.found:
            case Found.LEFT:
                return None
            case Found.CANCEL_DONE:
                steps = self._finish(run, finding, StepKind.CANCEL)
                return self._entry(run, steps, ("cancel_answered", _facts(run, finding)))
            case Found.BLOCKED:
                return self._blocked(run, finding)
            case Found.EMPTY | Found.FLAT:
                return self._emptied(run, finding)
            case Found.SHADOW:
                return self._shadowed(run, finding)
            case Found.LATE:
                run.trip = replace(run.trip, status=TripStatus.UNVERIFIED)
                return self._entry(
                    run,
                    (),
                    ("not_verified", _facts(run, finding)),
                    notice=self._composer.not_verified(run.trip, finding),
                )
            case Found.BLOCK_LATE:
                return self._entry(
                    run, (), ("block_late", _facts(run, finding)), notice=self._composer.not_verified(run.trip, finding)
                )
            case Found.BROKEN | Found.RUNS_AGAIN:
                return self._broken(run, finding)

    def _blocked(self, run: Run, finding: Finding) -> _Entry:
        steps = self._finish(run, finding, StepKind.BLOCK)
        blocks = [step for step in run.steps.values() if step.kind is StepKind.BLOCK]
        if blocks and all(step.status.final for step in blocks):
            self._stage(run, "blocked", finding.at)
        return self._entry(run, steps, ("engine_blocked", _facts(run, finding)))

    def _emptied(self, run: Run, finding: Finding) -> _Entry:
        flat = finding.positions == 0 and run.trip.action is Action.FLATTEN
        kinds = [StepKind.CANCEL, StepKind.VERIFY]
        if flat:
            kinds += [StepKind.FLATTEN, StepKind.VERIFY_FLAT]
        steps = self._finish(run, finding, *kinds)
        mine = list(run.steps.values())
        if all(step.status.final for step in mine if step.kind is StepKind.VERIFY):
            self._stage(run, "empty", finding.at)
        notice = None
        if all(step.status.final for step in mine if step.kind is not StepKind.BLOCK):
            if run.trip.action is Action.FLATTEN:
                self._stage(run, "flat", finding.at)
            if run.trip.status in (TripStatus.RUNNING, TripStatus.UNVERIFIED):
                run.trip = replace(run.trip, status=TripStatus.VERIFIED)
                notice = self._composer.verified(run.trip)
        records = [("verified_flat" if flat else "verified_empty", _facts(run, finding))]
        if notice is not None:
            records.append(
                ("trip_verified", {"trip": run.trip.id, "scope": str(run.trip.scope), "stages": run.trip.stages})
            )
        return self._entry(run, steps, *records, notice=notice)

    def _shadowed(self, run: Run, finding: Finding) -> _Entry:
        run.would.append(finding)
        now = self._clock.now()
        steps = []
        for step in run.steps.values():
            if step.target == finding.target and not step.status.final:
                result = {"shadow": True, "would_cancel": finding.orders, "would_close": finding.positions}
                steps.append(
                    replace(step, status=StepStatus.SKIPPED, result=result, ended_at=now, owner=None, lease_until=None)
                )
        run.steps.update({step.id: step for step in steps})
        notice = None
        mine = [step for step in run.steps.values() if step.kind is not StepKind.BLOCK]
        if all(step.status.final for step in mine) and run.trip.status in (TripStatus.RUNNING, TripStatus.UNVERIFIED):
            sent_something = any(step.status is StepStatus.DONE for step in mine)
            run.trip = replace(run.trip, status=TripStatus.VERIFIED if sent_something else TripStatus.SHADOW)
            notice = self._composer.shadow(run.trip, run.would)
        return self._entry(run, tuple(steps), ("shadow", _facts(run, finding)), notice=notice)

    def _broken(self, run: Run, finding: Finding) -> _Entry:
        record = ("halt_broken", {**_facts(run, finding), "what": finding.found.value})
        last = run.told.get(finding.target)
        if last is not None and finding.at - last < TELL_AGAIN_SECONDS:
            return self._entry(run, (), record)
        run.told[finding.target] = finding.at
        return self._entry(run, (), record, notice=self._composer.halt_broken(run.trip, finding))

    def _residual(self, run: Run, finding: Finding) -> None:
        known: dict[str, Any] = {"at": self._clock.now().isoformat(), "known": finding.known}
        if finding.known:
            known |= {"orders": finding.orders, "positions": finding.positions, "notional": str(finding.notional)}
        else:
            known = {**run.trip.residual.get(finding.target, {}), **known}
        run.trip = replace(run.trip, residual={**run.trip.residual, finding.target: known})

    def _finish(self, run: Run, finding: Finding, *kinds: StepKind) -> tuple[Step, ...]:
        now = self._clock.now()
        result = {
            **finding.detail,
            "orders": finding.orders,
            "positions": finding.positions,
            "seconds": round(finding.at - run.received_at, 6),
        }
        done = tuple(
            replace(step, status=StepStatus.DONE, result=result, ended_at=now, owner=None, lease_until=None)
            for step in run.steps.values()
            if step.target == finding.target and step.kind in kinds and not step.status.final
        )
        run.steps.update({step.id: step for step in done})
        return done

    def _stage(self, run: Run, stage: str, at: float) -> None:
        """Note a stage once. Called with the lock held."""
        if stage not in run.trip.stages:
            seconds = max(at - run.received_at, 0.0)
            run.trip = replace(run.trip, stages={**run.trip.stages, stage: round(seconds, 6)})
            self._telemetry.stages.labels(stage).observe(seconds)

    @staticmethod
    def _entry(
        run: Run, steps: tuple[Step, ...], *records: tuple[str, dict[str, Any]], notice: Notice | None = None
    ) -> _Entry:
        return _Entry(run.trip, steps, records, () if notice is None else (notice,))


def put_unless_closed(tx: Transaction, trip: Trip) -> None:
    """Write a trip, unless somebody resumed it meanwhile: what is closed stays closed."""
    there = tx.trip(trip.id)
    if there is None or there.status is not TripStatus.CLOSED:
        tx.put_trip(trip)


def _facts(run: Run, finding: Finding) -> dict[str, Any]:
    return {
        "trip": run.trip.id,
        "scope": str(run.trip.scope),
        "target": finding.target,
        "orders": finding.orders,
        "positions": finding.positions,
        "notional": str(finding.notional),
        "known": finding.known,
        "seconds": round(finding.at - run.received_at, 6),
        "detail": finding.detail,
    }
