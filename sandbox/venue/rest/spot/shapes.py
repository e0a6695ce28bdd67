"""How the spot API writes orders and trades down."""

from decimal import Decimal
from typing import Any

from sandbox.venue.orders.order import Order, Side, Status, Trade


def order_json(order: Order) -> dict[str, Any]:
    """As the spot API writes it in queries."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": _text(order.price),
        "origQty": _text(order.quantity),
        "executedQty": _text(order.executed),
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": _text(order.quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": _text(order.stop_price),
        "icebergQty": "0.00000000",
        "time": order.time,
        "updateTime": order.update_time,
        "isWorking": not order.waiting,
        "workingTime": order.time,
        "selfTradePreventionMode": "NONE",
    }


def placed_json(order: Order) -> dict[str, Any]:
    """As the spot API answers a new order (`FULL`)."""
    fills = [
        {
            "price": _text(trade.price),
            "qty": _text(trade.quantity),
            "commission": _text(trade.commission),
            "commissionAsset": trade.commission_asset,
            "tradeId": trade.trade_id,
        }
        for trade in order.trades
    ]
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.update_time,
        "price": _text(order.price),
        "origQty": _text(order.quantity),
        "executedQty": _text(order.executed),
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": _text(order.quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "workingTime": order.time,
        "fills": fills,
        "selfTradePreventionMode": "NONE",
    }


def cancelled_json(order: Order, cancel_id: str) -> dict[str, Any]:
    """As the spot API answers a cancel: the order's own id moves to `origClientOrderId`."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.update_time,
        "price": _text(order.price),
        "origQty": _text(order.quantity),
        "executedQty": _text(order.executed),
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": _text(order.quote),
        "status": Status.CANCELED,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "selfTradePreventionMode": "NONE",
    }


def trade_json(trade: Trade) -> dict[str, Any]:
    """As `GET /api/v3/myTrades` writes it."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": _text(trade.price),
        "qty": _text(trade.quantity),
        "quoteQty": _text(trade.price * trade.quantity),
        "commission": _text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time,
        "isBuyer": trade.side is Side.BUY,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def _text(value: Decimal) -> str:
    return format(value, "f")
