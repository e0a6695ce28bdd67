"""The exporter's bounds and Prometheus' own fit: a page beyond ``sample_limit`` is thrown away whole."""

import pytest
import yaml

from exporters.market_data.settings import MarketLimits
from tests.bench.bench_market_scrape import filled
from tests.monitoring import ROOT


@pytest.fixture(scope="module")
def full():
    """As many symbols and books as the limits allow, each with everything there is to say of it."""
    limits = MarketLimits()
    made, _ = filled(limits.symbols, limits.books, 5)
    return made


@pytest.mark.parametrize(("subset", "job"), [("kill", "market-data-kill"), ("rest", "market-data")])
def test_a_full_page_is_within_the_limits_of_its_scrape(full, subset, job):
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    (limit,) = [each["sample_limit"] for each in config["scrape_configs"] if each["job_name"] == job]
    samples = sum(len(family.samples) for each in full.collectors if each.subset == subset for family in each.read())
    assert samples > 4_000, "the page is not a full one"
    assert samples * 1.5 < limit
