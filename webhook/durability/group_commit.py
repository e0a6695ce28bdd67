"""One writer for everybody: work is written by one thread, many pieces to a transaction.

`GroupCommit.write` returns when its work is on disk.  A store that does not get on for `PATIENCE_SECONDS` (a full disk,
a lock, a hung fsync, a frozen server) counts as out: the same work is then run on the memory store, and the caller goes
on from there.  The work keeps its place in the queue; when the store is back, all of it is written in the order in
which it was handed in, and the memory is cleared.

So a piece of work may run twice and must say the same both times: whatever it needs of the clock or of chance is made
before it is handed in, and it takes no lock.  On the store it is applied exactly once: when a commit was sent and never
answered, the journal tells whether it stands before anything of it is tried again.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar, cast

import structlog

from webhook.audit.record import Record
from webhook.durability.port import Store, Transaction
from webhook.errors import StoreOutageError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[Transaction], T]

PATIENCE_SECONDS = 0.2
"""How long the store may take over one statement, or over a commit, before it counts as out."""
LOOK_SECONDS = 0.02
PATIENCE_AT_MOST = 10
"""So many times as long is waited when this machine is short of CPU."""
AT_ONCE = 256
"""Pieces of work in one transaction, when somebody waits for them."""
IN_BACKGROUND = 64
"""Pieces in one transaction when nobody waits: an alert that comes in now must not wait long for its turn."""
RETRY_SECONDS = 0.25
MOST_WAITING = 100_000
"""Beyond so many pieces that wait for the store, those that nobody waits for are dropped, and counted."""
ACTOR = "andon"


class MemoryStandIn(Protocol):
    """The store in memory."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """As `Store.begin`."""

    def clear(self) -> None:
        """Forget everything."""


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What a piece of work returned, and whether it is on disk."""

    value: T
    durable: bool


@dataclass(slots=True, eq=False)
class _Job:
    """``awaited``: somebody waits for it.  ``only_durably``: it must not run on memory, nor after an outage.

    ``given_up``: nobody waits any more, so it must not be applied.  ``committing``: its commit was sent.
    """

    work: Work[Any]
    awaited: bool
    only_durably: bool = False
    number: int = 0
    settled: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    fault: Exception | None = None
    durable: bool = False
    ran_in_memory: bool = False
    given_up: bool = False
    committing: bool = False

    def settle(self, value: Any = None, fault: Exception | None = None, *, durable: bool = False) -> None:
        """Answer, unless it was answered before."""
        if not self.settled.is_set():
            self.value, self.fault, self.durable = value, fault, durable
            self.settled.set()


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """A commit of which nobody knows whether it stands; ``last`` is the last record that it would have journalled."""

    group: Sequence[_Job]
    values: Sequence[Any]
    last: Record


class _WorkError(Exception):
    """A piece of work raised, or holds something that no store can take; the store itself is well."""

    def __init__(self, job: _Job, error: Exception, *, unstorable: bool) -> None:
        super().__init__(str(error))
        self.job, self.error, self.unstorable = job, error, unstorable


class _TakenBackError(Exception):
    """What was about to be committed must not be, or not in this order."""


class GroupCommit:
    """Thread-safe; `start` and `stop` once."""

    def __init__(
        self,
        store: Store,
        memory: MemoryStandIn,
        *,
        seed: Callable[[Transaction], None] = lambda _tx: None,
        on_out: Callable[[str], None] = lambda _why: None,
        on_back: Callable[[], None] = lambda: None,
        on_dropped: Callable[[], None] = lambda: None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """*seed* writes into the memory store what is known of the real one, when it goes out."""
        self.store, self.memory = store, memory
        self._seed, self._on_out, self._on_back, self._on_dropped = seed, on_out, on_back, on_dropped
        self._patience = patience
        # Held briefly, by everybody; `_memory_turn` is taken before it, never after.
        self._changed = threading.Condition()
        self._memory_turn = threading.Lock()
        self._handed_in = 0
        self._awaited: deque[_Job] = deque()
        self._behind: deque[_Job] = deque()
        self._not_in_memory: deque[_Job] = deque()
        self._outage: _Job | None = None
        self._unanswered: _Unanswered | None = None
        self._out = self._returning = self._in_order_now = False
        self._stopping = self._ended = False
        self._halt = threading.Event()
        self._busy_since: float | None = None
        self._writer = threading.Thread(target=self._run, name="commit", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="commit-watch", daemon=True)

    def start(self) -> None:
        """Start the writer, and the thread that watches whether it gets on."""
        self._writer.start()
        self._watcher.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, as far as *timeout* seconds and the store allow, and end; nobody is left waiting."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._halt.set()
        if self._writer.is_alive():
            self._writer.join(timeout)
        with self._changed:
            self._ended = True
            lost = [*self._awaited, *self._behind]
            for job in lost:
                self._give_up(job, StoreOutageError("the service ends, and the store did not take this", reason="out"))
        if lost:
            log.critical("store.not_written", pieces=len(lost), why="the service ended before the store was back")

    @property
    def out(self) -> bool:
        """Whether the store is out, so that work runs on memory."""
        return self._out

    def waiting(self) -> int:
        """How many pieces of work are not on disk yet."""
        return len(self._awaited) + len(self._behind)

    def write(self, work: Work[T]) -> Written[T]:
        """Run *work*; returns once it is on disk, or on memory when the store is out.  Raises what *work* raises."""
        job = self._hand_in(_Job(work, awaited=True))
        if self._out:
            self._run_on_memory()
        job.settled.wait()
        if job.fault is not None:
            raise job.fault
        return Written(job.value, job.durable)

    def write_durably(self, work: Work[T], timeout: float = 5.0) -> T:
        """Run *work* on the store and nowhere else.

        Raises `StoreOutageError` when that was not possible in *timeout* seconds.  Nothing of it is applied then, now
        or later, unless its reason is ``unknown``: the commit was sent and not answered.
        """
        job = self._hand_in(_Job(work, awaited=True, only_durably=True))
        if not job.settled.wait(timeout):
            with self._changed:
                self._give_up(job, _not_answered() if job.committing else _nothing_changed("the store is busy", "busy"))
        if job.fault is not None:
            raise job.fault
        value: T = job.value
        return value

    def submit(self, work: Work[Any]) -> None:
        """Have *work* written after everything that was handed in before; returns at once."""
        self._hand_in(_Job(work, awaited=False))
        if self._out:
            self._run_on_memory()

    def view(self) -> AbstractContextManager[Transaction]:
        """Read the store, as `Store.view`; refused while it is out, as a read of a disk that hangs would hang, too."""
        if self._out:
            raise StoreOutageError("the store is out", reason="out")
        return self.store.view()

    def _hand_in(self, job: _Job) -> _Job:
        with self._changed:
            if self._ended:
                job.settle(fault=StoreOutageError("the service ends", reason="out"))
                return job
            if self._out and job.only_durably:
                job.settle(fault=_nothing_changed("the store is out", "out"))
                return job
            if job.awaited or self.waiting() < MOST_WAITING:
                self._handed_in += 1
                job.number = self._handed_in
                (self._awaited if job.awaited else self._behind).append(job)
                if self._out:
                    self._not_in_memory.append(job)
                self._changed.notify()
                return job
        self._on_dropped()
        return job

    def _give_up(self, job: _Job, why: StoreOutageError) -> None:
        """Have *job* not applied, unless its commit was sent already. Lock held."""
        if not job.settled.is_set():
            job.given_up = True
            job.settle(fault=why)
            if not job.committing:
                self._remove(job)

    # -- the writer -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._awaited and not self._behind and self._outage is None and not self._stopping:
                    self._changed.wait()
                if self._stopping and not self._awaited and not self._behind and self._outage is None:
                    return
            try:
                self._settle_unanswered()
                group = self._next_group()
                values = self._commit(group) if group else []
            except _TakenBackError:
                continue
            except _WorkError as found:
                self._take_out(found)
            except Exception as error:
                # Whatever it was: who waits for the store must not wait for ever.
                if not isinstance(error, StoreOutageError):
                    log.exception("store.fault")
                self._go_out(str(error))
                self._run_on_memory()
                if self._stopping:
                    return
                self._halt.wait(RETRY_SECONDS)
            else:
                self._settle(group, values)
                self._come_back()

    def _next_group(self) -> list[_Job]:
        """What people wait for comes first; after an outage, everything in its order."""
        with self._changed:
            self._in_order_now = self._out
            if self._out:
                first = [] if self._outage is None else [self._outage]
                return [*first, *islice(self._in_order(), AT_ONCE)]
            if self._awaited:
                return list(islice(self._awaited, AT_ONCE))
            return list(islice(self._behind, IN_BACKGROUND))

    def _in_order(self) -> Iterable[_Job]:
        return heapq.merge(self._awaited, self._behind, key=lambda job: job.number)

    def _commit(self, group: Sequence[_Job]) -> list[Any]:
        """Write all of *group* in one transaction, or nothing; returns what each piece returned."""
        values: list[Any] = []
        running: _Job | None = None
        tx: _Watched | None = None
        sent = False
        self._beat()
        try:
            with self.store.begin() as transaction:
                tx = _Watched(transaction, self._beat)
                for job in group:
                    running = job
                    values.append(job.work(cast("Transaction", tx)))
                running = None
                self._send(group)
                sent = True
        except _TakenBackError:
            raise
        except Exception as error:
            unstorable = isinstance(error, StoreOutageError) and error.reason == "value"
            if running is not None and (unstorable or not isinstance(error, StoreOutageError)):
                raise _WorkError(running, error, unstorable=unstorable) from error
            if sent and tx is not None and tx.last is not None:
                self._unanswered = _Unanswered(group, values, tx.last)
            else:
                self._refuse_only_durable(group)
            raise
        finally:
            self._busy_since = None
        return values

    def _send(self, group: Sequence[_Job]) -> None:
        """From here on the commit may stand.

        Until here, what was given up is not applied; and what overtook others before the store went out, and ran behind
        them in memory, is put back behind them.
        """
        self._beat()
        with self._changed:
            if self._out is not self._in_order_now or any(job.given_up for job in group):
                raise _TakenBackError
            for job in group:
                job.committing = True

    def _settle_unanswered(self) -> None:
        """Find out whether a commit that was never answered stands; nothing else is written before."""
        doubt = self._unanswered
        if doubt is None:
            return
        self._beat()
        try:
            # Writers are serialised: whatever became of it, it is over when this transaction begins.
            with self.store.begin() as tx:
                found = tx.records(after=doubt.last.sequence - 1, limit=1)
        finally:
            self._busy_since = None
        self._unanswered = None
        if found and found[0].hash == doubt.last.hash:
            log.warning("store.commit_stands", pieces=len(doubt.group))
            self._settle(doubt.group, doubt.values)
        else:
            self._refuse_only_durable(doubt.group)

    def _refuse_only_durable(self, group: Iterable[_Job]) -> None:
        """It is certain that nothing of *group* was applied."""
        with self._changed:
            for job in group:
                job.committing = False
                if job.given_up:
                    self._remove(job)
                elif job.only_durably:
                    self._give_up(job, _nothing_changed("the store is out", "out"))

    def _settle(self, group: Iterable[_Job], values: Iterable[Any]) -> None:
        with self._changed:
            for job, value in zip(group, values, strict=True):
                if job.given_up:
                    log.warning("store.applied_late", then="it stands, although its caller was told that nobody knows")
                job.settle(value, durable=True)
                self._remove(job)

    def _remove(self, job: _Job) -> None:
        """Take *job* off the queue, where it is at the front or near it. Lock held."""
        if job is self._outage:
            self._outage = None
            return
        queue = self._awaited if job.awaited else self._behind
        with suppress(ValueError):
            queue.remove(job)

    def _take_out(self, found: _WorkError) -> None:
        """One piece is at fault: it goes, and the others are tried again without it."""
        job = found.job
        log.error("commit.fault", awaited=job.awaited, exc_info=found.error)
        if found.unstorable and job.awaited:
            # What cannot be stored can still be done.
            self._go_out(str(found.error))
            self._run_on_memory()
        if found.unstorable or job.settled.is_set() or not job.awaited:
            self._on_dropped()
        with self._changed:
            job.settle(fault=found.error)
            self._remove(job)

    def _beat(self) -> None:
        self._busy_since = time.monotonic()

    # -- the memory that stands in ----------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Look often whether the writer gets on.

        What counts is how often it was looked at in vain, not the time: on a machine that is short of CPU this thread
        comes late, too, and that is no fault of the store.
        """
        beat, in_vain = None, 0
        while self._writer.is_alive():
            time.sleep(LOOK_SECONDS)
            if self._busy_since is None or self._busy_since != beat:
                beat, in_vain = self._busy_since, 0
                continue
            in_vain += 1
            hangs = (
                in_vain * LOOK_SECONDS >= self._patience or time.monotonic() - beat > PATIENCE_AT_MOST * self._patience
            )
            if hangs and (not self._out or self._returning):
                try:
                    self._go_out(f"it did not get on for {self._patience:g} s")
                    self._run_on_memory()
                except Exception:  # one of the named borders: without this thread nobody sees that the store hangs
                    log.exception("store.watch")

    def _go_out(self, why: str) -> None:
        with self._memory_turn:
            with self._changed:
                self._returning = False
                if self._out:
                    return
            try:
                with self.memory.begin() as tx:
                    self._seed(tx)
            except Exception:  # one of the named borders: memory that knows nothing is better than no memory
                log.exception("store.seed")
            since = datetime.now(UTC)
            with self._changed:
                self._out = True
                self._outage = _Job(lambda tx: _tell_outage(tx, since, why), awaited=False)
                self._not_in_memory = deque(self._in_order())
                for job in [one for one in self._awaited if one.only_durably and not one.committing]:
                    self._give_up(job, _nothing_changed("the store is out", "out"))
        log.critical("store.out", why=why, then="work goes on in memory")
        self._on_out(why)

    def _run_on_memory(self) -> None:
        """Run on the memory store, in order, whatever was handed in and did not run yet."""
        with self._memory_turn:
            while (job := self._next_for_memory()) is not None:
                value, fault = None, None
                try:
                    with self.memory.begin() as tx:
                        value = job.work(tx)
                except Exception as error:
                    fault = error
                    if not job.awaited:
                        log.exception("commit.fault_in_memory")
                with self._changed:
                    job.ran_in_memory = True
                    job.settle(value, fault)

    def _next_for_memory(self) -> _Job | None:
        with self._changed:
            while self._out and not self._returning and self._not_in_memory:
                job = self._not_in_memory.popleft()
                if not job.settled.is_set() and not job.only_durably:
                    return job
        return None

    def _come_back(self) -> None:
        """End the outage once all that ran in memory is on disk.

        When the store has nearly caught up, what comes in now waits for it instead of adding to the memory.
        """
        if not self._out:
            return
        with self._memory_turn:
            with self._changed:
                # In each queue the oldest comes first, and nothing new was run in memory before something older.
                oldest = [queue[0] for queue in (self._awaited, self._behind) if queue]
                if self._outage is not None or any(job.ran_in_memory for job in oldest):
                    self._returning = self.waiting() <= AT_ONCE
                    return
                self._out = self._returning = False
                self._not_in_memory.clear()
            self.memory.clear()
        log.warning("store.back")
        self._on_back()


def _tell_outage(tx: Transaction, since: datetime, why: str) -> None:
    body = {"since": since.isoformat(), "until": datetime.now(UTC).isoformat(), "why": why}
    tx.append("store_was_out", ACTOR, body, since)


def _nothing_changed(why: str, reason: str) -> StoreOutageError:
    return StoreOutageError(f"{why}; nothing was changed", reason=reason)


def _not_answered() -> StoreOutageError:
    return StoreOutageError(
        "the store took this and did not answer: it may stand now or in a while; look before you repeat it",
        reason="unknown",
    )


class _Watched:
    """A transaction that says with each call that the store still gets on, and keeps the last record it journalled."""

    __slots__ = ("_beat", "_transaction", "last")

    def __init__(self, transaction: Transaction, beat: Callable[[], None]) -> None:
        self._transaction, self._beat = transaction, beat
        self.last: Record | None = None

    def __getattr__(self, name: str) -> Any:
        self._beat()
        return getattr(self._transaction, name)

    def append(self, kind: str, actor: str, body: dict[str, Any], at: datetime, *, version: int = 1) -> Record:
        self._beat()
        self.last = self._transaction.append(kind, actor, body, at, version=version)
        return self.last
