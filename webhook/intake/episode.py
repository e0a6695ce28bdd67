"""What is remembered of an alert, so that a repeat is known as one."""

from dataclasses import dataclass
from datetime import datetime

from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert, from its start: keyed by its labels' hash and ``starts_at``.

    ``status`` is ``firing`` or ``resolved``, as last heard, or ``found``: the poll found it firing in Prometheus.
    ``resolved_at`` is when it was last heard to be resolved (None: never).  ``outcome`` is what was decided: see
    `webhook.service.decisions.AlertOutcome`.  ``scope`` and ``granted`` are what policy made of it: a repeat gets no
    more than that.
    """

    fingerprint: str
    starts_at: datetime
    name: str
    status: str
    outcome: str
    first_seen: datetime
    last_seen: datetime
    count: int = 1
    trip_id: str | None = None
    scope: Scope | None = None
    granted: Action | None = None
    resolved_at: datetime | None = None
