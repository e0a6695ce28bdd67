"""The market data exporter: whether the market that we see is the market that is."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.market_data import book, clock, feed, flow, liquidity, moves, prices, sequence, status, venue, volume
from exporters.market_data.markets import Markets
from exporters.market_data.sampler import Sampler
from exporters.market_data.settings import MarketDataSettings
from exporters.market_data.sources import SOURCES
from exporters.scrape import Collector
from exporters.series import DROPPED, Series, Subset
from exporters.serve import Exporter, Source

NAME: Final = "market-data"
SUBJECTS: Final = (flow, feed, clock, sequence, moves, prices, liquidity, book, volume, status, venue)
SERIES: Final[tuple[Series, ...]] = (*(each for subject in SUBJECTS for each in subject.SERIES), DROPPED)

Reader = Callable[[Markets], Iterable[Metric]]


def build(settings: MarketDataSettings) -> Exporter:
    """Open every feed; nothing connects before the exporter serves."""
    markets = Markets(
        settings.offset_window_seconds,
        settings.expire_seconds,
        settings.measure,
        settings.limits,
        settings.first_message_seconds,
    )
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
    return Exporter(name=NAME, collectors=collectors(markets), sources=[*sources, Sampler(markets)])


def collectors(markets: Markets) -> list[Collector]:
    """One for each subject and set; each reads under the lock."""
    return [
        Collector(name, subset, partial(_locked, reader, markets))
        for subset, readers in _READERS.items()
        for name, reader in readers.items()
    ]


def _locked(reader: Reader, markets: Markets) -> list[Metric]:
    with markets.lock:
        return list(reader(markets))


def _flows(markets: Markets) -> Iterator[flow.Flow]:
    for market in markets:
        yield from market.flows.values()


def _clock(markets: Markets) -> Iterable[Metric]:
    present = {each.venue.name: each.now_ns() for each in markets.feeds}
    return clock.offsets((name, each.clock.offset_ns(present[name])) for name, each in markets.venues.items())


def _moves(markets: Markets) -> Iterable[Metric]:
    return moves.moves(
        move
        for each in markets.feeds
        for now, oldest in ((each.now_ns(), each.oldest_ns()),)
        for market in each.markets.values()
        for move in market.moves(now, oldest)
    )


def _prices(markets: Markets) -> Iterable[Metric]:
    return prices.families(
        (market.labels, market.best)
        for each in markets.feeds
        for oldest in (each.oldest_ns(),)
        for market in each.markets.values()
        if market.best is not None and market.best.received_ns >= oldest
    )


def _messages(markets: Markets) -> Iterator[Metric]:
    yield from flow.messages(_flows(markets))
    yield from sequence.losses((each.labels, each.sequence) for each in _flows(markets))
    yield from venue.families(markets.venues.values())


def _depth(markets: Markets) -> Iterator[Metric]:
    yield from liquidity.families((market.labels, market.measured) for market in markets)
    yield from book.families((market.labels, market.book) for market in markets if market.book is not None)


def _volume(markets: Markets) -> Iterable[Metric]:
    rows = ((market.labels, market.volume) for market in markets if market.volume is not None)
    return volume.families(rows, markets.measure.volume_edges_bps)


def _status(markets: Markets) -> Iterator[Metric]:
    yield from status.families(said for each in markets.feeds for said in each.statuses())
    yield from feed.left_out(markets.feeds)


def _dropped(markets: Markets) -> Iterator[Metric]:
    yield DROPPED.family([((NAME, "unknown_symbol"), sum(each.strangers for each in markets.feeds))])


_READERS: Final[dict[Subset, dict[str, Reader]]] = {
    "kill": {
        "freshness": lambda markets: flow.freshness(
            _flows(markets), (late for each in markets.feeds for late in each.waiting())
        ),
        "connections": lambda markets: feed.connections(markets.feeds),
        "clock": _clock,
        "gaps": lambda markets: sequence.gaps((each.labels, each.sequence) for each in _flows(markets)),
        "moves": _moves,
    },
    "rest": {
        "messages": _messages,
        "latency": lambda markets: clock.latencies((name, each.clock) for name, each in markets.venues.items()),
        "prices": _prices,
        "depth": _depth,
        "volume": _volume,
        "volatility": lambda markets: moves.volatility((market.labels, market.volatility) for market in markets),
        "status": _status,
        "cardinality": _dropped,
    },
}
