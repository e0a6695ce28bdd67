"""Stand-ins for what a test must hold still."""

from datetime import datetime, timedelta

from tests.builders import NOW


class FrozenClock:
    """A clock that moves only when it is told to; see `webhook.clock.Clock`."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The time that was set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds, moved by `advance` alone."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
