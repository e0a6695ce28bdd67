"""Families out of what is known of the feeds: pure, by subject."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data import liquidity_families, series
from exporters.market_data.state import Best, Flow, Markets

Reader = Callable[[Markets], Iterable[Metric]]
_NS: Final = 1_000_000_000


def freshness(markets: Markets) -> Iterator[Metric]:
    """When each stream last moved."""
    flows = list(_flows(markets))
    yield series.LAST_EVENT.family((key, flow.event_ns / _NS) for key, flow in flows if flow.event_ns)
    yield series.LAST_RECEIVED.family((key, flow.received_ns / _NS) for key, flow in flows if flow.received_ns)
    up: dict[str, bool] = {}
    for feed in markets.feeds:
        if not feed.markets:  # the limits left nothing of it
            continue
        up[feed.venue_name] = feed.connected and up.get(feed.venue_name, True)
    yield series.FEED_UP.family(((venue,), float(ok)) for venue, ok in up.items())


def clock(markets: Markets) -> Iterator[Metric]:
    """How far apart the clocks are."""
    present = {feed.venue_name: feed.now_ns() for feed in markets.feeds}
    offsets = ((name, venue.offset_ns(present[name])) for name, venue in markets.venues.items())
    yield series.CLOCK_OFFSET.family(((name,), offset / _NS) for name, offset in offsets if offset is not None)


def gaps(markets: Markets) -> Iterator[Metric]:
    """Breaks in the sequences."""
    yield series.GAPS.family((key, flow.gaps) for key, flow in _flows(markets) if flow.shows_gaps)


def messages(markets: Markets) -> Iterator[Metric]:
    """How much came in, and in what state."""
    flows = list(_flows(markets))
    yield series.MESSAGES.family((key, flow.messages) for key, flow in flows)
    yield series.MISSING.family((key, flow.missing) for key, flow in flows if flow.shows_missing)
    yield series.OUT_OF_ORDER.family((key, flow.out_of_order) for key, flow in flows)
    yield series.MALFORMED.family(((name,), venue.malformed) for name, venue in markets.venues.items())
    yield series.RECONNECTS.family(((name,), venue.reconnects) for name, venue in markets.venues.items())


def latency(markets: Markets) -> Iterator[Metric]:
    """How long messages were on their way."""
    venues = markets.venues.items()
    yield series.LATENCY.histogram(
        ((name, stream), each) for name, venue in venues for stream, each in venue.latency.items()
    )
    yield series.LATENCY_RAW.family(
        ((name, stream), raw / _NS) for name, venue in venues for stream, raw in venue.raw_ns.items()
    )


def prices(markets: Markets) -> Iterator[Metric]:
    """Best prices; those that nobody renewed for long are not known any more."""
    best = list(_best(markets))
    whole = [(key, each.bid, each.ask) for key, each in best if each.bid is not None and each.ask is not None]
    yield series.BEST_BID.family((key, each.bid) for key, each in best if each.bid is not None)
    yield series.BEST_ASK.family((key, each.ask) for key, each in best if each.ask is not None)
    yield series.MID.family((key, (bid + ask) / 2) for key, bid, ask in whole)
    yield series.SPREAD.family((key, 2 * (ask - bid) / (bid + ask)) for key, bid, ask in whole)


def _flows(markets: Markets) -> Iterator[tuple[tuple[str, str, str], Flow]]:
    for feed in markets.feeds:
        for (symbol, stream), flow in feed.flows.items():
            yield (feed.venue_name, feed.unified[symbol], stream), flow


def _best(markets: Markets) -> Iterator[tuple[tuple[str, str], Best]]:
    for feed in markets.feeds:
        oldest = feed.now_ns() - int(markets.expire_seconds * _NS)
        for symbol, best in feed.best.items():
            if best.received_ns >= oldest:
                yield (feed.venue_name, feed.unified[symbol]), best


KILL: Final[dict[str, Reader]] = {"freshness": freshness, "clock": clock, "gaps": gaps, **liquidity_families.KILL}
REST: Final[dict[str, Reader]] = {
    "messages": messages,
    "latency": latency,
    "prices": prices,
    **liquidity_families.REST,
}
