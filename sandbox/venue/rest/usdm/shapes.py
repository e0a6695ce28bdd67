"""How the USD-M futures API writes orders and trades down."""

from decimal import Decimal
from typing import Any

from sandbox.venue.orders.order import AlgoOrder, Order, Side, Status, Trade


def order_json(order: Order, status: Status | None = None) -> dict[str, Any]:
    """As the futures API writes it; `status` overrides what is said (a venue may lie)."""
    quote = _text(order.quote)
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": status or order.status,
        "clientOrderId": order.client_order_id,
        "price": _text(order.price),
        "avgPrice": _text(order.average),
        "origQty": _text(order.quantity),
        "executedQty": _text(order.executed),
        "cumQty": _text(order.executed),
        "cumQuote": quote,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": order.time,
        "updateTime": order.update_time,
    }


def algo_json(algo: AlgoOrder) -> dict[str, Any]:
    """As the futures API writes it."""
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "side": algo.side,
        "positionSide": "BOTH",
        "timeInForce": algo.time_in_force,
        "quantity": _text(algo.quantity),
        "algoStatus": algo.status,
        "actualOrderId": str(algo.actual_order_id) if algo.actual_order_id else "",
        "triggerPrice": _text(algo.trigger_price),
        "price": _text(algo.price),
        "icebergQuantity": None,
        "activatePrice": _text(algo.activate_price) if algo.activate_price else None,
        "callbackRate": _text(algo.callback_rate) if algo.callback_rate else None,
        "selfTradePreventionMode": "NONE",
        "workingType": algo.working_type,
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": False,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.time,
        "updateTime": algo.update_time,
        "triggerTime": algo.trigger_time,
        "goodTillDate": 0,
    }


def trade_json(trade: Trade) -> dict[str, Any]:
    """As `GET /fapi/v1/userTrades` writes it."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": trade.side,
        "price": _text(trade.price),
        "qty": _text(trade.quantity),
        "quoteQty": _text(trade.price * trade.quantity),
        "realizedPnl": _text(trade.realised),
        "commission": _text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time,
        "positionSide": "BOTH",
        "buyer": trade.side is Side.BUY,
        "maker": trade.maker,
    }


def _text(value: Decimal) -> str:
    return format(value, "f")
