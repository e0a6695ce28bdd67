"""Which targets this process looks after: one lease each, by the database's clock.

A lease that is not renewed in time goes to whoever asks next, whose epoch is larger; what the earlier holder still
writes is then refused.  While the store is out nobody can take a lease away, and whoever holds one goes on: a broken
disk must not keep orders alive.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog

from webhook.actions.account import AccountReconciler
from webhook.actions.engine import EngineReconciler
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
"""The epoch of a process that started while the store was out: smaller than any that the store gives."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class Leases:
    """Takes, renews and gives up the leases of this process; used by one thread."""

    def __init__(
        self,
        commit: GroupCommit,
        accounts: Mapping[str, AccountReconciler],
        engines: Mapping[str, EngineReconciler],
        holder: str,
    ) -> None:
        self._commit, self._holder = commit, holder
        self._accounts, self._engines = accounts, engines
        self._held: dict[str, int] = {}

    @property
    def held(self) -> int:
        """How many targets this process looks after."""
        return len(self._held)

    def run(self) -> None:
        """Take what is free, renew what is ours, let go of what another process has."""
        try:
            # Asked of the writer, which says at once that the store hangs.
            found, told = self._commit.write_durably(self._take, timeout=ANSWER_SECONDS)
        except StoreOutageError as error:
            self._go_on_without(error)
            raise
        for name, lease in found.items():
            self._hand(name, lease, told)

    def _take(self, tx: Transaction) -> tuple[dict[str, Lease | None], dict[str, tuple[Commanded, ...]]]:
        """Acquire what is due; also returns what the engines among it were told before."""
        found = {name: self._acquire(tx, name) for name in self._due(tx)}
        told = {
            name: tx.commanded(name)
            for name, reconciler in self._engines.items()
            if found.get(_of_engine(name)) is not None and not reconciler.loaded
        }
        return found, told

    def release(self) -> None:
        """Give all of them up, so that another process need not wait."""
        with self._commit.store.begin() as tx:
            for name in self._held:
                tx.release_lease(name, self._holder)

    def _names(self) -> list[str]:
        return [*map(_of_account, self._accounts), *map(_of_engine, self._engines)]

    def _due(self, tx: Transaction) -> list[str]:
        soon = tx.now() + LIFETIME - RENEW_AFTER
        due = []
        for name in self._names():
            lease = tx.lease(name)
            if lease is not None and lease.holder == self._holder:
                if self._held.get(name) != lease.epoch or lease.until <= soon:
                    due.append(name)
            elif lease is None or name in self._held or lease.until <= tx.now() or is_gone(lease.holder, self._holder):
                due.append(name)
        return due

    def _acquire(self, tx: Transaction, name: str) -> Lease | None:
        held = tx.lease(name)
        gone = held is not None and is_gone(held.holder, self._holder)
        return tx.acquire_lease(name, self._holder, LIFETIME, gone=gone)

    def _hand(self, name: str, lease: Lease | None, told: Mapping[str, tuple[Commanded, ...]]) -> None:
        epoch = None if lease is None else lease.epoch
        if epoch is None and name in self._held:
            log.warning("lease.lost", lease=name)
        elif epoch is not None and self._held.get(name) != epoch:
            log.info("lease.taken", lease=name, epoch=epoch)
        if epoch is None:
            self._held.pop(name, None)
        else:
            self._held[name] = epoch
        kind, _, target = name.partition("/")
        if kind == "account":
            self._accounts[target].hold(epoch)
        else:
            self._engines[target].hold(epoch, told.get(target))

    def _go_on_without(self, error: StoreOutageError) -> None:
        for name in self._names():
            if name not in self._held:
                log.warning("lease.without_store", lease=name, error=str(error))
                self._hand(name, Lease(name, self._holder, WITHOUT_STORE, _NEVER), {})


def _of_account(name: str) -> str:
    return f"account/{name}"


def _of_engine(name: str) -> str:
    return f"engine/{name}"
