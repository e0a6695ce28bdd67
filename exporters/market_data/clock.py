"""How far a venue's clock is ahead of ours, and how long its messages are on their way.

Receive time minus event time is *latency minus offset*; from messages alone the two cannot be told apart.  So the
fastest message of a window is taken to have had no latency at all: the offset is then too small by that message's
latency, and every latency is relative to the fastest one, and never negative.  A venue that tells its time lets us do
better: a round trip bounds the offset to half its length, and a latency that grows and stays is then seen for as long
as it stays.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from prometheus_client.metrics_core import Metric

from exporters.buckets import Buckets
from exporters.series import gauge, histogram

CLOCK_OFFSET: Final = gauge(
    "market_data_clock_offset_seconds",
    "venue",
    "kill",
    "seconds, signed",
    "the venue's time endpoint, else the feed",
    "Venue clock minus ours: the midpoint of the fastest recent round trip where the venue is asked for its time, else "
    "taken from the fastest message of the window (then too small by that message's latency).",
)
LATENCY: Final = histogram(
    "market_data_feed_latency_seconds",
    "venue stream",
    "rest",
    "seconds",
    "the feed",
    "Receive time minus event time plus clock offset, not below 0; without a time endpoint relative to the fastest "
    "message.",
)
LATENCY_RAW: Final = gauge(
    "market_data_feed_latency_raw_seconds",
    "venue stream",
    "rest",
    "seconds, signed",
    "the feed",
    "Receive time minus event time of the last message, two clocks apart; negative when the venue's is ahead.",
)
SERIES: Final = (CLOCK_OFFSET, LATENCY, LATENCY_RAW)

_NS: Final = 1_000_000_000
_BUCKET_NS: Final = 1_000_000_000
_ROUND_TRIPS: Final = 12
_VENUE_RESOLUTION_NS: Final = 1_000_000
_FAR_NS: Final = 10_000_000_000


@dataclass(slots=True)
class FastestMessage:
    """The smallest receive minus event time of *window_seconds*; kept per second, so the window bounds memory."""

    window_seconds: float
    _seconds: deque[tuple[int, int]] = field(default_factory=deque)

    def observe(self, raw_ns: int, received_ns: int) -> None:
        """A message that was received *raw_ns* after its event time."""
        second = received_ns // _BUCKET_NS
        horizon = second - int(self.window_seconds)
        kept = self._seconds
        # Only what may still become the smallest is kept, so the smallest is always the first.
        while kept and kept[-1][1] >= raw_ns:
            kept.pop()
        if not kept or kept[-1][0] != second:
            kept.append((second, raw_ns))
        while kept[0][0] < horizon:
            kept.popleft()

    @property
    def offset_ns(self) -> int | None:
        """Venue clock minus ours, too small by the latency of the fastest message; ``None`` before the first."""
        return -self._seconds[0][1] if self._seconds else None


class RoundTrip(NamedTuple):
    """One question for the time: the venue's clock minus ours is *offset_ns*, give or take half of *took_ns*."""

    took_ns: int
    offset_ns: int
    received_ns: int


@dataclass(slots=True)
class RoundTrips:
    """The offset by asking for the time: of the last answers the fastest tells most; stale after *stale_seconds*."""

    stale_seconds: float
    _trips: deque[RoundTrip] = field(default_factory=lambda: deque(maxlen=_ROUND_TRIPS))

    def observe(self, sent_ns: int, venue_ns: int, received_ns: int) -> None:
        """Asked at *sent_ns*, the venue said *venue_ns*, and we heard it at *received_ns*."""
        new = RoundTrip(received_ns - sent_ns, venue_ns - (sent_ns + received_ns) // 2, received_ns)
        # Two answers that cannot both be true mean that a clock was set in between: the older ones are about another
        # clock.
        if any(
            abs(old.offset_ns - new.offset_ns) * 2 > old.took_ns + new.took_ns + 2 * _VENUE_RESOLUTION_NS
            for old in self._trips
        ):
            self._trips.clear()
        self._trips.append(new)

    def offset_ns(self, now_ns: int) -> int | None:
        """Venue clock minus ours; ``None`` when nobody answered lately."""
        if not self._trips:
            return None
        since = now_ns - int(self.stale_seconds * 1e9)
        fresh = [trip for trip in self._trips if trip.received_ns >= since]
        return min(fresh).offset_ns if fresh else None


@dataclass(slots=True)
class Clock:
    """What messages and round trips tell of one venue's clock, and of each stream's latency."""

    fastest: FastestMessage
    trips: RoundTrips
    latency: dict[str, Buckets] = field(default_factory=dict)
    raw_ns: dict[str, int] = field(default_factory=dict)
    _doubted: int | None = None

    def follow(self, streams: Iterable[str]) -> None:
        """Count the latency of these streams from now on."""
        for stream in streams:
            self.latency.setdefault(stream, Buckets())

    def offset_ns(self, now_ns: int) -> int | None:
        """Venue clock minus ours: by round trips where the venue is asked for its time, else by the fastest message."""
        known = self.trips.offset_ns(now_ns)
        return self.fastest.offset_ns if known is None else known

    def take(self, event_ns: int, received_ns: int, stream: str | None = None) -> bool:
        """Something with a venue time; a ping (no *stream*) tells of the clock, not of a stream's latency.

        False when the time cannot be believed: one that is far from what is known of the clock needs a second one that
        agrees, for a single wrong time must not shift the clock of the venue, nor make a book look old.
        """
        raw = received_ns - event_ns
        by_trips = self.trips.offset_ns(received_ns)
        offset = self.fastest.offset_ns if by_trips is None else by_trips
        if offset is not None and not -_FAR_NS <= raw + offset <= _FAR_NS:
            doubted, self._doubted = self._doubted, raw
            if doubted is None or abs(raw - doubted) > _FAR_NS:
                return False
        else:
            self._doubted = None
        self.fastest.observe(raw, received_ns)
        if stream is not None:
            self.raw_ns[stream] = raw
            offset = self.fastest.offset_ns if by_trips is None else by_trips
            self.latency[stream].observe(max(0, raw + (offset or 0)) / _NS)
        return True


def offsets(rows: Iterable[tuple[str, int | None]]) -> Iterator[Metric]:
    """*rows* are venues and their offset in nanoseconds, where it is known."""
    yield CLOCK_OFFSET.family(((venue,), offset / _NS) for venue, offset in rows if offset is not None)


def latencies(rows: Iterable[tuple[str, Clock]]) -> Iterator[Metric]:
    """How long the messages of each venue were on their way."""
    rows = list(rows)
    yield LATENCY.histogram(
        ((venue, stream), buckets) for venue, clock in rows for stream, buckets in clock.latency.items()
    )
    yield LATENCY_RAW.family(
        ((venue, stream), raw / _NS) for venue, clock in rows for stream, raw in clock.raw_ns.items()
    )
