"""Kill alerts that fire in Prometheus and that nobody brought.

A silence, a dead Alertmanager, a re-fire that it swallowed: none of them may keep a kill from happening.
"""

from dataclasses import replace
from datetime import timedelta

import structlog

from webhook.clock import Clock
from webhook.durability.group_commit import GroupCommit
from webhook.durability.port import Transaction
from webhook.errors import AndonError, StoreOutageError
from webhook.intake.alert import Alert, Batch
from webhook.killswitch.states import Action
from webhook.net.prometheus import FiringAlerts
from webhook.policy.decide import Outcome, decide
from webhook.policy.rule import Policy
from webhook.service.decisions import Decisions
from webhook.service.in_flight import InFlight
from webhook.service.service import Service
from webhook.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=3)
"""An alert younger than this is left to Alertmanager, which brings it in a fraction of a second."""


class Poll:
    """Asks, and hands on what is news."""

    def __init__(
        self,
        service: Service,
        in_flight: InFlight,
        decisions: Decisions,
        commit: GroupCommit,
        prometheus: FiringAlerts,
        policy: Policy,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._service, self._in_flight, self._decisions = service, in_flight, decisions
        self._commit, self._prometheus, self._telemetry, self._clock = commit, prometheus, telemetry, clock
        # Labels that are added on the way to Alertmanager are missing here: that is no reason to stop more.
        self._policy = replace(policy, missing_label="refuse")

    def run(self) -> None:
        """Act on every kill alert that fires, is not young, and is not carried out yet."""
        try:
            batch = self._prometheus.firing()
        except AndonError:
            self._telemetry.prometheus_up.set(0)
            raise
        self._telemetry.prometheus_up.set(1)
        now = self._clock.now()
        # A start in the future is a clock that is wrong, and the alert fires all the same.
        kills = [
            alert
            for alert in batch.alerts
            if not timedelta(0) <= now - alert.starts_at < GRACE and self._is_news(alert)
        ]
        if kills:
            log.warning("poll.found", alerts=[alert.name for alert in kills])
            self._service.receive(Batch(tuple(kills), "", "", 0, "prometheus"), now)

    def _is_news(self, alert: Alert) -> bool:
        decision = decide(alert, self._policy)
        if decision.outcome is not Outcome.TRIP or decision.scope is None:
            return False
        switch = next((one for one in self._in_flight.standing().switches if one.scope == decision.scope), None)
        held = switch.action.rank if switch is not None and switch.action is not None else 0
        if held >= decision.action.rank:
            return False
        if held == Action.HALT.rank and not self._decisions.flattenable(decision.scope):
            return False
        if self._decisions.no_market(decision.scope) is not None:
            # Refused and paged when it was brought; it stays refused.
            return not self._known(alert)
        return held == 0 or not self._known(alert)

    def _known(self, alert: Alert) -> bool:
        """Whether this episode was decided about, and what it got still stands: asking again changes nothing."""

        def known(tx: Transaction) -> bool:
            episode = tx.episode(alert.fingerprint, alert.starts_at)
            trip = None if episode is None or episode.trip_id is None else tx.trip(episode.trip_id)
            return episode is not None and (trip is None or trip.closed_at is None)

        try:
            # Asked of the writer, which says at once that the store hangs.
            return self._commit.write_durably(known)
        except StoreOutageError:
            return False
