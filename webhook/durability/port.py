"""What the service asks of a store.

One `Transaction` is one unit: either all of it is on disk when ``begin()`` ends, or none, and then
`webhook.errors.StoreOutageError` was raised.  Write transactions are serialised over all processes that share the
store, so "read the switch, then write it" is safe inside one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from webhook.access.resume import ResumeRequest, ResumeStatus
from webhook.audit.record import Record
from webhook.intake.episode import Episode
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.lease import Lease
from webhook.killswitch.scope import Scope
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, Trip
from webhook.notify.parcel import Parcel


class Transaction(Protocol):
    """Reads and writes of one unit; usable only inside its ``with`` block and in one thread."""

    def now(self) -> datetime:
        """The time by the clock of the store, which all processes that share it agree on."""

    def switches(self) -> tuple[Switch, ...]:
        """Every switch that ever left NORMAL."""

    def switch(self, scope: Scope) -> Switch:
        """The switch of exactly this scope; a NORMAL one with version 0 when there is none yet."""

    def put_switch(self, switch: Switch) -> None:
        """Insert or replace."""

    def trip(self, trip_id: str) -> Trip | None:
        """One trip, or None."""

    def trips(self, *, open_only: bool = False, limit: int = 100) -> tuple[Trip, ...]:
        """The newest first."""

    def put_trip(self, trip: Trip) -> None:
        """Insert or replace; a trip that was closed stays closed."""

    def count_trips(self, since: datetime) -> int:
        """How many trips of alerts that reached a venue account were received since then (the trip budget)."""

    def progress(self, trip_ids: Sequence[str]) -> tuple[Progress, ...]:
        """The rows of these trips."""

    def put_progress(self, rows: Sequence[Progress]) -> int:
        """Insert or replace; an older row (by epoch and revision) never replaces a newer one.

        Returns how many were taken: none of them, when another process looks after the target by now.
        """

    def commanded(self, engine: str) -> tuple[Commanded, ...]:
        """What each part of an engine was last told."""

    def put_commanded(self, rows: Sequence[Commanded]) -> None:
        """Insert or replace, as `put_progress`."""

    def episode(self, fingerprint: str, starts_at: datetime) -> Episode | None:
        """What is known of one alert episode."""

    def put_episode(self, episode: Episode) -> None:
        """Insert or replace."""

    def firing_episodes(self, since: datetime, *, found: bool = False) -> tuple[Episode, ...]:
        """The episodes that were last heard as firing, and heard since then; with those that only the poll *found*."""

    def resume_request(self, request_id: str) -> ResumeRequest | None:
        """One request, or None."""

    def resume_requests(self, *, status: ResumeStatus | None = None) -> tuple[ResumeRequest, ...]:
        """The newest first."""

    def put_resume_request(self, request: ResumeRequest) -> None:
        """Insert or replace."""

    def enqueue(self, notifier: str, key: str, notice: dict[str, Any], at: datetime) -> None:
        """Put one notice into the outbox for one notifier."""

    def claim_parcels(self, holder: str, now: datetime, until: datetime, limit: int) -> tuple[Parcel, ...]:
        """Take waiting parcels that are due and not held; of one key and notifier only the oldest waiting one."""

    def put_parcels(self, parcels: Sequence[Parcel]) -> None:
        """Replace parcels (after a try)."""

    def waiting_parcels(self) -> dict[str, int]:
        """How many wait, per notifier."""

    def append(self, kind: str, actor: str, body: dict[str, Any], at: datetime, *, version: int = 1) -> Record:
        """Add to the journal, chained; the sequence has no hole even with several processes."""

    def records(self, *, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        """The journal from sequence ``after`` + 1 on, oldest first."""

    def last_record(self) -> Record | None:
        """The head of the chain."""

    def acquire_lease(self, name: str, holder: str, lifetime: timedelta, *, gone: bool = False) -> Lease | None:
        """Hold a target or duty: the lease when it is mine now, None while another holds it.

        Renewing is acquiring again: the epoch stays while the holder does.  It grows at every change of hands.  *gone*:
        the present holder certainly ended, so its time need not run out.
        """

    def lease(self, name: str) -> Lease | None:
        """Who holds it, or held it last; None when nobody ever did."""

    def release_lease(self, name: str, holder: str) -> None:
        """Give it up, so that another process need not wait for its end; the epoch is kept."""


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
