"""The whole line, top to bottom: parse -> decide -> one transaction -> answer -> act -> verify -> record -> tell.

`Service.receive` is where an alert comes in, already parsed by `webhook.intake`.  Everything it decides is written in
one transaction: the switch, the trip, its steps (already leased to this process), the journal, the notices.  Only then
is the caller answered and are the lines of `webhook.actions` set to work; what they find out comes back through
`webhook.recorder`.  When the store cannot take it, the same decisions are made on a store in memory and the kill runs
all the same: a broken disk must not keep orders alive.

`webhook.release` is the way back, `webhook.worker` what happens by itself.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.roles import Verb, may
from webhook.actions.run import Planned, claimed
from webhook.audit.chain import verify
from webhook.errors import AndonError, StoreOutageError
from webhook.intake.alert import Alert, AlertStatus, Batch
from webhook.killswitch import switch as latch
from webhook.killswitch.plan import AccountTarget, plan
from webhook.killswitch.port import (
    Episode,
    Record,
    ResumeRequest,
    ResumeStatus,
    Step,
    Store,
    Switch,
    Transaction,
    Trip,
    TripStatus,
)
from webhook.killswitch.states import Action, State
from webhook.notify.outbox import enqueue
from webhook.notify.port import Notice
from webhook.parts import Parts
from webhook.policy.decide import Decision, Outcome, apply_budget, decide, decide_truncated
from webhook.policy.scope import Scope
from webhook.recorder import ACTOR
from webhook.release import Release

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=10)
"""How long a step belongs to a process that no longer says so."""
WATCHDOG = "Watchdog"
WORKER_SILENT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class AlertOutcome:
    """What became of one alert of a delivery; ``outcome`` is tripped, already, paged, refused, recorded or replayed."""

    name: str
    outcome: str
    scope: str | None
    action: str | None
    trip_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a delivery; it is on disk when this is returned."""

    accepted: int
    outcomes: tuple[AlertOutcome, ...]
    stored: bool = True


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


@dataclass(slots=True)
class Pull:
    """One transaction's worth of decisions: what was read, and what is to be launched when it is on disk."""

    tx: Transaction
    now: datetime
    received_at: float
    source: str
    switches: dict[Scope, Switch]
    recent_trips: int
    replays: frozenset[str] = frozenset()
    plans: list[Planned] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    outcomes: list[AlertOutcome] = field(default_factory=list)

    def switch(self, scope: Scope) -> Switch:
        """The switch of this scope, NORMAL when it was never tripped."""
        return self.switches.get(scope) or Switch(scope, State.NORMAL)


class Service:
    """Takes alerts and people's commands; thread-safe, and safe beside other processes on the same store."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._release = Release(parts)
        self._memory_lock = threading.Lock()
        self._memory_used = False

    # -- alerts -----------------------------------------------------------------------------------------------------

    def receive(self, batch: Batch, received_at: datetime) -> Receipt:
        """Act on one delivery.

        Returns when everything it decided is on disk.  Raises `StoreOutageError` when that was not possible; the kill
        then runs from memory already, and the sender should send again.
        """
        started = self.parts.clock.monotonic()
        if not self._hear(batch):
            return Receipt(len(batch.alerts), ())
        replays = self._replayed(batch)

        def everything(pull: Pull) -> None:
            for alert in batch.alerts:
                if alert.name != WATCHDOG:
                    pull.outcomes.append(self._alert(pull, alert))
            self._unreadable(pull, batch)

        pull = self._pull(everything, received_at, started, batch.source, replays)
        for outcome in pull.outcomes:
            self.parts.telemetry.decisions.labels(outcome.outcome).inc()
        return Receipt(len(batch.alerts), tuple(pull.outcomes))

    def _hear(self, batch: Batch) -> bool:
        """Note the Watchdog; returns whether anything else is in the delivery."""
        for alert in batch.alerts:
            # A resolved Watchdog says that Prometheus stopped speaking: no sign of life.
            if alert.name == WATCHDOG and alert.status is AlertStatus.FIRING and batch.source == "alertmanager":
                self.parts.telemetry.watchdog.set(self.parts.clock.now().timestamp())
        return any(alert.name != WATCHDOG for alert in batch.alerts) or bool(batch.problems) or batch.truncated > 0

    def _alert(self, pull: Pull, alert: Alert) -> AlertOutcome:
        """Decide about one alert and write what follows from it."""
        decision = decide(alert, self.parts.policy)
        if decision.outcome is Outcome.RECORD and decision.code == "no_action":
            return _outcome(alert, "recorded", decision)
        episode = pull.tx.episode(alert.fingerprint, alert.starts_at)
        match decision.outcome:
            case Outcome.TRIP:
                outcome = self._tripping(pull, alert, decision, episode)
            case Outcome.PAGE:
                outcome = _outcome(alert, "paged", decision)
                if episode is None:
                    self._tell(
                        pull,
                        self.parts.composer.paged(
                            decision.scope, alert.name, decision.reason, pull.now, alert.labels, alert.annotations
                        ),
                    )
                    self._journal(pull, "alert_paged", alert, decision)
            case Outcome.REFUSE:
                outcome = _outcome(alert, "refused", decision)
                if episode is None:
                    self._refuse(pull, alert, decision)
            case Outcome.RECORD:
                outcome = _outcome(alert, "recorded", decision, None if episode is None else episode.trip_id)
                if episode is None or episode.status != AlertStatus.RESOLVED.value:
                    self._journal(pull, "alert_resolved", alert, decision)
        self._episode(pull, alert, episode, outcome)
        return outcome

    def _tripping(self, pull: Pull, alert: Alert, decision: Decision, episode: Episode | None) -> AlertOutcome:
        """Carry out a decision to trip, unless the latch already holds as strongly."""
        parts = self.parts
        decision = self._only_attributable(apply_budget(decision, pull.recent_trips, parts.policy))
        scope = decision.scope
        assert scope is not None  # noqa: S101 - what `decide` promises for a TRIP
        before = pull.switch(scope)
        trip_id = _new_id(pull.now)
        until = None if decision.duration is None else pull.now + decision.duration
        after = latch.trip(before, decision.action, trip_id=trip_id, by="alert", now=pull.now, until=until)
        if after is None or latch.prolongs(before, after):
            if after is not None:
                pull.tx.put_switch(after)
                pull.switches[scope] = after
            if episode is None:
                self._journal(pull, "alert_already", alert, decision)
            return _outcome(alert, "already", decision, before.trip_id)
        if alert.fingerprint in pull.replays:
            self._journal(pull, "alert_replayed", alert, decision)
            return _outcome(alert, "replayed", decision, None if episode is None else episode.trip_id)
        trip = Trip(
            id=trip_id,
            scope=scope,
            action=decision.action,
            requested=decision.requested,
            source=pull.source,
            actor=alert.name,
            reason=decision.reason,
            received_at=pull.now,
            started_at=alert.starts_at,
            fingerprint=alert.fingerprint,
            labels=alert.labels,
            annotations=alert.annotations,
        )
        self._put_trip(pull, trip, before, after)
        return _outcome(alert, "tripped", decision, trip_id)

    def _only_attributable(self, decision: Decision) -> Decision:
        """Let flatten fall back to halt where positions of the scope cannot be told from other people's."""
        if decision.action is not Action.FLATTEN or decision.scope is None or self.flattenable(decision.scope):
            return decision
        why = "positions of this scope cannot be told from others: halted, not flattened"
        return replace(decision, action=Action.HALT, code="unattributable", reason=f"{decision.reason}; {why}")

    def flattenable(self, scope: Scope) -> bool:
        """Whether positions in *scope* can be attributed in every venue account it reaches."""
        return all(
            self.parts.attribution.positions_attributable(scope, account.venue, account.account)
            for account in self.parts.accounts
            if account.scope.overlaps(scope) and self._trades_there(scope, account)
        )

    def _trades_there(self, scope: Scope, account: AccountTarget) -> bool:
        strategy = scope.get("strategy")
        return strategy is None or any(
            (owner.strategy, owner.venue, owner.account) == (strategy, account.venue, account.account)
            for owner in self.parts.attribution.owners
        )

    def _put_trip(self, pull: Pull, trip: Trip, before: Switch, after: Switch) -> None:
        """Write a trip: transition, steps, journal, notices; all of it, or (if the transaction fails) none."""
        parts, tx = self.parts, pull.tx
        reached = [
            one for one in parts.accounts if one.scope.overlaps(trip.scope) and self._trades_there(trip.scope, one)
        ]
        if trip.source == "alertmanager" and trip.started_at is not None:
            trip = replace(trip, stages={"received": max((pull.now - trip.started_at).total_seconds(), 0.0)})
        if not reached:
            trip = replace(trip, status=TripStatus.UNVERIFIED)
        numbers = iter(range(1_000_000))
        planned = plan(trip, parts.engines, reached, parts.deadlines, lambda: f"{trip.id}.{next(numbers)}")
        steps = claimed(planned, parts.owner, pull.now + LEASE)
        tx.put_switch(after)
        tx.put_trip(trip)
        tx.put_steps(steps)
        tx.append(
            "tripped",
            trip.actor,
            {
                "trip": trip.id,
                "scope": str(trip.scope),
                "action": trip.action.value,
                "requested": trip.requested.value,
                "from": before.state.value,
                "to": after.state.value,
                "source": trip.source,
                "reason": trip.reason,
                "labels": trip.labels,
                "fingerprint": trip.fingerprint,
                "started_at": None if trip.started_at is None else trip.started_at.isoformat(),
                "steps": [f"{step.kind.value} {step.target}" for step in steps],
            },
            pull.now,
        )
        self._tell(pull, parts.composer.tripped(trip, uncovered=not reached))
        if before.trip_id is not None and before.trip_id != trip.id:
            self._close(pull, before.trip_id)
        pull.switches[trip.scope] = after
        pull.recent_trips += 1
        pull.plans.append(Planned(trip, steps, pull.received_at))

    def _close(self, pull: Pull, trip_id: str) -> None:
        """A trip is over: resumed, or a stronger one took its place."""
        old = pull.tx.trip(trip_id)
        if old is not None and old.status is not TripStatus.CLOSED:
            live = self.parts.recorder.run_of(trip_id)
            pull.tx.put_trip(replace(live[0] if live else old, status=TripStatus.CLOSED, closed_at=pull.now))
        pull.superseded.append(trip_id)

    def _refuse(self, pull: Pull, alert: Alert, decision: Decision) -> None:
        """A kill alert fired and is not carried out: tell a person, loudly, and write down why."""
        self.parts.telemetry.refused.labels(decision.code).inc()
        log.error("alert.refused", alert=alert.name, code=decision.code, reason=decision.reason)
        self._tell(
            pull,
            self.parts.composer.refused(
                alert.name, decision.code, decision.reason, pull.now, alert.labels, alert.annotations
            ),
        )
        self._journal(pull, "alert_refused", alert, decision)

    def _unreadable(self, pull: Pull, batch: Batch) -> None:
        """What could not be read, or was cut off, could have been a kill: nothing of it is passed over in silence."""
        for problem in batch.problems:
            self.parts.telemetry.refused.labels(problem.reason).inc()
            self._tell(
                pull,
                self.parts.composer.refused(
                    f"alert {problem.index} of a delivery", problem.reason, problem.message, pull.now, {}, {}
                ),
            )
            pull.tx.append(
                "alert_malformed",
                pull.source,
                {"index": problem.index, "reason": problem.reason, "message": problem.message},
                pull.now,
            )
        decision = decide_truncated(batch, self.parts.policy)
        if decision is None:
            return
        pull.tx.append(
            "delivery_truncated",
            pull.source,
            {"missing": batch.truncated, "group": batch.group_key, "decision": decision.outcome.value},
            pull.now,
        )
        self._tell(
            pull, self.parts.composer.refused("(alerts cut off)", "truncated", decision.reason, pull.now, {}, {})
        )
        if decision.outcome is Outcome.TRIP and decision.scope is not None:
            before = pull.switch(decision.scope)
            trip_id = _new_id(pull.now)
            after = latch.trip(before, decision.action, trip_id=trip_id, by="alert", now=pull.now)
            if after is not None:
                trip = Trip(
                    trip_id,
                    decision.scope,
                    decision.action,
                    decision.requested,
                    "truncated",
                    pull.source,
                    decision.reason,
                    pull.now,
                )
                self._put_trip(pull, trip, before, after)

    def _replayed(self, batch: Batch) -> frozenset[str]:
        """The fingerprints of alerts that are old news: acted on, resumed by two people, and no longer firing.

        A late retry of another Alertmanager (or a recorded request) must not trip again what people have released.
        Prometheus is the judge; when it cannot be asked, the alert counts.
        """
        suspects = []
        try:
            with self.parts.store.view() as tx:
                for alert in batch.alerts:
                    if alert.status is AlertStatus.FIRING and "kill_action" in alert.labels:
                        episode = tx.episode(alert.fingerprint, alert.starts_at)
                        trip = tx.trip(episode.trip_id) if episode is not None and episode.trip_id else None
                        if trip is not None and trip.status is TripStatus.CLOSED:
                            suspects.append(alert.fingerprint)
            if not suspects or batch.source == "prometheus":
                return frozenset()
            firing = {alert.fingerprint for alert in self.parts.prometheus.firing().alerts}
        except AndonError:
            return frozenset()
        return frozenset(suspects) - firing

    def _episode(self, pull: Pull, alert: Alert, episode: Episode | None, outcome: AlertOutcome) -> None:
        if episode is None:
            known = Episode(
                alert.fingerprint,
                alert.starts_at,
                alert.status.value,
                outcome.outcome,
                pull.now,
                pull.now,
                trip_id=outcome.trip_id,
            )
        else:
            known = replace(
                episode,
                status=alert.status.value,
                last_seen=pull.now,
                count=episode.count + 1,
                outcome=outcome.outcome,
                trip_id=outcome.trip_id or episode.trip_id,
            )
        pull.tx.put_episode(known)

    def _journal(self, pull: Pull, kind: str, alert: Alert, decision: Decision) -> None:
        pull.tx.append(
            kind,
            pull.source,
            {
                "alert": alert.name,
                "status": alert.status.value,
                "labels": alert.labels,
                "fingerprint": alert.fingerprint,
                "starts_at": alert.starts_at.isoformat(),
                "scope": None if decision.scope is None else str(decision.scope),
                "action": decision.action.value,
                "requested": decision.requested.value,
                "code": decision.code,
                "reason": decision.reason,
            },
            pull.now,
        )

    def _tell(self, pull: Pull, notice: Notice) -> None:
        enqueue(pull.tx, notice, self.parts.notifiers)

    # -- people -----------------------------------------------------------------------------------------------------

    def trip(
        self, principal: Principal, action: Action, scope: Scope, reason: str, duration: timedelta | None = None
    ) -> Trip | Refusal:
        """Trip by hand: one person is enough.  Raises `StoreOutageError` after starting it from memory."""
        refusal = self._may_trip(principal, action, scope, reason, duration)
        if refusal is not None:
            return refusal
        now, started = self.parts.clock.now(), self.parts.clock.monotonic()
        answer: list[Trip | Refusal] = []

        def by_hand(pull: Pull) -> None:
            before = pull.switch(scope)
            trip_id = _new_id(now)
            until = None if duration is None else now + duration
            after = latch.trip(before, action, trip_id=trip_id, by=principal.role.value, now=now, until=until)
            if after is None:
                answer.append(
                    Refusal("already", f"{scope} is {before.state.value} already, as strongly as {action.value} asks")
                )
                return
            trip = Trip(trip_id, scope, action, action, "operator", principal.name, reason.strip(), now)
            self._put_trip(pull, trip, before, after)
            answer.append(pull.plans[-1].trip if pull.plans else trip)

        self._pull(by_hand, now, started, "operator")
        return answer[-1]

    def _may_trip(
        self, principal: Principal, action: Action, scope: Scope, reason: str, duration: timedelta | None
    ) -> Refusal | None:
        if not may(principal.role, Verb.TRIP):
            return Refusal("forbidden", f"role {principal.role.value} may not trip; trader, risk and admin may")
        if action is Action.PAGE:
            return Refusal("invalid", "page is not a trip; ask for reduce, halt or flatten")
        if not reason.strip():
            return Refusal("invalid", "give a reason: it goes into the journal and into the page")
        if duration is not None and action is not Action.REDUCE:
            return Refusal("invalid", "only reduce can end by itself; leave the duration out")
        if action is Action.FLATTEN and not self.flattenable(scope):
            return Refusal(
                "unattributable",
                f"positions of {scope} cannot be told from other people's; halt it, or flatten "
                "a scope that names the venue account",
            )
        return None

    def request_resume(self, principal: Principal, scope: Scope, reason: str) -> ResumeRequest | Refusal:
        """Ask to resume a scope; a second person must approve."""
        return self._release.request(principal, scope, reason)

    def approve(self, principal: Principal, request_id: str) -> ResumeRequest | Refusal:
        """Approve somebody else's request to resume."""
        return self._release.approve(principal, request_id)

    def withdraw(self, principal: Principal, request_id: str) -> ResumeRequest | Refusal:
        """Take a request to resume back."""
        return self._release.withdraw(principal, request_id)

    def expire(self) -> None:
        """End what ends by itself; the worker calls it."""
        self._release.expire()

    # -- the one transaction ----------------------------------------------------------------------------------------

    def _pull(
        self,
        decide_all: Callable[[Pull], None],
        now: datetime,
        started: float,
        source: str,
        replays: frozenset[str] = frozenset(),
    ) -> Pull:
        """Run *decide_all* in one transaction and launch what it planned; from memory when the store is out."""
        parts = self.parts
        try:
            self.adopt()
            with parts.store.begin() as tx:
                pull = self._start(tx, now, started, source, replays)
                decide_all(pull)
        except StoreOutageError as error:
            parts.telemetry.store_failures.inc()
            log.critical("store.out", error=str(error), then="the kill runs from memory")
            with self._memory_lock:
                with parts.memory.begin() as tx:
                    pull = self._start(tx, now, started, source, replays)
                    decide_all(pull)
                self._memory_used = self._memory_used or bool(pull.plans)
            parts.telemetry.from_memory.inc(len(pull.plans))
            self._launch(pull, parts.memory)
            raise
        self._launch(pull, parts.store)
        return pull

    def _start(self, tx: Transaction, now: datetime, started: float, source: str, replays: frozenset[str]) -> Pull:
        budget = self.parts.policy.budget
        return Pull(
            tx,
            now,
            started,
            source,
            {one.scope: one for one in tx.switches()},
            tx.count_trips(now - budget.window),
            replays,
        )

    def _launch(self, pull: Pull, store: Store) -> None:
        """It is written (or cannot be): act."""
        parts = self.parts
        for trip_id in pull.superseded:
            parts.lines.drop(trip_id)
            parts.recorder.forget(trip_id)
        if not pull.plans:
            return
        parts.recorder.follow(pull.plans, store)
        if store is parts.store:
            stored = parts.clock.monotonic()
            for planned in pull.plans:
                parts.recorder.stage(planned.trip.id, "stored", stored)
        parts.lines.launch(pull.plans)
        for planned in pull.plans:
            trip = planned.trip
            parts.telemetry.trips.labels(trip.action.value, trip.source).inc()
            if "received" in trip.stages:
                parts.telemetry.stages.labels("received").observe(trip.stages["received"])
            log.critical(
                "tripped",
                trip=trip.id,
                scope=str(trip.scope),
                action=trip.action.value,
                source=trip.source,
                actor=trip.actor,
                reason=trip.reason,
            )

    def adopt(self) -> int:
        """Bring what was decided without the store into it; returns how many trips. Raises `StoreOutageError`.

        A trip that the store has meanwhile as strong or stronger (the sender sent again) is dropped: it is the same kill.
        """
        if not self._memory_used:
            return 0
        parts = self.parts
        with self._memory_lock:
            if not self._memory_used:
                return 0
            with parts.memory.begin() as old:
                switches = tuple(one for one in old.switches() if one.state is not State.NORMAL)
                found = (old.trip(one.trip_id) for one in switches if one.trip_id)
                trips = {trip.id: trip for trip in found if trip is not None}
                steps = {trip_id: old.steps(trip_id) for trip_id in trips}
            kept: list[str] = []
            now = parts.clock.now()
            with parts.store.begin() as tx:
                for switch in switches:
                    there = tx.switch(switch.scope)
                    trip = trips.get(switch.trip_id or "")
                    if trip is None or switch.action is None:
                        continue
                    after = latch.trip(
                        there,
                        switch.action,
                        trip_id=trip.id,
                        by=switch.tripped_by or "alert",
                        now=now,
                        until=switch.until,
                    )
                    if after is None:
                        continue
                    live = parts.recorder.run_of(trip.id)
                    tx.put_switch(after)
                    tx.put_trip(live[0] if live else trip)
                    tx.put_steps(live[1] if live else steps[trip.id])
                    tx.append(
                        "adopted",
                        ACTOR,
                        {
                            "trip": trip.id,
                            "scope": str(trip.scope),
                            "action": trip.action.value,
                            "reason": trip.reason,
                            "labels": trip.labels,
                            "decided_at": trip.received_at.isoformat(),
                            "why": "the store was out when this was decided",
                        },
                        now,
                    )
                    kept.append(trip.id)
            self._memory_used = False
            for trip_id in trips:
                if trip_id in kept:
                    parts.recorder.move(trip_id, parts.store)
                else:
                    parts.lines.drop(trip_id)
                    parts.recorder.forget(trip_id)
            with parts.memory.begin() as old:
                for switch in switches:
                    old.put_switch(latch.resume(switch, now))
        log.warning("store.back", adopted=kept)
        return len(kept)

    # -- reading ----------------------------------------------------------------------------------------------------

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
        previous: Record | None = None
        while True:
            records = self.records(0 if previous is None else previous.sequence, 5000)
            fault = verify(records, after=previous)
            if fault is not None or not records:
                return None if fault is None else str(fault)
            previous = records[-1]

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
        # An engine or venue that is down is shown, and does not make the service itself unready: it must take kills then.
        return Health(checks["store"].ok and worker, checks)

    def _newest(self, trip: Trip) -> Trip:
        live = self.parts.recorder.run_of(trip.id)
        return trip if live is None or trip.status is TripStatus.CLOSED else live[0]


def _outcome(alert: Alert, outcome: str, decision: Decision, trip_id: str | None = None) -> AlertOutcome:
    scope = None if decision.scope is None else str(decision.scope)
    return AlertOutcome(alert.name, outcome, scope, decision.action.value, trip_id, decision.reason)


def _new_id(now: datetime) -> str:
    """Ids sort by time and end in eight random characters, which client order ids of a flattening carry."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
