"""Placing, matching and cancelling orders: the venue without its wire.

Users' orders trade against the outside market (the book and the trades that a feed brings) and against each other's
resting orders.  What a taker uses up of the outside book is remembered until the feed refreshes it, but is not published:
the public book stays the recording's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from sandbox.venue import refusal
from sandbox.venue.clock import VenueClock
from sandbox.venue.instruments import Instrument, Market
from sandbox.venue.ledger import Account, Margin, new_client_id
from sandbox.venue.listing import Listing, Publisher
from sandbox.venue.orders import AlgoOrder, AlgoStatus, Order, Side, Status
from sandbox.venue.refusal import Refused
from sandbox.venue.settlement import lock, settle, unlock

ZERO = Decimal(0)
ALGO = "algo"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What somebody asks for.  `price` is 0 for a market order; `quote_quantity` replaces `quantity` on spot market orders."""

    symbol: str
    side: Side
    type: str
    quantity: Decimal
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    stop_price: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    client_id: str = ""

    @property
    def post_only(self) -> bool:
        """Whether it must not take."""
        return self.time_in_force == "GTX" or self.type == "LIMIT_MAKER"


@dataclass(frozen=True, slots=True)
class Match:
    """A piece that a taker gets: from the outside book, or from another user's resting order."""

    price: Decimal
    quantity: Decimal
    maker: Order | None = None


class Marks(Mapping[str, Decimal]):
    """Mark prices by symbol, read from the listings when asked."""

    def __init__(self, listings: Mapping[str, Listing]) -> None:
        self._listings = listings

    def __getitem__(self, symbol: str) -> Decimal:
        listing = self._listings[symbol]
        return listing.mark or listing.instrument.start_price

    def __iter__(self) -> Iterator[str]:
        return iter(self._listings)

    def __len__(self) -> int:
        return len(self._listings)


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
        self.liquidations = 0
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
        """Accept an order, match it, let the rest of it rest or expire.  Raises Refused and then nothing has happened."""
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
        matches = self._matches(listing, order)
        self._check_terms(market, new, quantity, matches)
        self._check_funds(account, listing, order, matches)
        self._work(account, listing, order, matches)
        return order

    def _work(self, account: Account, listing: Listing, order: Order, matches: list[Match]) -> None:
        account.remember(order.market.value, order.order_id, order.client_order_id, order)
        for match in matches:
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

    def _matches(self, listing: Listing, order: Order) -> list[Match]:
        limit = order.price or None
        left = order.quantity
        matches: list[Match] = []
        makers = iter(self._makers(listing, order, limit))
        levels = iter(listing.available(order.side, limit))
        maker, level = next(makers, None), next(levels, None)
        while left > 0 and (maker or level):
            if maker and (level is None or (maker.price - level[0]) * order.side.sign <= 0):
                match = Match(maker.price, min(left, maker.remaining), maker)
                maker = next(makers, None)
            elif level:
                match = Match(level[0], min(left, level[1]))
                level = next(levels, None)
            left -= match.quantity
            matches.append(match)
        return matches

    def _makers(self, listing: Listing, order: Order, limit: Decimal | None) -> list[Order]:
        """Other users' resting orders that this one meets; one's own orders are passed over."""
        best = listing.resting.best(order.side.opposite)
        if best is None or not _meets(order.side, limit, best.price):
            return []
        queue = listing.resting.queue(order.side.opposite)
        return [one for one in queue if one.account != order.account and _meets(order.side, limit, one.price)]

    def _check_terms(self, market: Market, new: NewOrder, quantity: Decimal, matches: list[Match]) -> None:
        if new.post_only and matches:
            if market is Market.SPOT:
                raise Refused(-2010, "Order would immediately match and take.")
            raise Refused(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be rejected. "
                "The order will not be recorded in the order history",
            )
        if new.time_in_force == "FOK" and sum((one.quantity for one in matches), ZERO) < quantity:
            if market is Market.SPOT:
                matches.clear()  # spot answers with an order that expired
                return
            raise Refused(
                -5021,
                "Due to the order could not be filled immediately, the FOK order has been rejected. "
                "The order will not be recorded in the order history",
            )

    def _check_funds(self, account: Account, listing: Listing, order: Order, matches: list[Match]) -> None:
        if order.market is Market.SPOT:
            if not order.price:
                cost = sum((one.price * one.quantity for one in matches), ZERO)
                asset = "USDT" if order.side is Side.BUY else listing.instrument.base
                if account.holding(asset).free < (cost if order.side is Side.BUY else order.quantity):
                    raise refusal.balance_insufficient()
            elif not lock(account, order, listing.instrument):
                raise refusal.balance_insufficient()
            return
        if order.reduce_only or order.close_position:
            return
        mark = self.marks[order.symbol]
        notional = order.quantity * (order.price or (matches[0].price if matches else mark))
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
                if touch is None or not _meets(side, order.price, touch):
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
        if best is not None and _meets(side, best.price, price):
            levels = listing.book.bids if side is Side.BUY else listing.book.asks
            left = quantity
            for order in listing.resting.queue(side):
                if left <= 0 or not _meets(side, order.price, price):
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
        if order.type != "TRAILING_STOP_MARKET" and _reached(order, self._reference(listing, order)):
            raise Refused(-2021, "Order would immediately trigger.")
        order.algo_id = next(self._algo_ids)
        order.time = order.update_time = self.clock.milliseconds()
        account.algo[order.algo_id] = order
        account.open_ids[ALGO, order.client_algo_id] = order
        account.remember(ALGO, order.algo_id, order.client_algo_id, order)
        listing.conditional[order.algo_id] = order
        return order

    def _reference(self, listing: Listing, order: AlgoOrder) -> Decimal:
        mark = listing.mark or listing.instrument.start_price
        return mark if order.working_type == "MARK_PRICE" else listing.last_price or mark

    def _await_stop(self, account: Account, listing: Listing, order: Order) -> None:
        reference = listing.last_price or listing.mark or listing.instrument.start_price
        if _stop_reached(order.type, order.side, order.stop_price, reference):
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
                if _reached(algo, self._reference(listing, algo)):
                    self._trigger(listing, algo)
        if listing.stops and listing.last_price is not None:
            for stop in list(listing.stops.values()):
                if _stop_reached(stop.type, stop.side, stop.stop_price, listing.last_price):
                    del listing.stops[stop.order_id]
                    stop.waiting = False
                    account = self.accounts[stop.account]
                    del account.open[stop.market][stop.order_id]
                    del account.open_ids[stop.market.value, stop.client_order_id]
                    self._work(account, listing, stop, self._matches(listing, stop))

    def _trigger(self, listing: Listing, algo: AlgoOrder) -> None:
        account = self.accounts[algo.account]
        self.end_algo(algo, AlgoStatus.FINISHED)
        algo.trigger_time = algo.update_time
        limit = algo.type in {"STOP", "TAKE_PROFIT"}
        new = NewOrder(
            symbol=algo.symbol,
            side=algo.side,
            type="LIMIT" if limit else "MARKET",
            quantity=algo.quantity,
            price=algo.price if limit else ZERO,
            time_in_force=algo.time_in_force if limit else "GTC",
            reduce_only=algo.reduce_only,
            close_position=algo.close_position,
            client_id="" if (Market.USDM.value, algo.client_algo_id) in account.open_ids else algo.client_algo_id,
        )
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

    def liquidate(self) -> None:
        """Close what the margin no longer carries: cancel everything of the account, sell its positions to the market."""
        for account in self.accounts.values():
            if not any(position.quantity for position in account.positions.values()):
                continue
            margin = self.margin(account)
            if margin.maintenance < margin.balance:
                continue
            self.liquidations += 1
            for order in self.open_orders(account, Market.USDM, None):
                self.cancel(order)
            for algo in self.open_algos(account, None):
                self.end_algo(algo)
            for position in list(account.positions.values()):
                if position.quantity:
                    side = Side.SELL if position.quantity > 0 else Side.BUY
                    client_id = f"autoclose-{new_client_id()}"
                    new = NewOrder(
                        position.symbol, side, "MARKET", abs(position.quantity), reduce_only=True, client_id=client_id
                    )
                    self.place(account, Market.USDM, new)

    def reset(self) -> None:
        """Every account back to its deposits, no order anywhere; the market goes on."""
        for by_symbol in self.listings.values():
            for listing in by_symbol.values():
                listing.resting.clear()
                listing.stops.clear()
                listing.conditional.clear()
        for account in self.accounts.values():
            account.reset()


def _meets(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order with this limit trades at this price."""
    return limit is None or (price - limit) * side.sign <= 0


def _reached(order: AlgoOrder, price: Decimal) -> bool:
    if order.type != "TRAILING_STOP_MARKET":
        return _stop_reached(order.type, order.side, order.trigger_price, price)
    if order.extreme is None:
        # Asleep until the activation price: a buy waits for a fall, a sell for a rise.
        if order.activate_price and (price - order.activate_price) * order.side.sign > 0:
            return False
        order.extreme = price
    order.extreme = min(order.extreme, price) if order.side is Side.BUY else max(order.extreme, price)
    return abs(price - order.extreme) / order.extreme * 100 >= order.callback_rate


def _stop_reached(kind: str, side: Side, trigger: Decimal, price: Decimal) -> bool:
    """A stop is reached by a move against its side's holder, a take-profit by the opposite move."""
    rising = (side is Side.BUY) != kind.startswith("TAKE_PROFIT")
    return price >= trigger if rising else price <= trigger
