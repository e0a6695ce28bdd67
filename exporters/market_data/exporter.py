"""The market data exporter: whether the market that we see is the market that is."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data import families, series
from exporters.market_data.capture import CaptureSource
from exporters.market_data.ccxt_feed import ProSource, RestSource
from exporters.market_data.market import Sampler
from exporters.market_data.ndjson import NdjsonSource
from exporters.market_data.settings import CcxtFeed, MarketDataSettings, NdjsonFeed
from exporters.market_data.state import Markets
from exporters.market_data.ticks import STREAM_OF
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
        if isinstance(each, NdjsonFeed):
            feed = markets.open(
                each.venue,
                each.symbols,
                [STREAM_OF[stream] for stream in each.streams],
                trips_stale_seconds=each.time_every_seconds * 12,
            )
            sources.append(
                NdjsonSource(
                    each.url,
                    feed,
                    markets,
                    market=each.market,
                    streams=each.streams,
                    idle_seconds=each.idle_seconds,
                    time_path=each.time_path,
                    time_every_seconds=each.time_every_seconds,
                    status_path=each.status_path,
                    status_every_seconds=each.status_every_seconds,
                )
            )
        elif isinstance(each, CcxtFeed):
            feed = markets.open(
                each.venue, each.symbols, each.streams, trips_stale_seconds=60.0 + each.timeout_seconds, name=str
            )
            kind = ProSource if each.source == "ccxt_pro" else RestSource
            sources.append(kind(each, feed, markets))
        else:
            feed = markets.open(each.venue, each.symbols)
            sources.append(CaptureSource(each.file, feed, markets, each.pace))

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
