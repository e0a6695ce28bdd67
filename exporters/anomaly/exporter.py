"""The anomaly exporter: scores that a rule may page on."""

from typing import Final

from exporters.anomaly import watcher
from exporters.anomaly.settings import AnomalySettings
from exporters.anomaly.watcher import Watcher
from exporters.scrape import Collector
from exporters.serve import Exporter

NAME: Final = "anomaly"
SERIES: Final = watcher.SERIES


def build(settings: AnomalySettings) -> Exporter:
    """Make a model for each series; ValueError when none is named, or without river."""
    if not settings.series:
        raise ValueError("anomaly.series is empty: name what to watch, see docs/metrics.md")
    watch = Watcher(settings)
    return Exporter(name=NAME, collectors=[Collector("scores", "rest", watch.families)], sources=[watch])
