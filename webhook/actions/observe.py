"""What one round of reads shows of one goal: pure, so that whatever is called proved stands in one place."""

from dataclasses import dataclass
from datetime import datetime

from webhook.actions.exposure import Extent, adding_exposure, orders_in, positions_in
from webhook.actions.port import OpenOrder, OrdersRead, Position, PositionsRead, Venue
from webhook.killswitch.desired import AccountTarget, Goal
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action
from webhook.policy.attribution import Attribution


@dataclass(frozen=True, slots=True)
class Seen:
    """What one round of reads showed, and when it began; ``positions`` is None when they were not asked for."""

    orders: OrdersRead
    positions: PositionsRead | None
    began: datetime


@dataclass(frozen=True, slots=True)
class MustGo:
    """What must not be there: orders to cancel and positions to close."""

    orders: tuple[OpenOrder, ...] = ()
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """The stage that a read shows, and for people why it is no better."""

    stage: Stage
    why: str = ""


def must_go(goal: Goal, where: Extent, seen: Seen, account: AccountTarget, attribution: Attribution) -> MustGo:
    """What of *seen* must not be there."""
    orders = orders_in(seen.orders.orders, where, account, attribution)
    held: tuple[Position, ...] = ()
    if seen.positions is not None:
        if goal.action is Action.REDUCE:
            adding = set(adding_exposure(seen.orders.orders, seen.positions.positions))
            orders = tuple(order for order in orders if order in adding)
        if goal.action is Action.FLATTEN:
            held = positions_in(seen.positions.positions, where, account, attribution)
    if goal.keep_protective:
        orders = tuple(order for order in orders if not order.protective)
    return MustGo(orders, held)


def finding(
    goal: Goal, where: Extent, seen: Seen, found: MustGo, venue: Venue, *, engines_stopped: bool
) -> Finding | None:
    """The stage that *seen* shows for *goal*, the worst first.

    None: nothing was seen, and the read was narrow on purpose, so that it proves nothing and changes nothing.
    *engines_stopped*: they were, or had had their time, before the read began.
    """
    if found.orders:
        return Finding(Stage.LEFT, f"{len(found.orders)} orders")
    unproved = _uncovered(goal, where, seen, venue)
    if unproved is not None:
        return unproved if unproved.why else None
    if not engines_stopped:
        return Finding(Stage.CANCELLED, "its engines are not stopped yet")
    return Finding(Stage.EMPTY) if goal.action is Action.HALT else _of_positions(goal, where, seen, found, venue)


def _uncovered(goal: Goal, where: Extent, seen: Seen, venue: Venue) -> Finding | None:
    """Why an order may be there although none was seen (no reason: nobody looked); None when all was covered."""
    if not where.known:
        symbol = goal.scope.get("symbol") or ""
        if venue.resolve(symbol) is None:
            return Finding(Stage.UNKNOWN, "the markets of this venue are not loaded yet")
        return Finding(Stage.UNCOVERED, f"{symbol} is no market of this venue")
    books = venue.order_books(where.symbols)
    if books is None:
        return Finding(Stage.UNCOVERED, "coverage: not every order book of this venue is known")
    if seen.orders.coverage.contains(books, where.symbols):
        return None
    return Finding(Stage.UNKNOWN, "; ".join(seen.orders.problems[:3]))


def _of_positions(goal: Goal, where: Extent, seen: Seen, found: MustGo, venue: Venue) -> Finding:
    """No order is left; for reduce and flatten the positions decide."""
    books = venue.position_books(where.symbols)
    if books is None:
        if goal.action is Action.REDUCE:
            return Finding(Stage.EMPTY)
        return Finding(Stage.UNCOVERED, "coverage: its positions cannot be read")
    if seen.positions is None or not seen.positions.coverage.contains(books, where.symbols):
        problems = () if seen.positions is None else seen.positions.problems
        return Finding(Stage.UNKNOWN, "; ".join(problems[:3]) or "its positions were not read")
    if found.positions:
        return Finding(Stage.EMPTY, f"{len(found.positions)} positions to close")
    return Finding(Stage.FLAT if goal.action is Action.FLATTEN else Stage.EMPTY)
