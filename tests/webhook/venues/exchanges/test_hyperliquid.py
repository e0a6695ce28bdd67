"""Hyperliquid, as https://hyperliquid.gitbook.io/hyperliquid-docs shows its answers."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import account_at, nothing
from tests.local_server import Reply
from webhook.actions.port import ReduceOrder, Side

KEYS = ("wallet_address_file", "private_key_file")
BTC = "BTC/USDC:USDC"
GOLD = "XYZ-GOLD/USDC:USDC"


def an_order(oid: int, coin: str, **changes: Any) -> dict[str, Any]:
    return {
        "coin": coin, "isPositionTpsl": False, "isTrigger": False, "limitPx": "50000.0", "oid": oid, "cloid": None,
        "orderType": "Limit", "origSz": "0.5", "reduceOnly": False, "side": "B", "sz": "0.3",
        "timestamp": 1681247412573, "triggerCondition": "N/A", "triggerPx": "0.0", "children": [], "tif": "Gtc",
        **changes,
    }  # fmt: skip


def a_market(name: str) -> dict[str, Any]:
    return {"name": name, "szDecimals": 5, "maxLeverage": 40}


PRICES = {"markPx": "50000.0", "midPx": "50000.0", "oraclePx": "50000.0", "dayNtlVlm": "1", "prevDayPx": "1"}


class Hyperliquid:
    """An account with orders on its own exchange, on spot and on a HIP-3 dex."""

    def __init__(self) -> None:
        self.orders = {
            "": [an_order(1, "BTC"), an_order(2, "@107"), an_order(3, "BTC", isTrigger=True, triggerPx="48000.0",
                 orderType="Stop Market", reduceOnly=True, side="A", cloid="0x" + "1" * 32)],
            "xyz": [an_order(4, "xyz:GOLD")],
        }  # fmt: skip
        self.actions: list[dict[str, Any]] = []
        self.routes: dict[str, Any] = {"POST /info": self.info, "POST /exchange": self.exchange}

    def info(self, asked: Any) -> Any:
        dex = asked.get("dex", "")
        answers: dict[str, Any] = {
            "perpDexs": [None, {"name": "xyz", "fullName": "XYZ", "deployer": "0x1"}],
            "allPerpMetas": [{"universe": [a_market("BTC")]}, {"universe": [a_market("xyz:GOLD")]}],
            "meta": {"universe": [a_market("xyz:GOLD" if dex else "BTC")], "collateralToken": 0},
            "metaAndAssetCtxs": [
                {"universe": [a_market("xyz:GOLD" if dex else "BTC")], "collateralToken": 0}, [PRICES],
            ],
            "spotMeta": {"universe": [], "tokens": [{"name": "USDC", "index": 0, "szDecimals": 8}]},
            "spotMetaAndAssetCtxs": [
                {
                    "universe": [{"name": "@107", "index": 0, "tokens": [1, 0], "isCanonical": False}],
                    "tokens": [{"name": "USDC", "szDecimals": 8, "index": 0}, {"name": "HYPE", "szDecimals": 2,
                    "index": 1}],
                },
                [{"midPx": "20.0", "markPx": "20.0", "coin": "@107"}],
            ],
            "frontendOpenOrders": self.orders.get(dex, []),
            "clearinghouseState": {"assetPositions": self.positions(dex), "time": 1},
            "orderStatus": {"status": "unknownOid"},
            "exchangeStatus": {"time": 1681247412573, "specialStatuses": None},
        }  # fmt: skip
        # What it does not know, it refuses: a market type of ccxt in `type` gave 422.
        return answers.get(asked["type"], Reply(422, b"Failed to deserialize the JSON body into the target type"))

    def positions(self, dex: str) -> list[dict[str, Any]]:
        if not dex:
            return []
        return [{
            "type": "oneWay",
            "position": {"coin": "xyz:GOLD", "szi": "-1.5", "entryPx": "4000.0", "positionValue": "6150.0",
                         "unrealizedPnl": "-150", "leverage": {"type": "isolated", "value": 5}, "marginUsed": "1200",
                         "liquidationPx": None, "returnOnEquity": "0", "maxLeverage": 20},
        }]  # fmt: skip

    def exchange(self, asked: Any) -> Any:
        action = asked["action"]
        self.actions.append(action)
        statuses: list[Any] = []
        if action["type"] == "cancel":
            ids = {one["o"] for one in action["cancels"]}
            self.orders = {dex: [one for one in rows if one["oid"] not in ids] for dex, rows in self.orders.items()}
            statuses = ["success"] * len(ids)
        elif action["type"] == "order":
            statuses = [{"filled": {"totalSz": action["orders"][0]["s"], "avgPx": "4099.0", "oid": 77}}]
        return {"status": "ok", "response": {"type": action["type"], "data": {"statuses": statuses}}}


@pytest.fixture
def account() -> Hyperliquid:
    return Hyperliquid()


def test_orders_of_spot_of_perpetuals_and_of_every_dex_are_read(tmp_path, account):
    products = ["spot", "perpetuals"]
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS, products=products, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        read = venue.open_orders(None, 5.0)
        assert {one.order_id: one.symbol for one in read.orders} == {
            "1": BTC, "2": "HYPE/USDC", "3": BTC, "4": GOLD,
        }  # fmt: skip
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        stop = next(one for one in read.orders if one.order_id == "3")
        assert (stop.protective, stop.client_order_id) == (True, "0x" + "1" * 32)


def test_running_twap_orders_are_not_listed_so_that_the_account_is_not_verified_with_them(tmp_path, account):
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS) as (venue, _):
        assert venue.order_books(None) is None


def test_without_the_list_of_dexes_there_is_no_cover_and_what_is_known_is_still_read(tmp_path, account):
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS, products=["perpetuals"]) as (venue, server):
        server.routes["POST /info"] = lambda asked: (
            Reply(500, b"no") if asked["type"] == "perpDexs" else account.info(asked)
        )
        read = venue.open_orders(None, 5.0)
        assert len(read.orders) == 3
        assert read.coverage.books == frozenset()


def test_a_kill_signs_cancels_and_nothing_else(tmp_path, account):
    # ccxt signed approveBuilderFee and setReferrer before the first cancel.
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        report = venue.cancel_everything(None, nothing, 5.0)
        assert [rows for rows in account.orders.values() if rows] == []
        assert {action["type"] for action in account.actions} == {"cancel"}
        assert (report.refused, report.unknown) == (0, 0)


def test_a_symbol_is_cancelled_and_its_neighbours_are_not(tmp_path, account):
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        venue.cancel_everything([GOLD], nothing, 5.0)
        assert [one["oid"] for rows in account.orders.values() for one in rows] == [1, 2, 3]


def test_a_position_of_a_dex_is_read_and_closed_with_an_id_of_128_bits_and_no_builder(tmp_path, account):
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS, products=["perpetuals"]) as (venue, _):
        venue.prepare(5.0)
        read = venue.positions(None, 5.0)
        (position,) = read.positions
        assert (position.symbol, position.quantity, position.mark_price) == (GOLD, Decimal("-1.5"), Decimal(4100))
        assert read.coverage.contains(venue.position_books(None), None)
        fill = venue.reduce(ReduceOrder(GOLD, Side.BUY, Decimal("1.5"), Decimal(4150), "andon-3f.GOLD-1"), 5.0)
        assert (fill.filled, fill.average_price) == (Decimal("1.5"), Decimal("4099.0"))
        (action,) = account.actions
        (order,) = action["orders"]
        assert (order["b"], order["r"], order["t"]) == (True, True, {"limit": {"tif": "Ioc"}})
        assert order["c"].startswith("0x")
        assert len(order["c"]) == 34
        assert "builder" not in action


def test_names_are_understood_as_hyperliquid_writes_them(tmp_path, account):
    with account_at("hyperliquid", account.routes, tmp_path, keys=KEYS) as (venue, _):
        venue.prepare(5.0)
        assert BTC in venue.resolve("BTC")
        assert BTC in venue.resolve("BTC-PERP")
        assert GOLD in venue.resolve("xyz:GOLD")
