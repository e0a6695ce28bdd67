"""KuCoin's classic account, as https://www.kucoin.com/docs-new shows its answers."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import KEYS, account_at, nothing
from webhook.actions.port import ReduceOrder, Side

THREE = (*KEYS, "password_file")
BTC = "BTC/USDT:USDT"
COIN = "BTC/USD:BTC"


def data(value: Any) -> dict[str, Any]:
    return {"code": "200000", "data": value}


def items(rows: list[dict[str, Any]], asked: Any) -> dict[str, Any]:
    page, size = int(asked.get("currentPage", 1)), int(asked["pageSize"])
    mine = [one for one in rows if asked.get("symbol") in (None, one["symbol"])]
    some = mine[(page - 1) * size : page * size]
    total = -(-len(mine) // size)
    return data({"currentPage": page, "pageSize": size, "totalNum": len(mine), "totalPage": total, "items": some})


def a_spot_order(number: int, symbol: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"s{number}", "symbol": symbol, "opType": "DEAL", "type": "limit", "side": "buy", "price": "50000",
        "size": "0.1", "funds": "0", "dealSize": "0.04", "dealFunds": "0", "fee": "0", "feeCurrency": "USDT",
        "stp": None,
        "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False, "visibleSize": "0",
        "cancelAfter": 0,
        "channel": "API", "clientOid": f"mm{number}", "remark": None, "tags": None, "cancelExist": False,
        "createdAt": 1729234, "lastUpdatedAt": 1729235, "tradeType": "TRADE", "inOrderBook": True, "active": True,
        **changes,
    }  # fmt: skip


def a_contract_order(number: int, symbol: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number), "symbol": symbol, "type": "limit", "side": "buy", "price": "50000", "size": 100,
        "value": "5",
        "dealValue": "0", "dealSize": 40, "stp": "", "stop": "", "stopPriceType": "", "stopTriggered": False,
        "stopPrice": None, "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False, "leverage": "3",
        "forceHold": False, "closeOrder": False, "visibleSize": 0, "clientOid": f"mm{number}", "remark": None,
        "tags": "",
        "isActive": True, "cancelExist": False, "createdAt": 1729234, "updatedAt": 1729235, "endAt": None,
        "orderTime": 1729234, "settleCurrency": "USDT", "marginMode": "ISOLATED", "status": "open", "filledSize": 40,
        "filledValue": "0", "reduceOnly": False, "positionSide": "BOTH", **changes,
    }  # fmt: skip


def a_contract(symbol: str, quote: str, settle: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "rootSymbol": "USDT", "type": "FFWCSX", "firstOpenDate": 1585555200000, "expireDate": None,
        "settleDate": None, "baseCurrency": "XBT", "quoteCurrency": quote, "settleCurrency": settle,
        "maxOrderQty": 1000000, "maxPrice": 1000000.0, "lotSize": 1, "tickSize": 0.1, "indexPriceTickSize": 0.01,
        "multiplier": 0.001, "initialMargin": 0.008, "maintainMargin": 0.004, "maxRiskLimit": 1, "makerFeeRate": 0.0002,
        "takerFeeRate": 0.0006, "isDeleverage": True, "isQuanto": True, "isInverse": False, "status": "Open",
        "maxLeverage": 125, "nextFundingRateTime": 1000, **changes,
    }  # fmt: skip


class KuCoin:
    """An account with orders on spot, on both margins and on futures."""

    def __init__(self) -> None:
        self.spot = [a_spot_order(1, "BTC-USDT"), a_spot_order(2, "ETH-USDT")]
        self.margin = [a_spot_order(3, "BTC-USDT", tradeType="MARGIN_TRADE")]
        self.stops = [a_spot_order(4, "BTC-USDT", stop="loss", stopPrice="48000", status="NEW")]
        self.oco = [
            {"orderId": "s5", "symbol": "BTC-USDT", "clientOid": "mm5", "orderTime": 1707040, "status": "NEW"},
            {"orderId": "s6", "symbol": "BTC-USDT", "clientOid": "mm6", "orderTime": 1707040, "status": "CANCELLED"},
        ]
        self.futures = [a_contract_order(7, "XBTUSDTM"), a_contract_order(8, "XBTUSDM", settleCurrency="XBT")]
        self.futures_stops = [a_contract_order(9, "XBTUSDTM", stop="down", stopPrice="48000", reduceOnly=True)]
        self.mode = "CLASSIC"
        self.filled: Any = {"code": "100001", "msg": "order not exist"}
        self.routes: dict[str, Any] = {
            "GET /api/v1/timestamp": data(1729100692873),
            "GET /api/ua/v1/account/mode": lambda _: data({"selfAccountMode": self.mode}),
            "GET /api/v2/symbols": data([]),
            "GET /api/v3/margin/symbols": data({"items": []}),
            "GET /api/v1/isolated/symbols": data([]),
            "GET /api/v1/market/allTickers": data({"ticker": []}),
            "GET /api/v1/hf/accounts/opened": data(True),
            "GET /api/v1/contracts/active": data([
                a_contract("XBTUSDTM", "USDT", "USDT"),
                a_contract("XBTUSDM", "USD", "XBT", multiplier=-1, isInverse=True),
            ]),
            "GET /api/v1/hf/orders/active/symbols": lambda _: data({"symbols": [one["symbol"] for one in self.spot]}),
            "GET /api/v1/hf/orders/active": lambda asked: data(
                [one for one in self.spot if one["symbol"] == asked["symbol"]]
            ),
            "GET /api/v1/stop-order": lambda asked: items(self.stops if asked["tradeType"] == "TRADE" else [], asked),
            "GET /api/v3/oco/orders": lambda asked: items(self.oco, asked),
            "GET /api/v3/hf/margin/order/active/symbols": lambda asked: data(
                {"symbols": ["BTC-USDT"] if asked["tradeType"] == "MARGIN_TRADE" else [], "symbolSize": 1}
            ),
            "GET /api/v3/hf/margin/orders/active": lambda _: data(self.margin),
            "GET /api/v1/orders": lambda asked: items(self.futures, asked),
            "GET /api/v1/stopOrders": lambda asked: items(self.futures_stops, asked),
            "DELETE /api/v1/hf/orders/cancelAll": lambda _: data(self.clear("spot")),
            "DELETE /api/v1/stop-order/cancel": lambda _: data(self.clear("stops")),
            "DELETE /api/v3/oco/orders": lambda _: data(self.clear("oco")),
            "DELETE /api/v3/hf/margin/orders": lambda _: data(self.clear("margin")),
            "DELETE /api/v1/orders": lambda _: data(self.clear("futures")),
            "DELETE /api/v1/stopOrders": lambda _: data(self.clear("futures_stops")),
            "GET /api/v1/positions": lambda _: data(self.positions()),
            "GET /api/v1/orders/byClientOid": lambda _: self.filled,
            "POST /api/v1/orders": self.send,
        }  # fmt: skip

    def clear(self, book: str) -> dict[str, Any]:
        setattr(self, book, [])
        return {"cancelledOrderIds": []}

    def positions(self) -> list[dict[str, Any]]:
        return [{
            "id": "5", "symbol": "XBTUSDTM", "autoDeposit": False, "crossMode": False, "maintMarginReq": 0.004,
            "delevPercentage": 0.1, "openingTimestamp": 1729, "currentTimestamp": 1730, "currentQty": 250,
            "currentCost": 12500, "currentComm": 1, "unrealisedCost": 12500, "realisedCost": 0, "isOpen": True,
            "markPrice": 50000.0, "markValue": 12500, "posCost": 12500, "posInit": 4000, "posMargin": 4000,
            "unrealisedPnl": 1, "avgEntryPrice": 49000, "liquidationPrice": 20000, "settleCurrency": "USDT",
            "maintainMargin": 0.004, "marginMode": "ISOLATED", "positionSide": "LONG", "leverage": 3,
        }]  # fmt: skip

    def send(self, asked: Any) -> Any:
        self.sent = asked
        done = {"clientOid": asked["clientOid"], "size": 250, "dealSize": 250, "filledSize": 250, "isActive": False}
        self.filled = data(a_contract_order(77, "XBTUSDTM", status="done", avgDealPrice="49990", **done))
        return data({"orderId": "77", "clientOid": asked["clientOid"]})


@pytest.fixture
def account() -> KuCoin:
    return KuCoin()


def test_spot_is_read_by_the_symbols_that_have_orders_and_oco_pairs_too(tmp_path, account):
    products = ["spot", "futures"]
    with account_at("kucoin", account.routes, tmp_path, keys=THREE, products=products) as (venue, _):
        venue.prepare(5.0)
        read = venue.open_orders(None, 5.0)
        assert sorted(one.order_id for one in read.orders) == ["7", "8", "9", "s1", "s2", "s4", "s5"]
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        orders = {one.order_id: one for one in read.orders}
        assert (orders["s5"].quantity, orders["s5"].client_order_id) == (None, "mm5")
        assert (orders["7"].symbol, orders["7"].quantity, orders["7"].remaining) == (
            BTC,
            Decimal("0.1"),
            Decimal("0.06"),
        )
        assert (orders["8"].symbol, orders["9"].protective) == (COIN, True)


def test_margin_orders_are_read_and_cancelled_but_never_proved_gone(tmp_path, account):
    with account_at("kucoin", account.routes, tmp_path, keys=THREE) as (venue, _):
        venue.prepare(5.0)
        assert venue.order_books(None) is None
        assert "s3" in {one.order_id for one in venue.open_orders(None, 5.0).orders}
        report = venue.cancel_everything(None, nothing, 5.0)
        books = (account.spot, account.margin, account.stops, account.oco, account.futures, account.futures_stops)
        assert [rows for rows in books if rows] == []
        assert (report.refused, report.unknown) == (0, 0)


def test_an_account_that_is_not_known_to_be_classic_is_not_covered(tmp_path, account):
    with account_at("kucoinfutures", account.routes, tmp_path, keys=THREE) as (venue, _):
        assert venue.order_books(None) is None
        venue.prepare(5.0)
        assert venue.order_books(None) == {"futures", "futures stop"}
    account.mode = "UNIFIED"
    with account_at("kucoinfutures", account.routes, tmp_path, keys=THREE) as (venue, _):
        venue.prepare(5.0)
        assert venue.order_books(None) is None
        assert venue.position_books(None) is None


def test_futures_go_on_page_by_page(tmp_path, account):
    account.futures = [a_contract_order(number, "XBTUSDTM") for number in range(1500)]
    with account_at("kucoinfutures", account.routes, tmp_path, keys=THREE) as (venue, server):
        read = venue.open_orders(None, 5.0)
        assert len([one for one in read.orders if one.book == "futures"]) == 1500
        assert "futures" in read.coverage.books
        pages = [one.get("currentPage") for one in server.to("GET /api/v1/orders")]
        assert pages == [None, "2", None, "2"], "twice the same, because pages are counted"


def test_contracts_turn_back_into_whole_ones_in_hedge_mode_with_the_margin_of_the_position(tmp_path, account):
    with account_at("kucoinfutures", account.routes, tmp_path, keys=THREE, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        (position,) = venue.positions(None, 5.0).positions
        assert (position.symbol, position.quantity, position.side) == (BTC, Decimal("0.25"), "long")
        order = ReduceOrder(BTC, Side.SELL, Decimal("0.25"), Decimal(49900), "andon-3f_BTC-1", "long")
        fill = venue.reduce(order, 5.0)
        assert (fill.filled, fill.average_price) == (Decimal("0.25"), Decimal(49990))
        sent = account.sent
        assert (sent["size"], sent["reduceOnly"], sent["timeInForce"]) == (250, True, "IOC")
        assert (sent["marginMode"], sent["positionSide"]) == ("ISOLATED", "LONG")
        assert sent["clientOid"] == "andon-3f_BTC-1"
