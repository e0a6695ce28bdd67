"""Whether an order is accepted, and for how much: terms, funds and margin, checked before anything happens."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sandbox.venue import refusal
from sandbox.venue.accounts.account import Account
from sandbox.venue.instruments import QUOTE, Market
from sandbox.venue.market.pair import TradingPair
from sandbox.venue.matching.matches import Match
from sandbox.venue.matching.settlement import lock
from sandbox.venue.orders.order import NewOrder, Order, Side
from sandbox.venue.refusal import Refused

ZERO = Decimal(0)


def accepted_quantity(account: Account, pair: TradingPair, new: NewOrder) -> Decimal:
    """What the order is really for: reduce-only orders shrink to the position, quote quantities become base."""
    if new.reduce_only or new.close_position:
        held = closable(account, new.symbol, new.side)
        if held <= 0:
            raise refusal.reduce_only_rejected()
        return held if new.close_position else min(new.quantity, held)
    if new.quote_quantity:
        return _affordable(pair, new)
    return new.quantity


def closable(account: Account, symbol: str, side: Side) -> Decimal:
    """How much an order of this side can take off the position; zero or less when it would add to it."""
    position = account.positions.get(symbol)
    return -position.quantity * side.sign if position else ZERO


def _affordable(pair: TradingPair, new: NewOrder) -> Decimal:
    left, quantity = new.quote_quantity, ZERO
    for price, available in pair.available(new.side, None):
        piece = min(available, left / price)
        quantity += piece
        left -= piece * price
        if left <= 0:
            break
    step = pair.instrument.step
    rounded = (quantity // step) * step
    if rounded <= 0:
        raise Refused(-1013, "Filter failure: LOT_SIZE")
    return rounded


def check_terms(market: Market, new: NewOrder, quantity: Decimal, found: list[Match]) -> None:
    """Refuse a post-only order that would take and a fill-or-kill order that cannot fill."""
    if new.post_only and found:
        if market is Market.SPOT:
            raise Refused(-2010, "Order would immediately match and take.")
        raise Refused(
            -5022,
            "Due to the order could not be executed as maker, the Post Only order will be rejected. "
            "The order will not be recorded in the order history",
        )
    if new.time_in_force == "FOK" and sum((one.quantity for one in found), ZERO) < quantity:
        if market is Market.SPOT:
            found.clear()  # spot answers with an order that expired
            return
        raise Refused(
            -5021,
            "Due to the order could not be filled immediately, the FOK order has been rejected. "
            "The order will not be recorded in the order history",
        )


def check_funds(
    account: Account, pair: TradingPair, order: Order, found: Sequence[Match], marks: Mapping[str, Decimal]
) -> None:
    """Refuse an order that the account cannot pay; a spot order's money is set aside."""
    if order.market is Market.SPOT:
        _check_spot_funds(account, pair, order, found)
        return
    if order.reduce_only or order.close_position:
        return
    mark = marks[order.symbol]
    notional = order.quantity * (order.price or (found[0].price if found else mark))
    bids, asks = (notional, ZERO) if order.side is Side.BUY else (ZERO, notional)
    extra = account.order_margin(order.symbol, mark, bids, asks) - account.order_margin(order.symbol, mark)
    if extra > 0 and extra > account.margin(marks).available:
        raise refusal.margin_insufficient()


def _check_spot_funds(account: Account, pair: TradingPair, order: Order, found: Sequence[Match]) -> None:
    if order.price:
        if not lock(account, order, pair.instrument):
            raise refusal.balance_insufficient()
        return
    asset, needed = pair.instrument.base, order.quantity
    if order.side is Side.BUY:
        asset, needed = QUOTE, sum((one.price * one.quantity for one in found), ZERO)
    if account.holding(asset).free < needed:
        raise refusal.balance_insufficient()
