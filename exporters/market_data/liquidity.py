"""What rests in a book near the mid: depth, imbalance, and whether the book can be believed at all."""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

_SOURCE: Final = "depth, from snapshot and differences"

DEPTH: Final = gauge(
    "market_data_depth_notional",
    "venue symbol side band",
    "rest",
    "money in the symbol's quote currency",
    _SOURCE,
    "Sum of price times quantity within band basis points of the mid, by side (bid, ask); with one side empty from the "
    "best of the other, and 0 on the empty side; absent when the book is crossed, stale or unsynchronised.",
)
DEPTH_RATIO: Final = gauge(
    "market_data_depth_ratio",
    "venue symbol side",
    "rest",
    "ratio (1 is usual)",
    _SOURCE,
    "Depth within 25 basis points (measure.depth_ratio_band_bps) over its median of the session (the last hour, one "
    "value each 5 s); absent in the first minute.",
)
IMBALANCE: Final = gauge(
    "market_data_imbalance_ratio",
    "venue symbol levels",
    "rest",
    "ratio -1 to 1",
    _SOURCE,
    "(bid quantity - ask quantity) / (bid + ask quantity) over the best 1 and 5 levels; absent when both are empty.",
)
BOOK_STATE: Final = gauge(
    "market_data_book_state",
    "venue symbol state",
    "rest",
    "boolean",
    _SOURCE,
    "1 for the state the book is in, 0 for the others: ok, empty (a side has no level), crossed (bid at or above ask), "
    "stale (10 s without an update), unsynchronised (no snapshot yet, or an update was missed).",
)
SERIES: Final = (DEPTH, DEPTH_RATIO, IMBALANCE, BOOK_STATE)

BookState = Literal["ok", "empty", "crossed", "stale", "unsynchronised"]
STATES: Final[tuple[BookState, ...]] = ("ok", "empty", "crossed", "stale", "unsynchronised")
IMBALANCE_LEVELS: Final = (1, 5)

Level = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Liquidity:
    """One look at a synchronised book; *depth* by side and band, *imbalance* by number of levels, where known."""

    state: BookState
    mid: float | None
    depth: Mapping[tuple[str, float], float]
    imbalance: Mapping[int, float]


def look(bids: Sequence[Level], asks: Sequence[Level], bands_bps: Sequence[float]) -> Liquidity:
    """Measure the levels, in any order.  Depth is measured from the mid; with one side empty, from the best of the
    other, and the empty side holds nothing; a crossed book has no depth, because it has no mid that means anything.
    """
    bid = max(bids)[0] if bids else None
    ask = min(asks)[0] if asks else None
    state: BookState = "ok"
    if bid is None or ask is None:
        state = "empty"
    elif bid >= ask:
        state = "crossed"
    if state == "crossed":
        return Liquidity(state, None, {}, {})
    mid = (bid + ask) / 2 if bid is not None and ask is not None else None
    reference = mid if mid is not None else bid if bid is not None else ask
    return Liquidity(
        state,
        mid,
        {
            **_depth("bid", bids, reference, bands_bps),
            **_depth("ask", asks, reference, bands_bps),
        },
        _imbalance(bids, asks),
    )


def _depth(
    side: str, levels: Iterable[Level], reference: float | None, bands_bps: Sequence[float]
) -> dict[tuple[str, float], float]:
    found = dict.fromkeys(((side, band) for band in bands_bps), 0.0)
    if reference is None:
        return found
    widest = reference * max(bands_bps) / 1e4
    low, high = reference - widest, reference + widest
    near = [level for level in levels if low <= level[0] <= high]
    near.sort(reverse=side == "bid")  # best first: one walk serves every band
    bands = iter(sorted((reference * band / 1e4, band) for band in bands_bps))
    limit, band = next(bands)
    total = 0.0
    for price, quantity in near:
        distance = abs(price - reference)
        while distance > limit:
            found[side, band] = total
            limit, band = next(bands, (math.inf, band))
        total += price * quantity
    while limit < math.inf:
        found[side, band] = total
        limit, band = next(bands, (math.inf, band))
    return found


def _imbalance(bids: Sequence[Level], asks: Sequence[Level]) -> dict[int, float]:
    best_bids = heapq.nlargest(max(IMBALANCE_LEVELS), bids)
    best_asks = heapq.nsmallest(max(IMBALANCE_LEVELS), asks)
    found = {}
    for count in IMBALANCE_LEVELS:
        bid = sum(quantity for _, quantity in best_bids[:count])
        ask = sum(quantity for _, quantity in best_asks[:count])
        if bid + ask > 0:  # nothing over nothing is not a balance
            found[count] = (bid - ask) / (bid + ask)
    return found


class UsualDepth:
    """The depth of one band over the session, by side."""

    def __init__(self, looks: int, needed: int) -> None:
        """*looks* make a session, and *needed* of them make it a measure."""
        self._kept: dict[str, deque[float]] = {side: deque(maxlen=looks) for side in ("bid", "ask")}
        self._needed = needed

    def learn(self, found: Liquidity, band_bps: float) -> None:
        """Take one look in."""
        for side, kept in self._kept.items():
            if (depth := found.depth.get((side, band_bps))) is not None:
                kept.append(depth)

    def ratio(self, found: Liquidity, band_bps: float) -> dict[str, float]:
        """Depth over its median of the session by side, where there is one."""
        ratios = {}
        for side, kept in self._kept.items():
            depth = found.depth.get((side, band_bps))
            usual = median(kept) if len(kept) >= self._needed else 0.0
            if depth is not None and usual > 0:
                ratios[side] = depth / usual
        return ratios


@dataclass(frozen=True, slots=True)
class Measured:
    """The last look at a book; what is not known is absent or ``None``."""

    state: BookState | None = None
    liquidity: Liquidity | None = None
    depth_ratio: Mapping[str, float] = field(default_factory=dict)


def families(rows: Iterable[tuple[tuple[str, str], Measured]]) -> Iterator[Metric]:
    """What rests near the mid, and in what state the books are."""
    seen = list(rows)
    looks = [(labels, each.liquidity) for labels, each in seen if each.liquidity is not None]
    yield DEPTH.family(
        ((*labels, side, f"{band:g}"), notional)
        for labels, found in looks
        for (side, band), notional in found.depth.items()
    )
    yield DEPTH_RATIO.family(
        ((*labels, side), ratio) for labels, each in seen for side, ratio in each.depth_ratio.items()
    )
    yield IMBALANCE.family(
        ((*labels, str(levels)), ratio) for labels, found in looks for levels, ratio in found.imbalance.items()
    )
    yield BOOK_STATE.family(
        ((*labels, state), float(each.state == state))
        for labels, each in seen
        if each.state is not None
        for state in STATES
    )
