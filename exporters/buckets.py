"""Counts per bucket for a histogram that a collector yields afresh on each scrape."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

LATENCY_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Buckets:
    """A histogram with fixed upper bounds (inclusive); values are floats in the unit of the series."""

    __slots__ = ("_bounds", "_counts", "_names", "total")

    def __init__(self, bounds: Sequence[float] = LATENCY_SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._names = tuple(str(bound) for bound in self._bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one *value*."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def copy(self) -> "Buckets":
        """The same counts, standing still."""
        twin = Buckets(self._bounds)
        twin._counts = list(self._counts)
        twin.total = self.total
        return twin

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets as Prometheus wants them: upper bound as text, count of the values up to it; last ``+Inf``."""
        found = []
        running = 0
        for name, count in zip((*self._names, "+Inf"), self._counts, strict=True):
            running += count
            found.append((name, float(running)))
        return found
