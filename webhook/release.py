"""The way back: one person asks, another approves, and nothing that still fires is released.

Only this page leads out of HALTED.  The engines are told to trade again after the switch is NORMAL on disk, and only
where no other switch holds them; when that fails they stay stopped, which is safe, and a person is told.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from webhook.access import approvals
from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.roles import Verb, may
from webhook.actions.engine_line import EngineLine
from webhook.actions.port import EngineState
from webhook.errors import AndonError
from webhook.killswitch import switch as latch
from webhook.killswitch.port import ResumeRequest, ResumeStatus, Switch, Transaction, TripStatus
from webhook.killswitch.states import State
from webhook.notify.outbox import enqueue
from webhook.parts import Parts
from webhook.policy.decide import Outcome, decide
from webhook.killswitch.scope import Scope
from webhook.recorder import ACTOR

log = structlog.get_logger(__name__)


class Release:
    """Requests, approvals and what follows; thread-safe."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def request(self, principal: Principal, scope: Scope, reason: str) -> ResumeRequest | Refusal:
        """Ask to resume; refused while a kill alert that reaches this scope fires."""
        parts = self._parts
        if not may(principal.role, Verb.REQUEST_RESUME):
            return Refusal(
                "forbidden", f"role {principal.role.value} may not ask to resume; trader, risk and admin may"
            )
        firing = self.still_firing(scope)
        if firing is not None:
            return firing
        now = parts.clock.now()
        with parts.store.begin() as tx:
            answer = approvals.request(
                principal,
                tx.switch(scope),
                reason=reason,
                request_id=f"R{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
                now=now,
                lifetime=parts.resume_ttl,
                pending=tx.resume_requests(status=ResumeStatus.PENDING),
            )
            if isinstance(answer, ResumeRequest):
                tx.put_resume_request(answer)
                tx.append("resume_requested", principal.name, _facts(answer), now)
                enqueue(tx, parts.composer.resume_requested(answer), parts.notifiers)
        return answer

    def approve(self, principal: Principal, request_id: str) -> ResumeRequest | Refusal:
        """Approve somebody else's request: the scope is NORMAL, on disk, when this returns a request."""
        parts = self._parts
        if not may(principal.role, Verb.APPROVE_RESUME):
            return Refusal("forbidden", f"role {principal.role.value} may not approve a resume; risk and admin may")
        with parts.store.view() as tx:
            request = tx.resume_request(request_id)
        if request is None:
            return Refusal("not_found", f"there is no request {request_id}")
        firing = self.still_firing(request.scope)
        if firing is not None:
            return firing
        now = parts.clock.now()
        with parts.store.begin() as tx:
            # Read again: somebody else may have decided it meanwhile.
            request = tx.resume_request(request_id) or request
            before = tx.switch(request.scope)
            answer = approvals.approve(request, principal, before, now)
            if isinstance(answer, Refusal):
                tx.append("resume_refused", principal.name, {**_facts(request), "code": answer.code}, now)
                return answer
            tx.put_resume_request(answer)
            closed = self._to_normal(
                tx,
                before,
                now,
                f"{request.requested_by} and {principal.name}",
                principal.name,
                {**_facts(answer), "approved_by": principal.name},
            )
        self._let_go(before, closed)
        return answer

    def withdraw(self, principal: Principal, request_id: str) -> ResumeRequest | Refusal:
        """Take a request back: its author, or anybody who could approve it."""
        parts = self._parts
        now = parts.clock.now()
        with parts.store.begin() as tx:
            request = tx.resume_request(request_id)
            if request is None:
                return Refusal("not_found", f"there is no request {request_id}")
            done = approvals.withdraw(request, principal, now)
            if isinstance(done, Refusal):
                return done
            tx.put_resume_request(done)
            tx.append("resume_withdrawn", principal.name, _facts(done), now)
        return done

    def expire(self) -> None:
        """End what ends by itself: requests nobody approved, and DEGRADED switches whose time is over."""
        parts = self._parts
        now = parts.clock.now()
        with parts.store.view() as tx:
            pending = tx.resume_requests(status=ResumeStatus.PENDING)
            stale = [one for one in pending if approvals.expire(one, now) is not None]
            over = [one for one in tx.switches() if latch.expire(one, now) is not None]
        if not stale and not over:
            return
        freed: list[tuple[Switch, list[str]]] = []
        with parts.store.begin() as tx:
            for one in stale:
                # Read again: somebody may have approved or withdrawn it meanwhile.
                request = tx.resume_request(one.id)
                done = None if request is None else approvals.expire(request, now)
                if done is not None:
                    tx.put_resume_request(done)
                    tx.append("resume_expired", ACTOR, _facts(done), now)
            for switch in over:
                before = tx.switch(switch.scope)
                if latch.expire(before, now) is not None:
                    closed = self._to_normal(tx, before, now, "its own end", ACTOR, {"why": "the duration is over"})
                    freed.append((before, closed))
        for before, closed in freed:
            self._let_go(before, closed)

    def still_firing(self, scope: Scope) -> Refusal | None:
        """Refuse when a kill alert that reaches *scope* fires in Prometheus, or when that cannot be known."""
        try:
            batch = self._parts.prometheus.firing()
        except AndonError as error:
            return Refusal(
                "prometheus_unknown",
                f"Prometheus cannot say whether a kill alert still fires ({error}); not knowing is no reason to resume",
            )
        names = set()
        for alert in batch.alerts:
            decision = decide(alert, self._parts.policy)
            if decision.outcome is Outcome.TRIP and decision.scope is not None and decision.scope.overlaps(scope):
                names.add(f"{alert.name} on {decision.scope}")
        if names:
            return Refusal("still_firing", f"still firing: {', '.join(sorted(names))}; mend that first")
        return None

    def _to_normal(
        self, tx: Transaction, before: Switch, now: datetime, by: str, actor: str, facts: dict[str, object]
    ) -> list[str]:
        """Write the resume of one switch; returns the trips that end with it."""
        after = latch.resume(before, now)
        tx.put_switch(after)
        closed = []
        for trip in tx.trips(
            statuses=(TripStatus.RUNNING, TripStatus.VERIFIED, TripStatus.UNVERIFIED, TripStatus.SHADOW), limit=100_000
        ):
            if trip.scope == before.scope:
                live = self._parts.recorder.run_of(trip.id)
                newest = live[0] if live else trip
                tx.put_trip(replace(newest, status=TripStatus.CLOSED, closed_at=now))
                closed.append(trip.id)
        tx.append(
            "resumed",
            actor,
            {"scope": str(before.scope), "from": before.state.value, "by": by, "trips": closed, **facts},
            now,
        )
        enqueue(tx, self._parts.composer.resumed(before, now, by), self._parts.notifiers)
        return closed

    def _let_go(self, before: Switch, closed: list[str]) -> None:
        """The switch is NORMAL on disk: stop the sweep, and let the engines trade where nothing else holds them."""
        parts = self._parts
        for trip_id in closed:
            parts.lines.drop(trip_id)
            parts.recorder.forget(trip_id)
        with parts.store.view() as tx:
            held = [one for one in tx.switches() if one.state is not State.NORMAL]
        for name, line in parts.lines.engines.items():
            if line.shadow or not line.engine.scope.overlaps(before.scope):
                continue
            others = [one for one in held if one.scope.overlaps(line.engine.scope)]
            halted = [one for one in others if one.state is State.HALTED]
            if any(other.scope.contains(before.scope) for other in halted):
                continue
            if halted and not set(before.scope.dimensions) <= set(line.engine.capabilities.scopes):
                # It can only be resumed wider than asked, and would run where another switch holds.
                self._tell_engine_trouble(name, before.scope, f"it stays stopped for {halted[0].scope}")
                continue
            self._resume_engine(line, before.scope, others)

    def _resume_engine(self, line: EngineLine, scope: Scope, others: Sequence[Switch]) -> None:
        """Let an engine trade in *scope*, and tell it again what *others* hold inside it."""
        engine = line.engine
        try:
            state = engine.resume(scope, "resumed", line.timeout)
            for other in sorted(others, key=lambda one: one.state.rank):
                if other.scope.overlaps(scope):
                    send = engine.reduce_only if other.state is State.DEGRADED else engine.block
                    send(other.scope, f"still held by trip {other.trip_id}", line.timeout)
        except AndonError as error:
            self._tell_engine_trouble(engine.name, scope, str(error))
            return
        if state is not EngineState.RUNNING:
            self._tell_engine_trouble(engine.name, scope, f"it answered {state.value}")

    def _tell_engine_trouble(self, engine: str, scope: Scope, error: str) -> None:
        parts = self._parts
        now = parts.clock.now()
        log.error("engine.not_resumed", engine=engine, scope=str(scope), error=error)
        headline = f"{scope} is resumed, but engine {engine} is not: {error}"
        with parts.store.begin() as tx:
            tx.append("engine_not_resumed", ACTOR, {"engine": engine, "scope": str(scope), "error": error}, now)
            enqueue(tx, parts.composer.fault(f"resume/{engine}/{scope}", headline, now), parts.notifiers)


def _facts(request: ResumeRequest) -> dict[str, object]:
    return {
        "request": request.id,
        "scope": str(request.scope),
        "requested_by": request.requested_by,
        "reason": request.reason,
        "switch_version": request.switch_version,
    }
