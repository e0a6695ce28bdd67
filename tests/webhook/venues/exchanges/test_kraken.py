"""Kraken, as https://docs.kraken.com/api shows its answers (OpenOrders, CancelAll, CancelOrderBatch, OpenPositions)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import account_at, nothing
from webhook.actions.port import ReduceOrder, Side

API = "/0/private"


def result(value: Any) -> dict[str, Any]:
    return {"error": [], "result": value}


def an_order(pair: str, **changes: Any) -> dict[str, Any]:
    return {
        "refid": None, "userref": 0, "cl_ord_id": "mm-btc-1", "status": "open", "opentm": 1688666559.8974, "starttm": 0,
        "expiretm": 0, "vol": "1.25", "vol_exec": "0.375", "cost": "11253.7", "fee": "0.00000", "price": "30010.0",
        "stopprice": "0.00000", "limitprice": "0.00000", "misc": "", "oflags": "fciq",
        "descr": {"pair": pair, "type": "buy", "ordertype": "limit", "price": "30010.0", "price2": "0",
                  "leverage": "none", "order": f"buy 1.25 {pair} @ limit 30010.0", "close": ""},
        **changes,
    }  # fmt: skip


def a_pair(altname: str, wsname: str, base: str, quote: str) -> dict[str, Any]:
    return {
        "altname": altname, "wsname": wsname, "aclass_base": "currency", "base": base, "aclass_quote": "currency",
        "quote": quote, "pair_decimals": 1, "cost_decimals": 5, "lot_decimals": 8, "lot_multiplier": 1,
        "leverage_buy": [2, 3], "leverage_sell": [2, 3], "fees": [[0, 0.26]], "fees_maker": [[0, 0.16]],
        "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40, "ordermin": "0.0001", "costmin": "0.5",
        "tick_size": "0.1", "status": "online",
    }  # fmt: skip


class Kraken:
    """An account with orders in two pairs and a position on margin."""

    def __init__(self) -> None:
        self.closed: dict[str, Any] = {}
        self.orders = {"OQCLML-BW3P3-BUCMWZ": an_order("XBTUSD"), "OB5VMB-B4U2U-DK2WRW": an_order("ETHUSD")}
        self.routes: dict[str, Any] = {
            "GET /0/public/Time": result({"unixtime": 1688669448, "rfc1123": ""}),
            "GET /0/public/AssetPairs": result(
                {
                    "XXBTZUSD": a_pair("XBTUSD", "XBT/USD", "XXBT", "ZUSD"),
                    "XETHZUSD": a_pair("ETHUSD", "ETH/USD", "XETH", "ZUSD"),
                }
            ),
            f"POST {API}/OpenOrders": lambda _: result({"open": self.orders}),
            f"POST {API}/CancelAll": self.cancel_all,
            f"POST {API}/CancelOrder": self.cancel,
            f"POST {API}/OpenPositions": result(
                [
                    {
                        "pair": "XXBTZUSD",
                        "positions": "1",
                        "type": "buy",
                        "leverage": "2.0",
                        "cost": "3000.0",
                        "fee": "1.0",
                        "margin": "1500.0",
                        "vol": "0.10000000",
                        "vol_closed": "0.00000000",
                        "value": "3010.0",
                        "net": "10.0",
                    }
                ]
            ),
            f"POST {API}/ClosedOrders": lambda _: result({"closed": self.closed, "count": len(self.closed)}),
            f"POST {API}/AddOrder": self.add,
        }

    def cancel_all(self, _: Any) -> Any:
        count, self.orders = len(self.orders), {}
        return result({"count": count})

    def cancel(self, asked: Any) -> Any:
        return result({"count": int(self.orders.pop(asked["txid"], None) is not None)})

    def add(self, asked: Any) -> Any:
        self.added = asked
        self.closed["OXXXXX-XXXXX-XXXXXX"] = an_order(
            "XBTUSD", cl_ord_id=asked["cl_ord_id"], status="closed", vol=asked["volume"], vol_exec="0.1"
        )
        return result({"descr": {"order": "sell 0.1 XBTUSD @ limit 29900.0"}, "txid": ["OXXXXX-XXXXX-XXXXXX"]})


@pytest.fixture
def account() -> Kraken:
    return Kraken()


def test_a_symbol_is_cancelled_order_by_order_because_cancel_all_knows_no_symbol(tmp_path, account):
    with account_at("kraken", account.routes, tmp_path, symbols=["BTC/USD"]) as (venue, server):
        venue.prepare(5.0)
        report = venue.cancel_everything(["BTC/USD"], nothing, 5.0)
        assert [one["descr"]["pair"] for one in account.orders.values()] == ["ETHUSD"]
        assert report.accepted == report.requests == 1
        assert not server.to(f"POST {API}/CancelAll")


def test_the_whole_account_is_cancelled_by_one_request(tmp_path, account):
    with account_at("kraken", account.routes, tmp_path, symbols=["BTC/USD"]) as (venue, server):
        venue.cancel_everything(None, nothing, 5.0)
        assert account.orders == {}
        assert [name for name, _ in server.asked] == [f"POST {API}/CancelAll"]


def test_orders_are_named_by_the_market_and_the_id_that_was_given(tmp_path, account):
    with account_at("kraken", account.routes, tmp_path, symbols=["BTC/USD"]) as (venue, _):
        venue.prepare(5.0)
        read = venue.open_orders(["BTC/USD"], 5.0)
        (order,) = read.orders
        assert (order.symbol, order.client_order_id, order.remaining) == ("BTC/USD", "mm-btc-1", Decimal("0.875"))
        assert read.coverage.contains(venue.order_books(["BTC/USD"]), ["BTC/USD"])
        assert venue.resolve("XBTUSD") == {"BTC/USD", "XXBTZUSD", "XBTUSD", "XBT/USD"}


def test_a_position_on_margin_can_be_seen_and_closed_but_the_account_is_never_flat(tmp_path, account):
    with account_at("kraken", account.routes, tmp_path, symbols=["BTC/USD"]) as (venue, _):
        venue.prepare(5.0)
        assert venue.position_books(None) is None
        assert venue.position_books(["BTC/USD"]) is None
        (position,) = venue.positions(None, 5.0).positions
        assert (position.symbol, position.quantity, position.mark_price) == ("BTC/USD", Decimal("0.1"), Decimal(30100))
        fill = venue.reduce(ReduceOrder("BTC/USD", Side.SELL, Decimal("0.1"), Decimal(29900), "andon-1"), 5.0)
        assert fill.filled == Decimal("0.1")
        sent = account.added
        assert (sent["reduce_only"], sent["leverage"], sent["timeinforce"]) == ("true", "2", "IOC")
        assert len(sent["cl_ord_id"]) == 36
