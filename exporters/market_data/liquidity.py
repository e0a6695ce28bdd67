"""What a book says about liquidity: pure functions over its levels."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

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
