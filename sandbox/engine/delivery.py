"""Brings events to the trading exporter, in order, each batch until it was taken.

One batch is under way at a time and is sent again until the exporter answers, so order is kept; `seq` makes the
exporter ignore what it had already.  An exporter that is away costs memory up to the queue's bound, never a trade.
"""

import asyncio
import logging
from pathlib import Path
from time import monotonic

import aiohttp

from sandbox.engine.events import EventQueue

LINGER_SECONDS = 0.1
"""How long an event may wait for company."""
MAXIMUM_BATCH = 1000
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
REQUEST_TIMEOUT_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Delivery:
    """Empties an `EventQueue` to a URL, a file, or both; ``delivered`` and ``failures`` are for /metrics."""

    def __init__(self, events: EventQueue, url: str | None, token: str | None, file: Path | None) -> None:
        self.delivered = 0
        self.failures = 0
        self._events = events
        self._url = url
        self._file = file
        self._headers = {"Content-Type": "application/x-ndjson"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._complained = -60.0
        self._down = False
        self._unfinished: list[bytes] = []

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await asyncio.sleep(LINGER_SECONDS)
                while len(self._events):
                    await self._deliver(session, self._events.take(MAXIMUM_BATCH))

    async def drain(self, seconds: float) -> None:
        """Give what is left one last chance at the end of the program; `run` must have been cancelled before."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            batch = [*self._unfinished, *self._events.take(MAXIMUM_BATCH)]
            if batch:
                self._append(batch[len(self._unfinished) :])
                await self._post(session, batch)

    async def _deliver(self, session: aiohttp.ClientSession, batch: list[bytes]) -> None:
        self._append(batch)
        self._unfinished = batch
        delay = FIRST_RETRY_SECONDS
        while not await self._post(session, batch):
            self.failures += 1
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)
        self._unfinished = []

    def _append(self, batch: list[bytes]) -> None:
        if self._file is None or not batch:
            return
        try:
            with self._file.open("ab") as file:
                file.write(b"".join(batch))
        except OSError as error:
            self._complain(f"cannot append to {self._file}: {error.strerror}")

    async def _post(self, session: aiohttp.ClientSession, batch: list[bytes]) -> bool:
        """Send one batch; True when it needs no sending again."""
        if self._url is None:
            self.delivered += len(batch)
            return True
        try:
            async with session.post(self._url, data=b"".join(batch), headers=self._headers) as answer:
                if answer.status == 413 and len(batch) > 1:
                    half = len(batch) // 2
                    return await self._post(session, batch[:half]) and await self._post(session, batch[half:])
                if answer.status == 413:
                    self._complain("one event is too large for the exporter: it is left out")
                    return True
                if answer.status != 202:
                    self._complain(f"the exporter answered {answer.status}")
                    return False
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._complain(f"the exporter cannot be reached: {type(error).__name__}")
            return False
        if isinstance(body, dict) and body.get("malformed"):
            self._complain(f"the exporter calls events malformed: {body.get('errors')}")
        elif self._down:
            self._down = False
            _log.info("events: delivered again")
        self.delivered += len(batch)
        return True

    def _complain(self, message: str) -> None:
        """Say it once, then at most every half minute."""
        if not self._down or monotonic() - self._complained > 30:
            _log.warning("events: %s", message)
            self._complained = monotonic()
        self._down = True
