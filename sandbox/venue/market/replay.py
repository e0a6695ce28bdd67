"""A recorded capture as the market: the book rebuilt from its snapshot and differences, its times moved to now.

One line of a capture is `<receive time, ns> <raw JSON of a combined stream>`; the REST depth snapshot is the line
without a `stream` key.  What precedes the snapshot is left out, except differences that reach beyond it.
"""

import asyncio
import gzip
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Market
from sandbox.venue.market.pair import TradingPair

# How far the head of a file is searched for the snapshot, and how many due events run before others get a turn.
HEAD_LINES = 20_000
BURST = 50
GZIP_MAGIC = b"\x1f\x8b"


class CaptureError(Exception):
    """The file is not a capture that can be replayed; the message says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message of the capture and its moment (milliseconds of the recording venue's clock)."""

    kind: str
    data: dict[str, Any]
    moment: float


@dataclass(frozen=True, slots=True)
class Head:
    """What the beginning of a capture says."""

    market: Market
    symbol: str
    snapshot: dict[str, Any]
    snapshot_line: int
    first_moment: float
    # Venue clock minus the recorder's, in milliseconds: for messages that carry no time of their own.
    clock_difference: float


class Replay:
    """Plays one capture into the pairs of its symbol: as it is into its own market, translated into the other."""

    def __init__(
        self,
        path: Path,
        pairs: Mapping[Market, Mapping[str, TradingPair]],
        clock: VenueClock,
        *,
        speed: float = 1.0,
        loop: bool = False,
    ) -> None:
        self.path = path
        self.head = read_head(path)
        self.speed = speed
        self.loop = loop
        self.played = 0
        self.malformed = 0
        self.passes = 0
        self.position_seconds = 0.0
        self.finished = False
        self._clock = clock
        missing = [market for market in Market if self.head.symbol not in pairs[market]]
        if missing:
            traded = ", ".join(pairs[self.head.market])
            raise CaptureError(f"{path}: {self.head.symbol} is not a symbol of this venue, which trades {traded}")
        self._native = pairs[self.head.market][self.head.symbol]
        self._other = next(pairs[market][self.head.symbol] for market in Market if market is not self.head.market)
        # A spot recording has finer prices and quantities than the perpetual's grid, which is refined to fit them.
        grid, other = self._native.instrument, self._other.instrument
        self._other.instrument = replace(other, tick=min(grid.tick, other.tick), step=min(grid.step, other.step))
        self._update_offset: int | None = None
        self._trade_offset: int | None = None
        bids, asks = self.head.snapshot["bids"], self.head.snapshot["asks"]
        self._first_bids = {Decimal(price): Decimal(quantity) for price, quantity in bids}
        self._first_asks = {Decimal(price): Decimal(quantity) for price, quantity in asks}
        for pair in (self._native, self._other):
            pair.load(bids, asks, update_id=self.head.snapshot["lastUpdateId"])

    def state(self) -> dict[str, Any]:
        """Progress, as `/admin/state` shows it."""
        return {
            "file": self.path.name,
            "market": self.head.market,
            "symbol": self.head.symbol,
            "speed": self.speed,
            "loop": self.loop,
            "played": self.played,
            "malformed": self.malformed,
            "passes": self.passes,
            "position_seconds": round(self.position_seconds, 3),
            "standing_still": self.finished,
        }

    async def run(self) -> None:
        """Play in real time (times `speed`); returns at the end unless it loops."""
        while True:
            await self._run_once()
            if not self.loop:
                self.finished = True
                return
            self.rewind()

    async def _run_once(self) -> None:
        started = time.time()
        due = started
        burst = 0
        for recorded in self.events():
            # File order is kept even where recorded times step back a little: such an event is simply late, as it was.
            moment = started + (recorded.moment - self.head.first_moment) / 1000 / self.speed
            due = max(due, moment)
            wait = due - time.time()
            burst += 1
            if wait > 0.0005 or burst >= BURST:
                burst = 0
                await asyncio.sleep(max(0.0, wait))
            self.apply(recorded, self._clock.stamp(moment))

    def rewind(self) -> None:
        """Start over: the book becomes the first one again by a published difference, numbers go on counting up."""
        self.passes += 1
        now = self._clock.milliseconds()
        for pair in (self._native, self._other):
            pair.restore(self._first_bids, self._first_asks, event_ms=now)
            pair.report_ticker(now)
        self._update_offset = None
        self._trade_offset = None

    def events(self) -> Iterator[Recorded]:
        """The messages from the snapshot on, in file order."""
        last_update_id = self.head.snapshot["lastUpdateId"]
        with open_capture(self.path) as lines:
            for number, line in enumerate(lines):
                if number == self.head.snapshot_line:
                    continue
                parsed = _parse(line)
                if parsed is None:
                    self.malformed += 1
                    continue
                received, stream, data = parsed
                kind = stream.split("@")[1] if "@" in stream else ""
                if number < self.head.snapshot_line and kind != "depth":
                    continue
                if kind == "depth" and data["u"] < last_update_id:
                    continue
                yield Recorded(kind, data, data.get("E") or received + self.head.clock_difference)

    def apply(self, recorded: Recorded, event_ms: int) -> None:
        """Show one message to both markets."""
        data = recorded.data
        self.played += 1
        self.position_seconds = (recorded.moment - self.head.first_moment) / 1000
        if recorded.kind == "depth":
            ids = self._update_ids(data)
            self._native.depth(data["b"], data["a"], event_ms=event_ms, ids=ids)
            self._other.depth(data["b"], data["a"], event_ms=event_ms)
        elif recorded.kind == "trade":
            if data.get("X", "MARKET") != "MARKET" or not Decimal(data["q"]):
                return  # insurance fund and similar prints are no market trades
            if self._trade_offset is None:
                self._trade_offset = self._native.last_trade_id + 1 - data["t"] if self.passes else 0
            number = data["t"] + self._trade_offset
            self._native.trade(data["p"], data["q"], buyer_is_maker=data["m"], event_ms=event_ms, trade_id=number)
            self._other.trade(data["p"], data["q"], buyer_is_maker=data["m"], event_ms=event_ms)
        elif recorded.kind == "bookTicker":
            bid, ask = (data["b"], data["B"]), (data["a"], data["A"])
            number = data["u"] + (self._update_offset or 0)
            self._native.ticker(bid, ask, event_ms=event_ms, update_id=number)
            self._other.ticker(bid, ask, event_ms=event_ms)

    def _update_ids(self, data: dict[str, Any]) -> tuple[int, int]:
        if self._update_offset is None:
            follows = data["pu"] if "pu" in data else data["U"] - 1
            self._update_offset = self._native.last_update_id - follows if self.passes else 0
        return data["U"] + self._update_offset, data["u"] + self._update_offset


def open_capture(path: Path) -> BinaryIO:
    """The capture's bytes, unpacked if it is gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def read_head(path: Path) -> Head:
    """Find the snapshot, the market and the symbol; raises CaptureError."""
    snapshot: dict[str, Any] | None = None
    snapshot_line = 0
    first: tuple[float, dict[str, Any]] | None = None
    depths: list[dict[str, Any]] = []
    try:
        with open_capture(path) as lines:
            for number, line in zip(range(HEAD_LINES), lines, strict=False):
                content = _content(line)
                if content is None:
                    continue
                received, message = content
                if "stream" not in message and "lastUpdateId" in message and snapshot is None:
                    snapshot, snapshot_line = message, number
                data = message.get("data")
                if isinstance(data, dict):
                    if data.get("e") == "depthUpdate":
                        depths.append(data)
                    if "E" in data and first is None:
                        first = received, data
                if snapshot is not None and depths and number > snapshot_line:
                    break
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise CaptureError(f"{path}: {error}") from error
    if snapshot is None or first is None or not depths:
        raise CaptureError(f"{path}: no depth snapshot and depth updates in its first {HEAD_LINES} lines")
    beyond = [one["E"] for one in depths if one["u"] >= snapshot["lastUpdateId"]]
    return Head(
        market=Market.USDM if "pu" in depths[0] else Market.SPOT,
        symbol=depths[0]["s"],
        snapshot=snapshot,
        snapshot_line=snapshot_line,
        first_moment=float(min(beyond, default=first[1]["E"])),
        clock_difference=first[1]["E"] - first[0],
    )


def _content(line: bytes) -> tuple[float, dict[str, Any]] | None:
    received, _, text = line.partition(b" ")
    try:
        message = orjson.loads(text)
        moment = int(received) / 1_000_000
    except ValueError:
        return None
    return (moment, message) if isinstance(message, dict) else None


def _parse(line: bytes) -> tuple[float, str, dict[str, Any]] | None:
    content = _content(line)
    if content is None:
        return None
    stream, data = content[1].get("stream"), content[1].get("data")
    return (content[0], stream, data) if isinstance(stream, str) and isinstance(data, dict) else None
