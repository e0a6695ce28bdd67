"""The spot paths: `/api/v3`."""

from sandbox.venue.faults.kinds import Family
from sandbox.venue.instruments import Market
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
from sandbox.venue.rest.route import Route, Routes, of_family
from sandbox.venue.rest.spot import account, orders

MARKET = Market.SPOT

_GENERAL: Routes = {
    ("GET", "ping"): Route(ping, signed=False),
    ("GET", "time"): Route(server_time, signed=False),
    ("GET", "exchangeInfo"): Route(exchange_info(MARKET), signed=False, weight=20),
}
_BOOK: Routes = {
    ("GET", "depth"): Route(depth(MARKET), signed=False, weight=5),
    ("GET", "trades"): Route(trades(MARKET), signed=False, weight=10),
    ("GET", "aggTrades"): Route(agg_trades(MARKET), signed=False, weight=2),
    ("GET", "ticker/bookTicker"): Route(quote_ticker(MARKET), signed=False, weight=2, weight_without_symbol=4),
    ("GET", "ticker/price"): Route(price_ticker(MARKET), signed=False, weight=2, weight_without_symbol=4),
    ("GET", "ticker/24hr"): Route(day_ticker(MARKET), signed=False, weight=2, weight_without_symbol=80),
}
_ORDERS: Routes = {
    ("POST", "order"): Route(orders.new_order, orders=1),
    ("POST", "order/test"): Route(orders.test_order),
    ("GET", "order"): Route(orders.get_order, weight=4),
    ("DELETE", "order"): Route(orders.cancel_order),
    ("GET", "openOrders"): Route(orders.open_orders, weight=6, weight_without_symbol=80),
    ("DELETE", "openOrders"): Route(orders.cancel_open_orders),
    ("GET", "allOrders"): Route(orders.all_orders, weight=20),
    ("GET", "myTrades"): Route(account.my_trades, weight=20),
}
_POSITIONS: Routes = {
    ("GET", "account"): Route(account.balances, weight=20),
}

ROUTES: Routes = {
    (method, f"/api/v3/{path}"): route
    for (method, path), route in (
        _GENERAL
        | of_family(Family.BOOK, _BOOK)
        | of_family(Family.ORDERS, _ORDERS)
        | of_family(Family.POSITIONS, _POSITIONS)
    ).items()
}
