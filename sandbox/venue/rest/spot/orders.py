"""Spot orders."""

from decimal import Decimal
from typing import Any

from sandbox.venue import refusal
from sandbox.venue.instruments import SPOT_TYPES, Market
from sandbox.venue.orders.order import NewOrder, Order, new_client_id
from sandbox.venue.refusal import Refused
from sandbox.venue.rest.filters import check_spot_filters
from sandbox.venue.rest.request import ApiRequest
from sandbox.venue.rest.spot.shapes import cancelled_json, order_json, placed_json

ZERO = Decimal(0)
MARKET = Market.SPOT
NEEDS_PRICE = {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}
NEEDS_STOP = {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}


def new_order(request: ApiRequest) -> Any:
    """POST order."""
    order = request.exchange.place(request.account, MARKET, _wanted(request))
    shape = request.optional("newOrderRespType") or ("FULL" if order.type in {"LIMIT", "MARKET"} else "ACK")
    shown = placed_json(order)
    if shape == "ACK":
        return {name: shown[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    if shape == "RESULT":
        del shown["fills"]
    return shown


def test_order(request: ApiRequest) -> Any:
    """POST order/test: every check of the parameters, no order."""
    _wanted(request)
    return {}


def _wanted(request: ApiRequest) -> NewOrder:
    symbol = request.symbol(MARKET)
    instrument = request.exchange.pair(MARKET, symbol).instrument
    side, kind = request.side(), request.text("type")
    if kind not in SPOT_TYPES:
        raise Refused(-1116, "Invalid orderType.")
    price = request.decimal("price") if kind in NEEDS_PRICE else None
    stop = request.decimal("stopPrice") if kind in NEEDS_STOP else None
    quantity, quote_quantity = request.decimal("quantity"), request.decimal("quoteOrderQty")
    if kind in NEEDS_PRICE and price is None:
        raise refusal.missing("price")
    if kind in NEEDS_STOP and stop is None:
        raise refusal.missing("stopPrice")
    if quantity is None and not (kind == "MARKET" and quote_quantity):
        raise refusal.missing("quantity")
    time_in_force = "GTC"
    if kind in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        time_in_force = request.text("timeInForce")
        if time_in_force not in {"GTC", "IOC", "FOK"}:
            raise Refused(-1115, "Invalid timeInForce.")
    check_spot_filters(instrument, price=price, quantity=quantity)
    check_spot_filters(instrument, price=stop, quantity=None)
    mark = request.exchange.pair(MARKET, symbol).mark or instrument.start_price
    worth = quote_quantity if quantity is None else quantity * (price or stop or mark)
    if worth is not None and worth < instrument.min_notional:
        raise Refused(-1013, "Filter failure: NOTIONAL")
    client_id = request.client_id("newClientOrderId")
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


def get_order(request: ApiRequest) -> Any:
    """GET order."""
    found = _find(request)
    if found is None:
        raise refusal.no_such_order()
    return order_json(found)


def _find(request: ApiRequest) -> Order | None:
    symbol = request.symbol(MARKET)
    number, client_id = request.number("orderId"), request.optional("origClientOrderId")
    if number is None and client_id is None:
        raise refusal.missing("orderId")
    return request.account.find(MARKET, symbol, number, client_id)


def cancel_order(request: ApiRequest) -> Any:
    """DELETE order."""
    found = _find(request)
    if found is None or not found.is_open:
        raise refusal.unknown_order()
    request.cancel(found)
    return cancelled_json(found, request.optional("newClientOrderId") or new_client_id())


def cancel_open_orders(request: ApiRequest) -> Any:
    """DELETE openOrders: all of one symbol; -2011 when there is none."""
    found = request.account.open_orders(MARKET, request.symbol(MARKET))
    if not found:
        raise refusal.unknown_order()
    return [cancelled_json(one, new_client_id()) for one in request.cancel_all(found)]


def open_orders(request: ApiRequest) -> Any:
    """GET openOrders."""
    return [order_json(one) for one in request.account.open_orders(MARKET, request.maybe_symbol(MARKET))]


def all_orders(request: ApiRequest) -> Any:
    """GET allOrders."""
    symbol, since = request.symbol(MARKET), request.number("startTime") or 0
    known = request.account.known.values()
    found = [one for one in known if isinstance(one, Order) and one.market is MARKET and one.symbol == symbol]
    return [order_json(one) for one in found if one.time >= since][-(request.number("limit") or 500) :]
