"""What was traded, and at which prices: which share of a window's quantity lies how far from its average price."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.market_data.ticks import Tick
from exporters.series import counter, gauge

TRADED: Final = counter(
    "market_data_traded_notional_total",
    "venue symbol side",
    "rest",
    "money in the symbol's quote currency",
    "trade",
    "Sum of price times quantity of the market's trades; side is the taker's: buy, sell, or unknown where the venue "
    "does not say.",
)
VOLUME_AT_PRICE: Final = gauge(
    "market_data_volume_at_price_ratio",
    "venue symbol bucket",
    "rest",
    "ratio 0-1",
    "trade, looked at each 5 s",
    "Share of the quantity traded in the last 5 minutes by distance from their volume-weighted average price; bucket "
    "is the lower edge in basis points, -Inf for what is below the lowest edge; absent without trades.",
)
VOLUME_ANOMALY: Final = gauge(
    "market_data_volume_at_price_anomaly_score",
    "venue symbol",
    "rest",
    "nats (0: as usual)",
    "trade, looked at each 5 s",
    "Kullback-Leibler divergence of the volume-at-price shares from their mean of the session before, both smoothed by "
    "0.01; absent in the first minute.",
)
SERIES: Final = (TRADED, VOLUME_AT_PRICE, VOLUME_ANOMALY)

_GRID: Final = 1e5  # cells of a tenth of a basis point
_MOST_CELLS: Final = 2_000
_COARSE: Final = 100  # beyond that many cells of a second: cells of ten basis points
_SMOOTHING: Final = 0.01


@dataclass(slots=True)
class _Second:
    at: int
    quantity: float = 0.0
    notional: float = 0.0
    cells: dict[int, float] = field(default_factory=dict)


class VolumeProfile:
    """Trades of the last *window_seconds*, kept per second and cell of price, so that memory is bounded."""

    def __init__(self, window_seconds: float) -> None:
        self._window = int(window_seconds)
        self._seconds: deque[_Second] = deque()

    def trade(self, price: float, quantity: float, second: int) -> None:
        """Count a trade of the *second* (since the epoch); late ones count in the newest second."""
        if not self._seconds or second > self._seconds[-1].at:
            self._seconds.append(_Second(second))
            self._forget(second)
        newest = self._seconds[-1]
        newest.quantity += quantity
        newest.notional += price * quantity
        cell = round(math.log(price) * _GRID)
        if cell not in newest.cells and len(newest.cells) >= _MOST_CELLS:
            cell = round(cell / _COARSE) * _COARSE
        newest.cells[cell] = newest.cells.get(cell, 0.0) + quantity

    def shares(self, edges_bps: Sequence[float], now_second: int) -> list[float] | None:
        """Share of the window's quantity below the first edge, from each edge to the next, and from the last one up;
        edges are basis points from the window's volume-weighted average price.  ``None`` without trades.
        """
        self._forget(now_second)
        total = sum(each.quantity for each in self._seconds)
        if total <= 0:
            return None
        average = math.log(sum(each.notional for each in self._seconds) / total) * _GRID
        edges = [average + math.log1p(edge / 1e4) * _GRID for edge in edges_bps]
        found = [0.0] * (len(edges_bps) + 1)
        for each in self._seconds:
            for cell, quantity in each.cells.items():
                found[bisect_right(edges, cell)] += quantity
        return [quantity / total for quantity in found]

    def _forget(self, now_second: int) -> None:
        while self._seconds and self._seconds[0].at <= now_second - self._window:
            self._seconds.popleft()


@dataclass(slots=True)
class UsualProfile:
    """The mean profile of the session: every look counts alike until *looks* of them, then the older ones fade."""

    looks: int
    needed: int
    seen: int = 0
    mean: list[float] = field(default_factory=list)

    def score(self, shares: Sequence[float]) -> float | None:
        """How far *shares* are from the mean of the looks before: Kullback-Leibler divergence in nats, both smoothed
        by 1 %.  ``None`` until enough was seen.
        """
        if self.seen < self.needed:
            return None
        return sum(p * math.log(p / q) for p, q in zip(_smooth(shares), _smooth(self.mean), strict=True))

    def learn(self, shares: Sequence[float]) -> None:
        """Take one look in."""
        self.seen += 1
        weight = 1 / min(self.seen, self.looks)
        before = self.mean or [0.0] * len(shares)
        self.mean = [mean + weight * (share - mean) for mean, share in zip(before, shares, strict=True)]


def _smooth(shares: Sequence[float]) -> list[float]:
    whole = 1 + _SMOOTHING * len(shares)
    return [(share + _SMOOTHING) / whole for share in shares]


class Volume:
    """What was traded of one symbol."""

    def __init__(self, window_seconds: float, looks: int, needed: int) -> None:
        """*looks* make a session, and *needed* of them make it a measure."""
        self.traded: dict[str, float] = {"buy": 0.0, "sell": 0.0}
        self.shares: list[float] | None = None
        self.score: float | None = None
        self._profile = VolumeProfile(window_seconds)
        self._usual = UsualProfile(looks, needed)

    def trade(self, tick: Tick, second: int) -> None:
        """Count a trade of the *second* (since the epoch)."""
        self.traded[tick.side] = self.traded.get(tick.side, 0.0) + tick.price * tick.quantity
        self._profile.trade(tick.price, tick.quantity, second)

    def look(self, edges_bps: Sequence[float], second: int) -> None:
        """Take the profile of the window that ends now, compare it with the session, and make it part of that."""
        self.shares = self._profile.shares(edges_bps, second)
        if self.shares is None:
            self.score = None
            return
        self.score = self._usual.score(self.shares)
        self._usual.learn(self.shares)


def families(rows: Iterable[tuple[tuple[str, str], Volume]], edges_bps: Iterable[float]) -> Iterator[Metric]:
    """What was traded, and where."""
    rows = list(rows)
    names = ("-Inf", *(f"{edge:g}" for edge in edges_bps))
    yield TRADED.family(
        ((*labels, side), notional) for labels, volume in rows for side, notional in volume.traded.items()
    )
    yield VOLUME_AT_PRICE.family(
        ((*labels, bucket), share)
        for labels, volume in rows
        if volume.shares is not None
        for bucket, share in zip(names, volume.shares, strict=True)
    )
    yield VOLUME_ANOMALY.family((labels, volume.score) for labels, volume in rows if volume.score is not None)
