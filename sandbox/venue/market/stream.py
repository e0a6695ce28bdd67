"""Market data on its way out: who listens to what, and the faults of a feed.

The market never waits for a listener: each has a bounded backlog and is cut off when it lets it fill up.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Market

Key = tuple[Market, str, str]
BACKLOG_BYTES = 8 * 1024 * 1024
# What a stalled feed holds back at most; the oldest is lost beyond that.
HELD_LINES = 50_000
PING_SECONDS = 1.0
# With a small buffer of the kernel's, the backlog that counts is the one that is seen here.
SEND_BUFFER = 256 * 1024
KINDS = ("trade", "depth", "bookTicker")


class Subscriber:
    """One listener's backlog of lines (bytes without line end)."""

    def __init__(
        self, *, backlog_bytes: int = BACKLOG_BYTES, pings: bool = True, hang_up: Callable[[], None] | None = None
    ) -> None:
        self.cut_off = False
        self.pings = pings
        # Lines held back before this listener came are not for it.
        self.since = 0
        self._lines: list[bytes] = []
        self._bytes = 0
        self._limit = backlog_bytes
        self._wake = asyncio.Event()
        self._hang_up = hang_up

    def push(self, line: bytes) -> None:
        """Add a line, or cut the listener off when it has let too much pile up."""
        if self._bytes + len(line) > self._limit:
            # Whoever writes to this listener may be stuck in it, so the connection is closed from here.
            if not self.cut_off and self._hang_up:
                self._hang_up()
            self.cut_off = True
        else:
            self._lines.append(line)
            self._bytes += len(line)
        self._wake.set()

    async def lines(self) -> list[bytes]:
        """Wait for lines; empty when the listener was cut off."""
        await self._wake.wait()
        self._wake.clear()
        if self.cut_off:
            return []
        taken, self._lines, self._bytes = self._lines, [], 0
        return taken


@dataclass(slots=True)
class _Stall:
    """A feed that stands: what it holds back until it flows again."""

    held: deque[tuple[int, Key, bytes]] = field(default_factory=lambda: deque(maxlen=HELD_LINES))


class MarketStream:
    """Hands messages to listeners."""

    def __init__(self, clock: VenueClock) -> None:
        self.sent = 0
        self.cut_off = 0
        self._clock = clock
        self._listeners: dict[Key, list[Subscriber]] = {}
        self._everyone: set[Subscriber] = set()
        self._stalls: dict[tuple[Market, str], list[_Stall]] = {}
        self._gaps: dict[tuple[Market, str], int] = {}
        self._number = 0

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._everyone)

    def subscribe(self, subscriber: Subscriber, keys: list[Key]) -> None:
        """Hand this listener everything of these keys from now on."""
        subscriber.since = self._number
        self._everyone.add(subscriber)
        for key in keys:
            listeners = self._listeners.setdefault(key, [])
            if subscriber not in listeners:
                listeners.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber, keys: list[Key] | None = None) -> None:
        """Stop these keys, or everything."""
        for key in list(self._listeners) if keys is None else keys:
            listeners = self._listeners.get(key, [])
            if subscriber in listeners:
                listeners.remove(subscriber)
            if not listeners:
                self._listeners.pop(key, None)
        if keys is None:
            self._everyone.discard(subscriber)

    def publish(self, market: Market, symbol: str, kind: str, stream: str, data: dict[str, Any]) -> None:
        """Send one message to whoever listens; never waits."""
        if self._gaps and kind == "depth" and self._swallow((market, symbol)):
            return
        key = (market, symbol, kind)
        listeners = self._listeners.get(key)
        if listeners is None:
            return
        line = orjson.dumps({"stream": stream, "data": data})
        self._number += 1
        if self._stalls and (stalls := self._stalls.get((market, symbol))):
            stalls[0].held.append((self._number, key, line))
            return
        for listener in listeners:
            listener.push(line)
        self.sent += len(listeners)

    def _swallow(self, where: tuple[Market, str]) -> bool:
        left = self._gaps.get(where, 0)
        if left <= 0:
            return False
        self._gaps[where] = left - 1
        return True

    def stall(self, where: tuple[Market, str]) -> None:
        """Hold back a symbol's messages."""
        self._stalls.setdefault(where, []).append(_Stall())

    def flow(self, where: tuple[Market, str]) -> None:
        """End one stall; when it was the last, what was held back goes out late, in order."""
        stalls = self._stalls.get(where)
        if not stalls:
            return
        if len(stalls) > 1:
            stalls.pop()
            return
        del self._stalls[where]
        for number, key, line in stalls[0].held:
            for listener in self._listeners.get(key, ()):
                if listener.since < number:
                    listener.push(line)
                    self.sent += 1

    def drop_depth(self, where: tuple[Market, str], updates: int) -> None:
        """Lose the next depth updates of a symbol."""
        self._gaps[where] = self._gaps.get(where, 0) + updates

    async def ping(self) -> None:
        """Tell every listener each second that the line is alive, whatever its symbols do."""
        while True:
            await asyncio.sleep(PING_SECONDS)
            line = orjson.dumps({"type": "ping", "E": self._clock.milliseconds()})
            for listener in self._everyone:
                if listener.pings:
                    listener.push(line)
