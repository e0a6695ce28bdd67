"""The guard round the collectors."""

from prometheus_client.metrics_core import GaugeMetricFamily

from exporters.buckets import Buckets
from exporters.scrape import Collector, Scrape
from tests.exporters.lines import values


def good(name, number):
    return lambda: [GaugeMetricFamily(name, "A number.", value=number)]


def broken():
    yield GaugeMetricFamily("half", "A number.", value=1)
    raise OSError("secret")


def test_a_collector_that_raises_costs_only_its_own_series():
    scrape = Scrape(
        "x",
        [
            Collector("good", "kill", good("a", 1)),
            Collector("broken", "kill", broken),
            Collector("last", "rest", good("b", 2)),
        ],
    )
    seen = values(scrape.families(None))
    assert seen["a{}"] == 1
    assert seen["b{}"] == 2
    assert "half{}" not in seen
    assert seen["exporter_collector_success{x,good}"] == 1
    assert seen["exporter_collector_success{x,broken}"] == 0
    assert seen["exporter_collector_duration_seconds{x,broken}"] >= 0


def test_only_the_collectors_of_the_set_run():
    ran = []
    scrape = Scrape("x", [Collector(each, each, lambda each=each: ran.append(each) or []) for each in ("kill", "rest")])
    scrape.families("kill")
    assert ran == ["kill"]
    scrape.families("rest")
    assert ran == ["kill", "rest"]


def test_how_the_kill_collectors_fared_is_told_with_the_rest():
    scrape = Scrape("x", [Collector("broken", "kill", broken)])
    assert values(scrape.families("kill")) == {}
    assert values(scrape.families("rest"))["exporter_collector_success{x,broken}"] == 0


def test_a_family_without_samples_is_left_out():
    assert (
        Scrape("x", [Collector("empty", "kill", lambda: [GaugeMetricFamily("a", "None.", labels=["l"])])]).families(
            "kill"
        )
        == []
    )


def test_buckets_hold_what_is_at_most_their_bound():
    buckets = Buckets((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 99.0):
        buckets.observe(value)
    assert buckets.cumulative() == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]
    assert buckets.total == 104.0
    assert buckets.count == 5


def test_a_copy_of_buckets_stands_still():
    buckets = Buckets((1.0,))
    buckets.observe(0.5)
    twin = buckets.copy()
    buckets.observe(0.5)
    assert (twin.count, twin.total, buckets.count) == (1, 0.5, 2)
