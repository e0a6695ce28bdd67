"""Futures conditional orders ("algo orders"): a book of their own."""

from decimal import Decimal
from typing import Any

from sandbox.venue import refusal
from sandbox.venue.instruments import Market
from sandbox.venue.orders.order import AlgoOrder
from sandbox.venue.refusal import Refused
from sandbox.venue.rest.filters import check_futures_filters, check_futures_worth
from sandbox.venue.rest.request import ApiRequest
from sandbox.venue.rest.usdm.orders import ALL_CANCELLED, CONDITIONAL
from sandbox.venue.rest.usdm.shapes import algo_json

ZERO = Decimal(0)
MARKET = Market.USDM


def new_algo_order(request: ApiRequest) -> Any:
    """POST algoOrder."""
    symbol = request.symbol(MARKET)
    instrument = request.exchange.pair(MARKET, symbol).instrument
    side, kind = request.side(), request.text("type")
    if request.text("algoType") != "CONDITIONAL" or kind not in CONDITIONAL:
        raise Refused(-1116, "Invalid orderType.")
    close_position, reduce_only = request.flag("closePosition"), request.flag("reduceOnly")
    quantity, price, trigger = request.decimal("quantity"), request.decimal("price"), request.decimal("triggerPrice")
    if quantity is None and not close_position:
        raise refusal.missing("quantity")
    if kind in {"STOP", "TAKE_PROFIT"} and price is None:
        raise refusal.missing("price")
    trailing = kind == "TRAILING_STOP_MARKET"
    if trigger is None and not trailing:
        raise refusal.missing("triggerPrice")
    callback = request.decimal("callbackRate")
    if trailing and (callback is None or not Decimal("0.1") <= callback <= 10):
        raise refusal.missing("callbackRate")
    check_futures_filters(instrument, price=price, quantity=None if close_position else quantity)
    check_futures_filters(instrument, price=trigger, quantity=None)
    working_type = request.optional("workingType") or "CONTRACT_PRICE"
    if working_type not in {"CONTRACT_PRICE", "MARK_PRICE"}:
        raise refusal.missing("workingType")
    if not reduce_only and not close_position and quantity is not None:
        check_futures_worth(instrument, quantity * (price or trigger or request.exchange.marks[symbol]))
    algo = AlgoOrder(
        algo_id=0,
        client_algo_id=request.client_id("clientAlgoId"),
        account=request.account.name,
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=request.optional("timeInForce") or "GTC",
        quantity=ZERO if close_position else quantity or ZERO,
        price=price or ZERO,
        trigger_price=trigger or ZERO,
        working_type=working_type,
        time=0,
        reduce_only=reduce_only,
        close_position=close_position,
        activate_price=request.decimal("activatePrice") or ZERO,
        callback_rate=callback or ZERO,
    )
    return algo_json(request.exchange.place_algo(request.account, algo))


def get_algo_order(request: ApiRequest) -> Any:
    """GET algoOrder."""
    found = _find_algo(request)
    if found is None:
        raise refusal.no_such_order()
    return algo_json(found)


def cancel_algo_order(request: ApiRequest) -> Any:
    """DELETE algoOrder."""
    found = _find_algo(request)
    if found is None or not found.is_open:
        raise refusal.unknown_order()
    request.cancel_algo(found)
    return {"algoId": found.algo_id, "clientAlgoId": found.client_algo_id, "code": "200", "msg": "success"}


def _find_algo(request: ApiRequest) -> AlgoOrder | None:
    number, client_id = request.number("algoId"), request.optional("clientAlgoId")
    if number is None and client_id is None:
        raise refusal.missing("algoId")
    return request.account.find_algo(number, client_id)


def cancel_all_algo_orders(request: ApiRequest) -> Any:
    """DELETE algoOpenOrders: the conditional book of one symbol."""
    request.cancel_all_algos(request.account.open_algos(request.symbol(MARKET)))
    return ALL_CANCELLED


def open_algo_orders(request: ApiRequest) -> Any:
    """GET openAlgoOrders."""
    return [algo_json(one) for one in request.account.open_algos(request.maybe_symbol(MARKET))]


def all_algo_orders(request: ApiRequest) -> Any:
    """GET allAlgoOrders."""
    symbol = request.symbol(MARKET)
    found = [one for one in request.account.known.values() if isinstance(one, AlgoOrder) and one.symbol == symbol]
    return [algo_json(one) for one in found][-(request.number("limit") or 500) :]
