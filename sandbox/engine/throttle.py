"""How fast the engine may go: it waits longer after every failure of the venue, and never sends orders in a flood."""

from sandbox.engine.venue_error import Failure, VenueError

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 8.0
LIMITED_SECONDS = 1.0


class Backoff:
    """The time before the next request to a venue that failed; all times in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.failures = 0
        self.until = 0.0

    def failed(self, error: VenueError, now: float) -> None:
        """Wait twice as long as the last time, and as long as the venue asks; a refusal costs nothing."""
        if error.failure in {Failure.REFUSED, Failure.NOT_FOUND}:
            return
        self.failures += 1
        delay = min(FIRST_SECONDS * 2 ** min(self.failures - 1, 10), LONGEST_SECONDS)
        if error.failure is Failure.LIMITED:
            delay = max(delay, LIMITED_SECONDS, error.retry_after or 0.0)
        self.until = max(self.until, now + delay)

    def worked(self) -> None:
        """Forget the failures."""
        self.failures = 0
        self.until = 0.0

    def remaining(self, now: float) -> float:
        """Give how long to wait still; 0 when the venue may be asked."""
        return max(0.0, self.until - now)


class TokenBucket:
    """A token bucket: at most *per_second* on average, and *burst* at once."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def spend(self, now: float) -> bool:
        """Take one token; False when there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
