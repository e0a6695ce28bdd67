"""Which orders and positions a goal is about: pure questions about scope, attribution and exposure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from webhook.actions.port import OpenOrder, Position, Side
from webhook.killswitch.desired import AccountTarget
from webhook.killswitch.scope import Scope
from webhook.policy.attribution import Attribution


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a scope goes inside one venue account.

    ``symbols`` is every symbol that the scope's may mean there (None: all).  ``known`` is False where that could not be
    found out; then nothing can be proved.  ``whole``: every order of ``symbols`` is in scope, so that they may be
    cancelled without being read first; otherwise orders must be read and attributed one by one to ``strategy``.
    """

    symbols: frozenset[str] | None
    strategy: str | None
    whole: bool
    known: bool = True


def extent(
    scope: Scope,
    account: AccountTarget,
    attribution: Attribution,
    resolve: Callable[[str], frozenset[str] | None],
) -> Extent:
    """Say how far *scope* goes in *account*; the scope must reach it.  *resolve* is that of the venue."""
    symbol, strategy = scope.get("symbol"), scope.get("strategy")
    symbols, known = None, True
    if symbol is not None:
        found = resolve(symbol)
        symbols, known = found or frozenset({symbol}), bool(found)
    here = (account.venue, account.account)
    if strategy is None:
        return Extent(symbols, None, whole=True, known=known)
    alone = attribution.has_whole_account(strategy, *here)
    if symbols is not None and not alone:
        alone = attribution.positions_attributable(strategy, symbols, *here)
    return Extent(symbols, strategy, whole=alone, known=known)


def orders_in(
    orders: Iterable[OpenOrder], where: Extent, account: AccountTarget, attribution: Attribution
) -> tuple[OpenOrder, ...]:
    """The orders inside *where*; an order nobody owns is in every scope that names no strategy."""
    return tuple(
        order
        for order in orders
        if (where.symbols is None or order.symbol in where.symbols)
        and (where.strategy is None or attribution.may_own(where.strategy, account.venue, account.account, order))
    )


def positions_in(
    positions: Iterable[Position], where: Extent, account: AccountTarget, attribution: Attribution
) -> tuple[Position, ...]:
    """The positions inside *where*; none when they cannot be attributed to it."""
    return tuple(
        one
        for one in positions
        if (where.symbols is None or one.symbol in where.symbols)
        and (
            where.strategy is None
            or attribution.owns_position(where.strategy, account.venue, account.account, one.symbol)
        )
    )


def adding_exposure(orders: Sequence[OpenOrder], positions: Sequence[Position]) -> tuple[OpenOrder, ...]:
    """The orders of one account that could add exposure; what is left can only reduce the positions there are.

    *orders* are all that rest in the account, whoever sent them: the room to close a position is there once, and not
    once for each strategy.  An order reduces when the venue holds it to reduce-only, or when it closes the position of
    its side and, with the orders kept before it, is not larger.  The ones nearest to trading count first, so that what
    is left can never turn a position round.  An order whose quantity is not known adds.
    """
    room: dict[tuple[str, str, Side], Decimal] = {}
    for position in positions:
        key = (position.symbol, position.side, position.closing_side)
        room[key] = room.get(key, Decimal(0)) + abs(position.quantity)
    adding: list[OpenOrder] = []
    for order in sorted(orders, key=_nearest_first):
        if order.reduce_only or order.close_position:
            continue
        key = (order.symbol, order.position_side, order.side)
        left = room.get(key, Decimal(0))
        if order.remaining is not None and order.remaining <= left:
            room[key] = left - order.remaining
        else:
            adding.append(order)
    return tuple(adding)


def naked(positions: Iterable[Position], orders: Iterable[OpenOrder]) -> dict[str, Decimal]:
    """The notional of each position that no protective stop guards, by symbol; only what is more than 0."""
    guarded: dict[tuple[str, Side], Decimal | None] = {}
    for order in orders:
        if order.protective:
            key = (order.symbol, order.side)
            before = guarded.get(key, Decimal(0))
            whole = order.close_position or before is None or order.remaining is None
            guarded[key] = None if whole else (before or Decimal(0)) + (order.remaining or Decimal(0))
    found: dict[str, Decimal] = {}
    for position in positions:
        size = abs(position.quantity)
        covered = guarded.get((position.symbol, position.closing_side), Decimal(0))
        bare = Decimal(0) if covered is None else max(size - covered, Decimal(0))
        if bare and size:
            share = position.notional * bare / size
            found[position.symbol] = found.get(position.symbol, Decimal(0)) + share
    return found


def listed(
    orders: Sequence[OpenOrder], positions: Sequence[Position], account: AccountTarget, attribution: Attribution
) -> Mapping[str, object]:
    """Orders and positions in a form for people and JSON: ids, owner, quantity, notional; at most `MOST_LISTED`."""
    here = (account.venue, account.account)
    return {
        "orders": [
            {
                "order_id": order.order_id,
                "client_order_id": order.client_order_id,
                "symbol": order.symbol,
                "side": order.side.value,
                "quantity": None if order.remaining is None else str(order.remaining),
                "price": None if order.price is None else str(order.price),
                "notional": str(order.notional),
                "owner": attribution.owner_of(*here, order.client_order_id, order.symbol),
            }
            for order in orders[:MOST_LISTED]
        ],
        "positions": [
            {
                "symbol": position.symbol,
                "side": position.side,
                "quantity": str(position.quantity),
                "notional": str(position.notional),
                "currency": position.currency,
            }
            for position in positions[:MOST_LISTED]
        ],
    }


MOST_LISTED = 100


def _nearest_first(order: OpenOrder) -> tuple[Decimal, str]:
    price = order.price if order.price is not None else Decimal(0)
    return (price if order.side is Side.SELL else -price, order.order_id)
