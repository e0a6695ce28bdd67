"""A request to resume a scope, and how far it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from webhook.killswitch.scope import Scope


class ResumeStatus(StrEnum):
    """How far a request to resume is."""

    PENDING = "pending"
    APPROVED = "approved"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """One person asks to resume a scope; another one approves before ``expires_at``.

    ``switch_version`` is the switch as it was asked about: a new trip in between makes the request void.
    """

    id: str
    scope: Scope
    requested_by: str
    reason: str
    requested_at: datetime
    expires_at: datetime
    switch_version: int
    status: ResumeStatus = ResumeStatus.PENDING
    approved_by: str | None = None
    decided_at: datetime | None = None
