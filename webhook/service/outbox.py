"""The durable outbox: notices go out with retries, from threads of their own, never in the way of a kill."""

import hashlib
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import structlog

from webhook.audit.canonical import canonical
from webhook.clock import Clock
from webhook.durability.group_commit import Work
from webhook.durability.port import Transaction
from webhook.errors import AndonError, PermanentError, StoreOutageError, TemporaryError
from webhook.notify.parcel import Parcel
from webhook.notify.port import Notice, NoticeKind, Notifier

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
SEND_TIMEOUT_SECONDS = 10.0
GIVE_UP_AFTER = timedelta(hours=24)
SLOWEST_RETRY_SECONDS = 60.0
MOST_KNOWN = 10_000


def enqueue(tx: Transaction, notice: Notice, notifiers: Mapping[str, Notifier]) -> None:
    """Put a notice into the outbox of every notifier that wants it; part of the caller's transaction."""
    for name, notifier in notifiers.items():
        if notifier.accepts(notice):
            tx.enqueue(name, notice.key, packed(notice), datetime.fromisoformat(notice.at))


def packed(notice: Notice) -> dict[str, Any]:
    """The JSON form that is stored; its ``id`` is made of the content: the same notice has the same one anywhere."""
    body = {**asdict(notice), "kind": notice.kind.value}
    return {**body, "id": hashlib.sha256(canonical(body)).hexdigest()[:32]}


def unpacked(body: Mapping[str, Any]) -> Notice:
    """The notice of its stored form."""
    fields = {name: value for name, value in body.items() if name != "id"}
    return Notice(**{**fields, "kind": NoticeKind(body["kind"])})


class Delivery(Enum):
    """What is known of one notice to one destination."""

    MINE = "mine"
    """It is for the asker to send now."""
    UNDER_WAY = "under way"
    DONE = "done"


class Deliveries:
    """What this process sent, or is sending: a notice that lay in memory is in the store, too, when that is back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Delivery] = {}

    def begin(self, parcel: Parcel) -> Delivery:
        """Ask to send this one; `end` must follow when it is `Delivery.MINE`."""
        key = _key(parcel)
        with self._lock:
            known = self._known.setdefault(key, Delivery.MINE)
            if known is Delivery.MINE:
                self._known[key] = Delivery.UNDER_WAY
            return known

    def end(self, parcel: Parcel, *, sent: bool) -> None:
        """Say whether it was sent."""
        key = _key(parcel)
        with self._lock:
            del self._known[key]
            if sent:
                self._known[key] = Delivery.DONE
            while len(self._known) > MOST_KNOWN:
                self._known.pop(next(iter(self._known)))


def _key(parcel: Parcel) -> tuple[str, str]:
    return parcel.notifier, str(parcel.notice.get("id"))


class Outbox:
    """Delivers what waits; one slow destination never holds up another."""

    def __init__(
        self,
        view: Callable[[], AbstractContextManager[Transaction]],
        write: Callable[[Work[tuple[Parcel, ...]]], tuple[Parcel, ...]],
        notifiers: Mapping[str, Notifier],
        clock: Clock,
        holder: str,
        sent: Callable[[str], None],
        failed: Callable[[str, str], None],
        deliveries: Deliveries,
    ) -> None:
        """*view* and *write* are those of the store, or of the memory that stands in for it.

        *sent* and *failed* (with a reason) count for the metrics, by notifier; all outboxes share *deliveries*.
        """
        self._deliveries = deliveries
        self._view, self._write = view, write
        self._notifiers = notifiers
        self._clock = clock
        self._holder = holder
        self._sent = sent
        self._failed = failed
        self._settled: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
        self._pools = {
            name: ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"notify-{name}") for name in notifiers
        }

    def deliver_due(self) -> int:
        """Write what became of the last ones, claim what is due, hand it to the destinations' threads.

        One transaction a round, however many there are; returns how many were claimed. Raises `StoreOutageError`.
        """
        now = self._clock.now()
        settled = self._take_settled()
        if not settled:
            with self._view() as tx:
                if not any(tx.waiting_parcels().values()):
                    return 0

        def claim(tx: Transaction) -> tuple[Parcel, ...]:
            tx.put_parcels([replace(parcel, holder=None, lease_until=None) for parcel in settled])
            return tx.claim_parcels(self._holder, now, now + LEASE, 50)

        try:
            parcels = self._write(claim)
        except StoreOutageError:
            for parcel in settled:
                self._settled.put(parcel)
            raise
        for parcel in parcels:
            pool = self._pools.get(parcel.notifier)
            if pool is None:
                self._settled.put(replace(parcel, status="failed", last_error="this notifier is no longer configured"))
            else:
                pool.submit(self._deliver, parcel)
        return len(parcels)

    def _take_settled(self) -> list[Parcel]:
        taken = []
        while not self._settled.empty():
            taken.append(self._settled.get())
        return taken

    def stop(self) -> None:
        """Stop taking work; what is under way may finish, the rest is still in the outbox."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, parcel: Parcel) -> None:
        match self._deliveries.begin(parcel):
            case Delivery.DONE:
                done = replace(parcel, tries=parcel.tries + 1, status="sent", last_error=None)
            case Delivery.UNDER_WAY:
                # It may fail there: it is done with when it was sent.
                done = replace(parcel, next_at=self._clock.now() + timedelta(seconds=1))
            case Delivery.MINE:
                done = self._send(parcel)
                self._deliveries.end(parcel, sent=done.status == "sent")
        self._settled.put(done)

    def _send(self, parcel: Parcel) -> Parcel:
        """Try it; returns what is known of it afterwards."""
        tries = parcel.tries + 1
        try:
            self._notifiers[parcel.notifier].send(unpacked(parcel.notice), SEND_TIMEOUT_SECONDS)
        except AndonError as error:
            self._failed(parcel.notifier, error.reason)
            log.warning("notify.failed", notifier=parcel.notifier, tries=tries, reason=error.reason, error=str(error))
            done = replace(parcel, tries=tries, last_error=str(error)[:500])
            too_old = self._clock.now() - parcel.created_at > GIVE_UP_AFTER
            if isinstance(error, PermanentError) or too_old:
                return replace(done, status="failed")
            wait = min(2.0 ** min(tries, 10) * 0.5, SLOWEST_RETRY_SECONDS)
            if isinstance(error, TemporaryError) and error.retry_after:
                wait = max(wait, min(error.retry_after, 600.0))
            return replace(done, next_at=self._clock.now() + timedelta(seconds=wait))
        except Exception as error:  # one of the named borders: a notifier's fault must not lose the notice
            log.exception("notify.fault", notifier=parcel.notifier)
            self._failed(parcel.notifier, "fault")
            wait = min(2.0 ** min(tries, 10), SLOWEST_RETRY_SECONDS)
            next_at = self._clock.now() + timedelta(seconds=wait)
            return replace(parcel, tries=tries, last_error=type(error).__name__, next_at=next_at)
        self._sent(parcel.notifier)
        return replace(parcel, tries=tries, status="sent", last_error=None)
