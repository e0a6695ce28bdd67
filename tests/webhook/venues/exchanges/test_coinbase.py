"""Coinbase, as https://docs.cdp.coinbase.com/api-reference/advanced-trade-api shows its answers (list orders, ...)."""

from typing import Any

import pytest

from tests.exchange_server import account_at, nothing

ORDERS = "GET /api/v3/brokerage/orders/historical/batch"
CANCEL = "POST /api/v3/brokerage/orders/batch_cancel"


def an_order(number: int, product: str = "BTC-USD", status: str = "OPEN") -> dict[str, Any]:
    return {
        "order_id": f"id-{number}", "product_id": product, "user_id": "2222", "side": "BUY", "status": status,
        "client_order_id": f"mm-btc_{number}", "time_in_force": "GOOD_UNTIL_CANCELLED",
        "order_configuration": {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "50000", "post_only": False}},
        "created_time": "2021-05-31T09:59:59Z", "completion_percentage": "0", "filled_size": "0.1",
        "average_filled_price": "0", "fee": "", "number_of_fills": "0", "filled_value": "0", "pending_cancel": False,
        "size_in_quote": False, "total_fees": "0", "order_type": "LIMIT", "product_type": "SPOT",
    }  # fmt: skip


class Coinbase:
    """A portfolio with more orders than fit on a page, one of them still on its way to the book."""

    def __init__(self) -> None:
        self.orders = [an_order(number) for number in range(130)] + [an_order(900, "ETH-USD", "PENDING")]
        self.stuck: set[str] = set()
        self.routes: dict[str, Any] = {ORDERS: self.list_orders, CANCEL: self.cancel}

    def list_orders(self, asked: Any) -> Any:
        rows = [one for one in self.orders if one["status"] == asked["order_status"]]
        start, size = int(asked.get("cursor") or 0), int(asked["limit"])
        more = start + size < len(rows)
        return {"orders": rows[start : start + size], "has_next": more, "cursor": str(start + size) if more else ""}

    def cancel(self, asked: Any) -> Any:
        gone = {one["order_id"] for one in self.orders} & set(asked["order_ids"]) - self.stuck
        self.orders = [one for one in self.orders if one["order_id"] not in gone]
        return {
            "results": [
                {"success": one in gone, "failure_reason": "INVALID_CANCEL_REQUEST", "order_id": one}
                for one in asked["order_ids"]
            ]
        }


@pytest.fixture
def account() -> Coinbase:
    return Coinbase()


def test_every_page_of_every_living_status_is_read(tmp_path, account):
    with account_at("coinbase", account.routes, tmp_path, products=["spot"]) as (venue, server):
        read = venue.open_orders(None, 5.0)
        assert len(read.orders) == 131
        assert read.coverage.contains(venue.order_books(None), None), read.problems
        assert {one.client_order_id for one in read.orders} >= {"mm-btc_0", "mm-btc_129", "mm-btc_900"}
        assert [asked.get("cursor") for asked in server.to(ORDERS, order_status="OPEN")] == [None, "100"]
        assert server.to(ORDERS, order_status="PENDING")


def test_orders_are_cancelled_in_batches_and_a_refusal_inside_one_is_told(tmp_path, account):
    account.stuck = {"id-7"}
    with account_at("coinbase", account.routes, tmp_path, products=["spot"]) as (venue, server):
        report = venue.cancel_everything(None, nothing, 5.0)
        assert [one["order_id"] for one in account.orders] == ["id-7"]
        assert report.refused == 1
        assert max(len(asked["order_ids"]) for asked in server.to(CANCEL)) == 100


def test_a_symbol_is_cancelled_alone(tmp_path, account):
    with account_at("coinbase", account.routes, tmp_path, symbols=["ETH/USD"], products=["spot"]) as (venue, _):
        venue.cancel_everything(["ETH/USD"], nothing, 5.0)
        assert len(account.orders) == 130
        (first, *_) = venue.open_orders(None, 5.0).orders
        assert first.remaining is None, "its market is not loaded, so that nobody knows the unit of its size"


def test_derivatives_have_no_positions_that_are_known_how_to_read(tmp_path, account):
    with account_at("coinbase", account.routes, tmp_path) as (venue, _):
        assert venue.order_books(None) == {"orders"}
        assert venue.position_books(None) is None
        assert venue.position_books(["BTC/USD:USD"]) is None
