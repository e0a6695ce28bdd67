"""Families of depth, volume, moves and trading status: pure, by subject; what was measured is only written down."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data import liquidity_series as series
from exporters.market_data.liquidity import STATES
from exporters.market_data.market import Market
from exporters.market_data.state import LEFT_OUT, Feed, Markets
from exporters.market_data.status import STATUSES


def moves(markets: Markets) -> Iterator[Metric]:
    """How far prices have moved, up to now."""
    rows = []
    for feed in markets.feeds:
        for symbol, market in feed.markets.items():
            price = feed.price(symbol) if market.measured.references else None
            if price is not None:
                for window, reference in market.measured.references.items():
                    rows.append(((feed.venue_name, feed.unified[symbol], window), price / reference - 1))
    yield series.MOVE.family(rows)


def depth(markets: Markets) -> Iterator[Metric]:
    """What rests near the mid, and in what state the books are."""
    seen = [(place, market.measured) for place, market in _markets(markets)]
    looks = [(place, each.liquidity) for place, each in seen if each.liquidity is not None]
    yield series.DEPTH.family(
        ((*place, side, _number(band)), notional)
        for place, look in looks
        for (side, band), notional in look.depth.items()
    )
    yield series.DEPTH_RATIO.family(
        ((*place, side), ratio) for place, each in seen for side, ratio in each.depth_ratio.items()
    )
    yield series.IMBALANCE.family(
        ((*place, str(levels)), ratio) for place, look in looks for levels, ratio in look.imbalance.items()
    )
    yield series.BOOK_STATE.family(
        ((*place, state), float(each.state == state))
        for place, each in seen
        if each.state is not None
        for state in STATES
    )
    yield series.RESUBSCRIBES.family(
        (place, market.resubscribes) for place, market in _markets(markets) if market.book is not None
    )


def volume(markets: Markets) -> Iterator[Metric]:
    """What was traded, and where."""
    names = ("-Inf", *(_number(edge) for edge in markets.measure.volume_edges_bps))
    every = [(place, market) for place, market in _markets(markets, stream="trade")]
    yield series.TRADED.family(
        ((*place, side), notional) for place, market in every for side, notional in market.traded.items()
    )
    yield series.VOLUME_AT_PRICE.family(
        ((*place, bucket), share)
        for place, market in every
        if market.shares is not None
        for bucket, share in zip(names, market.shares, strict=True)
    )
    yield series.VOLUME_ANOMALY.family((place, market.score) for place, market in every if market.score is not None)


def restlessness(markets: Markets) -> Iterator[Metric]:
    """Realised volatility."""
    yield series.VOLATILITY.family(
        ((*place, window), value)
        for place, market in _markets(markets)
        for window, value in market.measured.volatility.items()
    )


def status(markets: Markets) -> Iterator[Metric]:
    """What the venues say of their symbols, and what is not followed."""
    asked = [
        ((feed.venue_name, feed.unified[symbol]), feed.status_of(symbol))
        for feed in markets.feeds
        if feed.has_status
        for symbol in feed.markets
    ]
    yield series.STATUS.family(((*place, each), float(each == said)) for place, said in asked for each in STATUSES)
    yield series.LEFT_OUT.family(
        ((venue, reason), sum(feed.left_out[reason] for feed in feeds))
        for venue, feeds in _by_venue(markets.feeds).items()
        for reason in LEFT_OUT
    )
    yield series.BAD_VALUES.family(
        ((name, field), count) for name, venue in markets.venues.items() for field, count in venue.bad_values.items()
    )


def _by_venue(feeds: Iterable[Feed]) -> dict[str, list[Feed]]:
    found: dict[str, list[Feed]] = {}
    for feed in feeds:
        found.setdefault(feed.venue_name, []).append(feed)
    return found


def _markets(markets: Markets, stream: str | None = None) -> Iterator[tuple[tuple[str, str], Market]]:
    for feed in markets.feeds:
        for symbol, market in feed.markets.items():
            if stream is None or (symbol, stream) in feed.flows:
                yield (feed.venue_name, feed.unified[symbol]), market


def _number(value: float) -> str:
    """``5`` for 5.0 and 2.5 for 2.5: a label must not change its spelling with the configuration's."""
    return f"{value:g}"


KILL: Final = {"moves": moves}
REST: Final = {"depth": depth, "volume": volume, "volatility": restlessness, "status": status}
