"""The market data exporter: whether the market that we see is the market that is."""

from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.market_data import families, series
from exporters.market_data.market import Sampler
from exporters.market_data.settings import MarketDataSettings
from exporters.market_data.sources import SOURCES
from exporters.market_data.state import Markets
from exporters.scrape import Collector
from exporters.series import DROPPED, Series
from exporters.serve import Exporter, Source

NAME: Final = "market-data"
SERIES: Final[tuple[Series, ...]] = (*series.SERIES, DROPPED)


def build(settings: MarketDataSettings) -> Exporter:
    """Open every feed; nothing connects before the exporter serves."""
    markets = Markets(settings.offset_window_seconds, settings.expire_seconds, settings.measure, settings.limits)
    sources: list[Source] = []
    for each in settings.feeds:
        source = SOURCES[each.source](each, markets)
        opened = markets.feeds[-1]
        left_out = opened.left_out["symbols_limit"]
        if left_out:
            structlog.get_logger(exporter=NAME).warning(
                "symbols left out: raise market_data.limits.symbols", venue=each.venue, left_out=left_out
            )
        if opened.markets:
            sources.append(source)

    def read(reader: families.Reader) -> Iterable[Metric]:
        with markets.lock:
            return list(reader(markets))

    return Exporter(
        name=NAME,
        collectors=[
            *(Collector(name, "kill", partial(read, reader)) for name, reader in families.KILL.items()),
            *(Collector(name, "rest", partial(read, reader)) for name, reader in families.REST.items()),
            Collector("cardinality", "rest", partial(_dropped, markets)),
        ],
        sources=[*sources, Sampler(markets)],
    )


def _dropped(markets: Markets) -> Iterable[Metric]:
    yield DROPPED.family([((NAME, "unknown_symbol"), sum(feed.strangers for feed in markets.feeds))])
