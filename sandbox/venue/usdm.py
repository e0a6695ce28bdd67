"""The USD-M futures paths: `/fapi/v1`, `/fapi/v2`, `/fapi/v3`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from sandbox.venue import refusal
from sandbox.venue.call import Call, Route, Routes, check_futures_filters
from sandbox.venue.exchange import NewOrder
from sandbox.venue.instruments import BRACKETS, QUOTE, Market
from sandbox.venue.ledger import Account, Position, maintenance_margin
from sandbox.venue.orders import AlgoOrder, Order, Status
from sandbox.venue.public import (
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
SMALLEST = Decimal("0.00000001")
MARKET = Market.USDM
TIMES_IN_FORCE = {"GTC", "IOC", "FOK", "GTX", "GTD"}
CONDITIONAL = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
MOST_IN_A_BATCH = 5
MOST_CANCELS_IN_A_BATCH = 10
ALL_CANCELLED = {"code": 200, "msg": "The operation of cancel all open order is done."}


# Orders of the normal book.


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
    if not reduce_only and worth < instrument.min_notional:
        raise Refused(
            -4164,
            f"Order's notional must be no smaller than {instrument.min_notional} (unless you choose reduce only).",
        )
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
        worth = quantity * (price or trigger or call.exchange.marks[symbol])
        if worth < instrument.min_notional:
            raise Refused(
                -4164,
                f"Order's notional must be no smaller than {instrument.min_notional} (unless you choose reduce only).",
            )
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


# The account.


def account_v3(call: Call) -> Any:
    """GET account (v2 and v3): totals, the USDT asset, and the positions that are not flat."""
    account = call.account
    margin = call.exchange.margin(account)
    now = call.exchange.clock.milliseconds()
    available = _money(margin.available)
    asset = {
        "asset": QUOTE,
        "walletBalance": _money(margin.wallet),
        "unrealizedProfit": _money(margin.unrealised),
        "marginBalance": _money(margin.balance),
        "maintMargin": _money(margin.maintenance),
        "initialMargin": _money(margin.initial),
        "positionInitialMargin": _money(margin.position_initial),
        "openOrderInitialMargin": _money(margin.order_initial),
        "crossWalletBalance": _money(margin.wallet),
        "crossUnPnl": _money(margin.unrealised),
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "marginAvailable": True,
        "updateTime": now,
    }
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": False,
        "multiAssetsMargin": False,
        "updateTime": now,
        "totalInitialMargin": _money(margin.initial),
        "totalMaintMargin": _money(margin.maintenance),
        "totalWalletBalance": _money(margin.wallet),
        "totalUnrealizedProfit": _money(margin.unrealised),
        "totalMarginBalance": _money(margin.balance),
        "totalPositionInitialMargin": _money(margin.position_initial),
        "totalOpenOrderInitialMargin": _money(margin.order_initial),
        "totalCrossWalletBalance": _money(margin.wallet),
        "totalCrossUnPnl": _money(margin.unrealised),
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "assets": [asset],
        "positions": [_account_position(call, one) for one in _held(account)],
    }


def balance(call: Call) -> Any:
    """GET balance (v2 and v3)."""
    margin = call.exchange.margin(call.account)
    return [
        {
            "accountAlias": call.account.name,
            "asset": QUOTE,
            "balance": _money(margin.wallet),
            "crossWalletBalance": _money(margin.wallet),
            "crossUnPnl": _money(margin.unrealised),
            "availableBalance": _money(margin.available),
            "maxWithdrawAmount": _money(margin.available),
            "marginAvailable": True,
            "updateTime": call.exchange.clock.milliseconds(),
        }
    ]


def position_risk(call: Call) -> Any:
    """GET positionRisk (v2 and v3): positions that are not flat, or the one asked for."""
    symbol = call.maybe_symbol(MARKET)
    account = call.account
    held = [account.position(symbol)] if symbol else _held(account)
    return [_position(call, one) for one in held]


def _held(account: Account) -> list[Position]:
    return [one for one in account.positions.values() if one.quantity]


def _position(call: Call, position: Position) -> dict[str, Any]:
    mark = call.exchange.marks[position.symbol]
    notional = position.quantity * mark
    initial = _money(abs(notional) / position.leverage)
    orders = call.account.order_margin(position.symbol, mark)
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": format(position.quantity, "f"),
        "entryPrice": _money(position.entry),
        "breakEvenPrice": _money(position.entry),
        "markPrice": _money(mark),
        "unRealizedProfit": _money(position.unrealised(mark)),
        "liquidationPrice": _liquidation_price(call, position, mark),
        "isolatedMargin": "0",
        "notional": _money(notional),
        "marginAsset": QUOTE,
        "isolatedWallet": "0",
        "initialMargin": _money(abs(notional) / position.leverage + orders),
        "maintMargin": _money(maintenance_margin(abs(notional))),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": _money(orders),
        "adl": 0,
        "bidNotional": "0",
        "askNotional": "0",
        "leverage": str(position.leverage),
        "marginType": "cross",
        "updateTime": position.update_time,
    }


def _liquidation_price(call: Call, position: Position, mark: Decimal) -> str:
    if not position.quantity:
        return "0"
    margin = call.exchange.margin(call.account)
    # The move of this symbol alone that would use up the whole cushion above maintenance.
    price = mark - (margin.balance - margin.maintenance) / position.quantity
    return _money(price) if price > 0 else "0"


def _account_position(call: Call, position: Position) -> dict[str, Any]:
    shown = _position(call, position)
    shown["unrealizedProfit"] = shown.pop("unRealizedProfit")
    shown["isolated"] = False
    return shown


def leverage_bracket(call: Call) -> Any:
    """GET leverageBracket: the same steps for every symbol."""
    symbol = call.maybe_symbol(MARKET)
    brackets = [
        {
            "bracket": number,
            "initialLeverage": one.leverage,
            "notionalCap": int(one.cap),
            "notionalFloor": int(one.floor),
            "maintMarginRatio": float(one.rate),
            "cum": float(one.cumulative),
        }
        for number, one in enumerate(BRACKETS, start=1)
    ]
    symbols = [symbol] if symbol else list(call.exchange.listings[MARKET])
    return [{"symbol": one, "notionalCoef": 1.0, "brackets": brackets} for one in symbols]


def set_leverage(call: Call) -> Any:
    """POST leverage."""
    symbol, leverage = call.symbol(MARKET), call.number("leverage")
    if leverage is None:
        raise refusal.missing("leverage")
    if not 1 <= leverage <= BRACKETS[0].leverage:
        raise Refused(-4028, f"Leverage {leverage} is not valid")
    call.account.position(symbol).leverage = leverage
    cap = max(one.cap for one in BRACKETS if one.leverage >= leverage)
    return {"leverage": leverage, "maxNotionalValue": str(int(cap)), "symbol": symbol}


def set_margin_type(call: Call) -> Any:
    """POST marginType: the sandbox knows cross margin only."""
    call.symbol(MARKET)
    if call.text("marginType") == "CROSSED":
        raise Refused(-4046, "No need to change margin type.")
    raise Refused(-4048, "Margin type cannot be changed if there exists position.")


def position_mode(_: Call) -> Any:
    """GET positionSide/dual: one-way."""
    return {"dualSidePosition": False}


def set_position_mode(call: Call) -> Any:
    """POST positionSide/dual: one-way only."""
    if call.flag("dualSidePosition"):
        raise Refused(-4067, "Position side cannot be changed if there exists open orders.")
    raise Refused(-4059, "No need to change position side.")


def commission_rate(call: Call) -> Any:
    """GET commissionRate."""
    return {"symbol": call.symbol(MARKET), "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"}


def user_trades(call: Call) -> Any:
    """GET userTrades."""
    symbol = call.maybe_symbol(MARKET)
    since, order_id, limit = call.number("startTime") or 0, call.number("orderId"), call.number("limit") or 500
    found = [
        one
        for (market, traded), trades_ in call.account.trades.items()
        if market is MARKET and (symbol is None or traded == symbol)
        for one in trades_
        if one.time >= since and (order_id is None or one.order_id == order_id)
    ]
    return [one.usdm() for one in sorted(found, key=lambda one: one.trade_id)[-limit:]]


# Public.


def premium_index(call: Call) -> Any:
    """GET premiumIndex: the mark price is the mid."""
    symbol = call.maybe_symbol(MARKET)
    now = call.exchange.clock.milliseconds()
    shown = [_premium(call, one, now) for one in ([symbol] if symbol else call.exchange.listings[MARKET])]
    return shown[0] if symbol else shown


def _premium(call: Call, symbol: str, now: int) -> dict[str, Any]:
    mark = _money(call.exchange.marks[symbol])
    eight_hours = 8 * 3600 * 1000
    return {
        "symbol": symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": "0.00000000",
        "interestRate": "0.00000000",
        "nextFundingTime": (now // eight_hours + 1) * eight_hours,
        "time": now,
    }


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


def _money(value: Decimal) -> str:
    return format(value.quantize(SMALLEST), "f")


_V1: Mapping[tuple[str, str], Route] = {
    ("GET", "ping"): Route(ping, signed=False),
    ("GET", "time"): Route(server_time, signed=False),
    ("GET", "exchangeInfo"): Route(exchange_info(MARKET), signed=False),
    ("GET", "depth"): Route(depth(MARKET), signed=False, weight=5),
    ("GET", "trades"): Route(trades(MARKET), signed=False, weight=5),
    ("GET", "aggTrades"): Route(agg_trades(MARKET), signed=False, weight=20),
    ("GET", "ticker/bookTicker"): Route(quote_ticker(MARKET), signed=False, weight=2, weight_without_symbol=5),
    ("GET", "ticker/price"): Route(price_ticker(MARKET), signed=False, weight_without_symbol=2),
    ("GET", "ticker/24hr"): Route(day_ticker(MARKET), signed=False, weight_without_symbol=40),
    ("GET", "premiumIndex"): Route(premium_index, signed=False),
    ("POST", "order"): Route(new_order, weight=0, orders=1),
    ("POST", "order/test"): Route(test_order),
    ("GET", "order"): Route(get_order),
    ("DELETE", "order"): Route(cancel_order),
    ("GET", "openOrder"): Route(get_open_order),
    ("GET", "openOrders"): Route(open_orders, weight_without_symbol=40),
    ("GET", "allOrders"): Route(all_orders, weight=5),
    ("DELETE", "allOpenOrders"): Route(cancel_all_orders),
    ("POST", "batchOrders"): Route(new_orders, weight=5, orders=5),
    ("DELETE", "batchOrders"): Route(cancel_orders),
    ("POST", "countdownCancelAll"): Route(count_down, weight=10),
    ("POST", "algoOrder"): Route(new_algo_order, weight=0, orders=1),
    ("GET", "algoOrder"): Route(get_algo_order),
    ("DELETE", "algoOrder"): Route(cancel_algo_order),
    ("GET", "openAlgoOrders"): Route(open_algo_orders, weight_without_symbol=40),
    ("GET", "allAlgoOrders"): Route(all_algo_orders, weight=5),
    ("DELETE", "algoOpenOrders"): Route(cancel_all_algo_orders),
    ("GET", "leverageBracket"): Route(leverage_bracket),
    ("POST", "leverage"): Route(set_leverage),
    ("POST", "marginType"): Route(set_margin_type),
    ("GET", "positionSide/dual"): Route(position_mode, weight=30),
    ("POST", "positionSide/dual"): Route(set_position_mode),
    ("GET", "commissionRate"): Route(commission_rate, weight=20),
    ("GET", "userTrades"): Route(user_trades, weight=5),
}
_ACCOUNT: Mapping[tuple[str, str], Route] = {
    ("GET", "account"): Route(account_v3, weight=5),
    ("GET", "balance"): Route(balance, weight=5),
    ("GET", "positionRisk"): Route(position_risk, weight=5),
}

ROUTES: Routes = {(method, f"/fapi/v1/{path}"): route for (method, path), route in (*_V1.items(), *_ACCOUNT.items())}
ROUTES |= {
    (method, f"/fapi/{version}/{path}"): route for version in ("v2", "v3") for (method, path), route in _ACCOUNT.items()
}
ROUTES["GET", "/fapi/v2/ticker/price"] = Route(price_ticker(MARKET), signed=False)
# Coin-margined futures are not offered; clients that load every market still ask for them.
ROUTES["GET", "/dapi/v1/exchangeInfo"] = Route(
    lambda call: {"timezone": "UTC", "serverTime": call.exchange.clock.milliseconds(), "symbols": []}, signed=False
)
