"""Who a new order trades with: the outside book and other users' resting orders, best price first."""

from dataclasses import dataclass
from decimal import Decimal

from sandbox.venue.market.pair import TradingPair
from sandbox.venue.orders.order import Order, Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Match:
    """A piece that a taker gets: from the outside book, or from another user's resting order."""

    price: Decimal
    quantity: Decimal
    maker: Order | None = None


def matches(pair: TradingPair, order: Order) -> list[Match]:
    """What an order would get now, up to its limit price and its quantity; nothing is changed."""
    limit = order.price or None
    left = order.quantity
    found: list[Match] = []
    makers = iter(_makers(pair, order, limit))
    levels = iter(pair.available(order.side, limit))
    maker, level = next(makers, None), next(levels, None)
    while left > 0 and (maker or level):
        if maker and (level is None or (maker.price - level[0]) * order.side.sign <= 0):
            match = Match(maker.price, min(left, maker.remaining), maker)
            maker = next(makers, None)
        elif level:
            match = Match(level[0], min(left, level[1]))
            level = next(levels, None)
        left -= match.quantity
        found.append(match)
    return found


def _makers(pair: TradingPair, order: Order, limit: Decimal | None) -> list[Order]:
    """Other users' resting orders that this one meets; one's own orders are passed over."""
    best = pair.resting.best(order.side.opposite)
    if best is None or not meets(order.side, limit, best.price):
        return []
    queue = pair.resting.queue(order.side.opposite)
    return [one for one in queue if one.account != order.account and meets(order.side, limit, one.price)]


def meets(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order with this limit trades at this price."""
    return limit is None or (price - limit) * side.sign <= 0
