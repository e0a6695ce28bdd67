"""A notice on its way to one destination."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Parcel:
    """One notice on its way to one notifier, in the durable outbox.

    ``notice`` is the JSON of a `webhook.notify.port.Notice`; ``next_at`` when it may be tried (again); ``status`` is
    ``waiting``, ``sent`` or ``failed`` (given up: permanent refusal or too old).  Parcels of one ``key`` and notifier
    go out in the order of ``id``, so that a resolve never overtakes its trigger.  The same notice, written to the store
    and to the memory that stands in for it, has the same ``notice["id"]``: it is sent once.
    """

    id: int
    notifier: str
    key: str
    notice: dict[str, Any]
    created_at: datetime
    next_at: datetime
    status: str = "waiting"
    tries: int = 0
    holder: str | None = None
    lease_until: datetime | None = None
    last_error: str | None = None
