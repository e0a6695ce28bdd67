"""What is remembered of an alert, so that a repeat is known as one."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert, from its start: keyed by its labels' hash and ``starts_at``, so that a repeat is known as one."""

    fingerprint: str
    starts_at: datetime
    status: str
    """``firing`` or ``resolved``, as last heard."""
    outcome: str
    """What was decided: ``tripped``, ``already``, ``paged``, ``refused``, ``recorded``."""
    first_seen: datetime
    last_seen: datetime
    count: int = 1
    trip_id: str | None = None
