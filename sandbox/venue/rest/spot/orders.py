"""The spot paths: `/api/v3`."""

from decimal import Decimal
from typing import Any

from sandbox.venue import refusal
from sandbox.venue.rest.request import Call, Route, Routes, check_spot_filters
from sandbox.venue.instruments import SPOT_TYPES, Market
from sandbox.venue.accounts.account import new_client_id
from sandbox.venue.orders.order import NewOrder, Order
from sandbox.venue.rest.market_data import (
    agg_trades,
    day_ticker,
    depth,
    exchange_info,
    ping,
    price_ticker,
    quote_ticker,
    server_time,
    trades,
)
from sandbox.venue.refusal import Refused

ZERO = Decimal(0)
MARKET = Market.SPOT
NEEDS_PRICE = {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}
NEEDS_STOP = {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}


def new_order(call: Call) -> Any:
    """POST order."""
    order = call.exchange.place(call.account, MARKET, _wanted(call))
    shape = call.optional("newOrderRespType") or ("FULL" if order.type in {"LIMIT", "MARKET"} else "ACK")
    shown = order.spot_placed()
    if shape == "ACK":
        return {name: shown[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    if shape == "RESULT":
        del shown["fills"]
    return shown


def test_order(call: Call) -> Any:
    """POST order/test: every check of the parameters, no order."""
    _wanted(call)
    return {}


def _wanted(call: Call) -> NewOrder:
    symbol = call.symbol(MARKET)
    instrument = call.exchange.listing(MARKET, symbol).instrument
    side, kind = call.side(), call.text("type")
    if kind not in SPOT_TYPES:
        raise Refused(-1116, "Invalid orderType.")
    price = call.decimal("price") if kind in NEEDS_PRICE else None
    stop = call.decimal("stopPrice") if kind in NEEDS_STOP else None
    quantity, quote_quantity = call.decimal("quantity"), call.decimal("quoteOrderQty")
    if kind in NEEDS_PRICE and price is None:
        raise refusal.missing("price")
    if kind in NEEDS_STOP and stop is None:
        raise refusal.missing("stopPrice")
    if quantity is None and not (kind == "MARKET" and quote_quantity):
        raise refusal.missing("quantity")
    time_in_force = "GTC"
    if kind in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        time_in_force = call.text("timeInForce")
        if time_in_force not in {"GTC", "IOC", "FOK"}:
            raise Refused(-1115, "Invalid timeInForce.")
    check_spot_filters(instrument, price=price, quantity=quantity)
    check_spot_filters(instrument, price=stop, quantity=None)
    mark = call.exchange.listing(MARKET, symbol).mark or instrument.start_price
    worth = quote_quantity if quantity is None else quantity * (price or stop or mark)
    if worth is not None and worth < instrument.min_notional:
        raise Refused(-1013, "Filter failure: NOTIONAL")
    client_id = call.client_id("newClientOrderId")
    return NewOrder(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity or ZERO,
        price=price or ZERO,
        time_in_force=time_in_force,
        stop_price=stop or ZERO,
        quote_quantity=ZERO if quantity else quote_quantity or ZERO,
        client_id=client_id,
    )


def get_order(call: Call) -> Any:
    """GET order."""
    found = _find(call)
    if found is None:
        raise refusal.no_such_order()
    return found.spot()


def _find(call: Call) -> Order | None:
    symbol = call.symbol(MARKET)
    number, client_id = call.number("orderId"), call.optional("origClientOrderId")
    if number is None and client_id is None:
        raise refusal.missing("orderId")
    return call.exchange.find(call.account, MARKET, symbol, number, client_id)


def cancel_order(call: Call) -> Any:
    """DELETE order."""
    found = _find(call)
    if found is None or not found.is_open:
        raise refusal.unknown_order()
    call.cancel_order(found)
    return found.spot_cancelled(call.optional("newClientOrderId") or new_client_id())


def cancel_open_orders(call: Call) -> Any:
    """DELETE openOrders: all of one symbol; -2011 when there is none."""
    found = call.exchange.open_orders(call.account, MARKET, call.symbol(MARKET))
    if not found:
        raise refusal.unknown_order()
    call.cancel_all(found)
    return [one.spot_cancelled(new_client_id()) for one in found]


def open_orders(call: Call) -> Any:
    """GET openOrders."""
    return [one.spot() for one in call.exchange.open_orders(call.account, MARKET, call.maybe_symbol(MARKET))]


def all_orders(call: Call) -> Any:
    """GET allOrders."""
    symbol, since = call.symbol(MARKET), call.number("startTime") or 0
    known = call.account.known.values()
    found = [one for one in known if isinstance(one, Order) and one.market is MARKET and one.symbol == symbol]
    return [one.spot() for one in found if one.time >= since][-(call.number("limit") or 500) :]


def account(call: Call) -> Any:
    """GET account: the spot balances."""
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.exchange.clock.milliseconds(),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": format(one.free, "f"), "locked": format(one.locked, "f")}
            for asset, one in call.account.holdings.items()
        ],
        "permissions": ["SPOT"],
    }


def my_trades(call: Call) -> Any:
    """GET myTrades."""
    symbol = call.symbol(MARKET)
    since, order_id, limit = call.number("startTime") or 0, call.number("orderId"), call.number("limit") or 500
    found = [
        one
        for one in call.account.trades.get((MARKET, symbol), ())
        if one.time >= since and (order_id is None or one.order_id == order_id)
    ]
    return [one.spot() for one in found[-limit:]]


ROUTES: Routes = {
    (method, f"/api/v3/{path}"): route
    for (method, path), route in {
        ("GET", "ping"): Route(ping, signed=False),
        ("GET", "time"): Route(server_time, signed=False),
        ("GET", "exchangeInfo"): Route(exchange_info(MARKET), signed=False, weight=20),
        ("GET", "depth"): Route(depth(MARKET), signed=False, weight=5),
        ("GET", "trades"): Route(trades(MARKET), signed=False, weight=10),
        ("GET", "aggTrades"): Route(agg_trades(MARKET), signed=False, weight=2),
        ("GET", "ticker/bookTicker"): Route(quote_ticker(MARKET), signed=False, weight=2, weight_without_symbol=4),
        ("GET", "ticker/price"): Route(price_ticker(MARKET), signed=False, weight=2, weight_without_symbol=4),
        ("GET", "ticker/24hr"): Route(day_ticker(MARKET), signed=False, weight=2, weight_without_symbol=80),
        ("POST", "order"): Route(new_order, orders=1),
        ("POST", "order/test"): Route(test_order),
        ("GET", "order"): Route(get_order, weight=4),
        ("DELETE", "order"): Route(cancel_order),
        ("GET", "openOrders"): Route(open_orders, weight=6, weight_without_symbol=80),
        ("DELETE", "openOrders"): Route(cancel_open_orders),
        ("GET", "allOrders"): Route(all_orders, weight=20),
        ("GET", "account"): Route(account, weight=20),
        ("GET", "myTrades"): Route(my_trades, weight=20),
    }.items()
}
