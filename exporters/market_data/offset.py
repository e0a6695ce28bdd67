"""How far the venue's clock is ahead of ours.

Receive time minus event time is *latency minus offset*; from messages alone the two cannot be told apart.  So the
fastest message of a window is taken to have had no latency at all: the offset is then too small by that message's
latency, and every latency is relative to the fastest one, and never negative.  A venue that tells its time lets us do
better: a round trip bounds the offset to half its length, and a latency that grows and stays is then seen for as long
as it stays.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_BUCKET_NS: Final = 1_000_000_000
_ROUND_TRIPS: Final = 12
_VENUE_RESOLUTION_NS: Final = 1_000_000


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
        since = now_ns - int(self.stale_seconds * 1e9)
        fresh = [trip for trip in self._trips if trip.received_ns >= since]
        return min(fresh).offset_ns if fresh else None
