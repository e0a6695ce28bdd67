"""Bybit, as https://bybit-exchange.github.io/docs/v5 shows its answers (order/realtime, order/cancel-all, ...)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import account_at, nothing
from webhook.actions.port import ReduceOrder, Side

BTC = "BTC/USDT:USDT"
COIN = "BTC/USD:BTC"
ORDERS = "GET /v5/order/realtime"
CANCEL_ALL = "POST /v5/order/cancel-all"
PRODUCTS = ["spot", "linear", "inverse", "option"]


def result(**value: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": value, "retExtInfo": {}, "time": 1684765770483}


def an_instrument(symbol: str, quote: str, settle: str, kind: str) -> dict[str, Any]:
    return {
        "symbol": symbol, "contractType": kind, "status": "Trading", "baseCoin": "BTC", "quoteCoin": quote,
        "settleCoin": settle, "launchTime": "1585526400000", "deliveryTime": "0", "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "199999", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1190", "minOrderQty": "0.001", "qtyStep": "0.001", "maxMktOrderQty": "500",
                          "minNotionalValue": "5"},
    }  # fmt: skip


SPOT = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "innovation": "0", "status": "Trading",
    "marginTrading": "both",
    "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.01", "minOrderQty": "0.00004",
                      "maxOrderQty": "71.7", "minOrderAmt": "1", "maxOrderAmt": "2000000"},
    "priceFilter": {"tickSize": "0.01"},
}  # fmt: skip


def an_order(order_id: str, symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "orderId": order_id, "orderLinkId": f"mm_{order_id}", "symbol": symbol, "price": "50000", "qty": "0.10",
        "side": "Buy", "isLeverage": "", "positionIdx": 0, "orderStatus": "New", "avgPrice": "0", "leavesQty": "0.10",
        "cumExecQty": "0", "cumExecValue": "0", "timeInForce": "GTC", "orderType": "Limit", "stopOrderType": "",
        "triggerPrice": "0.00", "takeProfit": "", "stopLoss": "", "tpslMode": "", "reduceOnly": False,
        "closeOnTrigger": False, "createdTime": "1684738540559", "updatedTime": "1684738540561", **changes,
    }  # fmt: skip


class Bybit:
    """An account with an order in every list that it has; ``key``: which list an order is in."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, str], list[dict[str, Any]]] = {
            ("spot", "Order"): [an_order("1")],
            ("spot", "tpslOrder"): [an_order("2", triggerPrice="49000")],
            ("spot", "StopOrder"): [an_order("3", triggerPrice="49000")],
            ("spot", "OcoOrder"): [an_order("4")],
            ("spot", "BidirectionalTpslOrder"): [an_order("5")],
            ("linear", "USDT"): [an_order("6"), an_order("7", triggerPrice="48000", reduceOnly=True, positionIdx=1)],
            ("linear", "USDC"): [an_order("8", "BTCPERP")],
            ("inverse", ""): [an_order("9", "BTCUSD", qty="100")],
            ("option", "USDT"): [],
            ("option", "USDC"): [],
        }
        self.routes: dict[str, Any] = {
            "GET /v5/market/time": result(timeSecond="1684765770", timeNano="1684765770483000000"),
            "GET /v5/market/instruments-info": self.instruments,
            "GET /v5/user/query-api": result(unified=0, uta=1),
            "GET /v5/account/info": result(unifiedMarginStatus=5),
            ORDERS: self.realtime,
            CANCEL_ALL: self.cancel_all,
            "POST /v5/order/cancel": self.cancel,
            "GET /v5/position/list": self.positions,
        }

    def instruments(self, asked: Any) -> Any:
        listed = {
            "spot": [SPOT],
            "linear": [
                an_instrument("BTCUSDT", "USDT", "USDT", "LinearPerpetual"),
                an_instrument("BTCPERP", "USDC", "USDC", "LinearPerpetual"),
            ],
            "inverse": [an_instrument("BTCUSD", "USD", "BTC", "InversePerpetual")],
        }
        return result(category=asked["category"], list=listed.get(asked["category"], []), nextPageCursor="")

    def key(self, asked: Any) -> tuple[str, str]:
        """Spot keeps kinds apart and shows `Order` when none is named; linear wants a coin or a symbol."""
        category = asked["category"]
        if category == "spot":
            return category, asked.get("orderFilter", "Order")
        if category == "linear" and asked.get("symbol") == "BTCPERP":
            return category, "USDC"
        return category, "" if category == "inverse" else asked.get("settleCoin", "USDT")

    def realtime(self, asked: Any) -> Any:
        if asked["category"] == "linear" and not {"symbol", "settleCoin", "baseCoin"} & set(asked):
            return {"retCode": 10001, "retMsg": "params error: symbol, baseCoin or settleCoin is required"}
        rows = [one for one in self.orders[self.key(asked)] if asked.get("symbol") in (None, one["symbol"])]
        start, size = int(asked.get("cursor") or 0), int(asked["limit"])
        page = rows[start : start + size]
        # Bybit gives a cursor with every page that is not empty.
        cursor = str(start + len(page)) if page else ""
        return result(category=asked["category"], list=page, nextPageCursor=cursor)

    def cancel_all(self, asked: Any) -> Any:
        if asked["category"] in ("linear", "inverse") and not {"symbol", "settleCoin", "baseCoin"} & set(asked):
            return {"retCode": 10001, "retMsg": "params error"}
        key = self.key(asked)
        gone = [one for one in self.orders[key] if asked.get("symbol") in (None, one["symbol"])]
        self.orders[key] = [one for one in self.orders[key] if one not in gone]
        return result(list=[{"orderId": one["orderId"], "orderLinkId": ""} for one in gone], success="1")

    def cancel(self, asked: Any) -> Any:
        key = self.key(asked)
        self.orders[key] = [one for one in self.orders[key] if one["orderId"] != asked["orderId"]]
        return result(orderId=asked["orderId"], orderLinkId="")

    def positions(self, asked: Any) -> Any:
        rows = []
        if asked["category"] == "inverse":
            rows = [{
                "positionIdx": 0, "symbol": "BTCUSD", "side": "Sell", "size": "1000", "avgPrice": "40000",
                "positionValue": "0.025", "markPrice": "41000", "leverage": "10", "liqPrice": "", "positionIM": "0.1",
                "positionMM": "0.01", "unrealisedPnl": "0", "createdTime": "1", "updatedTime": "2",
            }]  # fmt: skip
        return result(category=asked["category"], list=rows, nextPageCursor="")

    @property
    def left(self) -> list[str]:
        return [one["orderId"] for rows in self.orders.values() for one in rows]


@pytest.fixture
def account() -> Bybit:
    return Bybit()


def test_every_list_is_read_and_not_only_what_is_settled_in_usdt(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=PRODUCTS, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        read = venue.open_orders(None, 5.0)
        assert sorted(one.order_id for one in read.orders) == [str(number) for number in range(1, 10)]
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        orders = {one.order_id: one for one in read.orders}
        assert orders["1"].symbol == "BTC/USDT"
        assert (orders["6"].symbol, orders["8"].symbol, orders["9"].symbol) == (BTC, "BTC/USDC:USDC", COIN)
        assert (orders["7"].position_side, orders["7"].protective, orders["7"].client_order_id) == (
            "long",
            True,
            "mm_7",
        )


def test_everything_is_cancelled_without_asking_for_the_kind_of_account_first(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=PRODUCTS, symbols=[BTC, COIN]) as (venue, server):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert (account.left, report.refused, report.unknown) == ([], 0, 0)
        assert not server.to("GET /v5/user/query-api")
        assert not server.to("GET /v5/market/instruments-info")


def test_an_inverse_order_that_nobody_configured_is_found_and_cancelled(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=PRODUCTS) as (venue, _):
        venue.cancel_everything(None, nothing, 5.0)
        assert account.left == []


def test_a_spot_symbol_is_cancelled_in_all_its_lists_and_its_perpetual_is_not(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=PRODUCTS, symbols=["BTC/USDT"]) as (venue, _):
        venue.cancel_everything(["BTC/USDT"], nothing, 5.0)
        assert account.left == ["6", "7", "8", "9"]


def test_pages_are_followed_by_the_cursor_to_the_end(tmp_path, account):
    account.orders["linear", "USDT"] = [an_order(str(number)) for number in range(130)]
    with account_at("bybit", account.routes, tmp_path, products=["linear"]) as (venue, _):
        read = venue.open_orders(None, 5.0)
        assert len(read.orders) == 131
        assert read.coverage.books == {"linear"}


def test_an_answer_without_a_list_is_not_an_empty_one(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=["inverse"]) as (venue, server):
        server.routes[ORDERS] = {"retCode": 0, "retMsg": "OK", "result": {}, "time": 1}
        read = venue.open_orders(None, 5.0)
        assert (read.orders, read.coverage.books) == ((), frozenset())
        assert read.problems


def test_a_market_settled_in_a_coin_that_is_not_read_takes_the_cover_away(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=["linear"]) as (venue, server):
        assert venue.order_books(None) is None, "its markets are not known yet"
        venue.prepare(5.0)
        assert venue.order_books(None) == {"linear"}
        new = an_instrument("BTCEUR", "EUR", "EUR", "LinearPerpetual")
        server.routes["GET /v5/market/instruments-info"] = lambda asked: result(
            category=asked["category"], list=[new] if asked["category"] == "linear" else [], nextPageCursor=""
        )
        venue.prepare(5.0)
        assert venue.order_books(None) is None
        assert venue.position_books(None) is None


def test_an_inverse_position_has_the_value_that_its_contracts_say(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=["linear", "inverse"]) as (venue, _):
        read = venue.positions(None, 5.0)
        (position,) = read.positions
        assert (position.symbol, position.notional, position.quantity < 0) == (COIN, Decimal(1000), True)
        assert read.coverage.contains(venue.position_books(None), None)


def test_an_order_is_known_again_by_our_id_and_so_never_sent_twice(tmp_path, account):
    with account_at("bybit", account.routes, tmp_path, products=["linear"], symbols=[BTC]) as (venue, server):
        venue.prepare(5.0)
        # A filled order: order/realtime shows it when it is asked for by its id.
        filled = an_order("77", orderLinkId="andon-1", orderStatus="Filled", cumExecQty="0.10", avgPrice="49990")
        server.routes[ORDERS] = lambda asked: result(list=[filled] if "orderLinkId" in asked else [])
        fill = venue.reduce(ReduceOrder(BTC, Side.SELL, Decimal("0.10"), Decimal(49900), "andon-1"), 5.0)
        assert (fill.order_id, fill.filled, fill.average_price) == ("77", Decimal("0.10"), Decimal(49990))
        assert not server.to("POST /v5/order/create")
