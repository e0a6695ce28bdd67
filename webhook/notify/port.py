"""What the service asks of a way to reach a person."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class NoticeKind(StrEnum):
    """Why a person is told something."""

    TRIP = "trip"
    """A switch was tripped, or an action was asked for."""
    VERIFIED = "verified"
    """The venue was re-read: empty (and flat, if asked)."""
    NOT_VERIFIED = "not_verified"
    """A deadline passed and the scope is not empty or not known to be."""
    HALT_BROKEN = "halt_broken"
    """An order appeared in a halted scope: the engine trades through the halt."""
    UNGUARDED = "unguarded"
    """A position was left that no protective stop guards."""
    REFUSED = "refused"
    """An alert asked for something it may not have or did not say where."""
    RESUME_REQUESTED = "resume_requested"
    RESUMED = "resumed"
    PAGE = "page"
    """A rule asked only for a person."""
    FAULT = "fault"
    """The service itself is in trouble."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person must know first.

    ``key`` groups notices of one incident (PagerDuty's ``dedup_key``); ``resolves`` ends that incident.
    ``severity`` is ``critical``, ``error``, ``warning`` or ``info`` (PagerDuty's words).  ``headline`` is one line
    without jargon; ``facts`` are shown as a table, in order; values hold no secrets.  ``at`` is RFC 3339 UTC.
    """

    key: str
    kind: NoticeKind
    severity: str
    headline: str
    at: str
    facts: dict[str, Any] = field(default_factory=dict)
    resolves: bool = False
    runbook_url: str | None = None
    link: str | None = None


class Notifier(Protocol):
    """One destination.  `send` returns when the other side has accepted, and raises otherwise."""

    name: str

    def accepts(self, notice: Notice) -> bool:
        """Whether this destination wants it (its configured kinds and least severity)."""

    def send(self, notice: Notice, timeout: float) -> None:
        """Deliver; raises `TemporaryError` (tried again, ``retry_after`` honoured) or `PermanentError` (given up)."""

    def ping(self, timeout: float) -> None:
        """Check the destination without disturbing anybody where that is possible; raises as `send` does."""

    def close(self) -> None:
        """Release connections."""
