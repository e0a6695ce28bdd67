"""A series is declared once: the exporters build their families from it, and docs/metrics.md is checked against it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from exporters.buckets import Buckets

Subset = Literal["kill", "rest"]
Row = tuple[Sequence[str], float]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: *unit* in words, *subset* the scrape it belongs to, *source* where its data comes from."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    subset: Subset
    unit: str
    help: str
    source: str

    def family(self, rows: Iterable[Row]) -> Metric:
        """Gauge or counter samples: each row is the label values, in the order of ``labels``, and the value."""
        metric: CounterMetricFamily | GaugeMetricFamily
        if self.kind == "counter":
            metric = CounterMetricFamily(self.name.removesuffix("_total"), self.help, labels=self.labels)
        else:
            metric = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for values, number in rows:
            metric.add_metric(values, number)
        return metric

    def histogram(self, rows: Iterable[tuple[Sequence[str], Buckets]]) -> Metric:
        """Histogram samples: each row is the label values and the counts."""
        metric = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for values, buckets in rows:
            metric.add_metric(values, buckets.cumulative(), buckets.total)
        return metric


def gauge(name: str, labels: str, subset: Subset, unit: str, source: str, text: str) -> Series:
    """Declare a gauge; *labels* are separated by spaces."""
    return Series(name, "gauge", tuple(labels.split()), subset, unit, text, source)


def counter(name: str, labels: str, subset: Subset, unit: str, source: str, text: str) -> Series:
    """Declare a counter; its name ends in ``_total``."""
    return Series(name, "counter", tuple(labels.split()), subset, unit, text, source)


def histogram(name: str, labels: str, subset: Subset, unit: str, source: str, text: str) -> Series:
    """Declare a classic histogram."""
    return Series(name, "histogram", tuple(labels.split()), subset, unit, text, source)


DROPPED: Final = counter(
    "exporter_series_dropped_total",
    "exporter reason",
    "rest",
    "updates",
    "the exporter itself",
    "Updates for series that found no room (the number of engines, strategies, instruments or symbols is bounded by "
    "configuration) or that the configuration does not name.",
)
