"""Looks at one thing again and again in a thread of its own and keeps the last sight of it: a scrape never waits."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

Sight = TypeVar("Sight")


class Watch(Generic[Sight]):
    """``last`` is what *look* returned most recently; ``None`` before the first.

    When no look has returned for *stale_seconds*, ``last`` is *overdue*: ``None`` where nothing is known then, or what
    says "down" where a question without an answer means that.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[], Sight],
        every_seconds: float,
        stale_seconds: float,
        overdue: Sight | None = None,
    ) -> None:
        """*look* may block; what it raises is logged and leaves no new sight."""
        self._look = look
        self._every = every_seconds
        self._stale = stale_seconds
        self._overdue = overdue
        self._returned = float("inf")
        self._sight: Sight | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._log = structlog.get_logger(exporter="system", watch=name)

    @property
    def last(self) -> Sight | None:
        """The last sight, or what stands for it when it is stale."""
        return self._overdue if time.monotonic() - self._returned > self._stale else self._sight

    def start(self) -> None:
        """Begin to look."""
        self._returned = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End; a look under way is left to its own time limit."""
        self._stop.set()

    def _run(self) -> None:
        while True:
            try:
                self._sight = self._look()
                self._returned = time.monotonic()
            except Exception as fault:  # noqa: BLE001  # the border: one bad look must not end the watch
                self._log.error("cannot look", error=type(fault).__name__, exc_info=True)
            if self._stop.wait(self._every):
                return
