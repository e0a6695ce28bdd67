"""What is decided and written about each alert, and about a person's command, inside one transaction.

Nothing here starts anything, takes a lock or looks at a clock: a `Decision` may be made twice, once on the store and
once on the memory that stands in for it, and says the same both times.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.durability.port import Transaction
from webhook.intake.alert import Alert, AlertStatus, Batch
from webhook.intake.episode import Episode
from webhook.killswitch import switch as latch
from webhook.killswitch.desired import Targets
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Trip
from webhook.notify.compose import Composer
from webhook.notify.port import Notice, Notifier
from webhook.policy.attribution import Attribution
from webhook.policy.decide import Decision, Outcome, apply_budget, decide, decide_truncated
from webhook.policy.rule import Policy
from webhook.service.outbox import enqueue

log = structlog.get_logger(__name__)

Resolve = Callable[[str, str], frozenset[str] | None]
"""Of the name of a venue account and a symbol: see `webhook.actions.port.Venue.resolve`."""


@dataclass(frozen=True, slots=True)
class AlertOutcome:
    """What became of one alert of a delivery.

    ``outcome`` is tripped, already, shadow (it stands already, and no live target proves it), paged, refused, recorded
    or replayed.
    """

    name: str
    outcome: str
    scope: str | None
    action: str | None
    trip_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """What one piece of work is decided with; ``token`` is random and makes its ids.

    ``source`` is alertmanager, prometheus or operator.  ``firing`` are the (alert name, scope) that Prometheus showed
    as firing a moment ago; None when that is not known.
    """

    now: datetime
    source: str
    token: str
    firing: frozenset[tuple[str, Scope | None]] | None = None


@dataclass(slots=True)
class Decided:
    """What one piece of work changed: the switches and trips it wrote, and what it answers."""

    outcomes: list[AlertOutcome] = field(default_factory=list)
    switches: dict[Scope, Switch] = field(default_factory=dict)
    trips: list[Trip] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answer: Trip | Refusal | None = None


class Decisions:
    """Decides and writes; every method works inside the caller's transaction."""

    def __init__(
        self,
        policy: Policy,
        attribution: Attribution,
        targets: Targets,
        resolve: Resolve,
        flattens: Mapping[str, Callable[[], bool]],
        notifiers: Mapping[str, Notifier],
        composer: Composer,
    ) -> None:
        """*flattens*: for each venue account, whether its positions can be read at all."""
        self._policy, self._attribution, self._targets = policy, attribution, targets
        # Labels that Prometheus adds on the way to Alertmanager are missing in its own list: no reason to stop more.
        self._polled = replace(policy, missing_label="refuse")
        self._resolve, self._flattens = resolve, flattens
        self._notifiers, self._composer = notifiers, composer

    # -- alerts -----------------------------------------------------------------------------------------------------

    def alerts(self, tx: Transaction, batch: Batch, request: Request) -> Decided:
        """Decide about everything that a delivery carried."""
        unit = _Unit(tx, request, self._policy)
        for alert in batch.alerts:
            unit.decided.outcomes.append(self._alert(unit, alert))
        self._unreadable(unit, batch)
        return unit.decided

    def _alert(self, unit: "_Unit", alert: Alert) -> AlertOutcome:
        decision = decide(alert, self._polled if unit.request.source == "prometheus" else self._policy)
        if decision.outcome is Outcome.RECORD and decision.code == "no_action":
            return _outcome(alert, "recorded", decision)
        if decision.outcome is Outcome.TRIP and decision.scope is not None and self._is_nowhere(decision.scope):
            decision = _no_market(decision)
        episode = unit.tx.episode(alert.fingerprint, alert.starts_at)
        match decision.outcome:
            case Outcome.TRIP:
                decision = self._granted(unit, decision, episode)
                outcome = self._trip(unit, alert, decision, episode)
            case Outcome.PAGE:
                outcome = _outcome(alert, "paged", decision)
                if episode is None:
                    self._tell(
                        unit,
                        self._composer.paged(
                            decision.scope,
                            alert.name,
                            decision.reason,
                            unit.request.now,
                            alert.labels,
                            alert.annotations,
                        ),
                    )
                    _journal(unit, "alert_paged", alert, decision)
            case Outcome.REFUSE:
                outcome = _outcome(alert, "refused", decision)
                if episode is None:
                    self._refuse(unit, alert, decision)
            case Outcome.RECORD:
                outcome = _outcome(alert, "recorded", decision, None if episode is None else episode.trip_id)
                if episode is None or episode.status != AlertStatus.RESOLVED.value:
                    _journal(unit, "alert_resolved", alert, decision)
        self._remember(unit, alert, decision, episode, outcome)
        return outcome

    def _granted(self, unit: "_Unit", decision: Decision, episode: Episode | None) -> Decision:
        """What this decision may really do: within the budget, attributable, and no more than its episode ever got."""
        if episode is not None and episode.granted is not None:
            if decision.action.rank > episode.granted.rank > Action.PAGE.rank:
                why = f"this alert was granted {episode.granted} when it began"
                return replace(
                    decision, action=episode.granted, code="weaker", reason=f"{decision.reason}; {why}", duration=None
                )
        else:
            decision = apply_budget(decision, unit.recent_trips, self._policy)
        if decision.action is not Action.FLATTEN or decision.scope is None or self.flattenable(decision.scope):
            return decision
        why = "positions of this scope cannot be read, or not be told from others: halted, not flattened"
        return replace(decision, action=Action.HALT, code="unattributable", reason=f"{decision.reason}; {why}")

    def _trip(self, unit: "_Unit", alert: Alert, decision: Decision, episode: Episode | None) -> AlertOutcome:
        """Carry out a decision to trip, unless the latch already holds as strongly."""
        scope = decision.scope
        assert scope is not None  # noqa: S101 - what `decide` promises for a TRIP
        before, now = unit.switch(scope), unit.request.now
        trip_id = unit.new_id()
        after = latch.trip(
            before,
            decision.action,
            trip_id=trip_id,
            by="alert",
            now=now,
            until=None if decision.duration is None else now + decision.duration,
            keep_protective=decision.keep_protective,
        )
        if after is None or latch.prolongs(before, after):
            if after is not None:
                unit.put_switch(after)
            self._void_requests(unit, scope, f"{alert.name} fires")
            if episode is None:
                _journal(unit, "alert_already", alert, decision)
            word = "already" if self._is_live(scope) else "shadow"
            return _outcome(alert, word, decision, before.trip_id)
        if self._is_replayed(unit, alert, episode, scope):
            _journal(unit, "alert_replayed", alert, decision)
            return _outcome(alert, "replayed", decision, None if episode is None else episode.trip_id)
        trip = Trip(
            id=trip_id,
            scope=scope,
            action=decision.action,
            requested=decision.requested,
            source=unit.request.source,
            actor=alert.name,
            reason=decision.reason,
            received_at=now,
            started_at=alert.starts_at,
            fingerprint=alert.fingerprint,
            labels=alert.labels,
            annotations=alert.annotations,
            keep_protective=after.keep_protective,
        )
        self._put_trip(unit, trip, before, after)
        return _outcome(alert, "tripped", decision, trip_id)

    @staticmethod
    def _is_replayed(unit: "_Unit", alert: Alert, episode: Episode | None, scope: Scope) -> bool:
        """Whether this is old news: acted on, released by two people, heard to be resolved, and not firing now.

        A late retry of another Alertmanager (or a recorded request) must not trip again what people have released.
        What cannot be decided fires.
        """
        if episode is None or episode.trip_id is None or episode.resolved_at is None or unit.request.firing is None:
            return False
        trip = unit.tx.trip(episode.trip_id)
        return trip is not None and trip.closed_at is not None and (alert.name, scope) not in unit.request.firing

    def _put_trip(self, unit: "_Unit", trip: Trip, before: Switch, after: Switch) -> None:
        """Write a trip: transition, journal, notices; all of it, or (if the transaction fails) none."""
        tx = unit.tx
        accounts, engines = self._targets.accounts_of(trip.scope), self._targets.engines_of(trip.scope)
        trip = replace(trip, reached=bool(accounts))
        unit.put_switch(after)
        tx.put_trip(trip)
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
                "keep_protective": trip.keep_protective,
                "engines": [one.name for one in engines],
                "accounts": [one.name for one in accounts],
            },
            unit.request.now,
        )
        self._tell(unit, self._composer.tripped(trip, uncovered=not accounts))
        if before.trip_id is not None and before.trip_id != trip.id:
            close_trip(tx, before.trip_id, unit.request.now)
        unit.recent_trips += trip.reached
        unit.decided.trips.append(trip)

    def _void_requests(self, unit: "_Unit", scope: Scope, why: str) -> None:
        """The facts behind a request to resume changed: a new version of the switch makes it void."""
        switch = unit.switch(scope)
        for request in unit.pending():
            if request.scope == scope and request.switch_version == switch.version:
                unit.put_switch(latch.touch(switch))
                body = {"request": request.id, "scope": str(scope), "why": why}
                unit.tx.append("resume_void", unit.request.source, body, unit.request.now)
                self._tell(unit, self._composer.already_void(request, unit.request.now, why))
                return

    def _refuse(self, unit: "_Unit", alert: Alert, decision: Decision) -> None:
        """A kill alert fired and is not carried out: tell a person, loudly, and write down why."""
        unit.decided.refused.append(decision.code)
        log.error("alert.refused", alert=alert.name, code=decision.code, reason=decision.reason)
        notice = self._composer.refused(
            alert.name, decision.code, decision.reason, unit.request.now, alert.labels, alert.annotations
        )
        self._tell(unit, notice)
        _journal(unit, "alert_refused", alert, decision)

    def _unreadable(self, unit: "_Unit", batch: Batch) -> None:
        """What could not be read, or was cut off, could have been a kill: nothing of it is passed over in silence."""
        now = unit.request.now
        for problem in batch.malformed:
            unit.decided.refused.append(problem.reason)
            name = f"alert {problem.index} of a delivery"
            self._tell(unit, self._composer.refused(name, problem.reason, problem.message, now, {}, {}))
            body = {"index": problem.index, "reason": problem.reason, "message": problem.message}
            unit.tx.append("alert_malformed", unit.request.source, body, now)
        decision = decide_truncated(batch, self._policy)
        if decision is None:
            return
        body = {"missing": batch.truncated, "group": batch.group_key, "decision": decision.outcome.value}
        unit.tx.append("delivery_truncated", unit.request.source, body, now)
        self._tell(unit, self._composer.refused("(alerts cut off)", "truncated", decision.reason, now, {}, {}))
        if decision.outcome is Outcome.TRIP and decision.scope is not None:
            before, trip_id = unit.switch(decision.scope), unit.new_id()
            after = latch.trip(before, decision.action, trip_id=trip_id, by="alert", now=now)
            if after is not None:
                trip = Trip(
                    trip_id,
                    decision.scope,
                    decision.action,
                    decision.requested,
                    "truncated",
                    unit.request.source,
                    decision.reason,
                    now,
                )
                self._put_trip(unit, trip, before, after)

    @staticmethod
    def _remember(
        unit: "_Unit", alert: Alert, decision: Decision, episode: Episode | None, outcome: AlertOutcome
    ) -> None:
        now, resolved = unit.request.now, alert.status is AlertStatus.RESOLVED
        known = episode or Episode(
            alert.fingerprint,
            alert.starts_at,
            alert.name,
            alert.status.value,
            outcome.outcome,
            now,
            now,
            count=0,
        )
        carried_out = decision.outcome is Outcome.TRIP and outcome.outcome != "replayed"
        unit.tx.put_episode(
            replace(
                known,
                # What only the poll found is asked of Prometheus again, and nobody will bring its end.
                status=alert.status.value if unit.request.source != "prometheus" else "found",
                last_seen=now,
                count=known.count + 1,
                outcome=outcome.outcome,
                trip_id=outcome.trip_id or known.trip_id,
                scope=decision.scope or known.scope,
                granted=known.granted or (decision.action if carried_out else None),
                resolved_at=now if resolved else known.resolved_at,
            )
        )

    # -- people -----------------------------------------------------------------------------------------------------

    def by_hand(
        self,
        tx: Transaction,
        request: Request,
        principal: Principal,
        action: Action,
        scope: Scope,
        reason: str,
        duration: timedelta | None,
        *,
        keep_protective: bool = False,
    ) -> Decided:
        """Write a person's trip; refused when the latch holds as strongly already."""
        unit = _Unit(tx, request, self._policy)
        before, trip_id = unit.switch(scope), unit.new_id()
        after = latch.trip(
            before,
            action,
            trip_id=trip_id,
            by=principal.role.value,
            now=request.now,
            until=None if duration is None else request.now + duration,
            keep_protective=keep_protective,
        )
        if after is None:
            self._void_requests(unit, scope, f"{principal.name} asked to {action} it")
            if self._is_live(scope):
                text = f"{scope} is {before.state.value} already, as strongly as {action.value} asks"
                unit.decided.answer = Refusal("already", text)
            else:
                text = (
                    f"{scope} is {before.state.value} already, but nothing proves it: every venue account in reach is "
                    f"in shadow mode"
                )
                unit.decided.answer = Refusal("shadow", text)
            return unit.decided
        trip = Trip(
            trip_id,
            scope,
            action,
            action,
            "operator",
            principal.name,
            reason.strip(),
            request.now,
            keep_protective=after.keep_protective,
        )
        self._put_trip(unit, trip, before, after)
        unit.decided.answer = unit.decided.trips[-1]
        return unit.decided

    # -- questions --------------------------------------------------------------------------------------------------

    def flattenable(self, scope: Scope) -> bool:
        """Whether positions in *scope* can be read and attributed in every venue account that has any.

        False where no account in reach has positions that can be read: then flatten would be a promise nobody keeps.
        """
        accounts = self._targets.accounts_of(scope)
        able = [one for one in accounts if self._flattens.get(one.name, lambda: False)()]
        symbol, strategy = scope.get("symbol"), scope.get("strategy")
        return all(
            self._attribution.positions_attributable(
                strategy,
                None if symbol is None else (self._resolve(one.name, symbol) or frozenset({symbol})),
                one.venue,
                one.account,
            )
            for one in able
        ) and bool(able or not accounts)

    def no_market(self, scope: Scope) -> str | None:
        """Why the symbol of *scope* is none, in words, or None when it is one somewhere, or that is not known."""
        return _no_market_text(scope) if self._is_nowhere(scope) else None

    def _is_nowhere(self, scope: Scope) -> bool:
        """Whether *scope* names a symbol that no venue account in its reach has a market for."""
        symbol = scope.get("symbol")
        accounts = self._targets.accounts_of(scope)
        if symbol is None or not accounts:
            return False
        return all(self._resolve(one.name, symbol) == frozenset() for one in accounts)

    def _is_live(self, scope: Scope) -> bool:
        return any(not one.shadow for one in self._targets.accounts_of(scope))

    def _tell(self, unit: "_Unit", notice: Notice) -> None:
        enqueue(unit.tx, notice, self._notifiers)


class _Unit:
    """One transaction's worth of decisions: what was read, and what was written."""

    def __init__(self, tx: Transaction, request: Request, policy: Policy) -> None:
        self.tx, self.request = tx, request
        self.decided = Decided()
        self.recent_trips = tx.count_trips(request.now - policy.budget.window)
        self._ids = 0
        self._pending: tuple[ResumeRequest, ...] | None = None

    def switch(self, scope: Scope) -> Switch:
        """The switch of this scope as this transaction leaves it, NORMAL when it was never tripped."""
        return self.decided.switches.get(scope) or self.tx.switch(scope)

    def put_switch(self, switch: Switch) -> None:
        self.tx.put_switch(switch)
        self.decided.switches[switch.scope] = switch

    def pending(self) -> tuple[ResumeRequest, ...]:
        """The requests to resume that wait for a second person; read once."""
        if self._pending is None:
            self._pending = self.tx.resume_requests(status=ResumeStatus.PENDING)
        return self._pending

    def new_id(self) -> str:
        """Ids sort by time and end in eight characters of chance, which client order ids of a flattening carry."""
        self._ids += 1
        chance = hashlib.sha256(f"{self.request.token}/{self._ids}".encode()).hexdigest()[:8]
        return f"{self.request.now:%Y%m%dT%H%M%S}-{chance}"


def close_trip(tx: Transaction, trip_id: str, now: datetime) -> None:
    """A trip is over: resumed, or a stronger one took its place."""
    old = tx.trip(trip_id)
    if old is not None and old.closed_at is None:
        tx.put_trip(replace(old, closed_at=now))


def _no_market(decision: Decision) -> Decision:
    scope = decision.scope
    assert scope is not None  # noqa: S101 - the caller looked
    return replace(
        decision,
        outcome=Outcome.REFUSE,
        action=Action.PAGE,
        code="unknown_symbol",
        reason=f"{decision.reason}; {_no_market_text(scope)}",
    )


def _no_market_text(scope: Scope) -> str:
    return (
        f"no venue account in reach has a market {scope.get('symbol')!r}: write it as the exchange or ccxt does, "
        "e.g. BTC/USDT:USDT"
    )


def _journal(unit: _Unit, kind: str, alert: Alert, decision: Decision) -> None:
    unit.tx.append(
        kind,
        unit.request.source,
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
        unit.request.now,
    )


def _outcome(alert: Alert, outcome: str, decision: Decision, trip_id: str | None = None) -> AlertOutcome:
    scope = None if decision.scope is None else str(decision.scope)
    return AlertOutcome(alert.name, outcome, scope, decision.action.value, trip_id, decision.reason)
