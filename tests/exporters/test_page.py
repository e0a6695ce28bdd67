"""The page that Prometheus reads, against prometheus-client's own reader."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporters.page import encode
from exporters.scrape import Exposed
from exporters.trading import readers
from tests.exporters.lines import TYPES, line, state_after


def read(page):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


@given(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.floats(allow_nan=False) | st.integers(-(10**18), 10**18),
)
def test_any_label_and_any_number_come_back_as_they_were(text, number):
    family = GaugeMetricFamily("a", 'Help with \\ and\nlines and "quotes".', labels=["z", "b"])
    family.add_metric([text, "x"], number)
    assert read(encode([family])) == {("a", (("b", "x"), ("z", text))): float(number)}


def test_what_is_no_number_is_said_so():
    family = GaugeMetricFamily("a", "A.", value=math.nan)
    assert b"\na NaN\n" in encode([family])


def test_it_is_prometheus_client_s_page_but_for_the_way_numbers_are_written():
    state = state_after(*(line(kind, arrival_mid="99") for kind in TYPES))
    found = (*readers.KILL.values(), *readers.REST.values())
    every = [family for reader in found for family in reader(state, 0.0)]
    every += [*PlatformCollector(registry=None).collect()]
    ours, theirs = encode(every), generate_latest(Exposed(every))
    assert read(ours) == read(theirs)
    comments = [each for each in theirs.decode().splitlines() if each.startswith("#")]
    assert [each for each in ours.decode().splitlines() if each.startswith("#")] == comments


def test_the_process_is_told_of_as_well():
    found = read(encode(ProcessCollector(registry=None).collect()))
    assert found["process_resident_memory_bytes", ()] > 0


@pytest.mark.parametrize("kind", [CounterMetricFamily, HistogramMetricFamily])
def test_a_family_is_named_as_its_samples_are(kind):
    family = kind("a", "A.", labels=["x"])
    name = "a_total" if kind is CounterMetricFamily else "a"
    assert encode([family]).decode() == f"# HELP {name} A.\n# TYPE {name} {family.type}\n"
