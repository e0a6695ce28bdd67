"""Placing, matching and cancelling orders: the venue without its API.

Users' orders trade against the outside market (the book and the trades that a feed brings) and against each other's
resting orders.  What a taker uses up of the outside book is remembered until the feed refreshes it, but is not
published: the public book stays the recording's.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count

from sandbox.venue import refusal
from sandbox.venue.accounts.account import Account
from sandbox.venue.accounts.balances import Margin
from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Instrument, Market
from sandbox.venue.market.pair import Marks, Publisher, TradingPair
from sandbox.venue.matching.acceptance import accepted_quantity, check_funds, check_terms, closable
from sandbox.venue.matching.conditional import awoken, is_reached, reference_price, stop_is_reached
from sandbox.venue.matching.matches import Match, matches, meets
from sandbox.venue.matching.settlement import lock, settle, unlock
from sandbox.venue.orders.order import ALGO, AlgoOrder, AlgoStatus, NewOrder, Order, Side, Status, new_client_id
from sandbox.venue.refusal import Refused

ZERO = Decimal(0)


class Exchange:
    """All pairs and accounts.  Not thread-safe: one event loop owns it."""

    def __init__(
        self,
        instruments: Mapping[Market, Mapping[str, Instrument]],
        accounts: Iterable[Account],
        clock: VenueClock,
        publisher: Publisher,
    ) -> None:
        self.clock = clock
        self.accounts = {account.name: account for account in accounts}
        self.pairs = {
            market: {symbol: TradingPair(one, clock, publisher, self) for symbol, one in by_symbol.items()}
            for market, by_symbol in instruments.items()
        }
        self.marks = Marks(self.pairs[Market.USDM])
        self._order_ids = count(8_000_000_001)
        self._algo_ids = count(4_000_000_001)
        self._trade_ids = count(700_000_001)

    def pair(self, market: Market, symbol: str) -> TradingPair:
        """The pair of a symbol; -1121 when there is none."""
        found = self.pairs[market].get(symbol)
        if found is None:
            raise refusal.invalid_symbol()
        return found

    def margin(self, account: Account) -> Margin:
        """The account's futures side at present marks."""
        return account.margin(self.marks)

    # Placing.

    def place(self, account: Account, market: Market, new: NewOrder) -> Order:
        """Accept an order, match it, let the rest of it rest or expire.  Raises Refused; then nothing has happened."""
        pair = self.pair(market, new.symbol)
        client_id = self._client_id(account, market.value, new.client_id)
        quantity = accepted_quantity(account, pair, new)
        order = Order(
            order_id=next(self._order_ids),
            client_order_id=client_id,
            account=account.name,
            market=market,
            symbol=new.symbol,
            side=new.side,
            type=new.type,
            time_in_force=new.time_in_force,
            quantity=quantity,
            price=new.price,
            time=self.clock.milliseconds(),
            reduce_only=new.reduce_only,
            close_position=new.close_position,
            stop_price=new.stop_price,
        )
        order.update_time = order.time
        if new.stop_price:
            self._await_stop(account, pair, order)
            return order
        found = matches(pair, order)
        check_terms(market, new, quantity, found)
        check_funds(account, pair, order, found, self.marks)
        self._work(account, pair, order, found)
        return order

    def _work(self, account: Account, pair: TradingPair, order: Order, found: list[Match]) -> None:
        account.remember(order.market.value, order.order_id, order.client_order_id, order)
        for match in found:
            if match.maker is None:
                pair.take(match.price, self._fill(order, pair, match.price, match.quantity, maker=False))
            else:
                got = self._fill(match.maker, pair, match.price, match.quantity, maker=True)
                self._fill(order, pair, match.price, got, maker=False)
            if not order.is_open:
                break
        if not order.is_open:
            return
        if order.price and order.time_in_force in {"GTC", "GTX", "GTD"}:
            levels = pair.book.bids if order.side is Side.BUY else pair.book.asks
            order.queue_ahead = levels.get(order.price, ZERO)
            pair.resting.add(order)
            account.rest(order, order.remaining)
            self._open(account, order)
        else:
            order.status = Status.EXPIRED
            if order.market is Market.SPOT:
                unlock(account, order, pair.instrument)

    def _open(self, account: Account, order: Order) -> None:
        account.open[order.market][order.order_id] = order
        account.open_ids[order.market.value, order.client_order_id] = order

    def _client_id(self, account: Account, book: str, wanted: str) -> str:
        if not wanted:
            return new_client_id()
        if (book, wanted) in account.open_ids:
            if book == Market.SPOT.value:
                raise Refused(-2010, "Duplicate order sent.")
            raise Refused(-4116, "ClientOrderId is duplicated.")
        return wanted

    # Filling.

    def _fill(self, order: Order, pair: TradingPair, price: Decimal, quantity: Decimal, *, maker: bool) -> Decimal:
        """Fill an order; returns how much of the quantity it really took (reduce-only orders never pass flat)."""
        account = self.accounts[order.account]
        if order.reduce_only or order.close_position:
            quantity = min(quantity, closable(account, order.symbol, order.side))
            if quantity <= 0:
                self._end(order, Status.EXPIRED)
                return ZERO
        if quantity <= 0:
            return ZERO
        if order.order_id in account.open[order.market]:
            account.rest(order, -quantity)
        settle(
            account,
            order,
            pair.instrument,
            price,
            quantity,
            maker=maker,
            now=self.clock.milliseconds(),
            trade_id=next(self._trade_ids),
        )
        if order.status is Status.FILLED:
            self._remove(order)
        if order.market is Market.USDM:
            self._drop_useless_reduce_only(account, order.symbol)
        return quantity

    def _drop_useless_reduce_only(self, account: Account, symbol: str) -> None:
        for one in list(account.open[Market.USDM].values()):
            if one.symbol == symbol and one.reduce_only and closable(account, symbol, one.side) <= 0:
                self._end(one, Status.EXPIRED)

    def on_book(self, pair: TradingPair) -> None:
        """Fill resting orders that the outside book has come to, and wake conditional orders."""
        for side in Side:
            while (order := pair.resting.best(side)) is not None:
                touch = pair.book.best_ask if side is Side.BUY else pair.book.best_bid
                if touch is None or not meets(side, order.price, touch):
                    break
                found = next(iter(pair.available(side, order.price)), None)
                if found is None:
                    break
                taken = self._fill(order, pair, order.price, min(order.remaining, found[1]), maker=True)
                pair.take(found[0], taken)
        self._wake(pair)

    def on_trade(self, pair: TradingPair, price: Decimal, quantity: Decimal, *, buyer_is_maker: bool) -> None:
        """Let a trade of the outside market fill resting orders: those it went through, and those at its price once
        what stood before them has traded.
        """
        side = Side.BUY if buyer_is_maker else Side.SELL
        best = pair.resting.best(side)
        if best is not None and meets(side, best.price, price):
            levels = pair.book.bids if side is Side.BUY else pair.book.asks
            left = quantity
            for order in pair.resting.queue(side):
                if left <= 0 or not meets(side, order.price, price):
                    break
                reached = left
                if order.price == price:
                    ahead = min(order.queue_ahead, levels.get(price, ZERO))
                    order.queue_ahead = max(ZERO, ahead - quantity)
                    reached = min(left, max(ZERO, quantity - ahead))
                if order.is_open:  # a fill before may have ended it (reduce-only)
                    left -= self._fill(order, pair, order.price, min(order.remaining, reached), maker=True)
        self._wake(pair)

    # Conditional orders.

    def place_algo(self, account: Account, order: AlgoOrder) -> AlgoOrder:
        """Keep a conditional order until its price is reached.  The caller has filled all but the id."""
        pair = self.pair(Market.USDM, order.symbol)
        order.client_algo_id = self._client_id(account, ALGO, order.client_algo_id)
        if order.type != "TRAILING_STOP_MARKET" and is_reached(order, reference_price(pair, order)):
            raise Refused(-2021, "Order would immediately trigger.")
        order.algo_id = next(self._algo_ids)
        order.time = order.update_time = self.clock.milliseconds()
        account.algo[order.algo_id] = order
        account.open_ids[ALGO, order.client_algo_id] = order
        account.remember(ALGO, order.algo_id, order.client_algo_id, order)
        pair.conditional[order.algo_id] = order
        return order

    def _await_stop(self, account: Account, pair: TradingPair, order: Order) -> None:
        reference = pair.last_price or pair.mark or pair.instrument.start_price
        if stop_is_reached(order.type, order.side, order.stop_price, reference):
            raise Refused(-2010, "Stop price would trigger immediately.")
        if not lock(account, order, pair.instrument):
            raise refusal.balance_insufficient()
        order.waiting = True
        pair.stops[order.order_id] = order
        account.remember(order.market.value, order.order_id, order.client_order_id, order)
        self._open(account, order)

    def _wake(self, pair: TradingPair) -> None:
        if pair.conditional:
            for algo in list(pair.conditional.values()):
                if is_reached(algo, reference_price(pair, algo)):
                    self._trigger(pair, algo)
        if pair.stops and pair.last_price is not None:
            for stop in list(pair.stops.values()):
                if stop_is_reached(stop.type, stop.side, stop.stop_price, pair.last_price):
                    del pair.stops[stop.order_id]
                    stop.waiting = False
                    account = self.accounts[stop.account]
                    del account.open[stop.market][stop.order_id]
                    del account.open_ids[stop.market.value, stop.client_order_id]
                    self._work(account, pair, stop, matches(pair, stop))

    def _trigger(self, pair: TradingPair, algo: AlgoOrder) -> None:
        account = self.accounts[algo.account]
        self.end_algo(algo, AlgoStatus.FINISHED)
        algo.trigger_time = algo.update_time
        # It keeps its client id, so that its strategy still owns it, unless an open order has that id.
        taken = (Market.USDM.value, algo.client_algo_id) in account.open_ids
        new = awoken(algo, "" if taken else algo.client_algo_id)
        try:
            algo.actual_order_id = self.place(account, pair.market, new).order_id
        except Refused:
            algo.status = AlgoStatus.EXPIRED if algo.reduce_only or algo.close_position else AlgoStatus.REJECTED

    # Cancelling.

    def cancel(self, order: Order) -> None:
        """End an open order; an order that already ended is left as it is."""
        if order.is_open:
            self._end(order, Status.CANCELED)

    def end_algo(self, algo: AlgoOrder, status: AlgoStatus = AlgoStatus.CANCELED) -> None:
        """End a conditional order; one that already ended is left as it is."""
        if not algo.is_open:
            return
        algo.status = status
        algo.update_time = self.clock.milliseconds()
        account = self.accounts[algo.account]
        account.algo.pop(algo.algo_id, None)
        account.open_ids.pop((ALGO, algo.client_algo_id), None)
        self.pairs[Market.USDM][algo.symbol].conditional.pop(algo.algo_id, None)

    def _end(self, order: Order, status: Status) -> None:
        account = self.accounts[order.account]
        if order.order_id in account.open[order.market]:
            account.rest(order, -order.remaining)
        if order.market is Market.SPOT:
            unlock(account, order, self.pairs[order.market][order.symbol].instrument)
        order.status = status
        order.update_time = self.clock.milliseconds()
        self._remove(order)

    def _remove(self, order: Order) -> None:
        account = self.accounts[order.account]
        pair = self.pairs[order.market][order.symbol]
        pair.resting.remove(order)
        pair.stops.pop(order.order_id, None)
        if account.open[order.market].pop(order.order_id, None) is not None:
            account.open_ids.pop((order.market.value, order.client_order_id), None)

    def reset(self) -> None:
        """Every account back to its deposits, no order anywhere; the market goes on."""
        for by_symbol in self.pairs.values():
            for pair in by_symbol.values():
                pair.resting.clear()
                pair.stops.clear()
                pair.conditional.clear()
        for account in self.accounts.values():
            account.reset()
