"""The gate that every order of a strategy passes, and the states it can be in.

What the control API promises is kept here: once it has answered `paused`, no order of the strategy is on its way.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class TradingState(StrEnum):
    """What a strategy does with new orders; the values are those of the heartbeat in docs/events.md."""

    RUNNING = "running"
    REDUCE_ONLY = "reduce_only"
    PAUSED = "paused"


class Gate:
    """Lets orders of one strategy out; cancels never ask, they are always let out.

    `ignore` is a fault put in on command: the gate says one thing and does another.
    """

    def __init__(self, state: TradingState = TradingState.RUNNING) -> None:
        self.state = state
        self.ignore = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def permit(self, *, reduces: bool) -> Iterator[bool]:
        """Ask right before an order is sent, and hold the permit until the venue has answered.

        Gives False when it must not be sent.  *reduces*: the venue itself will keep the order from adding exposure.
        """
        allowed = (
            self.ignore or self.state is TradingState.RUNNING or (self.state is TradingState.REDUCE_ONLY and reduces)
        )
        if not allowed:
            yield False
            return
        self._under_way += 1
        self._idle.clear()
        try:
            yield True
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                self._idle.set()

    async def settled(self) -> None:
        """Return when no order is under way; under the fault `ignore` it lies and returns at once."""
        if not self.ignore:
            await self._idle.wait()
