"""OKX, as https://www.okx.com/docs-v5 shows its answers (orders-pending, orders-algo-pending, cancel-algos, ...)."""

from decimal import Decimal
from typing import Any

from tests.exchange_server import KEYS, account_at, nothing
from webhook.actions.port import ReduceOrder, Side

API = "/api/v5"
BTC = "BTC/USDT:USDT"
OKX_KEYS = (*KEYS, "password_file")
KINDS = ["conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase"]


def data(*rows: Any, code: str = "0", msg: str = "") -> dict[str, Any]:
    return {"code": code, "msg": msg, "data": list(rows)}


def an_instrument(kind: str, own: str, **changes: Any) -> dict[str, Any]:
    return {
        "instType": kind, "instId": own, "uly": "BTC-USDT", "instFamily": "BTC-USDT", "baseCcy": "", "quoteCcy": "",
        "settleCcy": "USDT", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "optType": "", "stk": "",
        "listTime": "1606468572000", "expTime": "", "lever": "125", "tickSz": "0.1", "lotSz": "0.1", "minSz": "0.1",
        "ctType": "linear", "state": "live", "maxLmtSz": "200", "maxMktSz": "100", **changes,
    }  # fmt: skip


def an_order(number: int, own: str = "BTC-USDT-SWAP", **changes: Any) -> dict[str, Any]:
    return {
        "instType": "SWAP", "instId": own, "ordId": str(number), "clOrdId": f"mmbtc{number}", "px": "50000", "sz": "3",
        "ordType": "limit", "side": "buy", "posSide": "net", "tdMode": "cross", "accFillSz": "1", "fillPx": "",
        "avgPx": "", "state": "partially_filled", "reduceOnly": "false", "cTime": "1618235248028",
        "uTime": "1618235248028", "tag": "", **changes,
    }  # fmt: skip


def an_algo(number: int, kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "instType": "SWAP", "instId": "BTC-USDT-SWAP", "algoId": str(number), "algoClOrdId": f"mmbtc{number}",
        "ordId": "", "ordType": kind, "side": "sell", "posSide": "long", "sz": "2", "state": "live", "tdMode": "cross",
        "triggerPx": "", "slTriggerPx": "49000", "slOrdPx": "-1", "reduceOnly": "true", "closeFraction": "",
        "cTime": "1618235248028", "uTime": "1618235248028", **changes,
    }  # fmt: skip


class Okx:
    """An account with normal orders (in pages of 100) and one algorithmic order of each kind."""

    def __init__(self, orders: int = 2) -> None:
        self.orders = [an_order(number) for number in range(1000 + orders, 1000, -1)]
        self.algos = [an_algo(1 + number, kind) for number, kind in enumerate(KINDS)]
        self.fills: dict[str, Any] = {}
        self.routes: dict[str, Any] = {
            f"GET {API}/public/time": data({"ts": "1618235248028"}),
            f"GET {API}/public/instruments": lambda asked: data(
                *{
                    "SPOT": [an_instrument("SPOT", "BTC-USDT", baseCcy="BTC", quoteCcy="USDT", settleCcy="", ctVal="")],
                    "SWAP": [an_instrument("SWAP", "BTC-USDT-SWAP")],
                }.get(asked["instType"], [])
            ),
            f"GET {API}/public/underlying": data([]),
            f"GET {API}/trade/orders-pending": self.pending,
            f"GET {API}/trade/orders-algo-pending": self.algo_pending,
            f"GET {API}/sprd/orders-pending": data(),
            f"POST {API}/trade/cancel-batch-orders": lambda asked: self.cancel(asked, "orders", "ordId"),
            f"POST {API}/trade/cancel-order": lambda asked: self.cancel([asked], "orders", "ordId"),
            f"POST {API}/trade/cancel-algos": lambda asked: self.cancel(asked, "algos", "algoId"),
            f"GET {API}/account/positions": self.positions,
            f"GET {API}/trade/order": lambda asked: (
                data(self.fills[asked["clOrdId"]])
                if asked["clOrdId"] in self.fills
                else data(code="51603", msg="Order does not exist")
            ),
            f"POST {API}/trade/batch-orders": lambda asked: self.trade(asked[0]),
        }

    def pending(self, asked: Any) -> Any:
        rows = [one for one in self.orders if "instId" not in asked or one["instId"] == asked["instId"]]
        if "after" in asked:
            rows = [one for one in rows if int(one["ordId"]) < int(asked["after"])]
        return data(*rows[: int(asked["limit"])])

    def algo_pending(self, asked: Any) -> Any:
        kinds = asked["ordType"].split(",")
        if not set(kinds) <= set(KINDS):
            return data(code="51000", msg="Parameter ordType  error")
        return data(*(one for one in self.algos if one["ordType"] in kinds))

    def cancel(self, asked: list[Any], book: str, key: str) -> Any:
        ids = {one[key] for one in asked}
        setattr(self, book, [one for one in getattr(self, book) if one[key] not in ids])
        return data(*({key: number, "clOrdId": "", "sCode": "0", "sMsg": ""} for number in sorted(ids)))

    def positions(self, asked: Any) -> Any:
        if asked["instType"] != "SWAP":
            return data()
        return data(
            {
                "instType": "SWAP",
                "instId": "BTC-USDT-SWAP",
                "mgnMode": "isolated",
                "posId": "1",
                "posSide": "long",
                "pos": "150",
                "avgPx": "49000",
                "markPx": "50000",
                "notionalUsd": "75000",
                "lever": "10",
                "upl": "1",
                "imr": "",
                "mmr": "10",
                "margin": "7000",
                "liqPx": "",
                "ccy": "USDT",
                "cTime": "1",
                "uTime": "2",
            }
        )

    def trade(self, asked: Any) -> Any:
        self.sent = asked
        told = {"clOrdId": asked["clOrdId"], "ordType": "ioc", "side": "sell", "sz": asked["sz"], "state": "filled"}
        self.fills[asked["clOrdId"]] = an_order(7, accFillSz=asked["sz"], avgPx="49990", **told)
        return data({"clOrdId": asked["clOrdId"], "ordId": "7", "sCode": "0", "sMsg": "", "tag": ""})


def test_every_kind_of_algorithmic_order_is_read(tmp_path):
    # ccxt lists `trigger` and `move_order_stop` only.
    with account_at("okx", Okx().routes, tmp_path, keys=OKX_KEYS, symbols=[BTC]) as (venue, _):
        read = venue.open_orders(None, 5.0)
        assert {one.book for one in read.orders} == {
            "normal", "conditional,oco", "trigger", "move_order_stop", "iceberg", "twap", "chase",
        }  # fmt: skip
        assert {one.client_order_id for one in read.orders} >= {"mmbtc1", "mmbtc7", "mmbtc1001"}
        assert read.coverage.contains(venue.order_books(None), None), read.problems


def test_a_kind_that_okx_does_not_have_holds_nothing_but_another_refusal_is_no_cover(tmp_path):
    account = Okx()
    with account_at("okx", account.routes, tmp_path, keys=OKX_KEYS) as (venue, server):
        assert "smart_iceberg" in venue.open_orders(None, 5.0).coverage.books
        server.routes[f"GET {API}/trade/orders-algo-pending"] = data(code="50120", msg="No permission")
        read = venue.open_orders(None, 5.0)
        assert read.coverage.books == {"normal", "spreads"}
        assert len(read.orders) == 2


def test_a_full_page_is_followed_by_the_next(tmp_path):
    with account_at("okx", Okx(orders=250).routes, tmp_path, keys=OKX_KEYS) as (venue, server):
        read = venue.open_orders(None, 5.0)
        assert len([one for one in read.orders if one.book == "normal"]) == 250
        assert "normal" in read.coverage.books
        pages = server.to(f"GET {API}/trade/orders-pending")
        assert [one.get("after") for one in pages] == [None, "1151", "1051"]


def test_everything_is_cancelled_in_batches_as_large_as_okx_takes(tmp_path):
    account = Okx(orders=45)
    with account_at("okx", account.routes, tmp_path, keys=OKX_KEYS, symbols=[BTC]) as (venue, server):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert (account.orders, account.algos, report.refused, report.unknown) == ([], [], 0, 0)
        assert sorted(len(one) for one in server.to(f"POST {API}/trade/cancel-batch-orders")) == [5, 20, 20]


def test_a_symbol_is_asked_for_by_its_own_name_and_nothing_else_is_cancelled(tmp_path):
    account = Okx()
    account.orders.append(an_order(500, "ETH-USDT-SWAP"))
    with account_at("okx", account.routes, tmp_path, keys=OKX_KEYS, symbols=[BTC]) as (venue, _):
        venue.cancel_everything([BTC], nothing, 5.0)
        assert [one["instId"] for one in account.orders] == ["ETH-USDT-SWAP"]


def test_contracts_become_base_units_and_turn_back_with_the_margin_mode_of_the_position(tmp_path):
    account = Okx()
    with account_at("okx", account.routes, tmp_path, keys=OKX_KEYS, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        (position,) = venue.positions([BTC], 5.0).positions
        assert (position.quantity, position.side, position.notional) == (Decimal("1.5"), "long", Decimal(75000))
        orders = {one.order_id: one for one in venue.open_orders([BTC], 5.0).orders}
        assert (orders["1001"].quantity, orders["1001"].filled) == (Decimal("0.03"), Decimal("0.01"))
        assert (orders["1"].position_side, orders["1"].reduce_only, orders["1"].trigger) == ("long", True, True)
        order = ReduceOrder(BTC, Side.SELL, Decimal("1.5"), Decimal(49900), "andon-3f-BTC.1-17", "long")
        fill = venue.reduce(order, 5.0)
        assert fill.filled == Decimal("1.5")
        assert (account.sent["sz"], account.sent["ordType"], account.sent["posSide"]) == ("150", "ioc", "long")
        assert account.sent["tdMode"] == "isolated"
        assert account.sent["clOrdId"].isalnum()
        assert len(account.sent["clOrdId"]) == 32


def test_an_order_that_was_sent_before_is_found_by_our_id_and_not_sent_again(tmp_path):
    account = Okx()
    with account_at("okx", account.routes, tmp_path, keys=OKX_KEYS, symbols=[BTC]) as (venue, server):
        venue.prepare(5.0)
        order = ReduceOrder(BTC, Side.SELL, Decimal("0.5"), Decimal(49900), "andon-1", "long")
        first, again = venue.reduce(order, 5.0), venue.reduce(order, 5.0)
        assert first == again
        assert len(server.to(f"POST {API}/trade/batch-orders")) == 1


def test_a_symbol_of_two_markets_means_both(tmp_path):
    with account_at("okx", Okx().routes, tmp_path, keys=OKX_KEYS) as (venue, _):
        venue.prepare(5.0)
        assert venue.resolve("BTCUSDT") == {"BTC/USDT", "BTC-USDT", BTC, "BTC-USDT-SWAP"}
        assert venue.resolve("btc-usdt-swap") == {BTC, "BTC-USDT-SWAP"}
