"""The section ``anomaly`` of the configuration."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from exporters.section import Listen, Name, Seconds, Section, Url


class WatchedSeries(Section):
    """One number to watch: ``query`` is PromQL that gives a single sample, ``name`` the label of its score."""

    name: Name
    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class AnomalySettings(Section):
    """A score is told once ``warm_up`` samples were seen; ``window`` samples are what "lately" means."""

    listen: Listen = Listen(port=9104)
    prometheus_url: Url = "http://prometheus:9090"
    series: tuple[WatchedSeries, ...] = Field(default=(), max_length=200)
    every_seconds: Seconds = 15
    timeout_seconds: Seconds = 5
    trees: int = Field(default=25, ge=1, le=200)
    height: int = Field(default=8, ge=1, le=15)
    window: int = Field(default=240, ge=10, le=10_000)
    warm_up: int = Field(default=480, ge=1, le=100_000)
    seed: int = 42

    @model_validator(mode="after")
    def _can_score(self) -> Self:
        names = [each.name for each in self.series]
        if len(set(names)) != len(names):
            raise ValueError("series: a name is used twice")
        if self.warm_up < self.window:
            raise ValueError(
                "warm_up must not be below window: before a window is full there is nothing to compare with"
            )
        return self
