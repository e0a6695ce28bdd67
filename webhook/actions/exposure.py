"""Which orders and positions a demand is about: pure questions about scope, attribution and exposure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from webhook.actions.port import OpenOrder, Position, Side
from webhook.policy.attribution import Attribution
from webhook.killswitch.scope import Scope


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a scope goes inside one venue account.

    ``whole``: every order of ``symbols`` is in scope (of the account, when ``symbols`` is None), so that it may be
    cancelled without being read first.  Otherwise orders must be read and attributed one by one.
    """

    symbols: tuple[str, ...] | None
    whole: bool


def reach(scope: Scope, venue: str, account: str, attribution: Attribution) -> Reach:
    """Say how far *scope* goes in this account; the scope must overlap the account."""
    symbol = scope.get("symbol")
    symbols = None if symbol is None else (symbol,)
    if scope.get("strategy") is None:
        return Reach(symbols, whole=True)
    # A strategy has the account, or just this symbol of it, for itself; else its orders are picked out by their ids.
    alone = attribution.positions_attributable(scope, venue, account)
    return Reach(symbols, whole=alone and (symbol is not None or attribution.symbols_of(scope, venue, account) is None))


def orders_in_scope(
    orders: Iterable[OpenOrder], scope: Scope, venue: str, account: str, attribution: Attribution
) -> tuple[OpenOrder, ...]:
    """The orders that *scope* covers; an order nobody owns is in every scope that names no strategy."""
    return tuple(order for order in orders if attribution.in_scope(scope, venue, account, order))


def positions_in_scope(
    positions: Iterable[Position], scope: Scope, venue: str, account: str, attribution: Attribution
) -> tuple[Position, ...]:
    """The positions that *scope* covers; none when they cannot be attributed to it."""
    return tuple(one for one in positions if attribution.position_in_scope(scope, venue, account, one.symbol))


def adding_exposure(orders: Sequence[OpenOrder], positions: Sequence[Position]) -> tuple[OpenOrder, ...]:
    """The orders that could add exposure: what remains when those that can only reduce a position are set aside.

    An order reduces when the venue holds it to reduce-only, or when it is on the other side of the position and, with
    the orders kept before it, not larger than the position.  The ones nearest to trading count first, so that what is
    left can never turn a position round.
    """
    room: dict[tuple[str, Side], Decimal] = {}
    for position in positions:
        closing = Side.SELL if position.quantity > 0 else Side.BUY
        key = (position.symbol, closing)
        room[key] = room.get(key, Decimal(0)) + abs(position.quantity)
    adding: list[OpenOrder] = []
    for order in sorted(orders, key=_nearest_first):
        if order.reduce_only:
            continue
        left = room.get((order.symbol, order.side), Decimal(0))
        if order.remaining <= left:
            room[order.symbol, order.side] = left - order.remaining
        else:
            adding.append(order)
    return tuple(adding)


def _nearest_first(order: OpenOrder) -> tuple[Decimal, str]:
    price = order.price if order.price is not None else Decimal(0)
    return (price if order.side is Side.SELL else -price, order.order_id)
