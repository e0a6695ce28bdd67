"""One writer for everybody: work is written by one thread, many pieces to a transaction.

`GroupCommit.write` returns when its work is on disk.  A store that does not get on for `PATIENCE_SECONDS` (a full disk,
a lock, a hung fsync, a frozen server) counts as out: the same work is then run on the memory store, and the caller goes
on from there.  The work keeps its place in the queue; when the store is back, all of it is written in the order in
which it was handed in, and the memory is cleared.

So a piece of work may run twice and must say the same both times: whatever it needs of the clock or of chance is made
before it is handed in, and it takes no lock.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar, cast

import structlog

from webhook.durability.port import Store, Transaction
from webhook.errors import StoreOutageError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[Transaction], T]

PATIENCE_SECONDS = 0.2
"""How long the store may take over one statement, or over a commit, before it counts as out."""
LOOK_SECONDS = 0.02
AT_ONCE = 256
"""Pieces of work in one transaction, when somebody waits for them."""
IN_BACKGROUND = 64
"""Pieces in one transaction when nobody waits: an alert that comes in now must not wait long for its turn."""
RETRY_SECONDS = 0.25
MOST_WAITING = 100_000
"""Beyond so many pieces that wait for the store, those that nobody waits for are dropped, and counted."""


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
    work: Work[Any]
    waited_for: bool
    only_durably: bool = False
    settled: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    fault: Exception | None = None
    durable: bool = False
    in_memory: bool = False
    withdrawn: bool = False


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
        self._jobs: list[_Job] = []
        self._changed = threading.Condition()
        self._memory_turn = threading.Lock()
        self._busy_since: float | None = None
        self._out_since: datetime | None = None
        self._stopping = False
        self._writer = threading.Thread(target=self._run, name="commit", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="commit-watch", daemon=True)

    def start(self) -> None:
        """Start the writer, and the thread that watches whether it gets on."""
        self._writer.start()
        self._watcher.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, as far as *timeout* seconds allow, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._writer.is_alive():
            self._writer.join(timeout)

    @property
    def out(self) -> bool:
        """Whether the store is out, so that work runs on memory."""
        return self._out_since is not None

    def waiting(self) -> int:
        """How many pieces of work are not on disk yet."""
        return len(self._jobs)

    def write(self, work: Work[T]) -> Written[T]:
        """Run *work*; returns once it is on disk, or on memory when the store is out.  Raises what *work* raises."""
        job = self._hand_in(_Job(work, waited_for=True))
        if self.out:
            self._run_on_memory()
        job.settled.wait()
        if job.fault is not None:
            raise job.fault
        return Written(job.value, job.durable)

    def write_durably(self, work: Work[T], timeout: float = 5.0) -> T:
        """Run *work* on the store and nowhere else; raises `StoreOutageError` when that could not be done in time."""
        if self.out:
            raise StoreOutageError("the store is out; nothing was changed", reason="out")
        job = self._hand_in(_Job(work, waited_for=True, only_durably=True))
        job.settled.wait(timeout)
        with self._changed:
            if not job.settled.is_set():
                job.withdrawn = True
                raise StoreOutageError(
                    "the store did not commit in time: look at the state again before you repeat this", reason="busy"
                )
        if job.fault is not None:
            raise job.fault
        value: T = job.value
        return value

    def submit(self, work: Work[Any]) -> None:
        """Have *work* written after everything that was handed in before; returns at once."""
        self._hand_in(_Job(work, waited_for=False))
        if self.out:
            self._run_on_memory()

    def _hand_in(self, job: _Job) -> _Job:
        with self._changed:
            if len(self._jobs) < MOST_WAITING or job.waited_for:
                self._jobs.append(job)
                self._changed.notify()
                return job
        self._on_dropped()
        return job

    # -- the writer -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._jobs and not self._stopping:
                    self._changed.wait()
                if not self._jobs:
                    return
                group, stopping = self._next_group(), self._stopping
            try:
                self._commit(group)
            except StoreOutageError as error:
                self._go_out(str(error))
                self._run_on_memory()
                if stopping:
                    return
                time.sleep(RETRY_SECONDS)
            else:
                self._come_back()

    def _next_group(self) -> list[_Job]:
        """What people wait for comes first; after an outage, everything in its order."""
        if not self.out:
            waited_for = [job for job in self._jobs if job.waited_for]
            if waited_for:
                return waited_for[:AT_ONCE]
        return self._jobs[:IN_BACKGROUND]

    def _commit(self, group: list[_Job]) -> None:
        """Write all of *group* and take it off the queue; one that is at fault does not take the others along."""
        values: list[Any] = []
        try:
            self._beat()
            with self.store.begin() as transaction:
                tx = cast("Transaction", _Watched(transaction, self._beat))
                if self._out_since is not None:
                    facts = {"since": self._out_since.isoformat(), "waiting": len(self._jobs)}
                    tx.append("store_was_out", "andon", facts, datetime.now(UTC))
                values.extend(None if job.withdrawn else job.work(tx) for job in group)
                self._beat()
        except StoreOutageError:
            raise
        except Exception as error:
            if len(group) > 1:
                for job in group:
                    self._commit([job])
                return
            if group[0].in_memory or not group[0].waited_for:
                # Nobody is there any more who could be told.
                log.exception("commit.fault")
            self._settle(group, [None], fault=error)
            return
        finally:
            self._busy_since = None
        self._settle(group, values)

    def _settle(self, group: list[_Job], values: list[Any], fault: Exception | None = None) -> None:
        with self._changed:
            done = set(map(id, group))
            self._jobs = [job for job in self._jobs if id(job) not in done]
            for job, value in zip(group, values, strict=True):
                job.durable = fault is None
                if not job.settled.is_set():
                    job.value, job.fault = value, fault
                    job.settled.set()

    def _beat(self) -> None:
        self._busy_since = time.monotonic()

    # -- the memory that stands in ----------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stopping:
            time.sleep(LOOK_SECONDS)
            since = self._busy_since
            if since is not None and not self.out and time.monotonic() - since > self._patience:
                self._go_out(f"it did not get on for {self._patience:g} s")
                self._run_on_memory()

    def _go_out(self, why: str) -> None:
        with self._memory_turn:
            if self._out_since is not None:
                return
            with self.memory.begin() as tx:
                self._seed(tx)
            self._out_since = datetime.now(UTC)
        log.critical("store.out", why=why, then="work goes on in memory")
        self._on_out(why)

    def _run_on_memory(self) -> None:
        """Run on the memory store, in order, whatever was handed in and did not run yet."""
        with self._memory_turn:
            with self._changed:
                todo = [job for job in self._jobs if not job.settled.is_set() and not job.only_durably]
            for job in todo:
                value, fault = None, None
                try:
                    with self.memory.begin() as tx:
                        value = job.work(tx)
                except Exception as error:
                    fault = error
                    if not job.waited_for:
                        log.exception("commit.fault_in_memory")
                with self._changed:
                    job.in_memory = True
                    if not job.settled.is_set():
                        job.value, job.fault = value, fault
                        job.settled.set()

    def _come_back(self) -> None:
        if self._out_since is None:
            return
        with self._memory_turn:
            with self._changed:
                if any(job.in_memory for job in self._jobs):
                    return
            # All that ran in memory is on disk, in its order.
            self.memory.clear()
            self._out_since = None
        log.warning("store.back")
        self._on_back()


class _Watched:
    """A transaction that says with each call that the store still gets on."""

    __slots__ = ("_beat", "_transaction")

    def __init__(self, transaction: Transaction, beat: Callable[[], None]) -> None:
        self._transaction, self._beat = transaction, beat

    def __getattr__(self, name: str) -> Any:
        self._beat()
        return getattr(self._transaction, name)
