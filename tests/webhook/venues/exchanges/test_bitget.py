"""Bitget's classic account, as https://www.bitget.com/api-doc shows its answers."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import KEYS, account_at, nothing
from webhook.actions.port import ReduceOrder, Side

API = "/api/v2"
BTC = "BTC/USDT:USDT"
COIN = "BTC/USD:BTC"
THREE = (*KEYS, "password_file")
FUTURES = ["usdt_futures", "usdc_futures", "coin_futures"]
PLANS = f"GET {API}/mix/order/orders-plan-pending"
CANCEL_PLAN = f"POST {API}/mix/order/cancel-plan-order"


def data(value: Any) -> dict[str, Any]:
    return {"code": "00000", "msg": "success", "requestTime": 1695793701269, "data": value}


def entrusted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """An empty list is given as null."""
    return data({"entrustedList": rows or None, "endId": rows[-1]["orderId"] if rows else None})


def a_contract(symbol: str, quote: str, margins: list[str]) -> dict[str, Any]:
    return {
        "symbol": symbol, "baseCoin": "BTC", "quoteCoin": quote, "buyLimitPriceRatio": "0.9",
        "sellLimitPriceRatio": "0.9",
        "feeRateUpRatio": "0.1", "makerFeeRate": "0.0004", "takerFeeRate": "0.0006", "openCostUpRatio": "0.1",
        "supportMarginCoins": margins, "minTradeNum": "0.001", "priceEndStep": "1", "volumePlace": "3",
        "pricePlace": "1",
        "sizeMultiplier": "0.001", "symbolType": "perpetual", "symbolStatus": "normal", "offTime": "-1",
        "limitOpenTime": "-1",
        "maxSymbolOrderNum": "200", "maxProductOrderNum": "400", "maxPositionNum": "150", "minTradeUSDT": "5",
        "maxOrderQty": "220", "maxMarketOrderQty": "100", "deliveryTime": "", "launchTime": "", "maxLever": "125",
    }  # fmt: skip


def an_order(number: int, symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "size": "5", "orderId": str(number), "clientOid": f"mm{number}", "baseVolume": "1",
        "fee": "0",
        "price": "50000", "priceAvg": "", "status": "partially_filled", "side": "buy", "force": "gtc", "posSide": "net",
        "totalProfits": "0", "quoteVolume": "0", "leverage": "20", "marginCoin": "USDT", "reduceOnly": "NO",
        "enterPointSource": "API", "tradeSide": "buy_single", "posMode": "one_way_mode", "orderType": "limit",
        "marginMode": "crossed", "cTime": "1627116936176", "uTime": "1627116936176", **changes,
    }  # fmt: skip


def a_plan(number: int, kind: str, symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "planType": kind, "symbol": symbol, "size": "0.5", "orderId": str(number), "clientOid": f"mm{number}",
        "price": "",
        "callbackRatio": "", "triggerPrice": "48000", "triggerType": "mark_price", "planStatus": "live", "side": "sell",
        "posSide": "long", "marginCoin": "USDT", "marginMode": "isolated", "enterPointSource": "API",
        "tradeSide": "close",
        "posMode": "hedge_mode", "orderType": "market", "cTime": "1", "uTime": "2", **changes,
    }  # fmt: skip


class Bitget:
    """An account with orders of each kind; a plan order is only cancelled with its own type, as Bitget says."""

    def __init__(self) -> None:
        self.orders = {"USDT-FUTURES": [an_order(1)], "USDC-FUTURES": [], "COIN-FUTURES": [an_order(2, "BTCUSD")]}
        self.plans = [
            a_plan(3, "normal_plan"), a_plan(4, "profit_plan"), a_plan(5, "loss_plan"), a_plan(6, "pos_loss", size=""),
            a_plan(7, "moving_plan"), a_plan(8, "track_plan"),
        ]  # fmt: skip
        self.detail: dict[str, Any] = {"code": "40109", "msg": "The data of the order cannot be found"}
        self.routes: dict[str, Any] = {
            f"GET {API}/public/time": data({"serverTime": "1688008631614"}),
            f"GET {API}/spot/public/symbols": data([]),
            f"GET {API}/margin/currencies": data([]),
            f"GET {API}/mix/market/contracts": self.contracts,
            f"GET {API}/mix/order/orders-pending": self.pending,
            PLANS: self.plan_pending,
            f"POST {API}/mix/order/cancel-all-orders": self.cancel_all,
            f"POST {API}/mix/order/batch-cancel-orders": self.batch,
            CANCEL_PLAN: self.cancel_plan,
            f"GET {API}/mix/position/all-position": self.positions,
            f"GET {API}/mix/order/detail": lambda _: self.detail,
            f"POST {API}/mix/order/place-order": self.place,
        }

    def contracts(self, asked: Any) -> Any:
        listed = {
            "USDT-FUTURES": [a_contract("BTCUSDT", "USDT", ["USDT"])],
            "COIN-FUTURES": [a_contract("BTCUSD", "USD", ["BTC", "ETH"])],
        }
        return data(listed.get(asked["productType"], []))

    def pending(self, asked: Any) -> Any:
        rows = [one for one in self.orders[asked["productType"]] if asked.get("symbol") in (None, one["symbol"])]
        if "idLessThan" in asked:
            rows = [one for one in rows if int(one["orderId"]) < int(asked["idLessThan"])]
        return entrusted(rows[: int(asked["limit"])])

    def plan_pending(self, asked: Any) -> Any:
        if asked["productType"] != "USDT-FUTURES":
            return entrusted([])
        shown = {"profit_loss": ("profit_plan", "loss_plan", "pos_profit", "pos_loss", "moving_plan")}
        kinds = shown.get(asked["planType"], (asked["planType"],))
        return entrusted([one for one in self.plans if one["planType"] in kinds])

    def cancel_all(self, asked: Any) -> Any:
        self.orders[asked["productType"]] = []
        return data({"successList": [], "failureList": []})

    def batch(self, asked: Any) -> Any:
        ids = [one["orderId"] for one in asked.get("orderIdList", [])]
        rows = self.orders[asked["productType"]]
        gone = [one for one in rows if one["symbol"] == asked["symbol"] and (not ids or one["orderId"] in ids)]
        self.orders[asked["productType"]] = [one for one in rows if one not in gone]
        return data({"successList": [{"orderId": one["orderId"]} for one in gone], "failureList": []})

    def cancel_plan(self, asked: Any) -> Any:
        ids = [one["orderId"] for one in asked["orderIdList"]]
        gone = [one for one in self.plans if one["orderId"] in ids and one["planType"] == asked.get("planType")]
        self.plans = [one for one in self.plans if one not in gone]
        failed = [{"orderId": number, "errorMsg": "no"} for number in ids if number not in [g["orderId"] for g in gone]]
        return data({"successList": [{"orderId": one["orderId"]} for one in gone], "failureList": failed})

    def positions(self, asked: Any) -> Any:
        if asked["productType"] == "USDC-FUTURES":
            return data(None)
        coin = asked["productType"] == "COIN-FUTURES"
        return data([{
            "symbol": "BTCUSD" if coin else "BTCUSDT", "marginCoin": "BTC" if coin else "USDT", "holdSide": "short",
            "openDelegateSize": "0", "marginSize": "100", "available": "0.2", "locked": "0", "total": "0.2",
            "leverage": "20", "openPriceAvg": "49000", "marginMode": "isolated", "posMode": "hedge_mode",
            "unrealizedPL": "1", "liquidationPrice": "60000", "keepMarginRate": "0.004", "markPrice": "50000",
            "marginRatio": "0.1", "cTime": "1694677827018", "uTime": "1694677827018",
        }])  # fmt: skip

    def place(self, asked: Any) -> Any:
        self.sent = asked
        filled = an_order(
            77, clientOid=asked["clientOid"], size=asked["size"], baseVolume=asked["size"], state="filled"
        )
        self.detail = data({**filled, "priceAvg": "50010"})
        return data({"orderId": "77", "clientOid": asked["clientOid"]})


@pytest.fixture
def account() -> Bitget:
    return Bitget()


def test_stop_losses_and_take_profits_are_read_beside_trigger_and_trailing_orders(tmp_path, account):
    with account_at("bitget", account.routes, tmp_path, keys=THREE, products=FUTURES, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        read = venue.open_orders(None, 5.0)
        assert sorted(one.order_id for one in read.orders) == [str(number) for number in range(1, 9)]
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        orders = {one.order_id: one for one in read.orders}
        assert (orders["1"].symbol, orders["2"].symbol, orders["1"].remaining) == (BTC, COIN, Decimal(4))
        assert (orders["6"].quantity, orders["6"].close_position, orders["6"].position_side) == (None, True, "long")


def test_a_plan_order_is_cancelled_with_the_type_that_its_row_showed(tmp_path, account):
    with account_at("bitget", account.routes, tmp_path, keys=THREE, products=FUTURES, symbols=[BTC]) as (venue, server):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert (account.plans, [rows for rows in account.orders.values() if rows]) == ([], [])
        assert (report.refused, report.unknown) == (0, 0)
        assert {asked["planType"] for asked in server.to(CANCEL_PLAN)} == {
            "normal_plan", "profit_plan", "loss_plan", "pos_loss", "moving_plan", "track_plan",
        }  # fmt: skip


def test_a_refusal_inside_a_batch_is_told(tmp_path, account):
    with account_at("bitget", account.routes, tmp_path, keys=THREE, products=["usdt_futures"]) as (venue, server):
        orders = [one for one in venue.open_orders(None, 5.0).orders if one.order_id == "3"]
        server.routes[CANCEL_PLAN] = data({"successList": [], "failureList": [{"orderId": "3", "errorCode": "1"}]})
        report = venue.cancel_orders(orders, nothing, 5.0)
        assert (report.requests, report.accepted, report.refused) == (1, 0, 1)


def test_pages_are_followed_and_an_empty_list_is_null(tmp_path, account):
    account.orders["USDT-FUTURES"] = [an_order(number) for number in range(1200, 1000, -1)]
    with account_at("bitget", account.routes, tmp_path, keys=THREE, products=["usdt_futures"]) as (venue, server):
        read = venue.open_orders(None, 5.0)
        assert len([one for one in read.orders if one.book == "usdt_futures"]) == 200
        assert "usdt_futures" in read.coverage.books
        asked = [one.get("idLessThan") for one in server.to(f"GET {API}/mix/order/orders-pending")]
        assert asked == [None, "1101", "1001"]


def test_plan_orders_of_spot_are_never_covered_for_the_whole_account(tmp_path, account):
    with account_at("bitget", account.routes, tmp_path, keys=THREE, products=["spot"]) as (venue, _):
        assert venue.order_books(None) is None
        assert venue.order_books(["BTC/USDT"]) == {"spot", "spot tpsl", "spot plan"}


def test_positions_are_in_the_base_currency_also_of_inverse_contracts(tmp_path, account):
    with account_at("bitget", account.routes, tmp_path, keys=THREE, products=FUTURES) as (venue, _):
        venue.prepare(5.0)
        read = venue.positions(None, 5.0)
        held = {one.symbol: one for one in read.positions}
        assert (held[BTC].quantity, held[BTC].side) == (Decimal("-0.2"), "short")
        assert (held[COIN].quantity, held[COIN].notional) == (Decimal("-0.2"), Decimal(10000))
        assert read.coverage.contains(venue.position_books(None), None), read.problems
        fill = venue.reduce(ReduceOrder(BTC, Side.BUY, Decimal("0.2"), Decimal(50100), "andon-1", "short"), 5.0)
        assert (fill.filled, fill.average_price) == (Decimal("0.2"), Decimal(50010))
        sent = account.sent
        assert (sent["marginMode"], sent["tradeSide"], sent["force"]) == ("isolated", "Close", "IOC")
