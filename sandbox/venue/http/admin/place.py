"""`POST /admin/orders`: many resting orders at once."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from sandbox.venue.accounts.account import Account
from sandbox.venue.http.admin.refused import AdminError, Answer
from sandbox.venue.instruments import Market
from sandbox.venue.market.pair import TradingPair
from sandbox.venue.orders.order import ALGO, AlgoOrder, NewOrder, Side
from sandbox.venue.refusal import Refused
from sandbox.venue.venue import Venue

MOST_ORDERS = 100_000


def place_orders(venue: Venue, _: dict[str, str], body: dict[str, Any]) -> Answer:
    """POST orders: many resting orders at once, spread evenly over symbols and both sides, away from the market."""
    name = body.get("account")
    account = venue.exchange.accounts.get(name) if isinstance(name, str) else None
    if account is None:
        raise AdminError(f"account: one of {', '.join(venue.exchange.accounts)}")
    book, number = body.get("book", Market.USDM.value), body.get("count", 1)
    if book not in {Market.USDM, Market.SPOT, ALGO}:
        raise AdminError("book: usdm, algo or spot")
    if not isinstance(number, int) or not 0 < number <= MOST_ORDERS:
        raise AdminError(f"count: 1 to {MOST_ORDERS}")
    market = Market.SPOT if book == Market.SPOT else Market.USDM
    symbols = body.get("symbols") or list(venue.exchange.pairs[market])
    prefix, distance, side = body.get("prefix", "seed-"), body.get("distance_ratio", 0.05), body.get("side")
    if side not in {None, *Side}:
        raise AdminError("side: BUY or SELL, or leave it out for both")
    if not isinstance(symbols, list) or not all(one in venue.exchange.pairs[market] for one in symbols):
        raise AdminError("symbols: a list of traded symbols")
    if not isinstance(prefix, str) or not isinstance(distance, int | float) or not 0 < distance < 1:
        raise AdminError("prefix: a string; distance_ratio: between 0 and 1")
    protects = {name: body.get(name, False) for name in ("reduce_only", "close_position")}
    if not all(isinstance(one, bool) for one in protects.values()) or (any(protects.values()) and book != ALGO):
        raise AdminError("reduce_only, close_position: true or false, for the book algo")
    place = partial(_place_algo, protects) if book == ALGO else _place
    ids: list[int] = []
    for at in range(number):
        pair = venue.exchange.pairs[market][symbols[at % len(symbols)]]
        # A spot account has no base to sell, so unless told otherwise it buys.
        default = Side.SELL if market is Market.USDM and (at // len(symbols)) % 2 else Side.BUY
        chosen = Side(side) if side else default
        try:
            ids.append(place(venue, account, pair, chosen, f"{prefix}{venue.seeded}", Decimal(str(distance))))
        except Refused as refused:
            raise AdminError(
                f"order {at + 1} of {number} on {pair.symbol}: {refused.code} {refused.message}"
            ) from refused
        venue.seeded += 1
    return {"account": account.name, "book": book, "placed": len(ids), "ids": ids}, 201


def _terms(pair: TradingPair, side: Side, distance: Decimal) -> tuple[Decimal, Decimal]:
    """A price that far from the market (a buy below, a sell above) and the smallest quantity allowed there."""
    instrument = pair.instrument
    mark = pair.mark or instrument.start_price
    price = instrument.floor_price(mark * (1 - distance * side.sign))
    steps = -(-instrument.min_notional // (price * instrument.step))
    return price, (steps + 1) * instrument.step


def _place(venue: Venue, account: Account, pair: TradingPair, side: Side, client_id: str, distance: Decimal) -> int:
    price, quantity = _terms(pair, side, distance)
    new = NewOrder(pair.symbol, side, "LIMIT", quantity, price, client_id=client_id)
    return venue.exchange.place(account, pair.market, new).order_id


def _place_algo(
    protects: Mapping[str, bool],
    venue: Venue,
    account: Account,
    pair: TradingPair,
    side: Side,
    client_id: str,
    distance: Decimal,
) -> int:
    # A stop waits on the other side of the market than a limit order: a buy above, a sell below.
    trigger, quantity = _terms(pair, side.opposite, distance)
    algo = AlgoOrder(
        algo_id=0,
        client_algo_id=client_id,
        account=account.name,
        symbol=pair.symbol,
        side=side,
        type="STOP_MARKET",
        time_in_force="GTC",
        quantity=Decimal(0) if protects["close_position"] else quantity,
        price=Decimal(0),
        trigger_price=trigger,
        working_type="CONTRACT_PRICE",
        time=0,
        reduce_only=protects["reduce_only"],
        close_position=protects["close_position"],
    )
    return venue.exchange.place_algo(account, algo).algo_id
