"""When orders that wait for a price wake, and what they become."""

from decimal import Decimal

from sandbox.venue.market.pair import TradingPair
from sandbox.venue.orders.order import AlgoOrder, NewOrder, Side

ZERO = Decimal(0)


def reference_price(pair: TradingPair, order: AlgoOrder) -> Decimal:
    """The price that a conditional order watches: the last trade's, or the mark if it asked for that."""
    mark = pair.mark or pair.instrument.start_price
    return mark if order.working_type == "MARK_PRICE" else pair.last_price or mark


def is_reached(order: AlgoOrder, price: Decimal) -> bool:
    """Whether a conditional order wakes at this price; a trailing stop also remembers the best price it saw."""
    if order.type != "TRAILING_STOP_MARKET":
        return stop_is_reached(order.type, order.side, order.trigger_price, price)
    if order.extreme is None:
        # Asleep until the activation price: a buy waits for a fall, a sell for a rise.
        if order.activate_price and (price - order.activate_price) * order.side.sign > 0:
            return False
        order.extreme = price
    order.extreme = min(order.extreme, price) if order.side is Side.BUY else max(order.extreme, price)
    return abs(price - order.extreme) / order.extreme * 100 >= order.callback_rate


def stop_is_reached(kind: str, side: Side, trigger: Decimal, price: Decimal) -> bool:
    """A stop is reached by a move against its side's holder, a take-profit by the opposite move."""
    rising = (side is Side.BUY) != kind.startswith("TAKE_PROFIT")
    return price >= trigger if rising else price <= trigger


def awoken(order: AlgoOrder, client_id: str) -> NewOrder:
    """The normal order that a conditional one becomes."""
    limit = order.type in {"STOP", "TAKE_PROFIT"}
    return NewOrder(
        symbol=order.symbol,
        side=order.side,
        type="LIMIT" if limit else "MARKET",
        quantity=order.quantity,
        price=order.price if limit else ZERO,
        time_in_force=order.time_in_force if limit else "GTC",
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        client_id=client_id,
    )
