"""The whole line, top to bottom: parse -> decide -> one transaction -> answer -> act -> verify -> record -> tell.

`Service.receive` is where an alert comes in, already parsed by `webhook.intake`.  Everything it decides is written in
one transaction: the switch, the trip, its steps (already leased to this process), the journal, the notices.  Only then
is the caller answered and are the lines of `webhook.actions` set to work; what they find out comes back through
`webhook.recorder`.  When the store cannot take it, the same decisions are made on a store in memory and the kill runs
all the same: a broken disk must not keep orders alive.

`webhook.ruling` holds what is written about each alert, `webhook.release` is the way back, `webhook.worker` what
happens by itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.roles import Verb, may
from webhook.errors import StoreOutageError
from webhook.intake.alert import AlertStatus, Batch
from webhook.killswitch import switch as latch
from webhook.killswitch.port import ResumeRequest, Store, Transaction, Trip
from webhook.killswitch.states import Action, State
from webhook.parts import Parts
from webhook.killswitch.scope import Scope
from webhook.reading import Reading
from webhook.recorder import ACTOR
from webhook.release import Release
from webhook.ruling import AlertOutcome, Pull, Rulings

log = structlog.get_logger(__name__)

WATCHDOG = "Watchdog"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a delivery; it is on disk when this is returned."""

    accepted: int
    outcomes: tuple[AlertOutcome, ...]
    stored: bool = True


@dataclass(slots=True)
class Wanted:
    """One request that waits for its turn to be written, and what came of it."""

    decide_all: Callable[[Pull], None]
    now: datetime
    started: float
    source: str
    replays: frozenset[str]
    pull: Pull | None = None
    outage: str | None = None
    fault: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether somebody else's turn has taken it along."""
        return self.pull is not None or self.fault is not None


class Service(Reading):
    """Takes alerts and people's commands; thread-safe, and safe beside other processes on the same store."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._rulings = Rulings(parts)
        self._release = Release(parts)
        self._turn = threading.Lock()
        self._gathering = threading.Lock()
        self._waiting: list[Wanted] = []
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
        replays = self._rulings.replayed(batch)

        def everything(pull: Pull) -> None:
            for alert in batch.alerts:
                if alert.name != WATCHDOG:
                    pull.outcomes.append(self._rulings.alert(pull, alert))
            self._rulings.unreadable(pull, batch)

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
        self._pull(
            lambda pull: answer.append(self._rulings.by_hand(pull, principal, action, scope, reason, duration)),
            now,
            started,
            "operator",
        )
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
        if action is Action.FLATTEN and not self._rulings.flattenable(scope):
            return Refusal(
                "unattributable",
                f"positions of {scope} cannot be told from other people's; halt it, or flatten "
                "a scope that names the venue account",
            )
        return None

    def flattenable(self, scope: Scope) -> bool:
        """Whether positions in *scope* can be attributed in every venue account it reaches."""
        return self._rulings.flattenable(scope)

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
        """Run *decide_all* in one transaction and launch what it planned; from memory when the store is out.

        Requests that come while another one is being written share the next transaction: in a storm of alerts nobody
        waits for more than two.
        """
        wanted = Wanted(decide_all, now, started, source, replays)
        with self._gathering:
            self._waiting.append(wanted)
        with self._turn:
            if not wanted.done:
                with self._gathering:
                    group, self._waiting = self._waiting, []
                self._together(group)
        if wanted.fault is not None:
            raise wanted.fault
        if wanted.outage is not None:
            raise StoreOutageError(wanted.outage)
        assert wanted.pull is not None  # noqa: S101 - what `_together` leaves
        return wanted.pull

    def _together(self, group: list[Wanted]) -> None:
        """Decide, write and launch all of *group*; one that is at fault does not take the others along."""
        parts = self.parts
        try:
            self.adopt()
            with parts.store.begin() as tx:
                pulls = self._decide(tx, group)
        except StoreOutageError as error:
            parts.telemetry.store_failures.inc()
            log.critical("store.out", error=str(error), then="the kill runs from memory")
            with self._memory_lock:
                with parts.memory.begin() as tx:
                    pulls = self._decide(tx, group)
                self._memory_used = self._memory_used or any(pull.plans for pull in pulls)
            parts.telemetry.from_memory.inc(sum(len(pull.plans) for pull in pulls))
            for wanted in group:
                wanted.outage = str(error)
            self._launch(pulls, parts.memory)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked, who raises it
            if len(group) > 1:
                for wanted in group:
                    self._together([wanted])
            else:
                group[0].fault = error
        else:
            self._launch(pulls, parts.store)

    def _decide(self, tx: Transaction, group: list[Wanted]) -> list[Pull]:
        trips = tx.count_trips(min(wanted.now for wanted in group) - self.parts.policy.budget.window)
        pulls = []
        for wanted in group:
            pull = Pull(tx, wanted.now, wanted.started, wanted.source, trips, wanted.replays)
            wanted.decide_all(pull)
            trips = pull.recent_trips
            wanted.pull = pull
            pulls.append(pull)
        return pulls

    def _launch(self, pulls: list[Pull], store: Store) -> None:
        """It is written (or cannot be): act."""
        parts = self.parts
        gone = {trip_id for pull in pulls for trip_id in pull.superseded}
        for trip_id in gone:
            parts.lines.drop(trip_id)
            parts.recorder.forget(trip_id)
        plans = [plan for pull in pulls for plan in pull.plans if plan.trip.id not in gone]
        if not plans:
            return
        parts.recorder.follow(plans, store)
        if store is parts.store:
            stored = parts.clock.monotonic()
            for planned in plans:
                parts.recorder.stage(planned.trip.id, "stored", stored)
        parts.lines.launch(plans)
        for planned in plans:
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

        A trip that the store has meanwhile as strong or stronger is dropped: it was sent again, and is the same kill.
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
