"""The whole line, top to bottom: parse -> decide -> one transaction -> answer; the reconcilers do the rest.

`Service.receive` is where an alert comes in, already parsed by `webhook.intake`.  Everything it decides is written in
one transaction: the switch, the trip, the journal, the notices.  What must be true is then in the store; the
reconcilers of `webhook.actions` are woken, make it true, prove it, and report to `webhook.service.recorder`.  When the
store is out, the same is decided in memory and the kill runs all the same: a broken disk must not keep orders alive.

`webhook.service.decisions` holds what is written about each alert, `webhook.service.resume` is the way back,
`webhook.worker` what happens by itself.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.roles import Verb, may
from webhook.clock import Clock
from webhook.durability.group_commit import GroupCommit, Written
from webhook.durability.port import Transaction
from webhook.errors import StoreOutageError
from webhook.intake.alert import Alert, AlertStatus, Batch
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action
from webhook.killswitch.trip import Trip
from webhook.net.prometheus import FiringAlerts
from webhook.policy.decide import decide
from webhook.policy.rule import Policy
from webhook.service.decisions import AlertOutcome, Decided, Decisions, Request
from webhook.service.in_flight import InFlight
from webhook.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

WATCHDOG = "Watchdog"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a delivery; it is on disk when this is returned."""

    accepted: int
    outcomes: tuple[AlertOutcome, ...]


class Service:
    """Takes alerts and people's trips; thread-safe, and safe beside other processes on the same store."""

    def __init__(
        self,
        commit: GroupCommit,
        in_flight: InFlight,
        decisions: Decisions,
        policy: Policy,
        prometheus: FiringAlerts,
        telemetry: Telemetry,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        """*wake* has every reconciler look at the switches; first cancels are on their way when it returns."""
        self._commit, self._in_flight, self._decisions = commit, in_flight, decisions
        self._policy, self._prometheus = policy, prometheus
        self._telemetry, self._clock, self._wake = telemetry, clock, wake

    # -- alerts -----------------------------------------------------------------------------------------------------

    def receive(self, batch: Batch, received_at: datetime) -> Receipt:
        """Act on one delivery.

        Returns when everything it decided is on disk.  Raises `StoreOutageError` when that was not possible; the kill
        then runs from memory already, and the sender should send again.
        """
        started = self._clock.monotonic()
        rest = self._hear(batch)
        if not rest.alerts and not rest.malformed and not rest.truncated:
            return Receipt(len(batch.alerts), ())
        request = Request(received_at, batch.source, secrets.token_hex(8), self._firing())
        decided = self._decide(lambda tx: self._decisions.alerts(tx, rest, request), started)
        return Receipt(len(batch.alerts), tuple(decided.outcomes))

    def _hear(self, batch: Batch) -> Batch:
        """Note the Watchdog; returns what else is in the delivery."""
        for alert in batch.alerts:
            # A resolved Watchdog says that Prometheus stopped speaking: no sign of life.
            if alert.name == WATCHDOG and alert.status is AlertStatus.FIRING and batch.source == "alertmanager":
                self._telemetry.watchdog.set(self._clock.now().timestamp())
        others = tuple(alert for alert in batch.alerts if alert.name != WATCHDOG)
        return Batch(others, batch.receiver, batch.group_key, batch.truncated, batch.source, batch.malformed)

    def _firing(self) -> frozenset[tuple[str, Scope | None]] | None:
        batch = self._prometheus.latest()
        return None if batch is None else frozenset(map(self._subject, batch.alerts))

    def _subject(self, alert: Alert) -> tuple[str, Scope | None]:
        """What an alert is about.  Prometheus itself knows nothing of labels that are added on the way to us."""
        return alert.name, decide(alert, self._policy).scope

    # -- people -----------------------------------------------------------------------------------------------------

    def trip(
        self,
        principal: Principal,
        action: Action,
        scope: Scope,
        reason: str,
        duration: timedelta | None = None,
        *,
        keep_protective: bool = False,
    ) -> Trip | Refusal:
        """Trip by hand: one person is enough.  Raises `StoreOutageError` after starting it from memory."""
        refusal = self._may_trip(principal, action, scope, reason, duration, keep_protective=keep_protective)
        if refusal is not None:
            return refusal
        started = self._clock.monotonic()
        request = Request(self._clock.now(), "operator", secrets.token_hex(8))
        decided = self._decide(
            lambda tx: self._decisions.by_hand(
                tx, request, principal, action, scope, reason, duration, keep_protective=keep_protective
            ),
            started,
        )
        answer = decided.answer
        assert answer is not None  # noqa: S101 - what `by_hand` promises
        return answer

    def _may_trip(  # noqa: PLR0911 - one return for each thing that can be wrong
        self,
        principal: Principal,
        action: Action,
        scope: Scope,
        reason: str,
        duration: timedelta | None,
        *,
        keep_protective: bool,
    ) -> Refusal | None:
        if not may(principal.role, Verb.TRIP):
            return Refusal("forbidden", f"role {principal.role.value} may not trip; trader, risk and admin may")
        if action is Action.PAGE:
            return Refusal("invalid", "page is not a trip; ask for reduce, halt or flatten")
        if not reason.strip():
            return Refusal("invalid", "give a reason: it goes into the journal and into the page")
        if duration is not None and action is not Action.REDUCE:
            return Refusal("invalid", "only reduce can end by itself; leave the duration out")
        if keep_protective and action is Action.FLATTEN:
            return Refusal("invalid", "a flatten keeps no stops: they go with the position; leave keep out")
        no_market = self._decisions.no_market(scope)
        if no_market is not None:
            return Refusal("invalid", no_market)
        if action is Action.FLATTEN and not self._decisions.flattenable(scope):
            return Refusal(
                "unattributable",
                f"positions of {scope} cannot be read, or not be told from other people's; halt it, or flatten "
                "a scope that names a venue account with positions",
            )
        return None

    # -- the one transaction ----------------------------------------------------------------------------------------

    def _decide(self, work: Callable[[Transaction], Decided], started: float) -> Decided:
        """Decide and write; then wake whoever makes it true."""
        written = self._commit.write(work)
        decided = written.value
        changed = self._in_flight.decided(decided.switches.values(), decided.trips, started, durable=written.durable)
        if changed:
            self._wake()
        self._count(written)
        if not written.durable:
            raise StoreOutageError("the store is out: decided in memory, and under way; send it again")
        return decided

    def _count(self, written: Written[Decided]) -> None:
        decided = written.value
        for outcome in decided.outcomes:
            self._telemetry.decisions.labels(outcome.outcome).inc()
        for code in decided.refused:
            self._telemetry.refused.labels(code).inc()
        if not written.durable:
            self._telemetry.store_failures.inc()
            self._telemetry.from_memory.inc(len(decided.trips))
        for trip in decided.trips:
            self._telemetry.trips.labels(trip.action.value, trip.source).inc()
            if trip.source == "alertmanager" and trip.started_at is not None:
                self._telemetry.stages.labels("received").observe(
                    max((trip.received_at - trip.started_at).total_seconds(), 0.0)
                )
            log.critical(
                "tripped",
                trip=trip.id,
                scope=str(trip.scope),
                action=trip.action.value,
                source=trip.source,
                actor=trip.actor,
                reason=trip.reason,
                durable=written.durable,
            )
