"""The sources of market data there are: one line each.  A new one is a file here, its settings, and a line below."""

from collections.abc import Callable
from typing import Any, Final

from exporters.market_data.markets import Markets
from exporters.market_data.settings import CaptureFeed, CcxtFeed, NdjsonFeed
from exporters.market_data.sources.binance import STREAM_OF
from exporters.market_data.sources.capture import CaptureSource
from exporters.market_data.sources.exchange import ProSource, RestSource
from exporters.market_data.sources.ndjson import NdjsonSource
from exporters.serve import Source

_TRIPS_BEFORE_STALE: Final = 12
_CCXT_CLOCK_SECONDS: Final = 60.0


def _ndjson(settings: NdjsonFeed, markets: Markets) -> Source:
    feed = markets.open(
        settings.venue,
        settings.symbols,
        [STREAM_OF[stream] for stream in settings.streams],
        trips_stale_seconds=settings.time_every_seconds * _TRIPS_BEFORE_STALE,
    )
    return NdjsonSource(
        settings.url,
        feed,
        markets,
        market=settings.market,
        streams=settings.streams,
        idle_seconds=settings.idle_seconds,
        time_path=settings.time_path,
        time_every_seconds=settings.time_every_seconds,
        status_path=settings.status_path,
        status_every_seconds=settings.status_every_seconds,
    )


def _capture(settings: CaptureFeed, markets: Markets) -> Source:
    return CaptureSource(settings.file, markets.open(settings.venue, settings.symbols), markets, settings.pace)


def _ccxt(settings: CcxtFeed, markets: Markets) -> Source:
    feed = markets.open(
        settings.venue,
        settings.symbols,
        settings.streams,
        trips_stale_seconds=_CCXT_CLOCK_SECONDS + settings.timeout_seconds,
        name=str,
    )
    return (ProSource if settings.source == "ccxt_pro" else RestSource)(settings, feed, markets)


SOURCES: Final[dict[str, Callable[[Any, Markets], Source]]] = {
    "ndjson": _ndjson,
    "capture": _capture,
    "ccxt": _ccxt,
    "ccxt_pro": _ccxt,
}
