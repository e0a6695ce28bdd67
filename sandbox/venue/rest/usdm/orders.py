"""Futures orders of the normal book."""

from decimal import Decimal
from typing import Any

import orjson

from sandbox.venue import refusal
from sandbox.venue.instruments import Market
from sandbox.venue.orders.order import NewOrder, Order, Status
from sandbox.venue.refusal import Refused
from sandbox.venue.rest.filters import check_futures_filters, check_futures_worth
from sandbox.venue.rest.request import ApiRequest
from sandbox.venue.rest.usdm.shapes import order_json

ZERO = Decimal(0)
MARKET = Market.USDM
TIMES_IN_FORCE = {"GTC", "IOC", "FOK", "GTX", "GTD"}
CONDITIONAL = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
MOST_IN_A_BATCH = 5
MOST_CANCELS_IN_A_BATCH = 10
ALL_CANCELLED = {"code": 200, "msg": "The operation of cancel all open order is done."}


def new_order(request: ApiRequest) -> Any:
    """POST order."""
    order = request.exchange.place(request.account, MARKET, _wanted(request))
    if (request.optional("newOrderRespType") or "ACK") == "ACK":
        # An ACK knows nothing of fills yet.
        return order_json(order, Status.NEW) | {"executedQty": "0", "cumQty": "0", "cumQuote": "0", "avgPrice": "0.00"}
    return order_json(order)


def test_order(request: ApiRequest) -> Any:
    """POST order/test: every check of the parameters, no order."""
    _wanted(request)
    return {}


def _wanted(request: ApiRequest) -> NewOrder:
    symbol = request.symbol(MARKET)
    instrument = request.exchange.pair(MARKET, symbol).instrument
    side = request.side()
    kind = request.text("type")
    if kind in CONDITIONAL:
        raise Refused(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    if kind not in {"LIMIT", "MARKET"}:
        raise Refused(-1116, "Invalid orderType.")
    if (request.optional("positionSide") or "BOTH") != "BOTH":
        raise Refused(-4061, "Order's position side does not match user's setting.")
    quantity = request.decimal("quantity")
    if quantity is None:
        raise refusal.missing("quantity")
    limit = kind == "LIMIT"
    price = request.decimal("price") if limit else None
    if limit and price is None:
        raise refusal.missing("price")
    time_in_force = request.text("timeInForce") if limit else "GTC"
    if time_in_force not in TIMES_IN_FORCE:
        raise Refused(-1115, "Invalid timeInForce.")
    check_futures_filters(instrument, price=price, quantity=quantity)
    reduce_only = request.flag("reduceOnly")
    worth = quantity * (price or request.exchange.marks[symbol])
    if not reduce_only:
        check_futures_worth(instrument, worth)
    return NewOrder(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=price or ZERO,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        client_id=request.client_id("newClientOrderId"),
    )


def new_orders(request: ApiRequest) -> Any:
    """POST batchOrders: at most five, each answered for itself."""
    wanted = _json_list(request, "batchOrders")
    if len(wanted) > MOST_IN_A_BATCH:
        raise Refused(-4082, "Invalid number of batch place orders.")
    answers: list[Any] = []
    for one in wanted:
        params = {str(name): _plain(value) for name, value in one.items()} if isinstance(one, dict) else {}
        try:
            answers.append(new_order(ApiRequest(params, request.exchange, request.signed_by)))
        except Refused as refused:
            answers.append({"code": refused.code, "msg": refused.message})
    return answers


def get_order(request: ApiRequest) -> Any:
    """GET order."""
    found = _find(request)
    if found is None:
        raise refusal.no_such_order()
    return order_json(found)


def get_open_order(request: ApiRequest) -> Any:
    """GET openOrder."""
    found = _find(request)
    if found is None or not found.is_open:
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
    return order_json(found, Status.CANCELED)


def cancel_orders(request: ApiRequest) -> Any:
    """DELETE batchOrders: by `orderidlist` or `origclientorderidlist`, each answered for itself."""
    symbol = request.symbol(MARKET)
    by_client = "origclientorderidlist" in request.params or "origClientOrderIdList" in request.params
    name = "orderidlist"
    if by_client:
        name = "origclientorderidlist" if "origclientorderidlist" in request.params else "origClientOrderIdList"
    elif "orderIdList" in request.params:
        name = "orderIdList"
    ids = _json_list(request, name)
    if not 0 < len(ids) <= MOST_CANCELS_IN_A_BATCH:
        raise Refused(-4083, "Invalid number of batch cancel orders.")
    answers: list[Any] = []
    for one in ids:
        number, client_id = (None, str(one)) if by_client else (_whole(one, name), None)
        found = request.account.find(MARKET, symbol, number, client_id)
        if found is None or not found.is_open:
            answers.append({"code": -2011, "msg": "Unknown order sent."})
            continue
        try:
            request.cancel(found)
        except Refused as refused:
            answers.append({"code": refused.code, "msg": refused.message})
        else:
            answers.append(order_json(found, Status.CANCELED))
    return answers


def cancel_all_orders(request: ApiRequest) -> Any:
    """DELETE allOpenOrders: the normal book of one symbol; says the same when there was nothing."""
    request.cancel_all(request.account.open_orders(MARKET, request.symbol(MARKET)))
    return ALL_CANCELLED


def open_orders(request: ApiRequest) -> Any:
    """GET openOrders."""
    return [order_json(one) for one in request.account.open_orders(MARKET, request.maybe_symbol(MARKET))]


def all_orders(request: ApiRequest) -> Any:
    """GET allOrders."""
    symbol, since = request.maybe_symbol(MARKET), request.number("startTime") or 0
    known = request.account.known.values()
    found = [one for one in known if isinstance(one, Order) and one.market is MARKET and one.time >= since]
    return [order_json(one) for one in found if symbol is None or one.symbol == symbol][
        -(request.number("limit") or 500) :
    ]


def count_down(request: ApiRequest) -> Any:
    """POST countdownCancelAll: cancels the symbol's normal book when the time runs out; 0 stops the timer."""
    symbol = request.symbol(MARKET)
    milliseconds = request.number("countdownTime")
    if milliseconds is None or milliseconds < 0:
        raise refusal.missing("countdownTime")
    if request.countdowns is not None:
        request.countdowns.set(request.account, symbol, milliseconds)
    return {"symbol": symbol, "countdownTime": str(milliseconds)}


def _json_list(request: ApiRequest, name: str) -> list[Any]:
    try:
        found = orjson.loads(request.text(name))
    except orjson.JSONDecodeError:
        raise refusal.missing(name) from None
    if not isinstance(found, list):
        raise refusal.missing(name)
    return found


def _whole(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise refusal.missing(name) from None


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
