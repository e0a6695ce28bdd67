"""How unusual a number is: half-space trees (river) over where it stands and how it moved.

The trees want numbers between 0 and 1.  Value and change are first put into deviations from their own exponentially
weighted past, then squashed, so that no bound need be known and none can be left.
"""

import math
from typing import Any, Final, Protocol

from exporters.anomaly.settings import AnomalySettings

_STEEP: Final = 4.0  # deviations that are squashed to about three quarters of the way to the edge


class ExtraMissingError(ValueError):
    """River is not installed; the message says how to get it."""


class Model(Protocol):
    """One series' model."""

    observations: int

    def observe(self, value: float) -> float | None:
        """Score *value* (0 as usual, towards 1 unlike anything lately), then learn it; ``None`` while warming up."""

    def miss(self) -> None:
        """There was no value: what changes until the next one is a gap's and no change."""


class _Past:
    """Mean and variance that forget; *span* samples weigh about as much as an average over so many."""

    def __init__(self, span: int) -> None:
        self._weight = 2 / (span + 1)
        self._mean: float | None = None
        self._variance = 0.0

    def place(self, value: float) -> float:
        """*value* in deviations from the past, squashed to between 0 and 1; then it becomes past."""
        mean = value if self._mean is None else self._mean
        off = value - mean
        deviation = math.sqrt(self._variance)
        floor = 1e-9 + 1e-6 * abs(mean)
        placed = 0.5 + 0.5 * math.tanh(off / max(deviation, floor) / _STEEP)
        self._mean = mean + self._weight * off
        self._variance = (1 - self._weight) * (self._variance + self._weight * off * off)
        return placed


class HalfSpaceTrees:
    """River's, with both features."""

    def __init__(self, settings: AnomalySettings) -> None:
        """Raises ExtraMissingError without river."""
        try:
            from river import anomaly  # noqa: PLC0415  # an extra, and it takes seconds to import
        except ImportError:
            raise ExtraMissingError(
                "the anomaly exporter needs river: pip install 'andon[exporters,anomaly]'"
            ) from None
        limits: dict[Any, tuple[float, float]] = {"value": (0.0, 1.0), "change": (0.0, 1.0)}
        self._trees: Any = anomaly.HalfSpaceTrees(
            n_trees=settings.trees,
            height=settings.height,
            window_size=settings.window,
            limits=limits,
            seed=settings.seed,
        )
        self._warm_up = settings.warm_up
        self._values = _Past(settings.window)
        self._changes = _Past(settings.window)
        self._last: float | None = None
        self.observations = 0

    def observe(self, value: float) -> float | None:
        """See `Model.observe`."""
        change = 0.5 if self._last is None else self._changes.place(value - self._last)
        self._last = value
        features = {"value": self._values.place(value), "change": change}
        score = float(self._trees.score_one(features))
        self._trees.learn_one(features)
        self.observations += 1
        return score if self.observations > self._warm_up else None

    def miss(self) -> None:
        """See `Model.miss`."""
        self._last = None
