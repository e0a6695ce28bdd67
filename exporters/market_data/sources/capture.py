"""A recorded capture played back: gzipped lines of ``<receive time, ns since the epoch> <raw JSON of the stream>``."""

import gzip
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import structlog

from exporters.market_data.feed import Feed
from exporters.market_data.markets import Markets
from exporters.market_data.sources.binance import parse
from exporters.market_data.ticks import Pulse, Snapshot, TickError


def read(path: Path) -> Iterator[tuple[int, bytes]]:
    """Receive time and message of each line; raises TickError, or OSError, EOFError or zlib.error for a broken file."""
    with gzip.open(path) as lines:
        for line in lines:
            stamp, _, message = line.partition(b" ")
            if not stamp.isdigit() or len(stamp) > 19:
                raise TickError("receive time: must be nanoseconds since the epoch")
            yield int(stamp), message


class CaptureSource:
    """Plays one file into one feed, in a thread of its own, once."""

    def __init__(self, path: Path, feed: Feed, markets: Markets, pace: Literal["recorded", "fast"]) -> None:
        """*pace* ``recorded`` moves the recording's times to now; ``fast`` leaves them as they are."""
        self._path = path
        self._feed = feed
        self._markets = markets
        self._pace = pace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture {path.name}", daemon=True)
        self._log = structlog.get_logger(exporter="market-data", file=str(path))

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self) -> None:
        """End, wherever it is."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._play()
        except (OSError, EOFError, zlib.error, TickError) as fault:
            self._log.error("capture cannot be read to its end", error=type(fault).__name__)
        else:
            self._log.info("capture ended")
        with self._markets.lock:
            self._feed.lost()

    def _play(self) -> None:
        shift: int | None = None
        for recorded_ns, message in read(self._path):
            if shift is None:
                shift = time.time_ns() - recorded_ns if self._pace == "recorded" else 0
            received_ns = recorded_ns + shift
            if self._pace == "recorded":
                ahead = (received_ns - time.time_ns()) / 1e9
                if ahead > 0:
                    self._stop.wait(ahead)
            if self._stop.is_set():
                return
            self._take(message, received_ns, shift)

    def _take(self, message: bytes, received_ns: int, shift: int) -> None:
        try:
            found = parse(message)
        except TickError as fault:
            with self._markets.lock:
                self._feed.venue.refuse(fault)
            self._log.debug("malformed message", fault=str(fault))
            return
        with self._markets.lock:
            self._feed.connected = True
            if self._pace == "fast":
                self._feed.behind_ns = time.time_ns() - received_ns
            if isinstance(found, Snapshot):
                self._feed.restore(found, received_ns)
            elif isinstance(found, Pulse):
                if found.event_ns is not None:
                    self._feed.timed(found.event_ns + shift, received_ns)
            elif found.event_ns is None:
                self._feed.observe(found, received_ns)
            else:
                self._feed.observe(found._replace(event_ns=found.event_ns + shift), received_ns)
