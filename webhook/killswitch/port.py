"""The durable things of the service, and what it asks of a store.

One `Transaction` is one unit: either all of it is on disk when ``begin()`` ends, or none, and then
`webhook.errors.StoreOutageError` was raised.  Write transactions are serialised over all processes that share the
store, so "read the switch, then write it" is safe inside one.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from webhook.killswitch.states import Action, State
from webhook.killswitch.scope import Scope


@dataclass(frozen=True, slots=True)
class Switch:
    """The state of one scope.

    ``action`` is the strongest action since it left NORMAL (None in NORMAL); ``trip_id`` the trip that brought it where
    it is; ``tripped_by`` the role class of who did (``alert``, or an operator's role): a trader may not clear what risk
    set.  ``until`` ends DEGRADED by itself (None: it does not end).  ``version`` grows by one with each change.
    """

    scope: Scope
    state: State
    action: Action | None = None
    trip_id: str | None = None
    tripped_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    version: int = 0


class TripStatus(StrEnum):
    """How far a trip is."""

    RUNNING = "running"
    VERIFIED = "verified"
    """Re-read: empty, and flat if asked; the scope is now kept empty by the sweep."""
    UNVERIFIED = "unverified"
    """The deadline passed; the service keeps trying and says so."""
    SHADOW = "shadow"
    """Nothing was sent: every venue in scope is in shadow mode."""
    CLOSED = "closed"
    """The scope was resumed, or a stronger trip took over."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One transition towards HALTED (or DEGRADED) and everything done for it.

    ``requested`` is what was asked for, ``action`` what policy allowed.  ``source`` is ``alertmanager``, ``prometheus``
    (found firing by the poll), ``operator`` or ``truncated``; ``actor`` who (operator's name, or the alert's name).
    ``labels`` and ``annotations`` are the alert's.  ``stages`` maps a stage (``received``, ``stored``, ``blocked``,
    ``first_cancel_sent``, ``empty``, ``flat``) to the seconds since the service received the request; ``started_at`` is
    the alert's own start (``startsAt``), ``received_at`` when the service got it.  ``residual`` holds, per venue
    account, what was left at the last re-read: ``{"orders": n, "notional": "1.0", "positions": n, "at": iso}``.
    """

    id: str
    scope: Scope
    action: Action
    requested: Action
    source: str
    actor: str
    reason: str
    received_at: datetime
    started_at: datetime | None = None
    status: TripStatus = TripStatus.RUNNING
    fingerprint: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    residual: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed_at: datetime | None = None


class StepKind(StrEnum):
    """What a step does."""

    BLOCK = "block"
    """Tell one engine to stop (or to reduce only)."""
    CANCEL = "cancel"
    """First, fast cancel at one venue account."""
    VERIFY = "verify"
    """Re-read and cancel again until one venue account is empty in scope."""
    FLATTEN = "flatten"
    """Close positions in scope, reduce-only, in slices."""
    VERIFY_FLAT = "verify_flat"
    """Re-read until no position and no order is left."""


class StepStatus(StrEnum):
    """How far a step is; `DONE`, `FAILED` and `SKIPPED` are final."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not needed or not allowed: shadow mode, a venue without positions."""

    @property
    def final(self) -> bool:
        """Whether nothing will change it any more."""
        return self in (StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Step:
    """One durable, leased, idempotent piece of a trip.

    ``target`` is the name of the engine or venue account; ``order`` its place in the trip (steps of one target run in
    this order).  ``owner`` and ``lease_until`` say which process works on it: when the lease is over, another may claim
    it.  ``deadline`` is when a person must be told that it is late.  ``result`` is what it found, JSON-able.
    """

    id: str
    trip_id: str
    kind: StepKind
    target: str
    order: int
    deadline: datetime
    status: StepStatus = StepStatus.PENDING
    owner: str | None = None
    lease_until: datetime | None = None
    tries: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class Parcel:
    """One notice on its way to one notifier, in the durable outbox.

    ``notice`` is the JSON of a `webhook.notify.port.Notice`; ``next_at`` when it may be tried (again); ``status`` is
    ``waiting``, ``sent`` or ``failed`` (given up: permanent refusal or too old).  Parcels of one ``key`` and notifier
    go out in the order of ``id``, so that a resolve never overtakes its trigger.
    """

    id: int
    notifier: str
    key: str
    notice: dict[str, Any]
    created_at: datetime
    next_at: datetime
    status: str = "waiting"
    tries: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of the audit journal; ``hash`` covers ``previous`` and the canonical bytes of everything else.

    ``sequence`` counts from 1 without a hole; ``kind`` and ``version`` name the shape of ``body``.
    """

    sequence: int
    at: datetime
    kind: str
    version: int
    actor: str
    body: dict[str, Any]
    previous: str
    hash: str


class Transaction(Protocol):
    """Reads and writes of one unit; usable only inside its ``with`` block and in one thread."""

    def switches(self) -> tuple[Switch, ...]:
        """Every switch that ever left NORMAL."""

    def switch(self, scope: Scope) -> Switch:
        """The switch of exactly this scope; a NORMAL one with version 0 when there is none yet."""

    def put_switch(self, switch: Switch) -> None:
        """Insert or replace."""

    def trip(self, trip_id: str) -> Trip | None:
        """One trip, or None."""

    def trips(self, *, statuses: tuple[TripStatus, ...] | None = None, limit: int = 100) -> tuple[Trip, ...]:
        """The newest first."""

    def put_trip(self, trip: Trip) -> None:
        """Insert or replace."""

    def count_trips(self, since: datetime) -> int:
        """How many trips with an action above `Action.PAGE` were received since then (the trip budget)."""

    def steps(self, trip_id: str) -> tuple[Step, ...]:
        """The steps of one trip, by ``order`` and ``id``."""

    def put_steps(self, steps: tuple[Step, ...]) -> None:
        """Insert or replace, in one statement where possible (a trip of 300 alerts has thousands)."""

    def claim_steps(self, trip_id: str, owner: str, now: datetime, until: datetime) -> tuple[Step, ...]:
        """Take every unfinished step of the trip that nobody holds (lease over, or none, or already mine).

        One atomic update: two processes never get the same step.  Returns the steps as they are now, claimed.
        """

    def episode(self, fingerprint: str, starts_at: datetime) -> Episode | None:
        """What is known of one alert episode."""

    def put_episode(self, episode: Episode) -> None:
        """Insert or replace."""

    def resume_request(self, request_id: str) -> ResumeRequest | None:
        """One request, or None."""

    def resume_requests(self, *, status: ResumeStatus | None = None) -> tuple[ResumeRequest, ...]:
        """The newest first."""

    def put_resume_request(self, request: ResumeRequest) -> None:
        """Insert or replace."""

    def enqueue(self, notifier: str, key: str, notice: dict[str, Any], at: datetime) -> None:
        """Put one notice into the outbox for one notifier."""

    def claim_parcels(self, owner: str, now: datetime, until: datetime, limit: int) -> tuple[Parcel, ...]:
        """Take waiting parcels that are due and not held; of one key and notifier only the oldest waiting one."""

    def put_parcel(self, parcel: Parcel) -> None:
        """Replace a parcel (after a try)."""

    def waiting_parcels(self) -> dict[str, int]:
        """How many wait, per notifier."""

    def append(self, kind: str, actor: str, body: dict[str, Any], at: datetime, *, version: int = 1) -> Record:
        """Add to the journal, chained; the sequence has no hole even with several processes."""

    def records(self, *, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        """The journal from sequence ``after`` + 1 on, oldest first."""

    def last_record(self) -> Record | None:
        """The head of the chain."""

    def acquire_lease(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Hold a named duty (the sweep, the outbox): True when it is mine until then; renewing is acquiring again."""

    def lease_owner(self, name: str) -> str | None:
        """Who holds a named duty, or held it last; None when nobody does."""

    def release_lease(self, name: str, owner: str) -> None:
        """Give a duty up, so that another process need not wait for its end."""


class Store(Protocol):
    """Where the durable things are; `webhook.storage` has the kinds."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """A serialised write transaction: committed (and synced) when the block ends, rolled back when it raises."""

    def view(self) -> AbstractContextManager[Transaction]:
        """A consistent read; writing in it is a programming error and raises."""

    def ping(self) -> None:
        """Prove that it can *write* (the health page asks); raises `StoreOutageError`."""

    def close(self) -> None:
        """Release connections."""
