"""Placing, matching and cancelling orders: the venue without its wire.

Users' orders trade against the outside market (the book and the trades that a feed brings) and against each other's
resting orders.  What a taker uses up of the outside book is remembered until the feed refreshes it, but is not
published: the public book stays the recording's.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count

from sandbox.venue import refusal
from sandbox.venue.clock import VenueClock
from sandbox.venue.matching.conditional import awoken, is_reached, reference_price, stop_is_reached
from sandbox.venue.instruments import Instrument, Market
from sandbox.venue.accounts.account import Account, Margin, new_client_id
from sandbox.venue.market.pair import Listing, Marks, Publisher
from sandbox.venue.matching.matches import Match, matches, meets
from sandbox.venue.orders.order import AlgoOrder, AlgoStatus, NewOrder, Order, Side, Status
from sandbox.venue.refusal import Refused
from sandbox.venue.matching.settlement import lock, settle, unlock

ZERO = Decimal(0)
ALGO = "algo"


class Exchange:
    """All listings and accounts.  Not thread-safe: one event loop owns it."""

    def __init__(
        self,
        instruments: Mapping[Market, Mapping[str, Instrument]],
        accounts: Iterable[Account],
        clock: VenueClock,
        publisher: Publisher,
    ) -> None:
        self.clock = clock
        self.accounts = {account.name: account for account in accounts}
        self.listings = {
            market: {symbol: Listing(one, clock, publisher, self) for symbol, one in by_symbol.items()}
            for market, by_symbol in instruments.items()
        }
        self.marks = Marks(self.listings[Market.USDM])
        self._order_ids = count(8_000_000_001)
        self._algo_ids = count(4_000_000_001)
        self._trade_ids = count(700_000_001)

    def listing(self, market: Market, symbol: str) -> Listing:
        """The listing of a symbol; -1121 when there is none."""
        found = self.listings[market].get(symbol)
        if found is None:
            raise refusal.invalid_symbol()
        return found

    def margin(self, account: Account) -> Margin:
        """The account's futures side at present marks."""
        return account.margin(self.marks)

    # Placing.

    def place(self, account: Account, market: Market, new: NewOrder) -> Order:
        """Accept an order, match it, let the rest of it rest or expire.  Raises Refused; then nothing has happened."""
        listing = self.listing(market, new.symbol)
        client_id = self._client_id(account, market.value, new.client_id)
        quantity = self._quantity(account, listing, new)
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
            self._await_stop(account, listing, order)
            return order
        found = matches(listing, order)
        self._check_terms(market, new, quantity, found)
        self._check_funds(account, listing, order, found)
        self._work(account, listing, order, found)
        return order

    def _work(self, account: Account, listing: Listing, order: Order, found: list[Match]) -> None:
        account.remember(order.market.value, order.order_id, order.client_order_id, order)
        for match in found:
            if match.maker is None:
                listing.take(match.price, self._fill(order, listing, match.price, match.quantity, maker=False))
            else:
                got = self._fill(match.maker, listing, match.price, match.quantity, maker=True)
                self._fill(order, listing, match.price, got, maker=False)
            if not order.is_open:
                break
        if not order.is_open:
            return
        if order.price and order.time_in_force in {"GTC", "GTX", "GTD"}:
            levels = listing.book.bids if order.side is Side.BUY else listing.book.asks
            order.queue_ahead = levels.get(order.price, ZERO)
            listing.resting.add(order)
            account.rest(order, order.remaining)
            self._open(account, order)
        else:
            order.status = Status.EXPIRED
            if order.market is Market.SPOT:
                unlock(account, order, listing.instrument)

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

    def _quantity(self, account: Account, listing: Listing, new: NewOrder) -> Decimal:
        """What the order is really for: reduce-only orders shrink to the position, quote quantities become base."""
        if new.reduce_only or new.close_position:
            closable = self._closable(account, new.symbol, new.side)
            if closable <= 0:
                raise refusal.reduce_only_rejected()
            return closable if new.close_position else min(new.quantity, closable)
        if new.quote_quantity:
            return self._affordable(listing, new)
        return new.quantity

    def _affordable(self, listing: Listing, new: NewOrder) -> Decimal:
        left, quantity = new.quote_quantity, ZERO
        for price, available in listing.available(new.side, None):
            piece = min(available, left / price)
            quantity += piece
            left -= piece * price
            if left <= 0:
                break
        step = listing.instrument.step
        rounded = (quantity // step) * step
        if rounded <= 0:
            raise Refused(-1013, "Filter failure: LOT_SIZE")
        return rounded

    def _closable(self, account: Account, symbol: str, side: Side) -> Decimal:
        position = account.positions.get(symbol)
        return -position.quantity * side.sign if position else ZERO

    def _check_terms(self, market: Market, new: NewOrder, quantity: Decimal, found: list[Match]) -> None:
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

    def _check_funds(self, account: Account, listing: Listing, order: Order, found: list[Match]) -> None:
        if order.market is Market.SPOT:
            if not order.price:
                cost = sum((one.price * one.quantity for one in found), ZERO)
                asset = "USDT" if order.side is Side.BUY else listing.instrument.base
                if account.holding(asset).free < (cost if order.side is Side.BUY else order.quantity):
                    raise refusal.balance_insufficient()
            elif not lock(account, order, listing.instrument):
                raise refusal.balance_insufficient()
            return
        if order.reduce_only or order.close_position:
            return
        mark = self.marks[order.symbol]
        notional = order.quantity * (order.price or (found[0].price if found else mark))
        bids, asks = (notional, ZERO) if order.side is Side.BUY else (ZERO, notional)
        extra = account.order_margin(order.symbol, mark, bids, asks) - account.order_margin(order.symbol, mark)
        if extra > 0 and extra > self.margin(account).available:
            raise refusal.margin_insufficient()

    # Filling.

    def _fill(self, order: Order, listing: Listing, price: Decimal, quantity: Decimal, *, maker: bool) -> Decimal:
        """Fill an order; returns how much of the quantity it really took (reduce-only orders never pass flat)."""
        account = self.accounts[order.account]
        if order.reduce_only or order.close_position:
            quantity = min(quantity, self._closable(account, order.symbol, order.side))
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
            listing.instrument,
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
            if one.symbol == symbol and one.reduce_only and self._closable(account, symbol, one.side) <= 0:
                self._end(one, Status.EXPIRED)

    def on_book(self, listing: Listing) -> None:
        """Fill resting orders that the outside book has come to, and wake conditional orders."""
        for side in Side:
            while (order := listing.resting.best(side)) is not None:
                touch = listing.book.best_ask if side is Side.BUY else listing.book.best_bid
                if touch is None or not meets(side, order.price, touch):
                    break
                found = next(iter(listing.available(side, order.price)), None)
                if found is None:
                    break
                taken = self._fill(order, listing, order.price, min(order.remaining, found[1]), maker=True)
                listing.take(found[0], taken)
        self._wake(listing)

    def on_trade(self, listing: Listing, price: Decimal, quantity: Decimal, *, buyer_is_maker: bool) -> None:
        """Let a trade of the outside market fill resting orders: those it went through, and those at its price once
        what stood before them has traded.
        """
        side = Side.BUY if buyer_is_maker else Side.SELL
        best = listing.resting.best(side)
        if best is not None and meets(side, best.price, price):
            levels = listing.book.bids if side is Side.BUY else listing.book.asks
            left = quantity
            for order in listing.resting.queue(side):
                if left <= 0 or not meets(side, order.price, price):
                    break
                reached = left
                if order.price == price:
                    ahead = min(order.queue_ahead, levels.get(price, ZERO))
                    order.queue_ahead = max(ZERO, ahead - quantity)
                    reached = min(left, max(ZERO, quantity - ahead))
                if order.is_open:  # a fill before may have ended it (reduce-only)
                    left -= self._fill(order, listing, order.price, min(order.remaining, reached), maker=True)
        self._wake(listing)

    # Conditional orders.

    def place_algo(self, account: Account, order: AlgoOrder) -> AlgoOrder:
        """Keep a conditional order until its price is reached.  The caller has filled all but the id."""
        listing = self.listing(Market.USDM, order.symbol)
        order.client_algo_id = self._client_id(account, ALGO, order.client_algo_id)
        if order.type != "TRAILING_STOP_MARKET" and is_reached(order, reference_price(listing, order)):
            raise Refused(-2021, "Order would immediately trigger.")
        order.algo_id = next(self._algo_ids)
        order.time = order.update_time = self.clock.milliseconds()
        account.algo[order.algo_id] = order
        account.open_ids[ALGO, order.client_algo_id] = order
        account.remember(ALGO, order.algo_id, order.client_algo_id, order)
        listing.conditional[order.algo_id] = order
        return order

    def _await_stop(self, account: Account, listing: Listing, order: Order) -> None:
        reference = listing.last_price or listing.mark or listing.instrument.start_price
        if stop_is_reached(order.type, order.side, order.stop_price, reference):
            raise Refused(-2010, "Stop price would trigger immediately.")
        if not lock(account, order, listing.instrument):
            raise refusal.balance_insufficient()
        order.waiting = True
        listing.stops[order.order_id] = order
        account.remember(order.market.value, order.order_id, order.client_order_id, order)
        self._open(account, order)

    def _wake(self, listing: Listing) -> None:
        if listing.conditional:
            for algo in list(listing.conditional.values()):
                if is_reached(algo, reference_price(listing, algo)):
                    self._trigger(listing, algo)
        if listing.stops and listing.last_price is not None:
            for stop in list(listing.stops.values()):
                if stop_is_reached(stop.type, stop.side, stop.stop_price, listing.last_price):
                    del listing.stops[stop.order_id]
                    stop.waiting = False
                    account = self.accounts[stop.account]
                    del account.open[stop.market][stop.order_id]
                    del account.open_ids[stop.market.value, stop.client_order_id]
                    self._work(account, listing, stop, matches(listing, stop))

    def _trigger(self, listing: Listing, algo: AlgoOrder) -> None:
        account = self.accounts[algo.account]
        self.end_algo(algo, AlgoStatus.FINISHED)
        algo.trigger_time = algo.update_time
        # It keeps its client id, so that its strategy still owns it, unless an open order has that id.
        taken = (Market.USDM.value, algo.client_algo_id) in account.open_ids
        new = awoken(algo, "" if taken else algo.client_algo_id)
        try:
            algo.actual_order_id = self.place(account, listing.market, new).order_id
        except Refused:
            algo.status = AlgoStatus.EXPIRED if algo.reduce_only or algo.close_position else AlgoStatus.REJECTED

    # Cancelling and finding.

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
        self.listings[Market.USDM][algo.symbol].conditional.pop(algo.algo_id, None)

    def _end(self, order: Order, status: Status) -> None:
        account = self.accounts[order.account]
        if order.order_id in account.open[order.market]:
            account.rest(order, -order.remaining)
        if order.market is Market.SPOT:
            unlock(account, order, self.listings[order.market][order.symbol].instrument)
        order.status = status
        order.update_time = self.clock.milliseconds()
        self._remove(order)

    def _remove(self, order: Order) -> None:
        account = self.accounts[order.account]
        listing = self.listings[order.market][order.symbol]
        listing.resting.remove(order)
        listing.stops.pop(order.order_id, None)
        if account.open[order.market].pop(order.order_id, None) is not None:
            account.open_ids.pop((order.market.value, order.client_order_id), None)

    def open_orders(self, account: Account, market: Market, symbol: str | None) -> list[Order]:
        """Open orders of the normal book, oldest first; of all symbols for None."""
        orders = account.open[market].values()
        return [one for one in orders if symbol is None or one.symbol == symbol]

    def open_algos(self, account: Account, symbol: str | None) -> list[AlgoOrder]:
        """Open conditional orders, oldest first; of all symbols for None."""
        return [one for one in account.algo.values() if symbol is None or one.symbol == symbol]

    def find(
        self, account: Account, market: Market, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """An order that is open or was, by the venue's id or else by the client's (the latest with that id)."""
        book = market.value
        found = account.known.get((book, order_id)) if order_id is not None else None
        if order_id is None and client_id is not None:
            found = account.known_ids.get((book, client_id))
        return found if isinstance(found, Order) and found.symbol == symbol else None

    def find_algo(self, account: Account, algo_id: int | None, client_id: str | None) -> AlgoOrder | None:
        """A conditional order that is open or was."""
        found = account.known.get((ALGO, algo_id)) if algo_id is not None else None
        if algo_id is None and client_id is not None:
            found = account.known_ids.get((ALGO, client_id))
        return found if isinstance(found, AlgoOrder) else None

    def reset(self) -> None:
        """Every account back to its deposits, no order anywhere; the market goes on."""
        for by_symbol in self.listings.values():
            for listing in by_symbol.values():
                listing.resting.clear()
                listing.stops.clear()
                listing.conditional.clear()
        for account in self.accounts.values():
            account.reset()
