"""Which targets this process looks after: one lease each, by the database's clock.

A lease that is not renewed in time goes to whoever asks next, whose epoch is larger; what the earlier holder still
writes is then refused, and a holder that was stopped for so long neither closes a position nor frees an engine before
it has renewed it.  While the store is out nobody can take a lease away, and whoever holds one goes on: a broken disk
must not keep orders alive.  Another process joins in when the lease that it saw last has run out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from webhook.actions.account import AccountReconciler
from webhook.actions.engine import EngineReconciler
from webhook.clock import Clock
from webhook.durability.group_commit import GroupCommit
from webhook.durability.port import Transaction
from webhook.errors import StoreOutageError
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.lease import Lease
from webhook.worker.process import is_gone

log = structlog.get_logger(__name__)

LIFETIME = timedelta(seconds=5)
RENEW_AFTER = timedelta(seconds=1.5)
"""A lease that was renewed less long ago is left alone: each renewal is a write."""
ANSWER_SECONDS = 1.0
"""A renewal that takes longer is not waited for: a lease is renewed often enough."""
WITHOUT_STORE = 0
"""The epoch of a process that took over while the store was out: smaller than any that the store gives."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one round of asking brought.

    ``mine`` has the epoch of each lease that is mine from now on, None for one that is not; ``others`` the seconds that
    other processes' leases still last; ``commanded`` what engines that are new to us were told before.
    """

    mine: dict[str, int | None]
    others: dict[str, float]
    commanded: dict[str, tuple[Commanded, ...]]


class Leases:
    """Takes, renews and gives up the leases of this process; used by one thread."""

    def __init__(
        self,
        commit: GroupCommit,
        accounts: Mapping[str, AccountReconciler],
        engines: Mapping[str, EngineReconciler],
        clock: Clock,
        holder: str,
    ) -> None:
        self._commit, self._clock, self._holder = commit, clock, holder
        self._accounts, self._engines = accounts, engines
        self._held: dict[str, int] = {}
        self._others_until: dict[str, float] = {}

    @property
    def held(self) -> int:
        """How many targets this process looks after."""
        return len(self._held)

    def run(self) -> None:
        """Take what is free, renew what is ours, let go of what another process has."""
        asked_at = self._clock.monotonic()
        try:
            # Asked of the writer, which says at once that the store hangs.
            taken = self._commit.write_durably(self._take, timeout=ANSWER_SECONDS)
        except StoreOutageError as error:
            self._go_on_without(error)
            raise
        self._others_until = {name: asked_at + seconds for name, seconds in taken.others.items()}
        for name, epoch in taken.mine.items():
            self._hand(name, epoch, asked_at, taken.commanded)

    def _take(self, tx: Transaction) -> _Taken:
        """Acquire what is free or due."""
        now = tx.now()
        taken = _Taken({}, {}, {})
        for name in self._names():
            lease = tx.lease(name)
            if self._is_due(name, lease, now):
                gone = lease is not None and is_gone(lease.holder, self._holder)
                got = tx.acquire_lease(name, self._holder, LIFETIME, gone=gone)
                taken.mine[name] = None if got is None else got.epoch
                lease = got or lease
            if lease is not None and lease.holder != self._holder:
                taken.others[name] = (lease.until - now).total_seconds()
        for name, engine in self._engines.items():
            epoch = taken.mine.get(_of_engine(name))
            if epoch is not None and (not engine.loaded or self._held.get(_of_engine(name)) != epoch):
                taken.commanded[name] = tx.commanded(name)
        return taken

    def _is_due(self, name: str, lease: Lease | None, now: datetime) -> bool:
        """Whether it is to be acquired: it is free, or ours and not renewed lately, or not ours any more."""
        if lease is None or lease.until <= now or (lease.holder != self._holder and name in self._held):
            return True
        if lease.holder != self._holder:
            return is_gone(lease.holder, self._holder)
        return self._held.get(name) != lease.epoch or lease.until <= now + LIFETIME - RENEW_AFTER

    def release(self) -> None:
        """Give all of them up, so that another process need not wait."""
        with self._commit.store.begin() as tx:
            for name in self._held:
                tx.release_lease(name, self._holder)

    def _names(self) -> list[str]:
        return [*map(_of_account, self._accounts), *map(_of_engine, self._engines)]

    def _hand(
        self, name: str, epoch: int | None, asked_at: float, commanded: Mapping[str, tuple[Commanded, ...]]
    ) -> None:
        if epoch is None and name in self._held:
            log.warning("lease.lost", lease=name)
        elif epoch is not None and self._held.get(name) != epoch:
            log.info("lease.taken", lease=name, epoch=epoch)
        if epoch is None:
            self._held.pop(name, None)
        else:
            self._held[name] = epoch
        kind, _, target = name.partition("/")
        until = asked_at + LIFETIME.total_seconds()
        if kind == "account":
            self._accounts[target].hold(epoch, until)
        else:
            self._engines[target].hold(epoch, until, commanded.get(target))

    def _go_on_without(self, error: StoreOutageError) -> None:
        now = self._clock.monotonic()
        for name in self._names():
            if name not in self._held:
                if self._others_until.get(name, 0.0) > now:
                    # Whoever has it goes on; a store that is out for us alone may be well for others.
                    continue
                log.warning("lease.without_store", lease=name, error=str(error))
            self._hand(name, self._held.get(name, WITHOUT_STORE), now, {})


def _of_account(name: str) -> str:
    return f"account/{name}"


def _of_engine(name: str) -> str:
    return f"engine/{name}"
