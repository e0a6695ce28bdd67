"""Gate, as https://www.gate.com/docs/developers/apiv4 shows its answers."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import account_at, nothing
from tests.local_server import Reply
from webhook.actions.port import ReduceOrder, Side

API = "/api/v4"
BTC = "BTC/USDT:USDT"
COIN = "BTC/USD:BTC"
PERPETUALS = ["usdt_perpetuals", "btc_perpetuals"]
ONLY_SWAPS = {"fetchMarkets": {"types": ["swap"]}}


def a_contract(name: str, multiplier: str, kind: str) -> dict[str, Any]:
    return {
        "name": name, "type": kind, "quanto_multiplier": multiplier, "leverage_min": "1", "leverage_max": "100",
        "maintenance_rate": "0.005", "mark_price": "50000", "index_price": "50000", "last_price": "50000",
        "maker_fee_rate": "-0.00025", "taker_fee_rate": "0.00075", "order_price_round": "0.1",
        "mark_price_round": "0.01",
        "funding_rate": "0", "order_size_min": 1, "order_size_max": 1000000, "order_price_deviate": "0.5",
        "in_delisting": False, "status": "trading", "create_time": 1514764800, "enable_decimal": False,
    }  # fmt: skip


def an_order(number: int, contract: str = "BTC_USDT", **changes: Any) -> dict[str, Any]:
    return {
        "id": number, "user": 100000, "contract": contract, "create_time": 1546569968, "size": 6024, "left": 6000,
        "price": "50000", "fill_price": "0", "tif": "gtc", "text": f"t-mm{number}", "reduce_only": False,
        "is_reduce_only": False, "close": False, "is_close": False, "iceberg": 0, "status": "open", "tkfr": "0.0003",
        "mkfr": "0", "refu": 0, **changes,
    }  # fmt: skip


def a_price_order(number: int, contract: str = "BTC_USDT", **initial: Any) -> dict[str, Any]:
    return {
        "initial": {"contract": contract, "size": 0, "price": "0", "is_close": True, "tif": "ioc", "text": "t-stop",
                    "is_reduce_only": False, "auto_size": "", **initial},
        "trigger": {"strategy_type": 0, "price_type": 0, "price": "48000", "rule": 2, "expiration": 86400},
        "id": number, "user": 1234, "create_time": 1514764800, "trade_id": 0, "status": "open",
        "order_type": "close-short-position", "is_stop_order": True,
    }  # fmt: skip


def a_spot_order(number: int, pair: str) -> dict[str, Any]:
    return {
        "id": str(number), "text": f"t-mm{number}", "create_time": "1548000000", "currency_pair": pair,
        "status": "open",
        "type": "limit", "account": "spot", "side": "buy", "amount": "1", "price": "5.00032", "time_in_force": "gtc",
        "left": "0.5", "filled_total": "2.50016", "fee": "0", "fee_currency": "ETH",
    }  # fmt: skip


class Gate:
    """An account with perpetuals of both kinds, and spot orders in two pairs."""

    def __init__(self) -> None:
        self.orders = {"usdt": [an_order(1)], "btc": [an_order(2, "BTC_USD", size=-10, left=-10)]}
        self.price_orders = {"usdt": [a_price_order(3)], "btc": [a_price_order(4, "BTC_USD", size=5, is_close=False)]}
        self.spot: dict[str, list[dict[str, Any]]] = {}
        self.mode = "single"
        self.routes: dict[str, Any] = {
            f"GET {API}/spot/time": {"server_time": 1597026383085},
            f"GET {API}/account/detail": {"user_id": 1, "key": {"mode": 1}},
            f"GET {API}/spot/open_orders": self.open_orders,
            f"GET {API}/spot/price_orders": [],
            f"DELETE {API}/spot/orders": lambda _: self.spot.clear() or [],
            f"DELETE {API}/spot/price_orders": [],
            f"GET {API}/futures/usdt/contracts": [a_contract("BTC_USDT", "0.0001", "direct")],
            f"GET {API}/futures/btc/contracts": [a_contract("BTC_USD", "0", "inverse")],
            f"POST {API}/futures/usdt/orders": self.send,
        }  # fmt: skip
        for settle in ("usdt", "btc"):
            base = f"{API}/futures/{settle}"
            self.routes[f"GET {base}/orders"] = lambda asked, settle=settle: self.page(self.orders[settle], asked)
            self.routes[f"GET {base}/price_orders"] = lambda asked, s=settle: self.page(self.price_orders[s], asked)
            self.routes[f"DELETE {base}/orders"] = lambda asked, s=settle: self.cancel(self.orders, s, asked)
            self.routes[f"DELETE {base}/price_orders"] = lambda asked, s=settle: self.cancel(
                self.price_orders, s, asked
            )
            self.routes[f"POST {base}/batch_cancel_orders"] = lambda ids, s=settle: self.batch(s, ids)
            self.routes[f"DELETE {base}/orders/2"] = lambda _: self.batch("btc", ["2"])[0]
            self.routes[f"GET {base}/positions"] = lambda _, settle=settle: self.positions(settle)
            self.routes[f"GET {base}/orders/t-andon-1"] = Reply(404, {"label": "ORDER_NOT_FOUND", "message": "no"})

    def open_orders(self, asked: Any) -> Any:
        page, size = int(asked.get("page", 1)), int(asked["limit"])
        pairs = {pair: rows[(page - 1) * size : page * size] for pair, rows in self.spot.items()}
        return [{"currency_pair": pair, "total": len(rows), "orders": rows} for pair, rows in pairs.items() if rows]

    def page(self, rows: list[dict[str, Any]], asked: Any) -> Any:
        mine = [one for one in rows if asked.get("contract") in (None, (one.get("initial") or one)["contract"])]
        start = int(asked.get("offset", 0))
        return mine[start : start + int(asked["limit"])]

    def cancel(self, book: dict[str, list[dict[str, Any]]], settle: str, asked: Any) -> Any:
        gone = [one for one in book[settle] if asked.get("contract") in (None, (one.get("initial") or one)["contract"])]
        book[settle] = [one for one in book[settle] if one not in gone]
        return gone

    def batch(self, settle: str, ids: list[str]) -> Any:
        self.orders[settle] = [one for one in self.orders[settle] if str(one["id"]) not in ids]
        return [{"user_id": 1, "id": number, "succeeded": True, "message": ""} for number in ids]

    def positions(self, settle: str) -> Any:
        if settle == "btc":
            return []
        return [{
            "user": 10000, "contract": "BTC_USDT", "size": 9440, "leverage": "0", "leverage_max": "100",
            "value": "47200",
            "margin": "4.4", "entry_price": "49000", "liq_price": "12", "mark_price": "50000", "unrealised_pnl": "1",
            "realised_pnl": "1", "mode": self.mode, "update_time": 1684994406, "risk_limit": "100",
            "maintenance_rate": "0.005",
        }]  # fmt: skip

    def send(self, asked: Any) -> Any:
        self.sent = asked
        return an_order(77, size=asked["size"], left=0, fill_price="49990", status="finished", finish_as="filled",
                        text=asked["text"], tif="ioc")  # fmt: skip


@pytest.fixture
def account() -> Gate:
    return Gate()


def test_perpetuals_settled_in_btc_are_read_as_well_and_triggers_of_both(tmp_path, account):
    with account_at("gate", account.routes, tmp_path, products=PERPETUALS, options=ONLY_SWAPS) as (venue, _):
        venue.prepare(5.0)
        read = venue.open_orders(None, 5.0)
        assert {one.order_id: one.symbol for one in read.orders} == {"1": BTC, "2": COIN, "3": BTC, "4": COIN}
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        orders = {one.order_id: one for one in read.orders}
        assert (orders["1"].quantity, orders["1"].remaining) == (Decimal("0.6024"), Decimal("0.6"))
        assert orders["1"].client_order_id == "t-mm1"
        assert (orders["3"].side, orders["3"].quantity, orders["3"].protective) == (Side.BUY, None, True)
        assert (orders["3"].client_order_id, orders["3"].close_position) == ("t-stop", True)


def test_everything_is_cancelled_without_asking_for_the_kind_of_account_first(tmp_path, account):
    with account_at("gate", account.routes, tmp_path, products=PERPETUALS, symbols=[BTC]) as (venue, server):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert [rows for book in (account.orders, account.price_orders) for rows in book.values() if rows] == []
        assert (report.refused, report.unknown) == (0, 0)
        assert not server.to(f"GET {API}/account/detail")


def test_batches_name_the_currency_in_the_path_and_the_ids_in_the_body(tmp_path, account):
    account.orders["usdt"] = [an_order(number) for number in range(10, 55)]
    products = {"products": ["usdt_perpetuals"], "options": ONLY_SWAPS}
    with account_at("gate", account.routes, tmp_path, **products) as (venue, server):
        venue.prepare(5.0)
        orders = [one for one in venue.open_orders(None, 5.0).orders if one.book == "usdt_perpetuals"]
        venue.cancel_orders(orders, nothing, 5.0)
        assert account.orders["usdt"] == []
        sizes = [len(ids) for ids in server.to(f"POST {API}/futures/usdt/batch_cancel_orders")]
        assert sorted(sizes) == [5, 20, 20]


def test_pages_are_followed_and_a_list_that_changes_meanwhile_is_read_again(tmp_path, account):
    account.orders["usdt"] = [an_order(number) for number in range(1000, 1230)]
    asked_for: list[int] = []

    def page(asked: Any) -> Any:
        asked_for.append(int(asked.get("offset", 0)))
        if len(asked_for) == 2:
            # Meanwhile one of the first page was filled: the others moved up, one of them past the reader.
            del account.orders["usdt"][0]
        return account.page(account.orders["usdt"], asked)

    with account_at("gate", account.routes, tmp_path, products=["usdt_perpetuals"]) as (venue, server):
        server.routes[f"GET {API}/futures/usdt/orders"] = page
        read = venue.open_orders(None, 5.0)
        assert {one.order_id for one in read.orders} >= {str(number) for number in range(1001, 1230)}
        assert "usdt_perpetuals" in read.coverage.books
        assert asked_for == [0, 100, 200] * 3


def test_a_full_page_of_one_spot_pair_is_followed_by_the_next(tmp_path, account):
    account.spot = {"ETH_BTC": [a_spot_order(number, "ETH_BTC") for number in range(150)]}
    account.spot["LTC_BTC"] = [a_spot_order(900, "LTC_BTC")]
    with account_at("gate", account.routes, tmp_path, products=["spot"]) as (venue, _):
        read = venue.open_orders(None, 5.0)
        assert len(read.orders) == 151
        assert read.coverage.contains(venue.order_books(None), None)
        venue.cancel_everything(None, nothing, 5.0)
        assert account.spot == {}


def test_a_unified_account_is_named_in_every_request(tmp_path, account):
    with account_at("gate", account.routes, tmp_path, products=["unified_spot"]) as (venue, server):
        venue.open_orders(None, 5.0)
        venue.cancel_everything(None, nothing, 5.0)
        assert server.asked
        assert all(params.get("account") == "unified" for _, params in server.asked)


def test_contracts_turn_back_into_whole_ones_and_our_id_into_what_gate_takes(tmp_path, account):
    with account_at("gate", account.routes, tmp_path, products=PERPETUALS, options=ONLY_SWAPS) as (venue, _):
        venue.prepare(5.0)
        (position,) = venue.positions(None, 5.0).positions
        assert (position.symbol, position.quantity, position.side) == (BTC, Decimal("0.944"), "both")
        assert venue.position_books(None) == {"usdt_perpetuals", "btc_perpetuals"}
        fill = venue.reduce(ReduceOrder(BTC, Side.SELL, Decimal("0.944"), Decimal(49900), "andon-1"), 5.0)
        assert fill.filled == Decimal("0.944")
        sent = account.sent
        assert (sent["size"], sent["tif"], sent["reduce_only"], sent["text"]) == (-9440, "ioc", True, "t-andon-1")
        account.mode = "dual_long"
        assert venue.positions(None, 5.0).positions[0].side == "long"
