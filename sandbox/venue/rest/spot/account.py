"""Spot accounts: balances and trades."""

from typing import Any

from sandbox.venue.instruments import Market
from sandbox.venue.rest.request import ApiRequest
from sandbox.venue.rest.spot.shapes import trade_json

MARKET = Market.SPOT


def balances(request: ApiRequest) -> Any:
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
        "updateTime": request.exchange.clock.milliseconds(),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": format(one.free, "f"), "locked": format(one.locked, "f")}
            for asset, one in request.account.holdings.items()
        ],
        "permissions": ["SPOT"],
    }


def my_trades(request: ApiRequest) -> Any:
    """GET myTrades."""
    symbol = request.symbol(MARKET)
    since, order_id, limit = request.number("startTime") or 0, request.number("orderId"), request.number("limit") or 500
    found = [
        one
        for one in request.account.trades.get((MARKET, symbol), ())
        if one.time >= since and (order_id is None or one.order_id == order_id)
    ]
    return [trade_json(one) for one in found[-limit:]]
