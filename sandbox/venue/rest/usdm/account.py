"""Futures accounts: balances, positions, leverage, trades, and the mark price they are valued at."""

from decimal import Decimal
from typing import Any

from sandbox.venue import refusal
from sandbox.venue.accounts.account import Account
from sandbox.venue.accounts.balances import Position, maintenance_margin
from sandbox.venue.instruments import BRACKETS, QUOTE, Market
from sandbox.venue.matching.settlement import FEES
from sandbox.venue.refusal import Refused
from sandbox.venue.rest.request import ApiRequest
from sandbox.venue.rest.usdm.shapes import trade_json

SMALLEST = Decimal("0.00000001")
MARKET = Market.USDM


def account_v3(request: ApiRequest) -> Any:
    """GET account (v2 and v3): totals, the USDT asset, and the positions that are not flat."""
    account = request.account
    margin = request.exchange.margin(account)
    now = request.exchange.clock.milliseconds()
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
        "positions": [_account_position(request, one) for one in _held(account)],
    }


def balance(request: ApiRequest) -> Any:
    """GET balance (v2 and v3)."""
    margin = request.exchange.margin(request.account)
    return [
        {
            "accountAlias": request.account.name,
            "asset": QUOTE,
            "balance": _money(margin.wallet),
            "crossWalletBalance": _money(margin.wallet),
            "crossUnPnl": _money(margin.unrealised),
            "availableBalance": _money(margin.available),
            "maxWithdrawAmount": _money(margin.available),
            "marginAvailable": True,
            "updateTime": request.exchange.clock.milliseconds(),
        }
    ]


def position_risk(request: ApiRequest) -> Any:
    """GET positionRisk (v2 and v3): positions that are not flat, or the one asked for."""
    symbol = request.maybe_symbol(MARKET)
    account = request.account
    held = [account.position(symbol)] if symbol else _held(account)
    return [_position(request, one) for one in held]


def _held(account: Account) -> list[Position]:
    return [one for one in account.positions.values() if one.quantity]


def _position(request: ApiRequest, position: Position) -> dict[str, Any]:
    mark = request.exchange.marks[position.symbol]
    notional = position.quantity * mark
    initial = _money(abs(notional) / position.leverage)
    orders = request.account.order_margin(position.symbol, mark)
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": format(position.quantity, "f"),
        "entryPrice": _money(position.entry),
        "breakEvenPrice": _money(position.entry),
        "markPrice": _money(mark),
        "unRealizedProfit": _money(position.unrealised(mark)),
        "liquidationPrice": _liquidation_price(request, position, mark),
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


def _liquidation_price(request: ApiRequest, position: Position, mark: Decimal) -> str:
    if not position.quantity:
        return "0"
    margin = request.exchange.margin(request.account)
    # The move of this symbol alone that would use up the whole cushion above maintenance.
    price = mark - (margin.balance - margin.maintenance) / position.quantity
    return _money(price) if price > 0 else "0"


def _account_position(request: ApiRequest, position: Position) -> dict[str, Any]:
    shown = _position(request, position)
    shown["unrealizedProfit"] = shown.pop("unRealizedProfit")
    shown["isolated"] = False
    return shown


def leverage_bracket(request: ApiRequest) -> Any:
    """GET leverageBracket: the same steps for every symbol."""
    symbol = request.maybe_symbol(MARKET)
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
    symbols = [symbol] if symbol else list(request.exchange.pairs[MARKET])
    return [{"symbol": one, "notionalCoef": 1.0, "brackets": brackets} for one in symbols]


def set_leverage(request: ApiRequest) -> Any:
    """POST leverage."""
    symbol, leverage = request.symbol(MARKET), request.number("leverage")
    if leverage is None:
        raise refusal.missing("leverage")
    if not 1 <= leverage <= BRACKETS[0].leverage:
        raise Refused(-4028, f"Leverage {leverage} is not valid")
    request.account.position(symbol).leverage = leverage
    cap = max(one.cap for one in BRACKETS if one.leverage >= leverage)
    return {"leverage": leverage, "maxNotionalValue": str(int(cap)), "symbol": symbol}


def set_margin_type(request: ApiRequest) -> Any:
    """POST marginType: the sandbox knows cross margin only."""
    request.symbol(MARKET)
    if request.text("marginType") == "CROSSED":
        raise Refused(-4046, "No need to change margin type.")
    raise Refused(-4048, "Margin type cannot be changed if there exists position.")


def position_mode(_: ApiRequest) -> Any:
    """GET positionSide/dual: one-way."""
    return {"dualSidePosition": False}


def set_position_mode(request: ApiRequest) -> Any:
    """POST positionSide/dual: one-way only."""
    if request.flag("dualSidePosition"):
        raise Refused(-4067, "Position side cannot be changed if there exists open orders.")
    raise Refused(-4059, "No need to change position side.")


def commission_rate(request: ApiRequest) -> Any:
    """GET commissionRate."""
    maker, taker = FEES[MARKET]
    return {"symbol": request.symbol(MARKET), "makerCommissionRate": str(maker), "takerCommissionRate": str(taker)}


def user_trades(request: ApiRequest) -> Any:
    """GET userTrades."""
    symbol = request.maybe_symbol(MARKET)
    since, order_id, limit = request.number("startTime") or 0, request.number("orderId"), request.number("limit") or 500
    found = [
        one
        for (market, traded), trades_ in request.account.trades.items()
        if market is MARKET and (symbol is None or traded == symbol)
        for one in trades_
        if one.time >= since and (order_id is None or one.order_id == order_id)
    ]
    return [trade_json(one) for one in sorted(found, key=lambda one: one.trade_id)[-limit:]]


def premium_index(request: ApiRequest) -> Any:
    """GET premiumIndex: the mark price is the mid."""
    symbol = request.maybe_symbol(MARKET)
    now = request.exchange.clock.milliseconds()
    shown = [_premium(request, one, now) for one in ([symbol] if symbol else request.exchange.pairs[MARKET])]
    return shown[0] if symbol else shown


def _premium(request: ApiRequest, symbol: str, now: int) -> dict[str, Any]:
    mark = _money(request.exchange.marks[symbol])
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


def _money(value: Decimal) -> str:
    return format(value.quantize(SMALLEST), "f")
