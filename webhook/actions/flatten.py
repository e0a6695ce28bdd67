"""How a position is closed: reduce-only, in slices, inside a price collar, never more than the position.

In a crash the book is thin: a market order for the whole position would pay whatever is left in it.  So each slice is
at most a share of the depth that rests near the mid price, and its limit is a fixed ratio away from the mark price;
when the market is outside the collar nothing trades, the position stays, and a person is told that it is not flat yet.
"""

import zlib
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from webhook.actions.port import Position, Quote, ReduceOrder, Side


@dataclass(frozen=True, slots=True)
class FlattenLimits:
    """``collar_ratio``: the worst price, as a ratio away from mark.  ``slices``: into how many parts a position is cut
    where depth allows.  ``depth_share``: the largest part of the near depth one slice may take.  ``depth_band_ratio``:
    how far from mid depth counts as near.
    """

    collar_ratio: Decimal
    slices: int
    depth_share: Decimal
    depth_band_ratio: Decimal


def next_slice(
    position: Position, quote: Quote, limits: FlattenLimits, *, first_size: Decimal, client_order_id: str
) -> ReduceOrder | None:
    """The next reduce-only order for what is left of *position*, or None when the book holds nothing to trade with.

    ``first_size`` is the absolute quantity the position had when the flattening began: slices are parts of that, so
    that the last one is not ever smaller.
    """
    left = abs(position.quantity)
    side = position.closing_side
    depth = quote.bid_depth if side is Side.SELL else quote.ask_depth
    wanted = max(first_size / limits.slices, quote.minimum_quantity)
    allowed = max(depth * limits.depth_share, quote.minimum_quantity)
    if depth <= 0:
        return None
    quantity = _step(min(left, wanted, allowed), quote.quantity_step)
    if left - quantity < quote.minimum_quantity:
        # What stays would be too small for an order of its own: take it along.
        quantity = left
    if quantity <= 0:
        quantity = left
    if quote.maximum_quantity is not None and quantity > quote.maximum_quantity:
        quantity = _step(quote.maximum_quantity, quote.quantity_step)
    return ReduceOrder(
        symbol=position.symbol,
        side=side,
        quantity=quantity,
        limit_price=collar(side, quote, limits.collar_ratio),
        client_order_id=client_order_id,
        position_side=position.side,
    )


def collar(side: Side, quote: Quote, ratio: Decimal) -> Decimal:
    """The worst price we take, on the price grid and never outside ``mark * (1 -/+ ratio)``."""
    if side is Side.SELL:
        price, rounding = quote.mark * (1 - ratio), ROUND_CEILING
    else:
        price, rounding = quote.mark * (1 + ratio), ROUND_FLOOR
    return (price / quote.price_tick).to_integral_value(rounding) * quote.price_tick


def order_id(trip_id: str, symbol: str, position_side: str, number: str) -> str:
    """A client order id that is the same for the same slice of the same trip: 36 characters at most."""
    place = zlib.crc32(f"{symbol}|{position_side}".encode())
    return f"kill-{trip_id[-8:]}-{place:08x}-{number}"[:36]


def _step(quantity: Decimal, step: Decimal) -> Decimal:
    return (quantity / step).to_integral_value(ROUND_FLOOR) * step if step > 0 else quantity
