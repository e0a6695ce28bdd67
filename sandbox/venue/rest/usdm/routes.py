"""The USD-M futures paths: `/fapi/v1`, `/fapi/v2`, `/fapi/v3`."""

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
from sandbox.venue.rest.usdm import account, algo_orders, orders

MARKET = Market.USDM

_GENERAL: Routes = {
    ("GET", "ping"): Route(ping, signed=False),
    ("GET", "time"): Route(server_time, signed=False),
    ("GET", "exchangeInfo"): Route(exchange_info(MARKET), signed=False),
    ("GET", "leverageBracket"): Route(account.leverage_bracket),
    ("POST", "leverage"): Route(account.set_leverage),
    ("POST", "marginType"): Route(account.set_margin_type),
    ("GET", "positionSide/dual"): Route(account.position_mode, weight=30),
    ("POST", "positionSide/dual"): Route(account.set_position_mode),
    ("GET", "commissionRate"): Route(account.commission_rate, weight=20),
}
_BOOK: Routes = {
    ("GET", "depth"): Route(depth(MARKET), signed=False, weight=5),
    ("GET", "trades"): Route(trades(MARKET), signed=False, weight=5),
    ("GET", "aggTrades"): Route(agg_trades(MARKET), signed=False, weight=20),
    ("GET", "ticker/bookTicker"): Route(quote_ticker(MARKET), signed=False, weight=2, weight_without_symbol=5),
    ("GET", "ticker/price"): Route(price_ticker(MARKET), signed=False, weight_without_symbol=2),
    ("GET", "ticker/24hr"): Route(day_ticker(MARKET), signed=False, weight_without_symbol=40),
    ("GET", "premiumIndex"): Route(account.premium_index, signed=False),
}
_ORDERS: Routes = {
    ("POST", "order"): Route(orders.new_order, weight=0, orders=1),
    ("POST", "order/test"): Route(orders.test_order),
    ("GET", "order"): Route(orders.get_order),
    ("DELETE", "order"): Route(orders.cancel_order),
    ("GET", "openOrder"): Route(orders.get_open_order),
    ("GET", "openOrders"): Route(orders.open_orders, weight_without_symbol=40),
    ("GET", "allOrders"): Route(orders.all_orders, weight=5),
    ("DELETE", "allOpenOrders"): Route(orders.cancel_all_orders),
    ("POST", "batchOrders"): Route(orders.new_orders, weight=5, orders=5),
    ("DELETE", "batchOrders"): Route(orders.cancel_orders),
    ("POST", "countdownCancelAll"): Route(orders.count_down, weight=10),
    ("POST", "algoOrder"): Route(algo_orders.new_algo_order, weight=0, orders=1),
    ("GET", "algoOrder"): Route(algo_orders.get_algo_order),
    ("DELETE", "algoOrder"): Route(algo_orders.cancel_algo_order),
    ("GET", "openAlgoOrders"): Route(algo_orders.open_algo_orders, weight_without_symbol=40),
    ("GET", "allAlgoOrders"): Route(algo_orders.all_algo_orders, weight=5),
    ("DELETE", "algoOpenOrders"): Route(algo_orders.cancel_all_algo_orders),
    ("GET", "userTrades"): Route(account.user_trades, weight=5),
}
_POSITIONS: Routes = {
    ("GET", "account"): Route(account.account_v3, weight=5),
    ("GET", "balance"): Route(account.balance, weight=5),
    ("GET", "positionRisk"): Route(account.position_risk, weight=5),
}
_V1 = _GENERAL | of_family(Family.BOOK, _BOOK) | of_family(Family.ORDERS, _ORDERS)

ROUTES: Routes = {(method, f"/fapi/v1/{path}"): route for (method, path), route in _V1.items()} | {
    (method, f"/fapi/{version}/{path}"): route
    for version in ("v1", "v2", "v3")
    for (method, path), route in of_family(Family.POSITIONS, _POSITIONS).items()
}
ROUTES["GET", "/fapi/v2/ticker/price"] = Route(price_ticker(MARKET), signed=False, family=Family.BOOK)
# Coin-margined futures are not offered; clients that load every market still ask for them.
ROUTES["GET", "/dapi/v1/exchangeInfo"] = Route(
    lambda request: {"timezone": "UTC", "serverTime": request.exchange.clock.milliseconds(), "symbols": []},
    signed=False,
)
