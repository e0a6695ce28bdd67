"""Reads the market once for all strategies."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Tick
from sandbox.engine.throttle import Backoff
from sandbox.engine.venue_error import VenueError

_log = logging.getLogger(__name__)


class Feed:
    """Keeps the newest tick of one symbol; ``latest`` is None until the first."""

    def __init__(self, exchange: Exchange, every_seconds: float = 0.25) -> None:
        self.exchange = exchange
        self.latest: Tick | None = None
        self._every = every_seconds
        self._backoff = Backoff()

    def fresh(self, within_seconds: float = 2.0, now: Callable[[], float] = monotonic) -> Tick | None:
        """Give the newest tick unless it is older than that: nobody trades on an old price."""
        if self.latest is None or now() - self.latest.at > within_seconds:
            return None
        return self.latest

    async def run(self) -> None:
        """Read until cancelled, more slowly while the venue fails."""
        loaded = False
        while True:
            try:
                if not loaded:
                    await self.exchange.load()
                    loaded = True
                self.latest = await self.exchange.tick()
                self._backoff.worked()
            except VenueError as error:
                if self._backoff.failures == 0:
                    _log.warning("market: cannot be read (%s): %s", error.code, error)
                self._backoff.failed(error, monotonic())
            await asyncio.sleep(max(self._every, self._backoff.remaining(monotonic())))
