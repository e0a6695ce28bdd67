"""One thread with one event loop, for one venue account: nothing of another account can delay a cancel in it."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from webhook.errors import TemporaryError, UnknownOutcomeError

T = TypeVar("T")

_GRACE = 0.05
"""Seconds that a coroutine which keeps its own deadline may be late before its caller stops waiting for it."""


class LoopThread:
    """Runs coroutines for callers in other threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"venue-{name}", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run to the end and return the result; `UnknownOutcomeError` after *timeout* seconds, whatever it does."""
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise TemporaryError(f"{self.name}: closed", reason="closed") from None
        try:
            return future.result(timeout + _GRACE)
        except concurrent.futures.TimeoutError:
            if future.done() and not future.cancelled():
                raise
            future.cancel()
            raise UnknownOutcomeError(f"{self.name}: not done within {timeout:g} s") from None
        except concurrent.futures.CancelledError:
            raise UnknownOutcomeError(f"{self.name}: closed while it worked", reason="closed") from None

    def close(self, last: Coroutine[Any, Any, None], timeout: float = 2.0) -> None:
        """Cancel what runs, run *last*, end the thread; never raises for what *last* does."""
        if not self._thread.is_alive():
            last.close()
            return
        future = asyncio.run_coroutine_threadsafe(self._wind_down(last), self.loop)
        concurrent.futures.wait([future], timeout)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout)

    async def _wind_down(self, last: Coroutine[Any, Any, None]) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await last

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
