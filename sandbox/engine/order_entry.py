"""Sends and cancels the orders of one strategy, and finds out what became of them.

An answer that cannot be trusted leaves the order *unknown*: it counts as working, and the venue is asked by the client
order id until it is known.  Every change is told as a trading event, once.
"""

import logging
from decimal import Decimal
from time import monotonic

from sandbox.engine.events import Reporter
from sandbox.engine.exchange import Exchange, VenueOrder, VenueTrade
from sandbox.engine.gate import Gate, TradingState
from sandbox.engine.ids import ClientOrderIds
from sandbox.engine.ledger import Ledger, Order, OrderState
from sandbox.engine.market import Side
from sandbox.engine.throttle import Backoff
from sandbox.engine.venue_error import Failure, VenueError

LOOKUPS_PER_PASS = 20
"""How many vanished orders are looked up in one pass, so that a mass cancel does not become a flood of questions."""
MISSES_UNTIL_LOST = 2
SECONDS_UNTIL_LOST = 3.0
"""An order of unknown outcome that the venue does not know this often, and after this long, never arrived."""

_log = logging.getLogger(__name__)


class OrderEntry:
    """The way of one strategy to the venue; nothing else sends or cancels its orders."""

    def __init__(
        self, exchange: Exchange, gate: Gate, reporter: Reporter, ids: ClientOrderIds, backoff: Backoff
    ) -> None:
        self.ledger = Ledger()
        self.sent = 0
        self.cancelled = 0
        self.rejected = 0
        self.fills = 0
        self._exchange = exchange
        self._gate = gate
        self._reporter = reporter
        self._ids = ids
        self._backoff = backoff
        self._last_trade: int | None = None

    async def send(
        self,
        side: Side,
        quantity: Decimal,
        price: Decimal | None,
        *,
        reduce_only: bool,
        parent_id: str | None,
        mid: Decimal | None,
    ) -> Order | None:
        """Send one order, if the gate lets it; None when it does not."""
        with self._gate.permit(reduces=reduce_only) as allowed:
            if not allowed:
                return None
            order = Order(self._ids.next(), side, quantity, price, reduce_only, parent_id, mid, monotonic())
            self.ledger.add(order)
            self.sent += 1
            self._reporter.order_sent(
                order.client_order_id,
                side,
                "market" if price is None else "limit",
                quantity,
                price=price,
                parent_id=parent_id,
                reduce_only=reduce_only,
                arrival_mid=mid,
            )
            try:
                answer = await self._exchange.place(
                    order.client_order_id, side, quantity, price, reduce_only=reduce_only
                )
            except VenueError as error:
                self._not_placed(order, error)
            else:
                self._backoff.worked()
                self._acknowledge(order, answer)
                self._settle(order, answer, "venue")
            return order

    def _not_placed(self, order: Order, error: VenueError) -> None:
        self._backoff.failed(error, monotonic())
        if error.failure is Failure.UNKNOWN:
            order.state = OrderState.UNKNOWN
            _log.warning("%s: outcome unknown (%s)", order.client_order_id, error.code)
            return
        self._reject(order, error.code, str(error))

    def _reject(self, order: Order, code: str, reason: str) -> None:
        self.rejected += 1
        self.ledger.end(order, monotonic())
        self._reporter.order_rejected(order.client_order_id, code, reason)

    def _acknowledge(self, order: Order, answer: VenueOrder) -> None:
        if order.order_id is None:
            self.ledger.number(order, answer.order_id)
            self._reporter.order_acknowledged(order.client_order_id, answer.order_id)
        if order.state is not OrderState.ENDED:
            order.state = OrderState.OPEN

    def _settle(self, order: Order, answer: VenueOrder, initiator: str) -> None:
        """Take over how much is filled, and the end of the order when the venue says that it has ended."""
        order.filled = max(order.filled, answer.filled)
        if answer.open or order.state is OrderState.ENDED:
            return
        self.ledger.end(order, monotonic())
        if answer.filled < order.quantity:
            self.cancelled += 1
            self._reporter.order_cancelled(
                order.client_order_id, order.remaining, order_id=order.order_id, initiator=initiator
            )

    async def cancel(self, order: Order) -> None:
        """Cancel one order; cancels pass every state of the gate."""
        order.leaving = True
        order.cancel_asked = True
        self._reporter.cancel_sent(order.client_order_id)
        try:
            answer = await self._exchange.cancel(order.client_order_id)
        except VenueError as error:
            self._backoff.failed(error, monotonic())
            order.leaving = False
            if error.failure is Failure.NOT_FOUND and order.state is OrderState.OPEN:
                await self._look_up(order, "engine")
            return
        self._acknowledge(order, answer)
        self._settle(order, answer, "engine")

    async def cancel_all(self, *, keep_reducing: bool = False) -> None:
        """Cancel every working order, or every one that could add exposure."""
        for order in self.ledger:
            if not (keep_reducing and order.reduce_only):
                await self.cancel(order)

    async def cancel_leftovers(self) -> None:
        """Cancel what an earlier run of this engine left at the venue; raises `VenueError`."""
        for found in await self._exchange.open_orders():
            if self._ids.owns(found.client_order_id) and self._has_ended(found.client_order_id, monotonic()):
                await self._cancel_leftover(found)

    async def _cancel_leftover(self, found: VenueOrder) -> None:
        _log.info("%s: left over, cancelling it", found.client_order_id)
        self._reporter.cancel_sent(found.client_order_id)
        try:
            answer = await self._exchange.cancel(found.client_order_id)
        except VenueError as error:
            if error.failure is not Failure.NOT_FOUND:
                raise
            return
        self.cancelled += 1
        self._reporter.order_cancelled(
            found.client_order_id, answer.quantity - answer.filled, order_id=found.order_id, initiator="engine"
        )

    async def reconcile(self) -> None:
        """Compare with the venue's open orders, and clear up what differs; raises `VenueError`."""
        asked_at = monotonic()
        found = {one.client_order_id: one for one in await self._exchange.open_orders()}
        lookups = 0
        for order in self.ledger:
            there = found.get(order.client_order_id)
            if there is not None:
                self._acknowledge(order, there)
                order.filled = max(order.filled, there.filled)
            elif order.state is not OrderState.SENT and order.sent_at < asked_at and lookups < LOOKUPS_PER_PASS:
                lookups += 1
                await self._look_up(order, self._initiator(order))
        for one in found.values():
            if self._ids.owns(one.client_order_id) and self._has_ended(one.client_order_id, asked_at):
                await self._cancel_leftover(one)

    def _initiator(self, order: Order) -> str:
        """Say who ended an order that is gone: in a strategy that was stopped, it was whoever stopped it."""
        if order.cancel_asked:
            return "engine"
        return "venue" if self._gate.state is TradingState.RUNNING else "kill"

    def _has_ended(self, client_order_id: str, asked_at: float) -> bool:
        """Say whether we are done with an order (or never knew it) that the venue was showing after *asked_at*."""
        order = self.ledger.find(client_order_id)
        return order is None or (order.ended_at is not None and order.ended_at < asked_at)

    async def _look_up(self, order: Order, initiator: str) -> None:
        """Ask the venue about one order that is not among the open ones."""
        try:
            answer = await self._exchange.order(client_order_id=order.client_order_id)
        except VenueError as error:
            if error.failure is not Failure.NOT_FOUND:
                self._backoff.failed(error, monotonic())
                return
            self._missing(order, initiator)
            return
        self._acknowledge(order, answer)
        self._settle(order, answer, initiator)

    def _missing(self, order: Order, initiator: str) -> None:
        if order.state is OrderState.ENDED:
            return
        if order.order_id is not None:
            # It was there and the venue has forgotten it: the venue was started anew.
            self.ledger.end(order, monotonic())
            self.cancelled += 1
            self._reporter.order_cancelled(
                order.client_order_id, order.remaining, order_id=order.order_id, initiator=initiator
            )
            return
        order.misses += 1
        if order.misses >= MISSES_UNTIL_LOST and monotonic() - order.sent_at > SECONDS_UNTIL_LOST:
            self._reject(order, "not_found", "the outcome was unknown, and the venue does not know the order")

    async def begin_trades(self) -> None:
        """Note the newest trade, so that only later ones are told; raises `VenueError`."""
        newest = await self._exchange.trades(None)
        self._last_trade = newest[-1].trade_id if newest else 0

    async def read_trades(self) -> Decimal:
        """Tell the executions since the last time; gives what they did to the wallet (profit less fees)."""
        trades = await self._exchange.trades(self._last_trade)
        if not trades:
            newest = await self._exchange.trades(None)
            if newest and self._last_trade is not None and newest[-1].trade_id < self._last_trade:
                _log.warning("the venue counts its trades from the beginning: it was started anew")
                trades = newest
        change = Decimal(0)
        for trade in trades:
            change += trade.realised_pnl - trade.fee
            await self._tell(trade)
            self._last_trade = trade.trade_id
        return change

    async def _tell(self, trade: VenueTrade) -> None:
        order = self.ledger.find_by_order_id(trade.order_id)
        if order is not None:
            order.traded += trade.quantity
            client_order_id = order.client_order_id
            if order.traded >= order.quantity and order.state is not OrderState.ENDED:
                self.ledger.end(order, monotonic())
        else:
            # Not an order of this run: the kill path's own, or one that was answered with a time-out.
            answer = await self._exchange.order(order_id=trade.order_id)
            client_order_id = answer.client_order_id
            order = self.ledger.find(client_order_id)
            if order is not None:
                self._acknowledge(order, answer)
                order.traded += trade.quantity
                self._settle(order, answer, "venue")
        self.fills += 1
        self._reporter.fill(
            client_order_id,
            str(trade.trade_id),
            trade.side,
            trade.quantity,
            trade.price,
            time=trade.time,
            order_id=trade.order_id,
            fee=trade.fee,
            fee_currency=trade.fee_currency,
            liquidity="maker" if trade.maker else "taker",
            realised_pnl=trade.realised_pnl,
            arrival_mid=order.arrival_mid if order is not None else None,
        )
