"""What is written about each alert, and about a person's command, inside the one transaction of `webhook.service`.

Nothing here starts anything: a `Pull` collects what is to be launched once it is on disk.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.actions.run import Planned, claimed
from webhook.errors import AndonError
from webhook.intake.alert import Alert, AlertStatus, Batch
from webhook.killswitch import switch as latch
from webhook.killswitch.plan import AccountTarget, plan
from webhook.killswitch.port import Episode, Switch, Transaction, Trip, TripStatus
from webhook.killswitch.states import Action
from webhook.notify.outbox import enqueue
from webhook.notify.port import Notice
from webhook.parts import Parts
from webhook.policy.decide import Decision, Outcome, apply_budget, decide, decide_truncated
from webhook.killswitch.scope import Scope

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=10)
"""How long a step belongs to a process that no longer says so."""


@dataclass(frozen=True, slots=True)
class AlertOutcome:
    """What became of one alert of a delivery; ``outcome`` is tripped, already, paged, refused, recorded or replayed."""

    name: str
    outcome: str
    scope: str | None
    action: str | None
    trip_id: str | None
    reason: str


@dataclass(slots=True)
class Pull:
    """One transaction's worth of decisions: what was read, and what is to be launched when it is on disk."""

    tx: Transaction
    now: datetime
    received_at: float
    source: str
    recent_trips: int
    replays: frozenset[str] = frozenset()
    switches: dict[Scope, Switch] = field(default_factory=dict)
    plans: list[Planned] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    outcomes: list[AlertOutcome] = field(default_factory=list)

    def switch(self, scope: Scope) -> Switch:
        """The switch of this scope as this transaction leaves it, NORMAL when it was never tripped."""
        if scope not in self.switches:
            self.switches[scope] = self.tx.switch(scope)
        return self.switches[scope]


class Rulings:
    """Decides and writes; every method but `replayed` and `flattenable` works inside the caller's transaction."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def alert(self, pull: Pull, alert: Alert) -> AlertOutcome:
        """Decide about one alert and write what follows from it."""
        decision = decide(alert, self._parts.policy)
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
                        self._parts.composer.paged(
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
        parts = self._parts
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
        self.put_trip(pull, trip, before, after)
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
            self._parts.attribution.positions_attributable(scope, account.venue, account.account)
            for account in self._parts.accounts
            if account.scope.overlaps(scope) and self._trades_there(scope, account)
        )

    def _trades_there(self, scope: Scope, account: AccountTarget) -> bool:
        strategy = scope.get("strategy")
        return strategy is None or any(
            (owner.strategy, owner.venue, owner.account) == (strategy, account.venue, account.account)
            for owner in self._parts.attribution.owners
        )

    def put_trip(self, pull: Pull, trip: Trip, before: Switch, after: Switch) -> None:
        """Write a trip: transition, steps, journal, notices; all of it, or (if the transaction fails) none."""
        parts, tx = self._parts, pull.tx
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
            live = self._parts.recorder.run_of(trip_id)
            pull.tx.put_trip(replace(live[0] if live else old, status=TripStatus.CLOSED, closed_at=pull.now))
        pull.superseded.append(trip_id)

    def _refuse(self, pull: Pull, alert: Alert, decision: Decision) -> None:
        """A kill alert fired and is not carried out: tell a person, loudly, and write down why."""
        self._parts.telemetry.refused.labels(decision.code).inc()
        log.error("alert.refused", alert=alert.name, code=decision.code, reason=decision.reason)
        self._tell(
            pull,
            self._parts.composer.refused(
                alert.name, decision.code, decision.reason, pull.now, alert.labels, alert.annotations
            ),
        )
        self._journal(pull, "alert_refused", alert, decision)

    def unreadable(self, pull: Pull, batch: Batch) -> None:
        """What could not be read, or was cut off, could have been a kill: nothing of it is passed over in silence."""
        for problem in batch.problems:
            self._parts.telemetry.refused.labels(problem.reason).inc()
            self._tell(
                pull,
                self._parts.composer.refused(
                    f"alert {problem.index} of a delivery", problem.reason, problem.message, pull.now, {}, {}
                ),
            )
            pull.tx.append(
                "alert_malformed",
                pull.source,
                {"index": problem.index, "reason": problem.reason, "message": problem.message},
                pull.now,
            )
        decision = decide_truncated(batch, self._parts.policy)
        if decision is None:
            return
        pull.tx.append(
            "delivery_truncated",
            pull.source,
            {"missing": batch.truncated, "group": batch.group_key, "decision": decision.outcome.value},
            pull.now,
        )
        self._tell(
            pull, self._parts.composer.refused("(alerts cut off)", "truncated", decision.reason, pull.now, {}, {})
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
                self.put_trip(pull, trip, before, after)

    def replayed(self, batch: Batch) -> frozenset[str]:
        """The fingerprints of alerts that are old news: acted on, resumed by two people, and not firing any more.

        A late retry of another Alertmanager (or a recorded request) must not trip again what people have released.
        Prometheus is the judge; when it cannot be asked, the alert counts.
        """
        suspects: dict[str, tuple[str, Scope | None]] = {}
        try:
            with self._parts.store.view() as tx:
                for alert in batch.alerts:
                    if alert.status is AlertStatus.FIRING and "kill_action" in alert.labels:
                        episode = tx.episode(alert.fingerprint, alert.starts_at)
                        trip = tx.trip(episode.trip_id) if episode is not None and episode.trip_id else None
                        if trip is not None and trip.status is TripStatus.CLOSED:
                            suspects[alert.fingerprint] = self._subject(alert)
            if not suspects or batch.source == "prometheus":
                return frozenset()
            firing = {self._subject(alert) for alert in self._parts.prometheus.firing().alerts}
        except AndonError:
            return frozenset()
        return frozenset(fingerprint for fingerprint, subject in suspects.items() if subject not in firing)

    def _subject(self, alert: Alert) -> tuple[str, Scope | None]:
        """What an alert is about.  Prometheus itself knows nothing of labels that are added on the way to us."""
        return alert.name, decide(alert, self._parts.policy).scope

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
        enqueue(pull.tx, notice, self._parts.notifiers)

    # -- people -----------------------------------------------------------------------------------------------------

    def by_hand(
        self, pull: Pull, principal: Principal, action: Action, scope: Scope, reason: str, duration: timedelta | None
    ) -> Trip | Refusal:
        """Write a person's trip; refused when the latch holds as strongly already."""
        before = pull.switch(scope)
        trip_id = _new_id(pull.now)
        until = None if duration is None else pull.now + duration
        after = latch.trip(before, action, trip_id=trip_id, by=principal.role.value, now=pull.now, until=until)
        if after is None:
            return Refusal("already", f"{scope} is {before.state.value} already, as strongly as {action.value} asks")
        trip = Trip(trip_id, scope, action, action, "operator", principal.name, reason.strip(), pull.now)
        self.put_trip(pull, trip, before, after)
        return pull.plans[-1].trip


def _outcome(alert: Alert, outcome: str, decision: Decision, trip_id: str | None = None) -> AlertOutcome:
    scope = None if decision.scope is None else str(decision.scope)
    return AlertOutcome(alert.name, outcome, scope, decision.action.value, trip_id, decision.reason)


def _new_id(now: datetime) -> str:
    """Ids sort by time and end in eight random characters, which client order ids of a flattening carry."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
