"""The way back: one person asks, another approves, and nothing that still fires is released.

Only this page leads out of HALTED, and it changes switches, nothing else: the reconcilers see that nothing holds a
target any more, and let it trade.  A resume is never decided in memory: without the store everything stays stopped.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from webhook.access import approvals
from webhook.access.principal import Principal
from webhook.access.refusal import Refusal
from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.access.roles import Verb, may
from webhook.clock import Clock
from webhook.durability.group_commit import GroupCommit
from webhook.durability.port import Transaction
from webhook.errors import AndonError
from webhook.intake.alert import Batch
from webhook.killswitch import switch as latch
from webhook.killswitch.scope import Scope
from webhook.killswitch.switch import Switch
from webhook.net.prometheus import FiringAlerts
from webhook.notify.compose import Composer
from webhook.notify.port import Notifier
from webhook.policy.decide import Outcome, decide
from webhook.policy.rule import Policy
from webhook.service.decisions import close_trip
from webhook.service.in_flight import InFlight
from webhook.service.outbox import enqueue
from webhook.service.recorder import ACTOR

log = structlog.get_logger(__name__)

HEARD_SECONDS = 90.0
"""An alert that Alertmanager brought so long ago, and did not resolve, still fires: it repeats a kill every 30 s."""


class Resumes:
    """Requests, approvals and what ends by itself; thread-safe."""

    def __init__(
        self,
        commit: GroupCommit,
        in_flight: InFlight,
        prometheus: FiringAlerts,
        policy: Policy,
        notifiers: Mapping[str, Notifier],
        composer: Composer,
        clock: Clock,
        lifetime: timedelta,
        wake: Callable[[], None],
    ) -> None:
        """*lifetime*: how long a request waits for the second person.  *wake* has the reconcilers look again."""
        self._commit, self._in_flight, self._prometheus = commit, in_flight, prometheus
        self._policy, self._notifiers, self._composer = policy, notifiers, composer
        self._clock, self._lifetime, self._wake = clock, lifetime, wake

    def request(self, principal: Principal, scope: Scope, reason: str) -> ResumeRequest | Refusal:
        """Ask to resume; refused while a kill alert that reaches this scope fires.

        Where everything in reach is in shadow mode nothing was stopped, and one person is enough.
        """
        if not may(principal.role, Verb.REQUEST_RESUME):
            return Refusal(
                "forbidden", f"role {principal.role.value} may not ask to resume; trader, risk and admin may"
            )
        firing = self.still_firing(scope)
        if firing is not None:
            return firing
        now, request_id = self._clock.now(), secrets.token_hex(3)
        alone = self._in_flight.all_shadow(scope)

        def write(tx: Transaction) -> tuple[ResumeRequest | Refusal, Switch | None]:
            before = tx.switch(scope)
            answer = approvals.request(
                principal,
                before,
                reason=reason,
                request_id=f"R{now:%Y%m%dT%H%M%S}-{request_id}",
                now=now,
                lifetime=self._lifetime,
                pending=tx.resume_requests(status=ResumeStatus.PENDING),
            )
            if isinstance(answer, Refusal):
                return answer, None
            tx.append("resume_requested", principal.name, _facts(answer), now)
            if alone:
                answer = replace(answer, status=ResumeStatus.APPROVED, approved_by=principal.name, decided_at=now)
                tx.put_resume_request(answer)
                facts = {**_facts(answer), "why": "shadow mode: nothing was stopped"}
                return answer, self._to_normal(tx, before, now, principal.name, principal.name, facts)
            tx.put_resume_request(answer)
            enqueue(tx, self._composer.resume_requested(answer), self._notifiers)
            return answer, None

        answer, after = self._commit.write_durably(write)
        if after is not None:
            self._released((after,))
        return answer

    def approve(self, principal: Principal, request_id: str) -> ResumeRequest | Refusal:
        """Approve somebody else's request: the scope is NORMAL, on disk, when this returns a request."""
        if not may(principal.role, Verb.APPROVE_RESUME):
            return Refusal("forbidden", f"role {principal.role.value} may not approve a resume; risk and admin may")
        with self._commit.view() as tx:
            found = tx.resume_request(request_id)
        if found is None:
            return Refusal("not_found", f"there is no request {request_id}")
        firing = self.still_firing(found.scope)
        if firing is not None:
            return firing
        now = self._clock.now()

        def write(tx: Transaction) -> tuple[ResumeRequest | Refusal, Switch | None]:
            # Everything is looked at again, here, where nobody can change it any more.
            request = tx.resume_request(request_id)
            if request is None:
                return Refusal("not_found", f"there is no request {request_id}"), None
            before = tx.switch(request.scope)
            answer = self._heard_firing(tx, request.scope, now) or approvals.approve(request, principal, before, now)
            if isinstance(answer, Refusal):
                tx.append("resume_refused", principal.name, {**_facts(request), "code": answer.code}, now)
                return answer, None
            tx.put_resume_request(answer)
            by = f"{request.requested_by} and {principal.name}"
            facts = {**_facts(answer), "approved_by": principal.name}
            return answer, self._to_normal(tx, before, now, by, principal.name, facts)

        answer, after = self._commit.write_durably(write)
        if after is not None:
            self._released((after,))
        return answer

    def withdraw(self, principal: Principal, request_id: str) -> ResumeRequest | Refusal:
        """Take a request back: its author, or anybody who could approve it."""
        now = self._clock.now()

        def write(tx: Transaction) -> ResumeRequest | Refusal:
            request = tx.resume_request(request_id)
            if request is None:
                return Refusal("not_found", f"there is no request {request_id}")
            done = approvals.withdraw(request, principal, now)
            if isinstance(done, ResumeRequest):
                tx.put_resume_request(done)
                tx.append("resume_withdrawn", principal.name, _facts(done), now)
            return done

        return self._commit.write_durably(write)

    def expire(self) -> None:
        """End what ends by itself: requests nobody approved, and DEGRADED switches whose time is over."""
        now = self._clock.now()
        with self._commit.view() as tx:
            pending = tx.resume_requests(status=ResumeStatus.PENDING)
            stale = [one.id for one in pending if approvals.expire(one, now) is not None]
            over = [one.scope for one in tx.switches() if latch.expire(one, now) is not None]
        if not stale and not over:
            return

        def write(tx: Transaction) -> list[Switch]:
            for request_id in stale:
                # Read again: somebody may have approved or withdrawn it meanwhile.
                request = tx.resume_request(request_id)
                done = None if request is None else approvals.expire(request, now)
                if done is not None:
                    tx.put_resume_request(done)
                    tx.append("resume_expired", ACTOR, _facts(done), now)
            changed = []
            for scope in over:
                before = tx.switch(scope)
                if latch.expire(before, now) is not None:
                    facts = {"why": "the duration is over"}
                    changed.append(self._to_normal(tx, before, now, "its own end", ACTOR, facts))
            return changed

        self._released(self._commit.write_durably(write))

    def _released(self, switches: Sequence[Switch]) -> None:
        if self._in_flight.decided(switches, (), 0.0, durable=True):
            self._wake()

    # -- what still fires -------------------------------------------------------------------------------------------

    def still_firing(self, scope: Scope) -> Refusal | None:
        """Refuse when a kill alert that reaches *scope* fires, or when that cannot be known.

        Prometheus is asked, and so is what Alertmanager brought: an alert of a second Prometheus, or one whose labels
        are added on the way, is in no list that we can read.
        """
        try:
            batch = self._prometheus.firing()
        except AndonError as error:
            return Refusal(
                "prometheus_unknown",
                f"Prometheus cannot say whether a kill alert still fires ({error}); not knowing is no reason to resume",
            )
        with self._commit.view() as tx:
            heard = self._heard_firing(tx, scope, self._clock.now())
        return _refusal(self._names(batch, scope)) or heard

    def _names(self, batch: Batch, scope: Scope) -> set[str]:
        names = set()
        for alert in batch.alerts:
            decision = decide(alert, self._policy)
            if decision.outcome is Outcome.TRIP and decision.scope is not None and decision.scope.overlaps(scope):
                names.add(f"{alert.name} on {decision.scope}")
            elif decision.code == "missing_label" and _may_be(alert.labels, scope):
                # Labels that Prometheus adds on the way to Alertmanager are not here.
                names.add(f"{alert.name} on a scope that its labels here do not name")
        return names

    @staticmethod
    def _heard_firing(tx: Transaction, scope: Scope, now: datetime) -> Refusal | None:
        return _refusal(
            {
                f"{episode.name} on {episode.scope}"
                for episode in tx.firing_episodes(now - timedelta(seconds=HEARD_SECONDS))
                if episode.granted is not None and episode.scope is not None and episode.scope.overlaps(scope)
            }
        )

    def _to_normal(
        self, tx: Transaction, before: Switch, now: datetime, by: str, actor: str, facts: Mapping[str, object]
    ) -> Switch:
        """Write the resume of one switch, and close its trip."""
        after = latch.resume(before, now)
        tx.put_switch(after)
        if before.trip_id is not None:
            close_trip(tx, before.trip_id, now)
        body = {"scope": str(before.scope), "from": before.state.value, "by": by, "trip": before.trip_id, **facts}
        tx.append("resumed", actor, body, now)
        enqueue(tx, self._composer.resumed(before, now, by), self._notifiers)
        return after


def _refusal(names: set[str]) -> Refusal | None:
    return Refusal("still_firing", f"still firing: {', '.join(sorted(names))}; mend that first") if names else None


def _may_be(labels: Mapping[str, str], scope: Scope) -> bool:
    return all(labels.get(name) in (None, "", value) for name, value in scope.constraints)


def _facts(request: ResumeRequest) -> dict[str, object]:
    return {
        "request": request.id,
        "scope": str(request.scope),
        "requested_by": request.requested_by,
        "reason": request.reason,
        "switch_version": request.switch_version,
    }
