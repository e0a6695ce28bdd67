"""Runs one strategy: watches its account, lets it decide, and keeps its orders within bounds.

Watching goes on in every state, so that what is told is true while the strategy is stopped, too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from time import monotonic

from sandbox.engine.events import STOPPED, Reporter
from sandbox.engine.exchange import AccountReading, Exchange
from sandbox.engine.feed import Feed
from sandbox.engine.gate import Gate, TradingState
from sandbox.engine.ids import ClientOrderIds
from sandbox.engine.ledger import Order, ParentOrder
from sandbox.engine.market import Rules, Side
from sandbox.engine.order_entry import OrderEntry
from sandbox.engine.strategies import Assignment
from sandbox.engine.strategies.strategy import Cancel, CloseParent, Intent, OpenParent, Place, View
from sandbox.engine.throttle import Backoff, TokenBucket
from sandbox.engine.venue_error import Failure, VenueError

WATCH_SECONDS = 0.25
RECONCILE_SECONDS = 1.0
STALE_ACCOUNT_SECONDS = 3.0
MAXIMUM_EXPOSURE = Decimal(25_000)
"""In quote units, if everything working traded: half of what the default rule for gross exposure allows."""
WALLET_TOLERANCE = Decimal("0.01")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Money:
    """What is known about the money in the account; ``wallet_at_start`` and ``deposits_at_start`` of this session."""

    wallet: Decimal
    wallet_at_start: Decimal
    deposits: Decimal
    deposits_at_start: Decimal

    @property
    def realised_pnl(self) -> Decimal:
        """Give what this session earned: the change of the wallet that is not a transfer; fees are in it."""
        return (self.wallet - self.wallet_at_start) - (self.deposits - self.deposits_at_start)


class Trader:
    """One strategy on one account and symbol.  ``occupied`` is set while a fault command trades in its place."""

    def __init__(
        self,
        assignment: Assignment,
        exchange: Exchange,
        feed: Feed,
        gate: Gate,
        reporter: Reporter,
        ids: ClientOrderIds,
        started_at: datetime,
    ) -> None:
        self.assignment = assignment
        self.strategy = assignment.build()
        self.gate = gate
        self.backoff = Backoff()
        self.order_entry = OrderEntry(exchange, gate, reporter, ids, self.backoff)
        self.rules: Rules | None = None
        self.reading: AccountReading | None = None
        self.parent: ParentOrder | None = None
        self.occupied = False
        self._exchange = exchange
        self._feed = feed
        self._reporter = reporter
        self._ids = ids
        self._started_at = started_at
        self._money: Money | None = None
        self._read_at = float("-inf")
        self._reconciled_at = float("-inf")
        self._order_rate = TokenBucket(per_second=5, burst=10)

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return self.assignment.strategy

    @property
    def venue(self) -> str:
        """The label of the venue."""
        return self._reporter.venue

    @property
    def exchange(self) -> Exchange:
        """Its way to the venue."""
        return self._exchange

    @property
    def position(self) -> Decimal:
        """What it holds, signed, as last read."""
        return self.reading.position if self.reading is not None else Decimal(0)

    def mid(self) -> Decimal | None:
        """Give the mid price, or None when there is no fresh one."""
        tick = self._feed.fresh()
        return tick.mid if tick is not None else None

    def priced_after(self, moment: float) -> bool:
        """Say whether the newest price was read after *moment* (monotonic clock)."""
        return self._feed.latest is not None and self._feed.latest.at > moment

    def move(self, symbol: str, feed: Feed) -> None:
        """Trade another symbol; only before `watch` has begun."""
        self.assignment = replace(self.assignment, symbol=symbol)
        self._exchange.symbol = self._reporter.symbol = symbol
        self._feed = feed

    async def watch(self) -> None:
        """Read the account, tell what it is worth, and keep the ledger true; until cancelled."""
        await self._patiently("start", self._begin)
        while True:
            started = monotonic()
            await self._patiently("watch", self._look)
            await asyncio.sleep(max(0.02, WATCH_SECONDS - (monotonic() - started)))

    async def trade(self) -> None:
        """Let the strategy decide on fresh prices; until cancelled."""
        seen = float("-inf")
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            tick = self._feed.fresh()
            ready = (
                tick is not None
                and tick.at > seen
                and self.rules is not None
                and self.reading is not None
                and monotonic() - self._read_at < STALE_ACCOUNT_SECONDS
                and not self.occupied
                and self.backoff.remaining(monotonic()) == 0
            )
            if not ready or tick is None or self.rules is None:
                continue
            seen = tick.at
            if self.gate.state is TradingState.PAUSED and not self.gate.ignore:
                self.parent = None
                continue
            view = View(
                now=monotonic(),
                tick=tick,
                rules=self.rules,
                position=self.position,
                working=self.order_entry.ledger.views(monotonic()),
                parent=self.parent.view(monotonic()) if self.parent is not None else None,
            )
            for intent in self.strategy.decide(view):
                await self._do(intent, tick.mid)

    def heartbeat(self) -> None:
        """Say that it is alive."""
        self._reporter.heartbeat(self.gate.state.value, self._started_at, len(self.order_entry.ledger))

    def stopped(self) -> None:
        """Say that it has ended, and how many orders it leaves."""
        self._reporter.heartbeat(STOPPED, self._started_at, len(self.order_entry.ledger))

    async def _patiently(self, what: str, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until it works; the venue's failures cost time, never the trader."""
        while True:
            wait = self.backoff.remaining(monotonic())
            if wait:
                await asyncio.sleep(wait)
            try:
                await attempt()
            except VenueError as error:
                if self.backoff.failures == 0:
                    _log.warning("%s: %s failed (%s): %s", self.name, what, error.code, error)
                self.backoff.failed(error, monotonic())
                if error.failure is Failure.CLOCK:
                    await self._learn_clock()
                elif error.failure in {Failure.REFUSED, Failure.NOT_FOUND}:
                    await asyncio.sleep(1)  # asking the same again at once would get the same answer
                continue
            if self.backoff.failures:
                _log.info("%s: the venue answers again", self.name)
            self.backoff.worked()
            return

    async def _learn_clock(self) -> None:
        try:
            await self._exchange.learn_clock()
        except VenueError as error:
            _log.warning("%s: the venue's clock cannot be read (%s)", self.name, error.code)

    async def _begin(self) -> None:
        """Start from what is at the venue: leftover orders go, the position stays."""
        self.rules = await self._exchange.load(self._feed.exchange)
        await self._exchange.learn_clock()
        await self.order_entry.cancel_leftovers()
        await self.order_entry.begin_trades()
        deposits = await self._net_deposits()
        reading = await self._exchange.account()
        self._money = Money(reading.wallet, reading.wallet, deposits, deposits)
        self._take(reading)
        _log.info("%s: started with position %s, %s", self.name, reading.position, self.gate.state.value)

    async def _net_deposits(self) -> Decimal:
        try:
            return await self._exchange.net_deposits()
        except VenueError as error:
            if error.failure is not Failure.REFUSED:
                raise
            return Decimal(0)  # a venue without transfers

    async def _look(self) -> None:
        reading = await self._exchange.account()
        before, money = self.reading, self._money
        if before is None or money is None:
            raise VenueError(Failure.UNKNOWN, "not_started", "the account was not read at the start")
        if reading.position != before.position or reading.wallet != money.wallet:
            explained = await self.order_entry.read_trades()
            unexplained = reading.wallet - money.wallet - explained
            if abs(unexplained) > WALLET_TOLERANCE:
                # Perhaps money was moved: equity must never be told without it, it would look like a loss.
                money.deposits = await self._net_deposits()
            money.wallet = reading.wallet
        self._take(reading)
        if monotonic() - self._reconciled_at >= RECONCILE_SECONDS:
            await self.order_entry.reconcile()
            self._reconciled_at = monotonic()

    def _take(self, reading: AccountReading) -> None:
        self.reading = reading
        self._read_at = monotonic()
        self._tell(reading)

    def _tell(self, reading: AccountReading) -> None:
        money = self._money
        if money is None:
            return
        for whole_account in (False, True):  # the strategy has the account for itself, so both are worth the same
            self._reporter.equity(
                reading.margin_balance,
                whole_account=whole_account,
                realised_pnl=money.realised_pnl,
                unrealised_pnl=reading.unrealised_pnl,
                net_deposits=money.deposits,
                margin_balance=reading.margin_balance,
                maintenance_margin=reading.maintenance_margin,
                initial_margin=reading.initial_margin,
            )
        mark = reading.mark_price or self.mid()
        if mark is None:
            return
        entry = mark - reading.position_pnl / reading.position if reading.position else None
        self._reporter.position(
            reading.position,
            mark,
            entry_price=entry.quantize(Decimal("0.00000001")) if entry is not None else None,
            unrealised_pnl=reading.position_pnl,
        )

    async def _do(self, intent: Intent, mid: Decimal) -> None:
        match intent:
            case Place():
                await self._place(intent, mid)
            case Cancel():
                order = self.order_entry.ledger.find(intent.client_order_id)
                if order is not None and not order.leaving:
                    await self.order_entry.cancel(order)
            case OpenParent():
                self.open_parent(intent.side, intent.quantity, mid)
            case CloseParent():
                self.parent = None

    def open_parent(self, side: Side, quantity: Decimal, mid: Decimal | None) -> ParentOrder:
        """Decide on a parent order; it replaces the one before."""
        parent = ParentOrder(self._ids.next_parent(), side, quantity, monotonic(), [])
        self._reporter.parent_order(parent.parent_id, side, quantity, mid)
        self.parent = parent
        return parent

    async def _place(self, wish: Place, mid: Decimal) -> None:
        """Send a wish that keeps all bounds, smaller where reduce-only asks for it, or not at all."""
        parent = self.parent if wish.of_parent else None
        if wish.of_parent and (parent is None or wish.quantity > parent.view(monotonic()).remaining):
            return
        quantity, reduce_only = wish.quantity, wish.reduce_only
        if reduce_only or self.gate.state is TradingState.REDUCE_ONLY:
            reduce_only = True
            quantity = min(quantity, self._reducible(wish.side))
        elif self._too_large(wish.side, quantity, mid):
            return
        if quantity <= 0 or not self._order_rate.spend(monotonic()):
            return
        order = await self.order_entry.send(
            wish.side,
            quantity,
            wish.price,
            reduce_only=reduce_only,
            parent_id=parent.parent_id if parent is not None else None,
            mid=mid,
        )
        if order is not None and parent is not None:
            parent.children.append(order)

    def _too_large(self, side: Side, quantity: Decimal, mid: Decimal) -> bool:
        """Say whether the position could pass the bound; making one that is too large smaller is always right."""
        worst = abs(self.order_entry.ledger.worst_position(self.position, side) + side.sign * quantity)
        return worst * mid > MAXIMUM_EXPOSURE and worst > abs(self.position)

    def _reducible(self, side: Side) -> Decimal:
        """Give what an order on *side* may have so that it, and all that works on that side, only reduces."""
        held = max(-self.position * side.sign, Decimal(0))
        working = sum((order.remaining for order in self.order_entry.ledger if order.side is side), Decimal(0))
        return max(held - working, Decimal(0))

    def working(self) -> tuple[Order, ...]:
        """Give the orders that may still trade."""
        return self.order_entry.ledger.working()
