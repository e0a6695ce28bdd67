"""The venue's own clock: wall time plus an offset that can be set, because clocks of venues differ from ours."""

import time


class VenueClock:
    """Time since the epoch as this venue believes; `offset` and `skew` are seconds added to the machine's time."""

    __slots__ = ("offset", "skew")

    def __init__(self) -> None:
        # Set for good by the operator, and by a fault for a while.
        self.offset = 0.0
        self.skew = 0.0

    def seconds(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset + self.skew

    def milliseconds(self) -> int:
        """Milliseconds since the epoch."""
        return self.stamp(time.time())

    def stamp(self, machine_seconds: float) -> int:
        """What this venue calls a moment of the machine's wall time, in milliseconds."""
        return int((machine_seconds + self.offset + self.skew) * 1000)
