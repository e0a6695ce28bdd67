"""Binance, as https://developers.binance.com/docs shows its answers."""

from typing import Any

import pytest

from tests.exchange_server import account_at, nothing
from tests.local_server import Reply

PERP = "BTC/USDT:USDT"
COVERED = ["spot", "margin", "usdm", "coinm", "options", "futures_algorithms", "spot_algorithms"]


def a_spot_order(number: int, symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "orderId": number, "orderListId": -1, "clientOrderId": f"mm{number}", "price": "50000",
        "origQty": "1.0", "executedQty": "0.0", "cummulativeQuoteQty": "0.0", "status": "NEW", "timeInForce": "GTC",
        "type": "LIMIT", "side": "BUY", "stopPrice": "0.0", "icebergQty": "0.0", "time": 1499827319559,
        "updateTime": 1499827319559, "isWorking": True, **changes,
    }  # fmt: skip


def a_futures_order(number: int, symbol: str, **changes: Any) -> dict[str, Any]:
    return {
        "avgPrice": "0.0", "clientOrderId": f"mm{number}", "cumQuote": "0", "executedQty": "0", "orderId": number,
        "origQty": "0.40", "origType": "LIMIT", "price": "50000", "reduceOnly": False, "side": "BUY",
        "positionSide": "SHORT", "status": "NEW", "stopPrice": "0", "closePosition": False, "symbol": symbol,
        "time": 1579276756075, "timeInForce": "GTC", "type": "LIMIT", "updateTime": 1579276756075, **changes,
    }  # fmt: skip


def an_algo_order(number: int, symbol: str) -> dict[str, Any]:
    return {
        "algoId": number, "clientAlgoId": f"mm{number}", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
        "symbol": symbol, "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0",
        "algoStatus": "NEW", "triggerPrice": "48000", "price": "0", "icebergQuantity": None, "reduceOnly": True,
        "closePosition": True, "createTime": 1750514941540, "updateTime": 1750514941540, "triggerTime": 0,
    }  # fmt: skip


def a_twap(number: int, symbol: str) -> dict[str, Any]:
    return {
        "algoId": number, "symbol": symbol, "side": "SELL", "positionSide": "SHORT", "totalQty": "5.000",
        "executedQty": "0.000", "executedAmt": "0", "avgPrice": "0", "clientAlgoId": f"mm{number}",
        "bookTime": 1649756817004, "endTime": 0, "algoStatus": "WORKING", "algoType": "VP", "urgency": "LOW",
    }  # fmt: skip


class Binance:
    """An account with something in each of its lists, and nowhere a request that empties it."""

    def __init__(self) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {
            "/api/v3/openOrders": [a_spot_order(1)],
            "/sapi/v1/margin/openOrders": [a_spot_order(2, isIsolated=False)],
            "/fapi/v1/openOrders": [a_futures_order(3, "BTCUSDT")],
            "/fapi/v1/openAlgoOrders": [an_algo_order(4, "BTCUSDT")],
            "/dapi/v1/openOrders": [a_futures_order(5, "BTCUSD_PERP", pair="BTCUSD", cumBase="0")],
            "/dapi/v1/openAlgoOrders": [],
            "/eapi/v1/openOrders": [a_futures_order(6, "BTC-260925-60000-C", quantity="1", optionSide="CALL")],
            "/sapi/v1/algo/futures/openOrders": [a_twap(7, "ETHUSDT")],
            "/sapi/v1/algo/spot/openOrders": [a_twap(8, "ETHUSDT")],
        }
        self.isolated = [a_spot_order(9, isIsolated=True)]
        self.routes: dict[str, Any] = {f"GET {path}": self.reader(path) for path in self.lists}
        cancels = {
            "/api/v3/openOrders": "/api/v3/openOrders",
            "/sapi/v1/margin/openOrders": "/sapi/v1/margin/openOrders",
            "/fapi/v1/allOpenOrders": "/fapi/v1/openOrders",
            "/fapi/v1/algoOpenOrders": "/fapi/v1/openAlgoOrders",
            "/dapi/v1/allOpenOrders": "/dapi/v1/openOrders",
            "/dapi/v1/algoOpenOrders": "/dapi/v1/openAlgoOrders",
            "/eapi/v1/allOpenOrders": "/eapi/v1/openOrders",
            "/sapi/v1/algo/futures/order": "/sapi/v1/algo/futures/openOrders",
            "/sapi/v1/algo/spot/order": "/sapi/v1/algo/spot/openOrders",
        }
        self.routes |= {f"DELETE {path}": self.canceller(book) for path, book in cancels.items()}

    def reader(self, path: str) -> Any:
        def read(asked: Any) -> Any:
            if asked.get("isIsolated") == "TRUE":
                if "symbol" not in asked:
                    return Reply(400, {"code": -1102, "msg": "Mandatory parameter 'symbol' was not sent."})
                return [one for one in self.isolated if one["symbol"] == asked["symbol"]]
            rows = [one for one in self.lists[path] if asked.get("symbol") in (None, one["symbol"])]
            return {"total": len(rows), "orders": rows} if "/algo/" in path else rows

        return read

    def canceller(self, path: str) -> Any:
        def cancel(asked: Any) -> Any:
            if asked.get("isIsolated") == "TRUE":
                self.isolated = []
                return []
            gone = [
                one
                for one in self.lists[path]
                if one["symbol"] == asked.get("symbol") or str(one.get("algoId")) == asked.get("algoId")
            ]
            if not gone and path == "/api/v3/openOrders":
                return Reply(400, {"code": -2011, "msg": "Unknown order sent."})
            self.lists[path] = [one for one in self.lists[path] if one not in gone]
            return {"code": 200, "msg": "The operation of cancel all open order is done."}

        return cancel


@pytest.fixture
def account() -> Binance:
    return Binance()


def test_with_perpetuals_alone_configured_every_other_wallet_is_read_too(tmp_path, account):
    with account_at("binance", account.routes, tmp_path, products=COVERED, symbols=[PERP]) as (venue, _):
        read = venue.open_orders(None, 5.0)
        assert {one.order_id for one in read.orders} == {str(number) for number in range(1, 9)}
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        books = {one.order_id: one.book for one in read.orders}
        assert (books["1"], books["2"], books["5"], books["7"]) == ("spot", "margin", "coinm", "futures algorithms")
        orders = {one.order_id: one for one in read.orders}
        assert (orders["4"].protective, orders["4"].quantity) == (True, None)
        assert orders["3"].position_side == "short"


def test_and_everything_in_them_is_cancelled(tmp_path, account):
    with account_at("binance", account.routes, tmp_path, products=COVERED, symbols=[PERP]) as (venue, _):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert [rows for rows in account.lists.values() if rows] == []
        assert (report.refused, report.unknown) == (0, 0)


def test_isolated_margin_is_cancelled_and_verified_symbol_by_symbol_only(tmp_path, account):
    products = ["spot", "isolated_margin"]
    with account_at("binance", account.routes, tmp_path, products=products, symbols=["BTC/USDT"]) as (venue, _):
        assert venue.order_books(None) is None
        read = venue.open_orders(None, 5.0)
        assert {one.order_id for one in read.orders} == {"1", "9"}
        assert read.coverage.books == {"spot"}
        narrow = venue.open_orders(["BTC/USDT"], 5.0)
        assert narrow.coverage.contains(venue.order_books(["BTC/USDT"]), ["BTC/USDT"])
        venue.cancel_everything(None, nothing, 5.0)
        assert account.isolated == []


def test_a_book_that_refuses_to_be_read_is_missing_and_the_others_are_not(tmp_path, account):
    with account_at("binance", account.routes, tmp_path, products=COVERED) as (venue, server):
        server.routes["GET /eapi/v1/openOrders"] = Reply(
            401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions"}
        )
        read = venue.open_orders(None, 5.0)
        assert venue.order_books(None) - read.coverage.books == {"options"}
        assert "-2015" in " ".join(read.problems)
        assert len(read.orders) == 7
