"""How far away the venues are, and how their clocks stand to ours."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import orjson
from prometheus_client.metrics_core import Metric

from exporters.buckets import Buckets
from exporters.series import counter, gauge, histogram
from exporters.system.ask import REASONS, AskError, get, open_connection

_REMEMBERED: Final = 5

_SOURCE: Final = "a probe in the background"
ROUND_TRIP: Final = histogram(
    "system_venue_round_trip_seconds",
    "venue",
    "rest",
    "seconds",
    _SOURCE,
    "From asking the venue for its time to the whole answer, on an open connection.",
)
CONNECT: Final = histogram(
    "system_venue_connect_seconds",
    "venue",
    "rest",
    "seconds",
    _SOURCE,
    "Time to open a TCP connection to the venue, its name resolved.",
)
PROBE_FAILURES: Final = counter(
    "system_venue_probe_failures_total",
    "venue reason",
    "rest",
    "probes",
    _SOURCE,
    "Probes that failed; reason is dns, refused, timeout, tls, reset, status, body or other.",
)
VENUE_UP: Final = gauge(
    "system_venue_up",
    "venue",
    "rest",
    "boolean",
    _SOURCE,
    "1 when the last probe succeeded; absent while nobody probes.",
)
VENUE_OFFSET: Final = gauge(
    "system_venue_clock_offset_seconds",
    "venue",
    "rest",
    "seconds, signed",
    _SOURCE,
    "Venue clock minus ours at the middle of the fastest of the last round trips; absent when the last probe failed.",
)
SERIES: Final = (
    ROUND_TRIP,
    CONNECT,
    PROBE_FAILURES,
    VENUE_UP,
    VENUE_OFFSET,
)


@dataclass(frozen=True, slots=True)
class VenueSight:
    """One probe; *offset* is venue clock minus ours in seconds."""

    up: bool
    offset: float | None


DOWN: Final = VenueSight(up=False, offset=None)


class VenueProbe:
    """Opens a connection, asks for the time twice (the first answer also warms the way), and counts what happened."""

    def __init__(self, venue: str, url: str, time_path: str, timeout: float) -> None:
        self.venue = venue
        self._url = urlsplit(url)
        self._path = f"{self._url.path.rstrip('/')}{time_path}"
        self._timeout = timeout
        self._lock = threading.Lock()
        self._connect = Buckets()
        self._round_trip = Buckets()
        self._failures = dict.fromkeys(REASONS, 0)
        self._offsets: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def look(self) -> VenueSight:
        """One probe; never raises for what the venue or the way to it does."""
        try:
            connected, took, offset = self._probe()
        except AskError as fault:
            with self._lock:
                self._failures[fault.reason] += 1
                self._offsets.clear()
            return DOWN
        with self._lock:
            self._connect.observe(connected)
            self._round_trip.observe(took)
            # Answers that cannot both be true: a clock was set in between, and the older ones are about another clock.
            if any(abs(old - offset) > (old_took + took) / 2 + 0.001 for old_took, old in self._offsets):
                self._offsets.clear()
            self._offsets.append((took, offset))
            return VenueSight(up=True, offset=min(self._offsets)[1])

    def _probe(self) -> tuple[float, float, float]:
        connection, connected = open_connection(self._url, self._timeout)
        try:
            get(connection, self._path, self._url.netloc)
            sent = time.time()
            began = time.perf_counter()
            body = get(connection, self._path, self._url.netloc)
            took = time.perf_counter() - began
        finally:
            connection.close()
        return connected, took, server_time(body) - (sent + took / 2)

    def counts(self) -> tuple[Buckets, Buckets, dict[str, int]]:
        """Seconds of connecting, seconds of round trips, failures by reason: copies of one moment."""
        with self._lock:
            return self._connect.copy(), self._round_trip.copy(), dict(self._failures)


def server_time(body: bytes) -> float:
    """Seconds since the epoch out of ``{"serverTime": milliseconds}``; raises AskError."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AskError("body") from None
    value = said.get("serverTime") if isinstance(said, dict) else None
    if type(value) is not int or value <= 0:
        raise AskError("body")
    return value / 1000


def families(seen: Iterable[tuple[VenueProbe, VenueSight | None]]) -> Iterator[Metric]:
    """The venues' series; a venue that was not probed lately has only its counters."""
    seen = list(seen)
    counted = [(probe.venue, probe.counts()) for probe, _ in seen]
    yield CONNECT.histogram(((venue,), connect) for venue, (connect, _, _) in counted)
    yield ROUND_TRIP.histogram(((venue,), answered) for venue, (_, answered, _) in counted)
    yield PROBE_FAILURES.family(
        ((venue, reason), count) for venue, (_, _, failed) in counted for reason, count in failed.items()
    )
    yield VENUE_UP.family(((probe.venue,), float(sight.up)) for probe, sight in seen if sight is not None)
    yield VENUE_OFFSET.family(
        ((probe.venue,), sight.offset) for probe, sight in seen if sight is not None and sight.offset is not None
    )
