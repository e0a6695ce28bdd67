"""Futures orders: the normal book and the conditional one."""

from decimal import Decimal
from typing import Any

import orjson

from sandbox.venue import refusal
from sandbox.venue.rest.request import Call, check_futures_filters
from sandbox.venue.instruments import Instrument, Market
from sandbox.venue.orders.order import AlgoOrder, NewOrder, Order, Status
from sandbox.venue.refusal import Refused

ZERO = Decimal(0)
MARKET = Market.USDM
TIMES_IN_FORCE = {"GTC", "IOC", "FOK", "GTX", "GTD"}
CONDITIONAL = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
MOST_IN_A_BATCH = 5
MOST_CANCELS_IN_A_BATCH = 10
ALL_CANCELLED = {"code": 200, "msg": "The operation of cancel all open order is done."}


def new_order(call: Call) -> Any:
    """POST order."""
    order = call.exchange.place(call.account, MARKET, _wanted(call))
    if (call.optional("newOrderRespType") or "ACK") == "ACK":
        # An ACK knows nothing of fills yet.
        return order.usdm(Status.NEW) | {"executedQty": "0", "cumQty": "0", "cumQuote": "0", "avgPrice": "0.00"}
    return order.usdm()


def test_order(call: Call) -> Any:
    """POST order/test: every check of the parameters, no order."""
    _wanted(call)
    return {}


def _wanted(call: Call) -> NewOrder:
    symbol = call.symbol(MARKET)
    instrument = call.exchange.listing(MARKET, symbol).instrument
    side = call.side()
    kind = call.text("type")
    if kind in CONDITIONAL:
        raise Refused(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    if kind not in {"LIMIT", "MARKET"}:
        raise Refused(-1116, "Invalid orderType.")
    if (call.optional("positionSide") or "BOTH") != "BOTH":
        raise Refused(-4061, "Order's position side does not match user's setting.")
    quantity = call.decimal("quantity")
    if quantity is None:
        raise refusal.missing("quantity")
    limit = kind == "LIMIT"
    price = call.decimal("price") if limit else None
    if limit and price is None:
        raise refusal.missing("price")
    time_in_force = call.text("timeInForce") if limit else "GTC"
    if time_in_force not in TIMES_IN_FORCE:
        raise Refused(-1115, "Invalid timeInForce.")
    check_futures_filters(instrument, price=price, quantity=quantity)
    reduce_only = call.flag("reduceOnly")
    worth = quantity * (price or call.exchange.marks[symbol])
    if not reduce_only:
        _check_worth(instrument, worth)
    return NewOrder(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=price or ZERO,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        client_id=call.client_id("newClientOrderId"),
    )


def _check_worth(instrument: Instrument, worth: Decimal) -> None:
    least = instrument.min_notional
    if worth < least:
        raise Refused(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def new_orders(call: Call) -> Any:
    """POST batchOrders: at most five, each answered for itself."""
    wanted = _json_list(call, "batchOrders")
    if len(wanted) > MOST_IN_A_BATCH:
        raise Refused(-4082, "Invalid number of batch place orders.")
    answers: list[Any] = []
    for one in wanted:
        params = {str(name): _plain(value) for name, value in one.items()} if isinstance(one, dict) else {}
        try:
            answers.append(new_order(Call(params, call.exchange, call.signed_by)))
        except Refused as refused:
            answers.append({"code": refused.code, "msg": refused.message})
    return answers


def get_order(call: Call) -> Any:
    """GET order."""
    found = _find(call)
    if found is None:
        raise refusal.no_such_order()
    return found.usdm()


def get_open_order(call: Call) -> Any:
    """GET openOrder."""
    found = _find(call)
    if found is None or not found.is_open:
        raise refusal.no_such_order()
    return found.usdm()


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
    return found.usdm(Status.CANCELED)


def cancel_orders(call: Call) -> Any:
    """DELETE batchOrders: by `orderidlist` or `origclientorderidlist`, each answered for itself."""
    symbol = call.symbol(MARKET)
    by_client = "origclientorderidlist" in call.params or "origClientOrderIdList" in call.params
    name = "orderidlist"
    if by_client:
        name = "origclientorderidlist" if "origclientorderidlist" in call.params else "origClientOrderIdList"
    elif "orderIdList" in call.params:
        name = "orderIdList"
    ids = _json_list(call, name)
    if not 0 < len(ids) <= MOST_CANCELS_IN_A_BATCH:
        raise Refused(-4083, "Invalid number of batch cancel orders.")
    answers: list[Any] = []
    for one in ids:
        number, client_id = (None, str(one)) if by_client else (_whole(one, name), None)
        found = call.exchange.find(call.account, MARKET, symbol, number, client_id)
        if found is None or not found.is_open:
            answers.append({"code": -2011, "msg": "Unknown order sent."})
        else:
            call.cancel_order(found)
            answers.append(found.usdm(Status.CANCELED))
    return answers


def cancel_all_orders(call: Call) -> Any:
    """DELETE allOpenOrders: the normal book of one symbol; says the same when there was nothing."""
    call.cancel_all(call.exchange.open_orders(call.account, MARKET, call.symbol(MARKET)))
    return ALL_CANCELLED


def open_orders(call: Call) -> Any:
    """GET openOrders."""
    return [one.usdm() for one in call.exchange.open_orders(call.account, MARKET, call.maybe_symbol(MARKET))]


def all_orders(call: Call) -> Any:
    """GET allOrders."""
    symbol, since = call.maybe_symbol(MARKET), call.number("startTime") or 0
    known = call.account.known.values()
    found = [one for one in known if isinstance(one, Order) and one.market is MARKET and one.time >= since]
    return [one.usdm() for one in found if symbol is None or one.symbol == symbol][-(call.number("limit") or 500) :]


def count_down(call: Call) -> Any:
    """POST countdownCancelAll: cancels the symbol's normal book when the time runs out; 0 stops the timer."""
    symbol = call.symbol(MARKET)
    milliseconds = call.number("countdownTime")
    if milliseconds is None or milliseconds < 0:
        raise refusal.missing("countdownTime")
    if call.countdown is not None:
        call.countdown(call.account, symbol, milliseconds)
    return {"symbol": symbol, "countdownTime": str(milliseconds)}


# Conditional orders: a book of their own.


def new_algo_order(call: Call) -> Any:
    """POST algoOrder."""
    symbol = call.symbol(MARKET)
    instrument = call.exchange.listing(MARKET, symbol).instrument
    side, kind = call.side(), call.text("type")
    if call.text("algoType") != "CONDITIONAL" or kind not in CONDITIONAL:
        raise Refused(-1116, "Invalid orderType.")
    close_position, reduce_only = call.flag("closePosition"), call.flag("reduceOnly")
    quantity, price, trigger = call.decimal("quantity"), call.decimal("price"), call.decimal("triggerPrice")
    if quantity is None and not close_position:
        raise refusal.missing("quantity")
    if kind in {"STOP", "TAKE_PROFIT"} and price is None:
        raise refusal.missing("price")
    trailing = kind == "TRAILING_STOP_MARKET"
    if trigger is None and not trailing:
        raise refusal.missing("triggerPrice")
    callback = call.decimal("callbackRate")
    if trailing and (callback is None or not Decimal("0.1") <= callback <= 10):
        raise refusal.missing("callbackRate")
    check_futures_filters(instrument, price=price, quantity=None if close_position else quantity)
    check_futures_filters(instrument, price=trigger, quantity=None)
    working_type = call.optional("workingType") or "CONTRACT_PRICE"
    if working_type not in {"CONTRACT_PRICE", "MARK_PRICE"}:
        raise refusal.missing("workingType")
    if not reduce_only and not close_position and quantity is not None:
        _check_worth(instrument, quantity * (price or trigger or call.exchange.marks[symbol]))
    algo = AlgoOrder(
        algo_id=0,
        client_algo_id=call.client_id("clientAlgoId"),
        account=call.account.name,
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=call.optional("timeInForce") or "GTC",
        quantity=ZERO if close_position else quantity or ZERO,
        price=price or ZERO,
        trigger_price=trigger or ZERO,
        working_type=working_type,
        time=0,
        reduce_only=reduce_only,
        close_position=close_position,
        activate_price=call.decimal("activatePrice") or ZERO,
        callback_rate=callback or ZERO,
    )
    return call.exchange.place_algo(call.account, algo).shown()


def get_algo_order(call: Call) -> Any:
    """GET algoOrder."""
    found = _find_algo(call)
    if found is None:
        raise refusal.no_such_order()
    return found.shown()


def cancel_algo_order(call: Call) -> Any:
    """DELETE algoOrder."""
    found = _find_algo(call)
    if found is None or not found.is_open:
        raise refusal.unknown_order()
    call.cancel_algo(found)
    return {"algoId": found.algo_id, "clientAlgoId": found.client_algo_id, "code": "200", "msg": "success"}


def _find_algo(call: Call) -> AlgoOrder | None:
    number, client_id = call.number("algoId"), call.optional("clientAlgoId")
    if number is None and client_id is None:
        raise refusal.missing("algoId")
    return call.exchange.find_algo(call.account, number, client_id)


def cancel_all_algo_orders(call: Call) -> Any:
    """DELETE algoOpenOrders: the conditional book of one symbol."""
    call.cancel_all_algos(call.exchange.open_algos(call.account, call.symbol(MARKET)))
    return ALL_CANCELLED


def open_algo_orders(call: Call) -> Any:
    """GET openAlgoOrders."""
    return [one.shown() for one in call.exchange.open_algos(call.account, call.maybe_symbol(MARKET))]


def all_algo_orders(call: Call) -> Any:
    """GET allAlgoOrders."""
    symbol = call.symbol(MARKET)
    found = [one for one in call.account.known.values() if isinstance(one, AlgoOrder) and one.symbol == symbol]
    return [one.shown() for one in found][-(call.number("limit") or 500) :]


def _json_list(call: Call, name: str) -> list[Any]:
    try:
        found = orjson.loads(call.text(name))
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
