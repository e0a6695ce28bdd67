"""The store with a clock beside it: how many transactions, and how long they take, waiting included."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from webhook.durability.port import Store, Transaction
from webhook.errors import StoreOutageError


class InstrumentedStore:
    """Any store; *observe* is told how each write transaction ended (committed, failed, out) and its seconds."""

    def __init__(self, store: Store, observe: Callable[[str, float], None]) -> None:
        self._store = store
        self._observe = observe

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """See the port."""
        started, outcome = time.monotonic(), "failed"
        try:
            with self._store.begin() as tx:
                yield tx
            outcome = "committed"
        except StoreOutageError:
            outcome = "out"
            raise
        finally:
            self._observe(outcome, time.monotonic() - started)

    def view(self) -> AbstractContextManager[Transaction]:
        """See the port."""
        return self._store.view()

    def ping(self) -> None:
        """See the port."""
        self._store.ping()

    def close(self) -> None:
        """See the port."""
        self._store.close()
