"""The best prices of a symbol, as last said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

_LABELS: Final = "venue symbol"

MID: Final = gauge(
    "market_data_mid_price",
    _LABELS,
    "rest",
    "price",
    "book_ticker",
    "Mean of best bid and ask; absent when a side is empty or old.",
)
SPREAD: Final = gauge(
    "market_data_spread_ratio",
    _LABELS,
    "rest",
    "ratio",
    "book_ticker",
    "Best ask less best bid over mid; negative when crossed.",
)
BEST_BID: Final = gauge("market_data_best_bid", _LABELS, "rest", "price", "book_ticker", "Best bid.")
BEST_ASK: Final = gauge("market_data_best_ask", _LABELS, "rest", "price", "book_ticker", "Best ask.")
SERIES: Final = (MID, SPREAD, BEST_BID, BEST_ASK)


class Price(NamedTuple):
    """A price and when it was last said: nanoseconds since the epoch."""

    value: float
    at_ns: int


@dataclass(slots=True)
class Best:
    """The best prices as last said, ``None`` for an empty side."""

    bid: float | None
    ask: float | None
    received_ns: int

    @property
    def mid(self) -> Price | None:
        """The mean of both; ``None`` when a side is empty."""
        return None if self.bid is None or self.ask is None else Price((self.bid + self.ask) / 2, self.received_ns)


def families(rows: Iterable[tuple[tuple[str, str], Best]]) -> Iterator[Metric]:
    """Best prices that are not old."""
    best = list(rows)
    whole = [(labels, each.bid, each.ask) for labels, each in best if each.bid is not None and each.ask is not None]
    yield BEST_BID.family((labels, each.bid) for labels, each in best if each.bid is not None)
    yield BEST_ASK.family((labels, each.ask) for labels, each in best if each.ask is not None)
    yield MID.family((labels, (bid + ask) / 2) for labels, bid, ask in whole)
    yield SPREAD.family((labels, 2 * (ask - bid) / (bid + ask)) for labels, bid, ask in whole)
