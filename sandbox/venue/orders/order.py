"""Orders of both books, their trades, and how Binance writes them down."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sandbox.venue.instruments import Market

ZERO = Decimal(0)


class Side(StrEnum):
    """Which way."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Status(StrEnum):
    """Where an order is in its life; the last three rows of Binance's list that we need are final."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(slots=True)
class Trade:
    """One fill of one order."""

    trade_id: int
    order_id: int
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    realised: Decimal
    maker: bool
    time: int

    def usdm(self) -> dict[str, Any]:
        """As `GET /fapi/v1/userTrades` writes it."""
        return {
            "symbol": self.symbol,
            "id": self.trade_id,
            "orderId": self.order_id,
            "side": self.side,
            "price": _text(self.price),
            "qty": _text(self.quantity),
            "quoteQty": _text(self.price * self.quantity),
            "realizedPnl": _text(self.realised),
            "commission": _text(self.commission),
            "commissionAsset": self.commission_asset,
            "time": self.time,
            "positionSide": "BOTH",
            "buyer": self.side is Side.BUY,
            "maker": self.maker,
        }

    def spot(self) -> dict[str, Any]:
        """As `GET /api/v3/myTrades` writes it."""
        return {
            "symbol": self.symbol,
            "id": self.trade_id,
            "orderId": self.order_id,
            "orderListId": -1,
            "price": _text(self.price),
            "qty": _text(self.quantity),
            "quoteQty": _text(self.price * self.quantity),
            "commission": _text(self.commission),
            "commissionAsset": self.commission_asset,
            "time": self.time,
            "isBuyer": self.side is Side.BUY,
            "isMaker": self.maker,
            "isBestMatch": True,
        }


@dataclass(slots=True)
class Order:
    """An order of the normal book.  Times are venue milliseconds; prices are 0 where they do not apply."""

    order_id: int
    client_order_id: str
    account: str
    market: Market
    symbol: str
    side: Side
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    time: int
    reduce_only: bool = False
    close_position: bool = False
    stop_price: Decimal = ZERO
    status: Status = Status.NEW
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    update_time: int = 0
    # Spot stop orders wait in the normal book until their price is reached; everything else works at once.
    waiting: bool = False
    # What stood at our price before us: it must trade first.
    queue_ahead: Decimal = ZERO
    trades: list[Trade] = field(default_factory=list)

    @property
    def remaining(self) -> Decimal:
        """What is left to fill."""
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status is Status.NEW or self.status is Status.PARTIALLY_FILLED

    @property
    def average(self) -> Decimal:
        """The mean price of what was filled; 0 before."""
        return (self.quote / self.executed).quantize(Decimal("0.00000001")) if self.executed else ZERO

    def usdm(self, status: Status | None = None) -> dict[str, Any]:
        """As the futures API writes it; `status` overrides what is said (a venue may lie)."""
        quote = _text(self.quote)
        return {
            "orderId": self.order_id,
            "symbol": self.symbol,
            "status": status or self.status,
            "clientOrderId": self.client_order_id,
            "price": _text(self.price),
            "avgPrice": _text(self.average),
            "origQty": _text(self.quantity),
            "executedQty": _text(self.executed),
            "cumQty": _text(self.executed),
            "cumQuote": quote,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "reduceOnly": self.reduce_only,
            "closePosition": self.close_position,
            "side": self.side,
            "positionSide": "BOTH",
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": self.type,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": 0,
            "time": self.time,
            "updateTime": self.update_time,
        }

    def spot(self) -> dict[str, Any]:
        """As the spot API writes it in queries."""
        return {
            "symbol": self.symbol,
            "orderId": self.order_id,
            "orderListId": -1,
            "clientOrderId": self.client_order_id,
            "price": _text(self.price),
            "origQty": _text(self.quantity),
            "executedQty": _text(self.executed),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": _text(self.quote),
            "status": self.status,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "side": self.side,
            "stopPrice": _text(self.stop_price),
            "icebergQty": "0.00000000",
            "time": self.time,
            "updateTime": self.update_time,
            "isWorking": not self.waiting,
            "workingTime": self.time,
            "selfTradePreventionMode": "NONE",
        }

    def spot_placed(self) -> dict[str, Any]:
        """As the spot API answers a new order (`FULL`)."""
        fills = [
            {
                "price": _text(trade.price),
                "qty": _text(trade.quantity),
                "commission": _text(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in self.trades
        ]
        return {
            "symbol": self.symbol,
            "orderId": self.order_id,
            "orderListId": -1,
            "clientOrderId": self.client_order_id,
            "transactTime": self.update_time,
            "price": _text(self.price),
            "origQty": _text(self.quantity),
            "executedQty": _text(self.executed),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": _text(self.quote),
            "status": self.status,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "side": self.side,
            "workingTime": self.time,
            "fills": fills,
            "selfTradePreventionMode": "NONE",
        }

    def spot_cancelled(self, cancel_id: str, status: Status = Status.CANCELED) -> dict[str, Any]:
        """As the spot API answers a cancel: the order's own id moves to `origClientOrderId`."""
        return {
            "symbol": self.symbol,
            "origClientOrderId": self.client_order_id,
            "orderId": self.order_id,
            "orderListId": -1,
            "clientOrderId": cancel_id,
            "transactTime": self.update_time,
            "price": _text(self.price),
            "origQty": _text(self.quantity),
            "executedQty": _text(self.executed),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": _text(self.quote),
            "status": status,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "side": self.side,
            "selfTradePreventionMode": "NONE",
        }


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What somebody asks for.  `price` is 0 for a market order; `quote_quantity` is for spot market orders only."""

    symbol: str
    side: Side
    type: str
    quantity: Decimal
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    stop_price: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    client_id: str = ""

    @property
    def post_only(self) -> bool:
        """Whether it must not take."""
        return self.time_in_force == "GTX" or self.type == "LIMIT_MAKER"


class AlgoStatus(StrEnum):
    """Where a conditional order is in its life."""

    NEW = "NEW"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@dataclass(slots=True)
class AlgoOrder:
    """A conditional order: futures keep these in a book of their own, which the normal cancel-all does not touch."""

    algo_id: int
    client_algo_id: str
    account: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    working_type: str
    time: int
    reduce_only: bool = False
    close_position: bool = False
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO
    status: AlgoStatus = AlgoStatus.NEW
    update_time: int = 0
    trigger_time: int = 0
    # The normal order it became, if it did, and the best price seen since a trailing stop came alive.
    actual_order_id: int = 0
    extreme: Decimal | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can still trigger."""
        return self.status is AlgoStatus.NEW

    def shown(self, status: AlgoStatus | None = None) -> dict[str, Any]:
        """As the futures API writes it."""
        return {
            "algoId": self.algo_id,
            "clientAlgoId": self.client_algo_id,
            "algoType": "CONDITIONAL",
            "orderType": self.type,
            "symbol": self.symbol,
            "side": self.side,
            "positionSide": "BOTH",
            "timeInForce": self.time_in_force,
            "quantity": _text(self.quantity),
            "algoStatus": status or self.status,
            "actualOrderId": str(self.actual_order_id) if self.actual_order_id else "",
            "triggerPrice": _text(self.trigger_price),
            "price": _text(self.price),
            "icebergQuantity": None,
            "activatePrice": _text(self.activate_price) if self.activate_price else None,
            "callbackRate": _text(self.callback_rate) if self.callback_rate else None,
            "selfTradePreventionMode": "NONE",
            "workingType": self.working_type,
            "priceMatch": "NONE",
            "closePosition": self.close_position,
            "priceProtect": False,
            "reduceOnly": self.reduce_only,
            "createTime": self.time,
            "updateTime": self.update_time,
            "triggerTime": self.trigger_time,
            "goodTillDate": 0,
        }


def _text(value: Decimal) -> str:
    return format(value, "f")
