"""Kraken Futures, as https://docs.kraken.com/api/docs/futures-api shows its answers (openorders, sendorder, ...)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_server import account_at, nothing
from webhook.actions.port import ReduceOrder, Side

API = "/derivatives/api/v3"
BTC = "BTC/USD:USD"


def an_instrument(symbol: str, kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "type": kind, "underlying": "rr_xbtusd", "tickSize": 0.5, "contractSize": 1,
        "tradeable": True, "impactMidSize": 1, "maxPositionSize": 1000000, "openingDate": "2022-01-01T00:00:00.000Z",
        "contractValueTradePrecision": 4, "isin": "", "base": "BTC", "quote": "USD", "pair": "BTC:USD", **changes,
    }  # fmt: skip


def an_order(order_id: str, symbol: str = "PF_XBTUSD", **changes: Any) -> dict[str, Any]:
    return {
        "order_id": order_id, "symbol": symbol, "side": "buy", "orderType": "lmt", "limitPrice": 29000,
        "unfilledSize": 0.2, "filledSize": 0.1, "receivedTime": "2023-04-05T16:53:50.000Z", "status": "untouched",
        "cliOrdId": "mm-btc_1", "reduceOnly": False, "lastUpdateTime": "2023-04-05T16:53:50.000Z", **changes,
    }  # fmt: skip


def success(**fields: Any) -> dict[str, Any]:
    return {"result": "success", "serverTime": "2023-04-05T16:53:50.000Z", **fields}


class KrakenFutures:
    """An account with a limit order and an untriggered stop."""

    status = "iocWouldNotExecute"

    def __init__(self) -> None:
        stop = an_order("2", orderType="stop", stopPrice=28000, triggerSignal="mark", reduceOnly=True, side="sell")
        self.orders = [an_order("1"), stop, an_order("3", "PI_ETHUSD")]
        self.routes: dict[str, Any] = {
            f"GET {API}/instruments": success(instruments=[an_instrument("PF_XBTUSD", "flexible_futures")]),
            f"GET {API}/openorders": lambda _: success(openOrders=self.orders),
            f"POST {API}/cancelallorders": self.cancel_all,
            f"GET {API}/openpositions": success(
                openPositions=[{"side": "long", "symbol": "PF_XBTUSD", "price": 29000.5, "size": 0.5,
                                "fillTime": "2023-04-05T16:53:50.000Z", "unrealizedFunding": 0}]
            ),
            f"POST {API}/sendorder": self.send,
        }  # fmt: skip

    def cancel_all(self, asked: Any) -> Any:
        self.orders = [one for one in self.orders if asked.get("symbol") not in (None, one["symbol"])]
        return success(cancelStatus={"status": "cancelled", "cancelOnly": "all", "orderEvents": []})

    def send(self, asked: Any) -> Any:
        self.sent = asked
        return success(sendStatus={"status": self.status, "order_id": "7", "orderEvents": []})


@pytest.fixture
def account() -> KrakenFutures:
    return KrakenFutures()


def test_one_list_shows_every_open_order_and_one_request_cancels_it(tmp_path, account):
    with account_at("krakenfutures", account.routes, tmp_path, symbols=[BTC]) as (venue, server):
        venue.prepare(5.0)
        read = venue.open_orders(None, 5.0)
        first, stop, stranger = read.orders
        assert (first.symbol, first.quantity, first.price) == (BTC, Decimal("0.3"), Decimal(29000))
        assert (stop.protective, first.client_order_id, stranger.symbol) == (True, "mm-btc_1", "PI_ETHUSD")
        assert read.coverage.contains(venue.order_books(None), None)
        server.asked.clear()
        venue.cancel_everything(None, nothing, 5.0)
        assert account.orders == []
        assert [name for name, _ in server.asked] == [f"POST {API}/cancelallorders"]


def test_cancelling_a_symbol_honours_it(tmp_path, account):
    with account_at("krakenfutures", account.routes, tmp_path, symbols=[BTC]) as (venue, _):
        venue.prepare(5.0)
        venue.cancel_everything([BTC], nothing, 5.0)
        assert [one["symbol"] for one in account.orders] == ["PI_ETHUSD"]


def test_a_reduce_order_is_sent_as_ioc_and_leaves_nothing_behind(tmp_path, account):
    # ccxt knows `ioc` in lower case only: `IOC` became a resting limit order.
    with account_at("krakenfutures", account.routes, tmp_path, symbols=[BTC]) as (venue, _):
        (position,) = venue.positions(None, 5.0).positions
        assert (position.symbol, position.quantity) == (BTC, Decimal("0.5"))
        fill = venue.reduce(ReduceOrder(BTC, Side.SELL, Decimal("0.5"), Decimal(28900), "andon-1"), 5.0)
        assert account.sent["orderType"] == "ioc"
        assert str(account.sent["reduceOnly"]).lower() == "true"
        assert (fill.filled, fill.average_price) == (Decimal(0), None)
